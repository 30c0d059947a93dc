"""La page de la leçon 3, suivie pas à pas dans une copie du cours (voir reader.py)."""

import pytest
from conftest import ROOT
from reader import what_is_wrong
from test_03_runs import assert_measured


@pytest.mark.slow
def test_the_page_does_what_it_says(fresh_course):
    assert what_is_wrong(ROOT / "03_mlflow_project/README.md", fresh_course.root) == ""
    assert_measured(fresh_course)  # la mesure, que la page vient de lancer
