"""check.py : ce qu'il écrit, les scripts qu'il reconnaît, la vue de l'enseignant."""

import ast
import csv
import sqlite3
import time
import uuid
from pathlib import Path

import course
import pytest
import test_check_01 as one
import test_check_02 as two
import test_check_03 as three
from checks import catalog, scripts
from checks.learner import Course as Store
from checks.learner import Learner
from classroom import Classroom, call
from texts import ROOT
from mlflow.entities import Metric


@pytest.fixture(scope="module")
def classroom(tmp_path_factory) -> Classroom:
    """Anne a répondu à 01-1 et 01-2, Bruno a triché à 01-1, Chloé n'a que commencé ; `=1+1` a un nom de formule."""
    made = Classroom(tmp_path_factory.mktemp("classe"))
    one.hand_in(made, "anne", one.raw(), one.raw(0.001))
    one.seuil(made, "anne")
    one.made_up(made, "bruno")
    made.run("chloé", lesson="01_tracking_supervised", tags={"mlflow.source.name": "01_tracking_supervised/local/first_run.py"})
    one.seuil(made, "=1+1", 0.0)
    one.seuil(made, 'O\'Brien "Pat"', 0.0)
    return made


@pytest.fixture
def room(classroom) -> Classroom:
    """La classe, ouverte : les fonctions de `mlflow.*` la visent."""
    classroom.open()
    return classroom


# --- Ce qu'il écrit


def test_one_exercise_done_and_not_done(room):
    found = call("--exercise", "01-2", uri=room.uri)
    assert found.returncode == 0 and found.stderr == ""
    assert found.stdout == "  01-2  fait      au seuil -1.812, 170 tumeurs malignes sur 170 et 174 fausses alertes sur 285\n"
    found = room.check("--exercise", "02-1", "--hint")
    assert found.returncode == 1
    assert "  02-1  à faire   quatre indices d'accord : uv run 02_tracking_unsupervised/exercises/ex_02_1_indices.py\n" in found.stdout
    assert "indice : `make_pipeline(PCA(8, random_state=0), KMeans(...))`" in found.stdout


def test_a_lesson(room):
    found = room.check("--lesson", "1")
    assert found.returncode == 1
    first, *lines = found.stdout.splitlines()
    expected = len(scripts.expected("01_tracking_supervised"))
    assert first == f"Leçon 1 : 1 script sur {expected} fait. Ensuite : uv run 01_tracking_supervised/local/full_run.py"
    assert [line.split("  ")[1] for line in lines] == ["01-1", "01-2", "01-3"]
    assert "indice" not in found.stdout


def test_everything_at_once_and_hints_only_where_useful(room):
    found = room.check("--hint")
    assert found.returncode == 1 and found.stdout.count("Leçon ") == 4
    assert found.stdout.count("indice : ") == len(catalog.EXERCISES) - found.stdout.count("  fait  ")


@pytest.mark.parametrize("exercise", catalog.EXERCISES, ids=lambda each: each.number)
def test_hints_say_something_and_files_exist(exercise):
    assert len(exercise.hint) > 40 and len(exercise.title) > 5
    assert (ROOT / exercise.start.removeprefix("uv run ")).is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--exercise", "09-9"], "« 09-9 » n'est pas un exercice. Il y a : 01-1, 01-2, 01-3, 02-1"),
        (["--exercise", ""], "«  » n'est pas un exercice"),
        (["--lesson", "07"], "« 07 » n'est pas une leçon. Il y a : 01, 02, 03, 04."),
        (["--lesson", "01", "--exercise", "01-1"], "Une seule de ces options à la fois"),
        (["--csv", "x.csv"], "--csv va avec --by-user."),
    ],
)
def test_bad_options(room, arguments, said):
    refused = room.check(*arguments)
    assert refused.returncode == 1 and refused.stdout == ""
    assert said in refused.stderr and len(refused.stderr.strip().splitlines()) == 1


# --- Les scripts des leçons


def test_every_script_is_recognized_somehow():
    """Un script qui ouvre un run à son nom est reconnu par lui ; les autres sont nommés, et eux seuls."""
    for script in course.SCRIPTS:
        tree = ast.parse((ROOT / script.path).read_text(encoding="utf-8"))
        calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        throwaway = {"delete_restore", "store_life", "webhook"}  # leurs runs, ou leur magasin, sont effacés
        leaves = "mlflow.start_run" in calls and script.name not in throwaway
        assert leaves != (script.name in scripts.TRACELESS | scripts.TRACES.keys()), script.name
    assert scripts.TRACELESS | scripts.TRACES.keys() <= {script.name for script in course.SCRIPTS}


@pytest.mark.parametrize(
    "source",
    [
        "01_tracking_supervised/local/search_runs.py",
        "C:\\cours\\01_tracking_supervised\\local\\search_runs.py",
        "search_runs.py",
        "/Workspace/Users/anne@x.fr/01_tracking_supervised/databricks/search_runs",
    ],
)
def test_a_script_under_all_its_names(room, source):
    script = next(each for each in course.SCRIPTS if each.name == "search_runs")
    user = f"forme {abs(hash(source))}"
    assert not scripts.done(Learner(Store(room.client), user), script)
    room.run(user, lesson="01_tracking_supervised", tags={"mlflow.source.name": source.replace("search_runs", "research_runs_2")})
    assert not scripts.done(Learner(Store(room.client), user), script)
    room.run(user, lesson="01_tracking_supervised", tags={"mlflow.source.name": source}, status="FAILED")
    assert not scripts.done(Learner(Store(room.client), user), script)
    room.run(user, lesson="01_tracking_supervised", tags={"mlflow.source.name": source})
    assert scripts.done(Learner(Store(room.client), user), script)


# --- La vue de l'enseignant


def test_a_class_in_a_table(room, tmp_path):
    path = tmp_path / "classe.csv"
    found = room.check("--by-user", "--lesson", "01", "--csv", str(path))
    assert found.returncode == 1 and found.stderr == ""
    lines = [line.split("│") for line in found.stdout.splitlines() if "│" in line]
    rows = {cells[1].strip(): [cell.strip() for cell in cells[2:6]] for cells in lines}
    assert rows["anne"] == ["✓", "✓", "·", "2/3"] and rows["bruno"] == ["✗", "·", "·", "0/3"] and rows["chloé"] == ["·", "·", "·", "0/3"]
    assert 'O\'Brien "Pat"' in rows
    assert "Recalculés depuis les modèles : 01-1, 01-2." in found.stdout and "Peut être forgé, 01-3 : " in found.stdout

    table = {row["apprenant"]: row for row in csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())}
    assert table["anne"]["01-2"] == "fait" and table["anne"]["01-3"] == "à faire" and table["anne"]["faits"] == "2"
    assert "mais le modèle du même run donne 0.6228" in table["bruno"]["01-1"]
    assert "'=1+1" in table and "=1+1" not in table  # un tableur n'en fera pas un calcul


def test_a_class_where_all_is_done(tmp_path):
    room = Classroom(tmp_path)
    for user in ("anne", "bruno"):
        one.hand_in(room, user, one.raw(), one.raw(0.001))
    assert room.check("--by-user", "--exercise", "01-1").returncode == 0


def test_an_empty_class(tmp_path):
    refused = Classroom(tmp_path).check("--by-user")
    assert refused.returncode == 1 and refused.stdout == "" and refused.stderr.startswith("Personne n'a encore laissé de run")


def test_a_csv_that_cannot_be_written(room, tmp_path):
    refused = room.check("--by-user", "--exercise", "01-2", "--csv", str(tmp_path / "absent" / "x.csv"))
    assert refused.returncode == 1 and "écriture impossible" in refused.stderr


def clone_learner(path: Path, user: str, copy: str):
    """Recopie en SQL les runs et les modèles de `user` sous le nom `copy` ; les fichiers des modèles restent ceux de l'original."""
    with sqlite3.connect(path) as base:
        runs = {run for (run,) in base.execute("SELECT run_uuid FROM tags WHERE key = 'mlflow.user' AND value = ?", (user,))}
        links = [row for row in base.execute("SELECT * FROM inputs") if row[2] in runs]  # un run et un modèle qu'il a donné
        renamed = {old: uuid.uuid4().hex for old in runs | {row[0] for row in links} | {row[4] for row in links}} | {user: copy}
        tables = dict.fromkeys(("runs", "metrics", "latest_metrics", "params", "tags"), "run_uuid") | {"inputs": "source_id"}
        tables |= dict.fromkeys(("logged_models", "logged_model_metrics"), "model_id")
        for table, column in tables.items():
            rows = [row for old in renamed for row in base.execute(f"SELECT * FROM {table} WHERE {column} = ?", (old,))]
            marks = ", ".join("?" * len(rows[0]))
            base.executemany(f"INSERT INTO {table} VALUES ({marks})", [[renamed.get(value, value) for value in row] for row in rows])


@pytest.mark.slow
def test_thirty_learners_with_a_hundred_runs_each(tmp_path):
    """Trente copies justes, modèles relus un à un : moins de dix secondes de processeur par leçon."""
    room, user = Classroom(tmp_path), "l'élève modèle"
    one.hand_in(room, user, one.raw(), one.raw(0.001))
    one.seuil(room, user)
    swept = one.sweep(room, user)
    for key, value in (("exercise", "01-3"), ("candidates", "8"), ("mlflow.note.content", "Une fausse alerte au plus ; le plus sensible.")):
        room.client.set_tag(swept[1.0, 0.003], key, value)
    two.hand_in(room, user)
    for seed in range(10):
        two.seed_run(room, user, seed)
    two.checkpoints(room, user)
    three.alphas(room, user, 0.42, 1, 5, *three.around())
    three.pair(room, user)
    three.seeds(room, user)
    while len(Learner(Store(room.client), user).search(most=1000)) < 100:
        room.run(user, lesson="01_tracking_supervised", metrics={"accuracy": 0.5})
    for number in range(29):
        clone_learner(tmp_path / "mlflow.db", user, f"élève {number:02}")
    assert len(Store(room.client).search()) == 3000

    for lesson in ("01", "02", "03"):
        start = time.process_time()
        found = room.check("--by-user", "--lesson", lesson)
        assert time.process_time() - start < 10, lesson
        assert found.returncode == 0 and found.stdout.count("3/3") == 30, found.stdout


def test_metrics_of_one_learner_do_not_help_another(room):
    """Une copie juste d'Anne ne fait rien pour Bruno, qui n'a que la sienne."""
    assert room.verdict("01-1", "anne").state == "fait" and room.verdict("01-1", "bruno").state == "à revoir"
    assert room.verdict("01-2", "bruno").state == "à faire"


def test_a_metric_logged_twice_counts_once(room):
    """La dernière valeur fait foi, comme dans l'interface."""
    run_id = room.run("deux fois", "01-1", metrics={"accuracy": 1.0, "sensitivity": 1.0}, model=one.raw())
    room.client.log_batch(run_id, [Metric("accuracy", 71 / 114, 10, 1), Metric("sensitivity", 0.0, 10, 1)])
    assert "la première moitié y est" in room.remark("01-1", "deux fois")
