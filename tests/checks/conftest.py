"""Une classe par fichier de tests, ouverte à chaque test."""

import pytest
from classroom import Classroom


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Classroom:
    return Classroom(tmp_path_factory.mktemp("classe"))


@pytest.fixture
def room(made) -> Classroom:
    """La classe du fichier : les fonctions de `mlflow.*` la visent."""
    made.open()
    return made
