"""DEPANNAGE.md : toutes ses entrées sont éprouvées, et celles-ci sans autre programme : les runs,
les modèles, l'ancien code.
"""

import logging
import re
import warnings
from pathlib import Path

import mlflow
import pages
import pandas as pd
import pytest
from mlflow import MlflowClient, MlflowException
from mlflow.models import infer_signature
from programs import reader_environment
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error, root_mean_squared_error
from texts import RECORD, ROOT, tables
from troubles import NOT_CAUSED, PAGE, TROUBLES, about

X, Y = load_diabetes(return_X_y=True, as_frame=True)
PINS = ["scikit-learn"]  # des dépendances données : MLflow n'a rien à deviner


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Un dossier et son magasin, que ces tests partagent."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def guessed(monkeypatch) -> list:
    """Les fois où MLflow aurait ouvert un second Python pour deviner des dépendances."""
    asked = []
    monkeypatch.setattr(
        mlflow.models,
        "infer_pip_requirements",
        lambda *arguments, **options: asked.append(arguments) or PINS,
    )
    return asked


@pytest.fixture(autouse=True)
def store(folder, monkeypatch, guessed):
    """Le magasin de `folder`, vu d'ici : les programmes de la page s'y exécutent."""
    monkeypatch.chdir(folder)
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.set_experiment("Default")
    yield MlflowClient()
    mlflow.end_run()
    mlflow.sklearn.autolog(disable=True)


def executed(trouble, capsys, number: int = 0, **words: str) -> str:
    """Exécute le remède, un bloc Python, et renvoie ce qu'il écrit."""
    capsys.readouterr()
    exec(compile(trouble.cure(number, **words).text, trouble.title, "exec"), {"__name__": "page"})
    return capsys.readouterr().out


def test_every_entry_is_caused_or_says_that_it_is_not():
    source = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")
    )
    caused = re.findall(r'^@about\("([^"]+)"\)$', source, flags=re.MULTILINE)
    assert len(caused) == len(set(caused))
    assert set(caused) | set(NOT_CAUSED) == set(TROUBLES)
    assert [title for title, words in NOT_CAUSED.items() if words not in TROUBLES[title].text] == []


def test_every_entry_has_one_form_and_a_line_in_the_table():
    assert [
        title for title, trouble in TROUBLES.items() if "**Que faire.**" not in trouble.text
    ] == ["Windows"]
    assert [
        title for title, trouble in TROUBLES.items() if "**Pourquoi.**" not in trouble.text
    ] == [
        "Windows",
        "Repartir d'un magasin vide",
    ]
    listed = set(
        re.findall(r"\(#([^)]+)\)", PAGE.read_text(encoding="utf-8").partition("## Démarrer")[0])
    )
    assert listed == {next(iter(pages.anchors(f"### {title}"))) for title in TROUBLES} | {
        "code-ancien-code-daujourdhui"
    }


# Les runs


@about("Changing param values is not allowed")
def test_parameter_changed(trouble, store, capsys):
    with mlflow.start_run():
        mlflow.log_param("C", 1)
        with pytest.raises(MlflowException) as refused:
            mlflow.log_param("C", 2)
    trouble.seen(str(refused.value))
    executed(trouble, capsys)
    made = {
        run.info.run_name: run.data.params["C"]
        for run in store.search_runs(["0"], "params.C != ''", max_results=2)
    }
    assert made == {"C=1": "1", "C=2": "2"}


@about("Run with UUID is already active")
def test_run_left_open(trouble, store, capsys):
    mlflow.log_metric("valid_accuracy", 0.5)
    opened = mlflow.active_run().info.run_id
    with pytest.raises(Exception, match=opened) as refused:
        mlflow.start_run()
    trouble.seen(f"{type(refused.value).__name__}: {refused.value}")
    executed(trouble, capsys)
    assert mlflow.active_run() is None and store.get_run(opened).info.status == "FINISHED"
    last = store.search_runs(["0"], max_results=1)[0]
    assert last.info.run_id != opened and last.data.metrics == {"valid_accuracy": 0.97}


@about("autolog n'enregistre rien")
def test_autolog_too_late(trouble, store, capsys):
    before = len(store.search_runs(["0"]))
    Ridge(alpha=0.5).fit(X, Y)
    mlflow.sklearn.autolog(log_models=False)
    assert len(store.search_runs(["0"])) == before
    mlflow.sklearn.autolog(disable=True)
    assert executed(trouble, capsys) == "1.0\n"
    assert len(store.search_runs(["0"])) == before + 1


# Les modèles


@about("untrusted types")
def test_untrusted_types(trouble, store, capsys):
    forest = RandomForestRegressor(n_estimators=2).fit(X, Y)
    with mlflow.start_run(), pytest.raises(MlflowException) as refused:
        mlflow.sklearn.log_model(forest, name="foret", pip_requirements=PINS)
    trouble.seen(str(refused.value))
    assert "sklearn.tree._tree.Tree" in str(refused.value)
    executed(trouble, capsys)
    kept = {each.status: each for each in store.search_logged_models(["0"]) if each.name == "foret"}
    assert set(kept) == {"FAILED", "READY"}
    assert store.get_run(kept["READY"].source_run_id).data.metrics == {"training_accuracy": 1.0}
    assert mlflow.sklearn.load_model(kept["READY"].model_uri).n_features_in_ == 13


@about("Le modèle n'est pas dans les artefacts du run")
def test_where_is_the_model(trouble, capsys):
    trouble.seen(executed(trouble, capsys))


@about("Can not safely convert float64 to int64")
def test_integer_column(trouble, capsys):
    ages = pd.DataFrame({"age": [41, 62]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        signature = infer_signature(ages, [1.0, 2.0])
    with mlflow.start_run():
        info = mlflow.sklearn.log_model(
            Ridge().fit(ages, [1.0, 2.0]), name="ages", signature=signature, pip_requirements=PINS
        )
    with pytest.raises(MlflowException) as refused:
        mlflow.pyfunc.load_model(info.model_uri).predict(pd.DataFrame({"age": [41, None]}))
    trouble.seen(str(refused.value), executed(trouble, capsys))


@about("log_model est lent")
def test_slow_log_model(trouble, capsys, guessed):
    """Sans dépendances, MLflow les devine ; avec celles du remède, non.

    La durée est celle que le banc d'essai a mesurée.
    """
    with mlflow.start_run():
        mlflow.sklearn.log_model(Ridge().fit(X, Y), name="ridge")
    assert len(guessed) == 1
    executed(trouble, capsys)
    assert len(guessed) == 1
    assert (
        "Trois secondes ou plus" in trouble.text
        and RECORD["log_model.guessed_s"] >= 3 > 10 * RECORD["log_model.given_s"]
    )


@about("Logged model with ID not found")
def test_model_without_version(trouble, store):
    with mlflow.start_run():
        info = mlflow.sklearn.log_model(Ridge().fit(X, Y), name="vin", pip_requirements=PINS)
    for _ in range(2):
        mlflow.register_model(info.model_uri, "wine_cultivars")
    store.set_registered_model_alias("wine_cultivars", "champion", "1")
    wrong, *right = re.findall(r"`(models:/wine_cultivars[^`]*)`", trouble.text)
    with pytest.raises(MlflowException) as refused:
        mlflow.sklearn.load_model(wrong)
    trouble.seen(str(refused.value))
    assert len(right) == 2
    for address in right:
        assert mlflow.sklearn.load_model(address).predict(X).shape == (442,)


@about("filesystem tracking backend")
def test_file_store(trouble, capsys):
    mlflow.set_tracking_uri("file:./mlruns")
    with pytest.raises(MlflowException) as refused:
        mlflow.search_experiments()
    trouble.seen(str(refused.value))
    assert "mlflow migrate-filestore" in str(refused.value)
    # l'adresse d'un serveur, sans http://
    for address in ("127.0.0.1:5050", "localhost:5050"):
        assert f"`{address}`" in trouble.text
        mlflow.set_tracking_uri(address)
        with pytest.raises(MlflowException) as told:
            mlflow.set_experiment("essai")
        if address.startswith("127"):
            trouble.seen(str(told.value))
        else:
            [said] = re.findall("dit `([^`]+)`", trouble.text)
            assert f"{said} '{address}'" in str(told.value)
    assert executed(trouble, capsys).strip()


# Code ancien, code d'aujourd'hui

OLD_AND_NEW = [
    row
    for row in tables(PAGE.read_text(encoding="utf-8").partition("## Code ancien")[2])
    if "`mlflow run" not in row["ancien"]
]


@pytest.fixture(scope="module")
def names(folder):
    """Ce que les lignes du tableau supposent déjà là."""
    (folder / "projet").mkdir()
    (folder / "projet/MLproject").write_text("entry_points: {main: {command: python --version}}")
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    model, client = Ridge().fit(X, Y), MlflowClient()
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(model, name="ridge", pip_requirements=PINS)
    mlflow.register_model(info.model_uri, "vins")
    client.transition_model_version_stage("vins", "1", "Production")
    client.set_registered_model_alias("vins", "champion", "1")
    return {
        **{
            "mlflow": mlflow,
            "model": model,
            "client": client,
            "run": run,
            "model_uri": info.model_uri,
        },
        **{
            "data": X.assign(target=Y),
            "y": Y,
            "y_pred": model.predict(X),
            "project": str(folder / "projet"),
        },
        **{
            "mean_squared_error": mean_squared_error,
            "root_mean_squared_error": root_mean_squared_error,
        },
    }


def said_by(code: str, names: dict, capfd) -> str:
    """Ce que dit une ligne du tableau : une erreur et son type, les avertissements, ou rien."""
    capfd.readouterr()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exec(code, dict(names))
            if "set_tracking_uri" in code:
                mlflow.search_experiments()
            error = ""
        except Exception as raised:  # c'est ce que le tableau montre : le type et le message
            error = f"{type(raised).__name__}, {raised}"
    mine = [
        str(each.message)
        for each in caught
        if re.search("deprecated since|API has been deprecated", str(each.message))
    ]
    return "\n".join([error, *mine, capfd.readouterr().err]).replace("`", "").strip()


@pytest.mark.parametrize("row", OLD_AND_NEW, ids=[row["ancien"] for row in OLD_AND_NEW])
def test_old_and_new_code(row, names, capfd, caplog, monkeypatch):
    caplog.set_level(logging.INFO, logger="mlflow")  # ce que MLflow dit à un lecteur
    # un projet lance le premier `python` du PATH
    monkeypatch.setenv("PATH", reader_environment()["PATH"])
    said, (kind, _, message) = (
        said_by(row["ancien"].strip("`"), names, capfd),
        row["ce que l'on voit"].replace("`", "").partition(", "),
    )
    if kind.startswith("rien"):
        assert said == ""
    else:
        assert message in said
        assert kind == (re.match(r"(\w+(?:Error|Exception))?", said)[1] or "un avertissement")
    assert not re.search(
        "Error|Exception|deprecated", said_by(row["aujourd'hui"].strip("`"), names, capfd)
    )


def test_the_rewritten_example_runs(capsys):
    """Le dernier programme de la page s'exécute et donne le nombre qu'elle montre."""
    *_, program, shown = pages.blocks(PAGE.read_text(encoding="utf-8"))
    exec(compile(program.text, "exemple", "exec"), {})
    assert pages.same_output(shown.lines, capsys.readouterr().out)
