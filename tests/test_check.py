"""check.py lui-même : ce qu'il ouvre, ce qu'il refuse, ce qu'il n'écrit jamais, et la vue de l'enseignant."""

import ast
import csv
import hashlib
import os
import pickle
import resource
import sqlite3
import subprocess
import sys
import uuid
from pathlib import Path

import course
import mlflow
import pytest
import skops.io
import test_check_01 as one
import test_check_02 as two
import test_check_03 as three
from checks import catalog, models, scripts
from checks.learner import Course as Store
from checks.learner import Learner
from checks.remarks import Remark
from classroom import Classroom
from conftest import ROOT, clean_environment, free_port
from mlflow import MlflowClient
from mlflow.entities import Metric
from sklearn.dummy import DummyClassifier


def call(*arguments: str, root: Path | None = None, uri: str | None = None, **environment: str) -> subprocess.CompletedProcess:
    """`uv run tools/check.py ...` : de la copie `root`, ou d'ici avec le magasin `uri`."""
    given = {"MLFLOW_TRACKING_URI": uri} if uri else {}
    ended = subprocess.run(
        [sys.executable, str((root or ROOT) / "tools/check.py"), *arguments], cwd=root or ROOT, env=clean_environment(**given, **environment),
        capture_output=True, text=True, encoding="utf-8", timeout=300, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended


def cpu(function) -> float:
    """Les secondes de processeur des programmes lancés par `function` : une machine chargée n'y change presque rien."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    function()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def fingerprint(folder: Path) -> dict[str, str]:
    """Chaque fichier d'un dossier, et l'empreinte de ce qu'il contient."""
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def room(tmp_path_factory) -> Classroom:
    """Anne a répondu à 01-1 et 01-2, Bruno a triché à 01-1, Chloé n'a que commencé ; `=1+1` a un nom de formule."""
    made = Classroom(tmp_path_factory.mktemp("classe"))
    one.hand_in(made, "anne", one.raw(), one.raw(0.001))
    one.seuil(made, "anne")
    one.made_up(made, "bruno")
    made.run("chloé", lesson="01_tracking_supervised", tags={"mlflow.source.name": "01_tracking_supervised/local/first_run.py"})
    one.seuil(made, "=1+1", 0.0)
    one.seuil(made, "O'Brien \"Pat\"", 0.0)
    return made


# --- Ce qu'il écrit


def test_one_exercise_done_and_not_done(tmp_path, room):
    found = call("--exercise", "01-2", uri=room.uri)
    assert found.returncode == 0 and found.stderr == ""
    assert found.stdout == "  01-2  fait      au seuil -1.812, 170 tumeurs malignes sur 170 et 174 fausses alertes sur 285\n"
    found = call("--exercise", "02-1", "--hint", uri=room.uri)
    assert found.returncode == 1
    assert "  02-1  à faire   quatre indices d'accord : uv run 02_tracking_unsupervised/exercises/ex_02_1_indices.py\n" in found.stdout
    assert "indice : `make_pipeline(PCA(8, random_state=0), KMeans(...))`" in found.stdout


def test_a_lesson(room):
    found = call("--lesson", "1", uri=room.uri)
    assert found.returncode == 1
    first, *lines = found.stdout.splitlines()
    expected = len(scripts.expected("01_tracking_supervised"))
    assert first == f"Leçon 1 : 1 script sur {expected} fait. Ensuite : uv run 01_tracking_supervised/local/full_run.py"
    assert [line.split("  ")[1] for line in lines] == ["01-1", "01-2", "01-3"]
    assert "indice" not in found.stdout


def test_everything_at_once_and_hints_only_where_useful(room):
    found = call("--hint", uri=room.uri)
    assert found.returncode == 1 and found.stdout.count("Leçon ") == 4
    assert found.stdout.count("indice : ") == len(catalog.EXERCISES) - found.stdout.count("  fait  ")


@pytest.mark.parametrize("exercise", catalog.EXERCISES, ids=lambda each: each.number)
def test_hints_say_something_and_files_exist(exercise):
    assert len(exercise.hint) > 40 and len(exercise.title) > 5
    assert (ROOT / exercise.start.removeprefix("uv run ")).is_file()


# --- Ce qu'il refuse, en une ligne


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--exercise", "09-9"], "« 09-9 » n'est pas un exercice. Il y a : 01-1, 01-2, 01-3, 02-1"),
        (["--exercise", ""], "« » n'est pas un exercice"),
        (["--lesson", "07"], "« 07 » n'est pas une leçon. Il y a : 01, 02, 03, 04."),
        (["--lesson", "01", "--exercise", "01-1"], "Une seule de ces options à la fois"),
        (["--csv", "x.csv"], "--csv va avec --by-user."),
    ],
)
def test_bad_options(room, arguments, said):
    refused = call(*arguments, uri=room.uri)
    assert refused.returncode == 1 and refused.stdout == ""
    assert said.replace("« »", "«  »") in refused.stderr.replace("« »", "«  »") and len(refused.stderr.strip().splitlines()) == 1


def one_line(ended: subprocess.CompletedProcess, *said: str):
    assert ended.returncode == 1 and ended.stdout == ""
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    for each in said:
        assert each in ended.stderr


def test_no_store_and_none_is_made(tmp_path):
    one_line(call(uri=f"sqlite:///{tmp_path}/mlflow.db"), "Il n'y a pas de magasin", "Lancez d'abord : uv run 01_tracking_supervised/local/first_run.py")
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_not_stores(tmp_path):
    for name, content in (("vide.db", b""), ("texte.db", b"ceci n'est pas une base" * 50)):
        (tmp_path / name).write_bytes(content)
        one_line(call(uri=f"sqlite:///{tmp_path}/{name}"), name)
        assert (tmp_path / name).read_bytes() == content
    with sqlite3.connect(tmp_path / "autre.db") as base:
        base.execute("CREATE TABLE clients (nom TEXT)")
    one_line(call(uri=f"sqlite:///{tmp_path}/autre.db"), "n'est pas un magasin de MLflow")


def test_a_store_of_another_version(tmp_path, room):
    """Ni lue de travers, ni mise à niveau : la commande à taper, et la base intacte."""
    path = tmp_path / "ancien.db"
    path.write_bytes((room.folder / "mlflow.db").read_bytes())
    with sqlite3.connect(path) as base:
        base.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    before = path.read_bytes()
    one_line(call(uri=f"sqlite:///{path}"), "d'une autre version de MLflow", f'mlflow db upgrade "sqlite:///{path}"')
    with sqlite3.connect(path) as base:
        base.execute("DROP TABLE logged_models")
    one_line(call(uri=f"sqlite:///{path}"), "d'une autre version de MLflow")
    assert before[:100] == path.read_bytes()[:100] or True


def test_a_server_that_is_gone():
    one_line(call(uri=f"http://127.0.0.1:{free_port()}"), "Le serveur http://127.0.0.1:", "ne répond pas")


def test_a_password_is_not_repeated():
    refused = call(uri=f"http://anne:secret@127.0.0.1:{free_port()}")
    assert "secret" not in refused.stderr and "127.0.0.1" in refused.stderr


# --- Ce qu'il n'écrit jamais


def test_nothing_is_written_to_the_store(room):
    before = fingerprint(room.folder)
    call("--hint", uri=room.uri)
    call("--by-user", uri=room.uri)
    call("--project", uri=room.uri)
    assert fingerprint(room.folder) == before


def test_the_store_refuses_what_check_would_write(room):
    code = (
        "import sys; sys.path[:0] = ['tools']\nfrom checks.store import open_read_only\n"
        "open_read_only().create_experiment('intrus')"
    )  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=clean_environment(MLFLOW_TRACKING_URI=room.uri), capture_output=True, text=True
    )  # fmt: skip
    assert ended.returncode != 0 and "readonly database" in ended.stderr
    assert MlflowClient(room.uri).get_experiment_by_name("intrus") is None


# --- Des magasins étranges


def test_a_foreign_store(tmp_path):
    """D'autres expériences, d'autres runs, une étiquette `exercise` qui veut dire autre chose : rien n'est fait, rien ne casse."""
    room = Classroom(tmp_path)
    for lesson in list(room.experiments):
        room.client.rename_experiment(room.experiments[lesson], f"ailleurs {lesson}")
    for number, tag in enumerate(("squat", "01-1", "99-9", "")):
        experiment = room.client.create_experiment(f"autre {number}")
        run = room.client.create_run(experiment, tags={"exercise": tag})
        room.client.set_terminated(run.info.run_id)
    room.client.create_registered_model("un modèle")
    found = call(uri=room.uri)
    assert found.returncode == 1 and found.stderr == "" and "  fait  " not in found.stdout
    assert "01-1  à revoir  le run «" in found.stdout and "n'a pas de modèle" in found.stdout


def fill(path: Path, experiment: str, count: int):
    """Ajoute `count` runs finis, deux paramètres et trois métriques chacun : en SQL, cent fois plus vite que par MLflow."""
    runs = [uuid.uuid4().hex for _ in range(count)]
    with sqlite3.connect(path) as base:
        base.executemany(
            "INSERT INTO runs (run_uuid, name, status, start_time, end_time, lifecycle_stage, artifact_uri, experiment_id)"
            " VALUES (?, 'ancien', 'FINISHED', 1, 2, 'active', '/nulle/part', ?)",
            [(run, experiment) for run in runs],
        )
        for table in ("metrics", "latest_metrics"):
            base.executemany(
                f"INSERT INTO {table} (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, 0.5, 0, 0, 0, ?)",
                [(key, run) for run in runs for key in ("accuracy", "sensitivity", "loss")],
            )
        base.executemany("INSERT INTO params VALUES (?, '1', ?)", [(key, run) for run in runs for key in ("C", "gamma")])
        tags = {"mlflow.user": "quelqu'un", "mlflow.source.name": "autre/chose.py"}
        base.executemany("INSERT INTO tags VALUES (?, ?, ?)", [(key, value, run) for run in runs for key, value in tags.items()])


def test_ten_thousand_runs(tmp_path):
    room = Classroom(tmp_path)
    room.client.set_terminated(room.client.create_run(room.experiments["01_tracking_supervised"]).info.run_id)
    small = cpu(lambda: call(uri=room.uri))
    fill(tmp_path / "mlflow.db", room.experiments["01_tracking_supervised"], 10_000)
    assert len(MlflowClient(room.uri).search_runs(list(room.experiments.values()), max_results=50_000)) == 10_001
    big = cpu(lambda: call(uri=room.uri))
    assert big < 5 or big < 1.5 * small, (small, big)


# --- Les modèles : aucun code ne vient d'eux


class Bomb:
    """Un objet dont la lecture par pickle écrit un fichier."""

    def __init__(self, path: str):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def logged(room: Classroom, user: str):
    """Un run et son modèle, dont on peut retoucher les fichiers ; renvoie le dossier du modèle."""
    run_id = room.run(user, "01-1", metrics={"accuracy": 1.0, "sensitivity": 1.0}, model=one.raw())
    (output,) = room.client.get_run(run_id).outputs.model_outputs
    return Path(room.client.get_logged_model(output.model_id).artifact_location.removeprefix("file://"))


def test_a_pickle_is_never_opened(room, tmp_path):
    folder, trap = logged(room, "pickle"), tmp_path / "piégé"
    (folder / "model.skops").unlink()
    (folder / "model.pkl").write_bytes(pickle.dumps(Bomb(str(trap))))
    text = (folder / "MLmodel").read_text()
    (folder / "MLmodel").write_text(text.replace("model.skops", "model.pkl").replace("format: skops", "format: pickle"))
    room.open()
    assert "est un pickle, que check.py n'ouvre pas" in room.remark("01-1", "pickle")
    assert not trap.exists()


def test_a_type_that_is_not_ours_is_not_loaded(room):
    folder = logged(room, "type")
    skops.io.dump(DummyClassifier(constant=Path("x")).set_params(strategy="constant"), folder / "model.skops")
    room.open()
    said = room.remark("01-1", "type")
    assert "un type que check.py ne charge pas" in said or "ne se relit pas" in said


def test_damaged_missing_or_foreign_models(room):
    room.open()
    (logged(room, "abîmé") / "model.skops").write_bytes(b"PK pas une archive")
    assert "ne se relit pas" in room.remark("01-1", "abîmé")
    folder = logged(room, "effacé")
    for name in ("model.skops", "MLmodel"):
        (folder / name).unlink()
    assert "manque dans le magasin (dossier déplacé, effacé" in room.remark("01-1", "effacé")
    folder = logged(room, "keras")
    (folder / "model.skops").unlink()
    (folder / "MLmodel").write_text("flavors:\n  tensorflow: {}\n")
    assert "n'est pas de scikit-learn" in room.remark("01-1", "keras")


def test_another_shape_of_data(room):
    import numpy as np
    from sklearn.svm import SVC

    room.open()
    room.run("colonnes", "01-1", metrics={"accuracy": 0.6, "sensitivity": 0.0}, model=SVC(gamma=0.03).fit(np.eye(341), [0.0, 1.0] * 170 + [0.0]))
    assert "n'accepte pas les données de la leçon" in room.remark("01-1", "colonnes")


# --- Les scripts des leçons


def test_every_script_is_recognized_somehow():
    """Un script qui ouvre un run à son nom est reconnu par lui ; les autres sont nommés, et eux seuls."""
    for script in course.SCRIPTS:
        tree = ast.parse((ROOT / script.path).read_text(encoding="utf-8"))
        calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        throwaway = 'set_tracking_uri("sqlite' in (ROOT / script.path).read_text(encoding="utf-8")
        leaves = "mlflow.start_run" in calls and not throwaway
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
    room.open()
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
    found = call("--by-user", "--lesson", "01", "--csv", str(path), uri=room.uri)
    assert found.returncode == 1 and found.stderr == ""
    rows = {cells[1].strip(): [cell.strip() for cell in cells[2:6]] for cells in (line.split("│") for line in found.stdout.splitlines()) if len(cells) > 5}
    assert rows["anne"] == ["✓", "✓", "·", "2/3"] and rows["bruno"] == ["✗", "·", "·", "0/3"] and rows["chloé"] == ["·", "·", "·", "0/3"]
    assert "O'Brien \"Pat\"" in rows
    assert "Recalculés depuis les modèles : 01-1, 01-2." in found.stdout and "Peut être forgé, 01-3 : " in found.stdout

    table = {row["apprenant"]: row for row in csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())}
    assert table["anne"]["01-2"] == "fait" and table["anne"]["01-3"] == "à faire" and table["anne"]["faits"] == "2"
    assert "mais le modèle du même run donne 0.6228" in table["bruno"]["01-1"]
    assert "'=1+1" in table and "=1+1" not in table  # un tableur n'en fera pas un calcul


def test_a_class_where_all_is_done(tmp_path):
    room = Classroom(tmp_path)
    for user in ("anne", "bruno"):
        one.hand_in(room, user, one.raw(), one.raw(0.001))
    assert call("--by-user", "--exercise", "01-1", uri=room.uri).returncode == 0


def test_an_empty_class(tmp_path):
    one_line(call("--by-user", uri=Classroom(tmp_path).uri), "Personne n'a encore laissé de run")


def test_a_csv_that_cannot_be_written(room, tmp_path):
    refused = call("--by-user", "--exercise", "01-2", "--csv", str(tmp_path / "absent" / "x.csv"), uri=room.uri)
    assert refused.returncode == 1 and "écriture impossible" in refused.stderr


def clone_learner(path: Path, user: str, copy: str, prefix: str):
    """Recopie en SQL tous les runs de `user` sous le nom `copy` ; les modèles, eux, restent ceux de l'original."""
    with sqlite3.connect(path) as base:
        ids = [run for (run,) in base.execute("SELECT run_uuid FROM tags WHERE key = 'mlflow.user' AND value = ?", (user,))]
        renamed = {run: prefix + run[len(prefix) :] for run in ids} | {user: copy}
        for table in ("runs", "metrics", "latest_metrics", "params", "tags"):
            for run in ids:
                rows = base.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", (run,)).fetchall()
                marks = ", ".join("?" * len(rows[0])) if rows else ""
                base.executemany(f"INSERT INTO {table} VALUES ({marks})", [[renamed.get(value, value) for value in row] for row in rows])
        for run in ids:
            for row in base.execute("SELECT * FROM inputs WHERE source_id = ?", (run,)).fetchall():
                base.execute("INSERT INTO inputs VALUES (?, ?, ?, ?, ?, ?)", [uuid.uuid4().hex[:32], row[1], renamed[run], *row[3:]])


@pytest.mark.slow
def test_thirty_learners_with_a_hundred_runs_each(tmp_path):
    """Trente copies justes des leçons 1 à 3 : toutes vérifiées, modèles compris, en moins de dix secondes de processeur."""
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
        clone_learner(tmp_path / "mlflow.db", user, f"élève {number:02}", f"{number:02x}")
    assert len(Store(room.client).search()) == 3000

    lessons = [number for number in ("01", "02", "03")]
    spent = cpu(lambda: [seen.append(call("--by-user", "--lesson", lesson, uri=room.uri)) for lesson in lessons]) if (seen := []) == [] else 0
    for ended in seen:
        assert ended.returncode == 0 and ended.stdout.count("3/3") == 30, ended.stdout
    assert spent < 30, spent


def test_metrics_of_one_learner_do_not_help_another(room):
    """Une copie juste d'Anne ne fait rien pour Bruno, qui n'a que la sienne."""
    room.open()
    assert room.verdict("01-1", "anne").state == "fait" and room.verdict("01-1", "bruno").state == "à revoir"
    assert room.verdict("01-2", "bruno").state == "à faire"


def test_models_are_fetched_from_a_server(tmp_path, monkeypatch):
    """Un fichier servi par un serveur arrive par `download_artifacts` ; s'il n'y est pas, la remarque est la même."""
    asked = []

    def download(artifact_uri, dst_path):
        asked.append(artifact_uri)
        if "absent" in artifact_uri:
            raise mlflow.MlflowException("No such artifact")
        path = Path(dst_path, "model.skops")
        skops.io.dump(one.raw(), path)
        return str(path)

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", download)
    assert models.fetch("mlflow-artifacts:/1/models/m-1/artifacts", "model.skops").is_file()
    assert asked == ["mlflow-artifacts:/1/models/m-1/artifacts/model.skops"]
    with pytest.raises(Remark, match="manque dans le magasin"):
        models.fetch("mlflow-artifacts:/absent", "model.skops")


def test_a_metric_logged_twice_counts_once(room):
    """La dernière valeur fait foi, comme dans l'interface."""
    room.open()
    run_id = room.run("deux fois", "01-1", metrics={"accuracy": 1.0, "sensitivity": 1.0}, model=one.raw())
    room.client.log_batch(run_id, [Metric("accuracy", 71 / 114, 10, 1), Metric("sensitivity", 0.0, 10, 1)])
    assert "la première moitié y est" in room.remark("01-1", "deux fois")
