"""Les pages des leçons 1, 2 et 4, suivies pas à pas (voir reader.py) ; celle de la 3, plus longue,
a un autre fichier.
"""

import pytest
from reader import what_is_wrong
from recording import recorded
from texts import lesson_text

LESSONS = ["01_tracking_supervised", "02_tracking_unsupervised", "04_model_registry_azureml"]


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
