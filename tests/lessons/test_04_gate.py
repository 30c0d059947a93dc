"""Leçon 4, entre la promotion et le service : la barrière de MLflow, la copie, le webhook, la
répétition générale.
"""

import ast
import base64
import hmac
import json
import re
import threading
import time
from importlib.metadata import requires

import mlflow
import pytest
from lesson_04 import MODEL, PRODUCTION, WINES, end_of, predicted, registry, script
from sklearn.metrics import accuracy_score
from texts import ROOT, last_cell, tables

GATE, COPY, WEBHOOK = (script(name) for name in ("gate", "copy_to_production", "webhook"))


@pytest.mark.slow
def test_gate(whole_lesson):
    output, right = whole_lesson.ended("gate").stdout, {}
    for version, run in enumerate(whole_lesson.runs_of("gate"), 1):
        right[version] = accuracy_score(WINES.y_test, predicted(whole_lesson, version))
        on_folds = (
            whole_lesson.client()
            .get_run(registry(whole_lesson).versions[version].run_id)
            .data.metrics["cv_accuracy"]
        )
        assert (
            f"version {version} : {right[version]:.3f} sur le test, {on_folds:.3f} sur 25 plis"
            in output
        )
        assert (run.info.run_name, run.data.metrics["accuracy_score"]) == (
            f"gate version {version}",
            right[version],
        )
        files = [
            each.path.rpartition(".")[2]
            for each in whole_lesson.client().list_artifacts(run.info.run_id)
        ]
        assert (len(run.data.metrics), sorted(files)) == (8, ["csv", "png", "png", "png", "png"])

    said = r"version (\d contre \d) : (seuil seul, \w+ ; mieux que l'ancienne, \w+ ; 25 plis, \w+)"
    decisions = dict(re.findall(said, output))
    rows = {row[""]: list(row.values())[1:] for row in tables(last_cell(GATE))}
    assert set(rows) == {"forêt contre arbre", "régression contre forêt"} and set(right) == {
        1,
        2,
        3,
    }
    for pair, title in {
        "2 contre 1": "forêt contre arbre",
        "3 contre 2": "régression contre forêt",
    }.items():
        alone, better, folds = re.findall(r"oui|non", decisions[pair])
        assert rows[title] == [alone, better, folds]
        new, old = (right[int(number)] for number in pair.split(" contre "))
        assert (alone == "oui") == (new >= 0.95)
        # la règle de MLflow, refaite à la main
        assert (better == "oui") == (new >= 0.95 and new - old >= 0.01)

    forest, regression = map(
        int,
        re.search(r"oui à la forêt : (\d+) fois ; à la régression : (\d+) fois", output).groups(),
    )
    moral = end_of("gate")
    assert f"oui {regression} fois sur 50" in moral and f"{forest} fois sur 50" in moral
    assert 0 < regression < 50 == forest  # l'une dépend du tirage, l'autre non
    assert f"un seul vin vaut {1 / 45:.3f}" in moral and 1 / 45 > 0.01


def test_copy_to_production(lesson, scratch):
    told = [line.strip() for line in lesson.ended("copy_to_production").stdout.splitlines()]
    assert told[0] == f"{MODEL}, version 2 -> {PRODUCTION}, version 1"
    client = lesson.client()
    original, copy = client.get_model_version(MODEL, "2"), client.get_model_version(PRODUCTION, "1")
    assert (copy.run_id, copy.description) == (
        original.run_id,
        original.description,
    ) and original.description
    assert dict(original.tags).items() <= dict(copy.tags).items()
    files = {
        client.get_model_version_download_uri(each.name, each.version) for each in (original, copy)
    }
    assert len(files) == 1  # rien n'est copié
    assert client.get_model_version_by_alias(PRODUCTION, "champion").version == copy.version
    # l'histoire est au nom
    assert not [
        key for key in client.get_registered_model(PRODUCTION).tags if key.startswith("history_")
    ]
    kept = (
        "description : copiée",
        "étiquettes de la version : copiées",
        "lien vers le run : copié",
        "fichiers : les mêmes, au même endroit",
    )
    assert {*kept, f"source : {copy.source}"} <= set(told)
    answers = re.findall(
        r"Original (\w+) : la copie répond (cultivar_\d), et vient du run « random_forest »",
        "\n".join(told),
    )
    [expected] = predicted(lesson, 2, WINES.X_test.head(1))
    assert answers == [("renommé", expected), ("supprimé", expected)]

    again = scratch.fork(COPY).stdout.splitlines()[0]
    assert "était déjà" in again and again.endswith("version 1.")
    assert len(scratch.client().search_model_versions(f"name = '{PRODUCTION}'")) == 1


@pytest.mark.slow
def test_webhook(whole_lesson):
    output, text = whole_lesson.ended("webhook").stdout, end_of("webhook")
    promoted = "Version 1 promue : le récepteur répond 200, et la version porte"
    told = re.search(promoted + r" \{'retested': '(\d+) vins sur 45'\}", output)
    same = predicted(whole_lesson, 3)  # la même régression logistique, apprise des mêmes vins
    assert int(told[1]) == accuracy_score(WINES.y_test, same, normalize=False)
    for said in (
        "sans signature : 401",
        "a essayé 4 fois",
        "10 secondes plus tard : 0 message",
        "n'a pas été éprouvé : version 2",
    ):
        assert said in output
    assert "4 essais" in text


def test_the_receiver_wants_a_signature_and_a_recent_message():
    """La fonction du script, seule : bien signé et récent, le message est lu ; vieux de six minutes
    ou mal signé, il est refusé.
    """
    tree = ast.parse((ROOT / WEBHOOK).read_text(encoding="utf-8"))
    function = next(
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "receive"
    )
    names = {
        "base64": base64,
        "hmac": hmac,
        "json": json,
        "time": time,
        "secret": "s",
        "down": threading.Event(),
    }
    exec(compile(ast.Module([function], []), WEBHOOK, "exec"), names)

    def signed(age: float, secret: str = "s") -> dict[str, str]:
        at = str(int(time.time() - age))
        digest = base64.b64encode(
            hmac.digest(secret.encode(), f"1.{at}.{{}}".encode(), "sha256")
        ).decode()
        return {
            "X-MLflow-Delivery-Id": "1",
            "X-MLflow-Timestamp": at,
            "X-MLflow-Signature": f"v1,{digest}",
        }

    with pytest.raises(KeyError, match="data"):  # signature admise : le corps, vide ici, est lu
        names["receive"](signed(0), "{}")
    assert names["receive"](signed(360), "{}") == names["receive"](signed(0, "autre"), "{}") == 401


@pytest.mark.slow
def test_rehearse(whole_lesson):
    lines = whole_lesson.ended("rehearse").stdout.splitlines()
    expected = predicted(whole_lesson, "2", WINES.X_test.head(2))
    # ici, là-bas, et ici sans skops
    assert [line.rpartition(", [")[2] for line in lines[:3]] == [str(expected)[1:]] * 3
    assert lines[0].startswith("@champion, version 2") and "No module named 'skops'" in lines[3]
    [run] = whole_lesson.runs_of("rehearse")
    model = whole_lesson.client().get_logged_model(run.outputs.model_outputs[0].model_id)
    asked = mlflow.artifacts.load_text(f"{model.artifact_location}/requirements.txt").split()
    assert len(asked) == 4 and not [line for line in asked if line.startswith("skops")]
    brought = {
        name: [line for line in requires(name) if line.startswith("skops") and "extra" not in line]
        for name in ("mlflow", "mlflow-skinny")
    }
    assert brought["mlflow"] and not brought["mlflow-skinny"]  # « que `mlflow` entier apporte »
