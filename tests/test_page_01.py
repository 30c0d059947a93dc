"""La page de la leçon 1, suivie pas à pas dans une copie du cours (voir reader.py)."""

import pytest
from conftest import ROOT
from reader import what_is_wrong


@pytest.mark.slow
def test_the_page_does_what_it_says(fresh_course):
    assert what_is_wrong(ROOT / "01_tracking_supervised/README.md", fresh_course.root) == ""
