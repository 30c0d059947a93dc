"""GLOSSAIRE.md : à jour, complet, et son index ne se trompe pas d'appel."""

import importlib
import re
import subprocess
import sys

import make_glossary
import pytest
from conftest import ROOT, tables

TEXT = make_glossary.PAGE.read_text(encoding="utf-8")
TERMS, INDEX = (tables(part) for part in TEXT.split("## Index des appels"))
# Les mots que le cours emploie dans un sens précis : chacun doit avoir sa ligne.
WORDS = """run, experiment, to log, tracking, parameter, metric, step, tag, artifact, data set, parent run, child run, sweep, store,
backend store, autolog, logged model, flavor, signature, input example, requirements, skops, pickle, weights, MLflow Project,
entry point, commit, to replay, seed, model registry, to register, registered model, model version, alias, stage, to serve,
batch, endpoint, to deploy, blue/green, traffic split, lineage, split, cross-validation, cluster, epoch, loss, scaling,
hyperparameter, accuracy, sensitivity, specificity, precision, NPV, fall-out, FDR, widget, serverless, asset bundle"""


def test_page_is_up_to_date():
    assert make_glossary.updated(TEXT) == TEXT, "uv run tools/make_glossary.py"


def test_the_tool_says_when_it_is_stale(tmp_path):
    """`--check` échoue dès qu'une ligne bouge : ici, une ligne ajoutée en tête du premier script."""
    for folder in ("tools", "01_tracking_supervised/local"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("tools/make_glossary.py", "tools/course.py", "01_tracking_supervised/local/first_run.py"):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    script = tmp_path / "01_tracking_supervised/local/first_run.py"
    page = f'[a](b "mlflow.set_experiment(")\n\n{make_glossary.START}\n{make_glossary.END}\n'
    (tmp_path / "GLOSSAIRE.md").write_text(page, encoding="utf-8")

    def tool(*options):
        return subprocess.run([sys.executable, tmp_path / "tools/make_glossary.py", *options], capture_output=True, text=True)

    assert tool("--check").returncode == 1
    assert tool().returncode == 0
    assert tool("--check").returncode == 0
    script.write_text("# une ligne\n" + script.read_text(encoding="utf-8"), encoding="utf-8")
    assert "n'est pas à jour" in tool("--check").stderr


@pytest.mark.parametrize("row", TERMS, ids=[row["anglais"] for row in TERMS])
def test_each_term(row):
    assert row["français"] and re.fullmatch(r"\*[^*]+\*", row["anglais"])
    sentence = row["ce que c'est"]
    assert sentence[0].isupper() and sentence.endswith(".")
    linked = re.fullmatch(r'\[(\w+)\]\(([^#\s]+)#L(\d+) "(.+)"\)', row["vu d'abord"])
    if linked:
        lines = (ROOT / linked[2]).read_text(encoding="utf-8").splitlines()
        assert linked[4] in lines[int(linked[3]) - 1]
    else:  # ce qui n'est dans aucun script est dans une leçon
        lesson = re.fullmatch(r"\[leçon \d\]\((0\d_\w+/README.md)\)", row["vu d'abord"])
        word = row["français"].strip("*").split(",")[0]
        assert word.lower() in (ROOT / lesson[1]).read_text(encoding="utf-8").lower()


def test_no_word_is_missing_or_twice():
    english = [word.strip() for row in TERMS for word in row["anglais"].strip("*").split(",")]
    assert len(english) == len(set(english))
    assert {word.strip() for word in WORDS.replace("\n", " ").split(",")} - set(english) == set()


SCRIPT = """
import mlflow
from mlflow import MlflowClient
from mlflow.models import infer_signature as guess
client = MlflowClient()
other = mlflow.tracking.MlflowClient("x")
with mlflow.start_run():
    mlflow.data.from_pandas(
        table)
client.get_run("a")
other.get_run("b")
mlflow.MlflowClient().set_tag("a", "b", "c")
guess([1])
table.search_runs()
run.data.metrics.get("x")
"""


def test_calls_are_named_in_full():
    assert [(call.name, call.line) for call in make_glossary.calls("x.py", SCRIPT)] == [
        ("mlflow.MlflowClient", 5),
        ("mlflow.tracking.MlflowClient", 6),
        ("mlflow.start_run", 7),
        ("mlflow.data.from_pandas", 8),
        ("MlflowClient.get_run", 10),
        ("MlflowClient.get_run", 11),
        ("MlflowClient.set_tag", 12),
        ("mlflow.MlflowClient", 12),
        ("mlflow.models.infer_signature", 13),
    ]


def test_each_call_of_the_index_exists_in_mlflow():
    for row in INDEX:
        owner, _, name = row["appel"].strip("`").rpartition(".")
        if owner == make_glossary.CLIENT:
            assert hasattr(importlib.import_module("mlflow").MlflowClient, name), row["appel"]
        elif not owner.startswith(("mlflow.pyspark", "mlflow.optuna")):  # ceux-là demandent PySpark et Optuna
            assert hasattr(importlib.import_module(owner), name), row["appel"]


def test_no_call_is_forgotten():
    """Une autre façon de les trouver : tout `mlflow.x.y(` écrit dans un script est dans l'index, avec ce script."""
    shown = {row["appel"].strip("`"): row["où le voir"] for row in INDEX}
    for path in make_glossary.sources():
        code = re.sub(r"^ *#.*$|\"\"\".*?\"\"\"|`[^`]*`", "", (ROOT / path).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for name in re.findall(r"(?<![\w.'\"`])mlflow(?:\.\w+)+(?=\()", code):
            assert f"({path}#L" in shown[name], f"{name} dans {path}"
