"""Leçon 4, entre la promotion et le service : la barrière de MLflow, la copie, le webhook, la répétition générale."""

import ast
import base64
import hmac
import json
import re
import shutil
import threading
import time
from importlib.metadata import requires

import mlflow
import pytest
from copies import Course
from texts import ROOT, last_cell, tables
from lesson_04 import MODEL, registry, script
from sklearn.metrics import accuracy_score
from wines import load_wines

GATE, COPY, WEBHOOK, REHEARSE = (script(name) for name in ("gate", "copy_to_production", "webhook", "rehearse"))
PRODUCTION = "wine_cultivars_new"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def promoted(tmp_path_factory) -> Course:
    """Le cours après promote.py : la forêt championne, l'arbre avant elle."""
    course = Course(tmp_path_factory.mktemp("barrière"))
    course.run(script("register_models"))
    course.run(script("promote"))
    return course


@pytest.mark.parametrize("name", [GATE, COPY, REHEARSE])
def test_on_an_empty_registry_one_line_with_the_command(fresh_course, name):
    ended = fresh_course.run(name, fails=True)
    assert ended.returncode == 1
    assert ended.stderr.strip().endswith("Lancez d'abord : uv run 04_model_registry_azureml/local/register_models.py")


def test_gate(promoted):
    before = registry(promoted).aliases
    output = promoted.run(GATE).stdout
    wines = load_wines()
    promoted.client()
    right = {}
    for version in (1, 2, 3):
        predicted = mlflow.pyfunc.load_model(f"models:/{MODEL}/{version}").predict(wines.X_test)
        right[version] = accuracy_score(wines.y_test, predicted)
        on_folds = promoted.client().get_run(registry(promoted).versions[version].run_id).data.metrics["cv_accuracy"]
        assert f"version {version} : {right[version]:.3f} sur le test, {on_folds:.3f} sur 25 plis" in output
        (run, *_) = promoted.runs("04_model_registry_azureml", f"attributes.run_name = 'gate version {version}'")
        assert run.data.metrics["accuracy_score"] == right[version]
        files = [each.path.rpartition(".")[2] for each in promoted.client().list_artifacts(run.info.run_id)]
        assert (len(run.data.metrics), sorted(files)) == (8, ["csv", "png", "png", "png", "png"])

    decisions = dict(re.findall(r"version (\d contre \d) : seuil seul, (\w+ ; mieux que l'ancienne, \w+ ; 25 plis, \w+)", output))
    rows = {row[""]: list(row.values())[1:] for row in tables(last_cell(GATE))}
    assert set(rows) == {"forêt contre arbre", "régression contre forêt"}
    for pair, title in {"2 contre 1": "forêt contre arbre", "3 contre 2": "régression contre forêt"}.items():
        alone, better, folds = re.findall(r"oui|non", decisions[pair])
        assert rows[title] == [alone, better, folds]
        new, old = (right[int(number)] for number in pair.split(" contre "))
        assert (alone == "oui") == (new >= 0.95)
        assert (better == "oui") == (new >= 0.95 and new - old >= 0.01)  # la règle de MLflow, refaite à la main

    forest, regression = map(int, re.search(r"oui à la forêt : (\d+) fois ; à la régression : (\d+) fois", output).groups())
    moral = last_cell(GATE).replace("\n", " ")
    assert f"oui {regression} fois sur 50" in moral and f"{forest} fois sur 50" in moral
    assert 0 < regression < 50 == forest  # l'une dépend du tirage, l'autre non
    assert f"un seul vin vaut {1 / 45:.3f}" in moral and 1 / 45 > 0.01
    assert registry(promoted).aliases == before


def test_copy_to_production(promoted):
    first = promoted.run(COPY).stdout.splitlines()
    assert first[0] == f"{MODEL}, version 2 -> {PRODUCTION}, version 1"
    client = promoted.client()
    original, copy = client.get_model_version(MODEL, "2"), client.get_model_version(PRODUCTION, "1")
    assert (copy.run_id, copy.description) == (original.run_id, original.description) and original.description
    assert dict(original.tags).items() <= dict(copy.tags).items()
    files = {client.get_model_version_download_uri(each.name, each.version) for each in (original, copy)}
    assert len(files) == 1  # rien n'est copié
    assert client.get_model_version_by_alias(PRODUCTION, "champion").version == copy.version
    assert not [key for key in client.get_registered_model(PRODUCTION).tags if key.startswith("history_")]  # l'histoire est au nom
    told = [line.strip() for line in first]
    for line in (
        "description : copiée", "étiquettes de la version : copiées", "lien vers le run : copié",
        "fichiers : les mêmes, au même endroit", f"source : {copy.source}",
    ):  # fmt: skip
        assert line in told
    answers = re.findall(r"Original (\w+) : la copie répond (cultivar_\d), et vient du run « random_forest »", "\n".join(first))
    wine = load_wines().X_test.head(1)
    expected = mlflow.pyfunc.load_model(f"models:/{MODEL}/2").predict(wine)[0]
    assert answers == [("renommé", expected), ("supprimé", expected)]
    assert registry(promoted).names == {MODEL, PRODUCTION}  # rien de ce qui était à jeter ne reste

    again = promoted.run(COPY).stdout.splitlines()
    assert again[0] == f"La version 2 de {MODEL} était déjà dans {PRODUCTION} : version 1."
    assert len(client.search_model_versions(f"name = '{PRODUCTION}'")) == 1


def test_webhook(promoted):
    before = registry(promoted)
    output = promoted.run(WEBHOOK).stdout
    wines = load_wines()
    told = re.search(r"Version 1 promue : le récepteur répond 200, et la version porte \{'retested': '(\d+) vins sur 45'\}", output)
    model = promoted.client().get_model_version(MODEL, "3")  # la même régression logistique, apprise des mêmes vins
    predicted = mlflow.pyfunc.load_model(f"models:/{model.name}/{model.version}").predict(wines.X_test)
    assert int(told[1]) == accuracy_score(wines.y_test, predicted, normalize=False)
    assert "Un message sans signature : 401" in output
    assert "Le serveur a essayé 4 fois." in output and "4 essais" in last_cell(WEBHOOK).replace("\n", " ")
    assert "Récepteur réparé, 10 secondes plus tard : 0 message." in output
    assert "ce qui n'a pas été éprouvé : version 2." in output
    assert registry(promoted) == before  # rien n'a touché au magasin du lecteur


def test_the_receiver_wants_a_signature_and_a_recent_message():
    """La fonction du script, seule : bien signé et récent, le message est lu ; vieux de six minutes ou mal signé, il est refusé."""
    tree = ast.parse((ROOT / WEBHOOK).read_text(encoding="utf-8"))
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "receive")
    names = {"base64": base64, "hmac": hmac, "json": json, "time": time, "secret": "s", "down": threading.Event()}
    exec(compile(ast.Module([function], []), WEBHOOK, "exec"), names)

    def signed(age: float, secret: str = "s") -> dict[str, str]:
        at = str(int(time.time() - age))
        digest = base64.b64encode(hmac.digest(secret.encode(), f"1.{at}.{{}}".encode(), "sha256")).decode()
        return {"X-MLflow-Delivery-Id": "1", "X-MLflow-Timestamp": at, "X-MLflow-Signature": f"v1,{digest}"}

    with pytest.raises(KeyError, match="data"):  # signature admise : le corps, vide ici, est lu
        names["receive"](signed(0), "{}")
    assert names["receive"](signed(360), "{}") == names["receive"](signed(0, "autre"), "{}") == 401


def test_rehearse(promoted):
    if shutil.which("uv") is None:
        pytest.skip("uv manque : https://docs.astral.sh/uv/")
    output = promoted.run(REHEARSE, timeout=900).stdout
    promoted.client()
    expected = mlflow.pyfunc.load_model(f"models:/{MODEL}@champion").predict(load_wines().X_test.head(2)).tolist()
    lines = output.splitlines()
    assert lines[0] == f"@champion, version 2 : ici, {expected}"
    assert lines[1] == f"  avec ses seules dépendances, {expected}"
    assert lines[2] == f"le même, mlflow-skinny et sans skops : ici, {expected}"
    assert lines[3].startswith("  avec ses seules dépendances, rien : ") and "No module named 'skops'" in lines[3]
    (run, *_) = promoted.runs("04_model_registry_azureml", "attributes.run_name = 'rehearsal'")
    model = promoted.client().get_logged_model(run.outputs.model_outputs[0].model_id)
    asked = mlflow.artifacts.load_text(f"{model.artifact_location}/requirements.txt").split()
    assert len(asked) == 4 and not [line for line in asked if line.startswith("skops")]
    brought = {
        name: [line for line in requires(name) if line.startswith("skops") and "extra" not in line] for name in ("mlflow", "mlflow-skinny")
    }
    assert brought["mlflow"] and not brought["mlflow-skinny"]  # « que `mlflow` entier apporte »
