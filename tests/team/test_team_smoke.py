"""Le serveur d'équipe, en une minute : un script de la leçon 1 y enregistre ce qu'il enregistre
dans le fichier SQLite.
"""

import pytest
from recorded_runs import described
from recording import recorded
from team_servers import FIRST, listening

from course import LESSONS

pytestmark = pytest.mark.slow


def test_a_script_records_on_the_server_what_it_records_on_sqlite(course, team, monkeypatch):
    """À la fin, `team` arrête le serveur par Ctrl-C et vérifie que plus rien ne tourne."""
    course.fork(FIRST, **team.account("alice"))
    client = team.client(monkeypatch, "alice")
    there = client.search_runs([client.get_experiment_by_name(LESSONS[0]).experiment_id])
    here = recorded(LESSONS[0]).runs_of("first_run")
    assert sorted(map(described, there)) == sorted(map(described, here)) and len(there) == 4
    for run in there:
        assert run.data.metrics and run.data.tags["mlflow.user"] == "alice"
        assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    assert not (course.root / "mlflow.db").exists() and listening(team) == {"127.0.0.1"}
