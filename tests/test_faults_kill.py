"""SIGKILL à des moments au hasard de chaque script qui enregistre, puis le chemin documenté : rien n'est perdu."""

import os

import pytest
from conftest import Course
from killed_scripts import KILLED, kill_three_times, made
from samples import sampled

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="SIGKILL et les groupes de programmes sont de POSIX")]


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Course:
    """Une copie dont le magasin est créé ; les scripts y passent l'un après l'autre, et le magasin s'emplit."""
    return made(tmp_path_factory.mktemp("tués"))


@pytest.mark.parametrize("script", sampled(KILLED))
def test_a_script_killed_three_times_then_launched_again_has_lost_nothing(copy, script):
    kill_three_times(copy, script.name)
