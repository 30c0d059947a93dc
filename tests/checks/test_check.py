"""check.py : ce qu'il écrit, les scripts qu'il reconnaît, la vue de l'enseignant."""

import ast
import csv
import re
from unittest import mock

import course
import pytest
import skops.io
from answers_01 import fitted, made_up, raw, scaler, threshold
from checks import catalog, scripts
from checks.learner import Course as Store
from checks.learner import Learner
from classroom import Classroom, call
from mlflow.entities import Metric
from programs import ended
from sklearn import model_selection
from sqlalchemy.engine.default import DefaultDialect
from texts import ROOT

LESSON = "01_tracking_supervised"
SQL = DefaultDialect, "do_execute"  # par où passe chaque requête


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Classroom:
    """Anne a répondu à 01-1 et 01-2, Bruno a triché à 01-1, Chloé n'a que commencé ; `=1+1` a un
    nom de formule.
    """
    made = Classroom(tmp_path_factory.mktemp("classe"))
    scaler(made.of("anne"), raw(), raw(0.001))
    threshold(made.of("anne"))
    made_up(made.of("bruno"))
    made.of("chloé").run(
        lesson=LESSON, tags={"mlflow.source.name": "01_tracking_supervised/local/01_first_run.py"}
    )
    for name in ("=1+1", 'O\'Brien "Pat"'):
        threshold(made.of(name), 0.0)
    return made


# --- Ce qu'il écrit


def test_one_exercise_done_and_not_done(room):
    """Le vrai programme, comme on le lance."""
    found = call("--exercise", "01-2", uri=room.uri, start=ended)
    assert (found.returncode, found.stderr) == (0, "")
    (line,) = found.stdout.splitlines()
    told = "au seuil -1.812, 170 tumeurs malignes sur 170 et 174 fausses alertes sur 285"
    assert line.split(maxsplit=2) == ["01-2", "fait", told]
    found = room.check("--exercise", "02-1", "--hint")
    assert found.returncode == 1
    assert "uv run 02_tracking_unsupervised/exercises/ex_02_1_indices.py\n" in found.stdout
    assert "indice : `make_pipeline(PCA(8, random_state=0), KMeans(...))`" in found.stdout


def test_a_lesson(room):
    found = room.check("--lesson", "01")
    first, *lines = found.stdout.splitlines()
    assert found.returncode == 1 and "indice" not in found.stdout
    assert first.startswith(f"Leçon 1 : 1 fait, des {len(scripts.expected(LESSON))} scripts qui")
    assert first.endswith("uv run 01_tracking_supervised/local/02_autolog.py")
    assert [line.split("  ")[1] for line in lines] == ["01-0", "01-1", "01-2", "01-3"]


def test_everything_at_once_and_hints_only_where_useful(room):
    found = room.check("--hint")
    assert found.returncode == 1 and found.stdout.count("Leçon ") == 4
    assert found.stdout.count("indice : ") == len(catalog.EXERCISES) - found.stdout.count(
        "  fait  "
    )
    found = room.check("--project", "--hint")
    assert (
        found.returncode == 1
        and re.findall(r"^  (\d)  ", found.stdout, re.MULTILINE) == list("12345")
        and "Leçon" not in found.stdout
    )
    for exercise in catalog.EXERCISES:
        assert (
            len(exercise.hint) > 40
            and len(exercise.title) > 5
            and (ROOT / exercise.start.removeprefix("uv run ")).is_file()
        )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--exercise", "09-9"], "invalid choice: '09-9'"),
        (["--lesson", "07"], "invalid choice: '07'"),
        (
            ["--lesson", "01", "--exercise", "01-1"],
            "--exercise: not allowed with argument --lesson",
        ),
        (["--csv", "x.csv"], "--csv va avec --by-user"),
    ],
)
def test_bad_options(room, arguments, said):
    refused = room.check(*arguments)
    assert (refused.returncode, refused.stdout) == (2, "") and said in refused.stderr


def test_a_metric_logged_twice_counts_once(room):
    """La dernière valeur fait foi, comme dans l'interface."""
    me = room.of("deux fois")
    run_id = me.run("01-1", metrics={"accuracy": 1.0, "sensitivity": 1.0}, model=raw())
    me.client.log_batch(
        run_id, [Metric("accuracy", 71 / 114, 10, 1), Metric("sensitivity", 0.0, 10, 1)]
    )
    assert "la première moitié y est" in me.verdict("01-1").text


# --- Les scripts des leçons


def test_every_script_is_recognized_somehow():
    """Un script qui ouvre un run à son nom est reconnu par lui ; les autres sont nommés, et eux
    seuls.
    """
    for script in course.SCRIPTS:
        tree = ast.parse((ROOT / script.path).read_text(encoding="utf-8"))
        calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        # leurs runs, ou leur magasin, sont effacés
        throwaway = {"delete_restore", "store_life", "webhook"}
        leaves = "mlflow.start_run" in calls and script.name not in throwaway
        assert leaves != (script.name in scripts.TRACELESS | scripts.TRACES.keys()), script.name
    assert scripts.TRACELESS | scripts.TRACES.keys() <= {script.name for script in course.SCRIPTS}


@pytest.mark.parametrize(
    "source",
    [
        "01_tracking_supervised/local/07_search_runs.py",
        "C:\\cours\\01_tracking_supervised\\local\\07_search_runs.py",
        "07_search_runs.py",
        "01_tracking_supervised/local/search_runs.py",
        "/Workspace/Users/anne@x.fr/01_tracking_supervised/databricks/search_runs",
    ],
)
def test_a_script_under_all_its_names(room, source):
    script, me = (
        next(each for each in course.SCRIPTS if each.name == "search_runs"),
        room.of(f"lit {source}"),
    )
    for name, status, done in (
        ("research_runs_2", "FINISHED", False),
        ("search_runs", "FAILED", False),
        ("search_runs", "FINISHED", True),
    ):
        me.run(
            lesson=LESSON,
            tags={"mlflow.source.name": source.replace("search_runs", name)},
            status=status,
        )
        assert scripts.done(Learner(Store(me.client), me.user), script) == done


# --- La vue de l'enseignant


def test_a_class_in_a_table(room, tmp_path):
    path = tmp_path / "classe.csv"
    found = room.check("--by-user", "--lesson", "01", "--csv", str(path))
    assert found.returncode == 1 and found.stderr == ""
    lines = [line.split("│") for line in found.stdout.splitlines() if "│" in line]
    rows = {cells[1].strip(): [cell.strip() for cell in cells[2:7]] for cells in lines}
    assert (
        rows["anne"] == ["·", "✓", "✓", "·", "2/4"]
        and rows["bruno"] == ["·", "✗", "·", "·", "0/4"]
        and rows["chloé"] == ["·", "·", "·", "·", "0/4"]
    )
    assert 'O\'Brien "Pat"' in rows

    table = {
        row["apprenant"]: row
        for row in csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
    }
    assert (table["anne"]["01-2"], table["anne"]["01-3"], table["anne"]["faits"]) == (
        "fait",
        "à faire",
        "2",
    )
    assert "le modèle du même run donne 0.6228" in table["bruno"]["01-1"]
    assert "'=1+1" in table and "=1+1" not in table  # un tableur n'en fera pas un calcul


def test_an_empty_class(tmp_path):
    refused = Classroom(tmp_path).check("--by-user")
    assert (
        refused.returncode == 1
        and refused.stdout == ""
        and refused.stderr.startswith("Personne n'a encore laissé de run")
    )


# --- Ce que lire un magasin coûte : des comptes, pas des durées


def calls(owner, name: str):
    """Une fonction de bibliothèque, dont les appels sont comptés."""
    return mock.patch.object(owner, name, autospec=True, side_effect=getattr(owner, name))


def test_a_class_costs_no_more_per_learner(tmp_path):
    """Autant de requêtes pour chacun ; un modèle relu par copie, mais une seule validation croisée
    pour les mêmes réglages.
    """
    room, costs = Classroom(tmp_path), []
    for number in range(4):
        me = room.of(f"élève {number}")
        scaler(me, raw(), raw(0.001))
        threshold(me, model=fitted.__wrapped__())
        with (
            calls(*SQL) as sent,
            calls(skops.io, "load") as loaded,
            calls(model_selection, "cross_val_predict") as crossed,
        ):
            found = room.check("--by-user", "--lesson", "01")
        assert found.stdout.count("2/4") == number + 1, found.stdout
        costs.append((sent.call_count, loaded.call_count, crossed.call_count))
    # le premier paie ce que tous partagent
    (_, _, _), (two, *once), (three, *same), (four, *again) = costs
    assert four - three == three - two and once == same == again == [1, 0]


def test_runs_that_answer_nothing_cost_nothing(tmp_path):
    """Deux cents runs de plus, pas une requête de plus."""
    room, costs = Classroom(tmp_path), []
    for count in (1, 200):
        for _ in range(count):
            room.of("quelqu'un").run(
                lesson=LESSON,
                params={"C": 1, "gamma": 1},
                metrics={"accuracy": 0.5, "sensitivity": 0.5},
            )
        with calls(*SQL) as sent:
            assert room.check().stdout.count("à faire") == len(catalog.EXERCISES)
        costs.append(sent.call_count)
    assert costs[1] <= costs[0]  # le premier ouvre la base
