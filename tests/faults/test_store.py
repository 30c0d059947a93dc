"""Le magasin commun : le même fichier dans chaque leçon, un seul magasin, à la racine, que
`mlflow ui` montre sans option.
"""

import filecmp
import sys

import psutil
import pytest
import requests
from copies import Course
from listening import addresses
from programs import LIGHT, free_port, running
from recording import recorded
from texts import ROOT, path_of

from course import LESSONS

FIRST = path_of("first_run")


def all_runs(course: Course) -> list:
    client = course.client()
    return list(
        client.search_runs(
            [each.experiment_id for each in client.search_experiments()], max_results=5000
        )
    )


def test_the_store_is_the_same_file_in_each_lesson():
    first, *others = sorted(ROOT.glob("0?_*/*/store.py"))
    assert len(others) == len(LESSONS) and all(  # la pièce team/ en a un aussi
        filecmp.cmp(first, other, shallow=False) for other in others
    )


@pytest.mark.parametrize("lesson", LESSONS)
def test_started_from_elsewhere_everything_is_at_the_root(lesson):
    """La séance part d'un autre dossier, voisin du clone : rien n'y reste, ni à côté."""
    session = recorded(lesson)
    runs = all_runs(session)
    assert runs and all(
        run.info.artifact_uri.startswith(str(session.root / "mlruns")) for run in runs
    )
    assert session.told["beside"] == [session.root.name]


def test_tracking_uri_wins_even_relative_and_empty_it_counts_for_nothing(fresh_course, tmp_path):
    team = tmp_path / "équipe"
    team.mkdir()
    fresh_course.fork(FIRST, cwd=team, MLFLOW_TRACKING_URI="sqlite:///team.db")
    assert (team / "team.db").exists() and not (fresh_course.root / "mlflow.db").exists()
    for folder in (tmp_path, fresh_course.root / "01_tracking_supervised/local"):
        fresh_course.fork(FIRST, cwd=folder, MLFLOW_TRACKING_URI="")
    assert len(all_runs(fresh_course)) == 8  # quatre par lancement


@pytest.mark.slow
def test_mlflow_ui_without_option_shows_the_runs_and_an_artifact_on_this_machine_only(tmp_path):
    course, port = recorded(LESSONS[0]).copy(tmp_path / "cours"), free_port()
    runs, address = all_runs(course), f"http://127.0.0.1:{port}"
    # `mlflow ui` sans option, au port près : 5000 peut être pris sur la machine qui teste
    with running(
        [sys.executable, "-m", "mlflow", "ui", "--port", str(port)],
        course.root,
        wait_for=f"{address}/health",
        **LIGHT,
    ) as ui:
        asked = {
            "experiment_ids": list({run.info.experiment_id for run in runs}),
            "max_results": 5000,
        }
        shown = requests.post(
            f"{address}/api/2.0/mlflow/runs/search", json=asked, timeout=60
        ).json()["runs"]
        values = {
            (each["info"]["run_id"], one["key"]): float(one["value"]).hex()
            for each in shown
            for one in each["data"].get("metrics", [])
        }
        assert values == {
            (run.info.run_id, key): value.hex()
            for run in runs
            for key, value in run.data.metrics.items()
        }
        assert {each["info"]["run_id"] for each in shown} == {run.info.run_id for run in runs}
        [run] = [run for run in runs if run.info.run_name == "svm complet"]
        wanted = {"run_id": run.info.run_id, "path": "confusion_matrix.png"}
        picture = requests.get(f"{address}/get-artifact", params=wanted, timeout=30).content
        [kept] = course.root.glob(f"mlruns/*/{run.info.run_id}/artifacts/confusion_matrix.png")
        assert picture == kept.read_bytes()
        assert {ip for _, ip in addresses([psutil.Process(ui.pid)])} == {"127.0.0.1"}
