"""La page de la leçon 3, suivie pas à pas (voir reader.py) ; celles des autres, moins longues à
elles trois, ont un autre fichier.
"""

import pytest
from reader import what_is_wrong
from recording import recorded
from texts import lesson_text

LESSONS = ["03_mlflow_project"]


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS)
def test_the_pages_do_what_they_say(lesson, tmp_path):
    """Dans une copie de la séance, dont les scripts ne sont pas relancés : les runs des suivants y
    sont donc déjà.
    """
    session = recorded(lesson, slow=True)
    copied = session.copy(tmp_path / "cours").root
    assert what_is_wrong(lesson_text(lesson), copied, session) == ""


@pytest.mark.release
@pytest.mark.parametrize("lesson", LESSONS)
def test_the_pages_followed_from_an_empty_store(lesson, fresh_course):
    assert what_is_wrong(lesson_text(lesson), fresh_course.root) == ""
