"""Ce que les tests d'une équipe partagent : une copie du cours, un serveur qui a deux comptes."""

import pytest
from copies import Course


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Course:
    return Course(tmp_path_factory.mktemp("équipe") / "cours")


@pytest.fixture(scope="module")
def team(course):
    from team_servers import short_folder, team_server

    with (
        short_folder() as folder,
        team_server(course, folder, users=("alice", "bob")) as started,
    ):
        yield started


@pytest.fixture
def folder():
    from team_servers import short_folder

    with short_folder() as path:
        yield path
