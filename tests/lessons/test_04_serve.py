"""Leçon 4 : 03_serve.py, et ce que le serveur de MLflow répond."""

import json
import sys

import pytest
import requests
from lesson_04 import ENDPOINT, MODEL, PAGE, WINES, end_of, predicted, script
from programs import free_port, running
from texts import tables

SERVE = script("serve")


@pytest.mark.slow
def test_the_service_keeps_its_version_until_restarted(whole_lesson):
    lines = whole_lesson.ended("serve").stdout.splitlines()
    new, old = predicted(whole_lesson, 2), predicted(whole_lesson, 1)
    differ = sum(a != b for a, b in zip(new, old, strict=True))
    told = f"Sur {len(new)} vins, elles diffèrent {differ} fois."
    assert lines[0] == f"@champion : version 2. @previous : version 1. {told}"
    assert f"les deux versions diffèrent {differ} fois" in end_of("serve") and differ > 0
    assert f"Un vin : {{'predictions': ['{new[0]}']}}" in lines
    assert [line for line in lines if "REST" in line] == [
        "@live sur la version 2 : REST, version 2 ; par lot, version 2.",
        "@live sur la version 1 : REST, version 2 ; par lot, version 1.",
        "Après redémarrage : REST, version 1 ; par lot, version 1.",
    ]
    assert [line.split(" : ")[1][:3] for line in lines if line.startswith("  ")] == ["400"] * 3


@pytest.mark.slow
def test_bodies_for_which_the_mlflow_server_answers_500_or_too_kindly(scratch):
    """Ce serveur n'est pas le nôtre : la leçon dit ce qu'il répond, et ce test le tient à jour."""
    split = WINES.X_test.head(2).to_dict(orient="split", index=False)
    columns, (first, second) = split["columns"], split["data"]

    def body(columns=columns, data=(first,)):
        return json.dumps({"dataframe_split": {"columns": columns, "data": list(data)}})

    asked = {
        "sans Content-Type": body().encode(),
        "des objets pour noms de colonnes": body(columns=[{"a": 1}] * 13),
        "100 000 listes emboîtées": "[" * 100_000 + "]" * 100_000,
        "5 000 listes emboîtées dans `inputs`": '{"inputs": ' + "[" * 5000 + "]" * 5000 + "}",
        "un entier de 5 000 chiffres": '{"inputs": ' + "1" * 5000 + "}",
        "des valeurs nulles": body(data=[[None] * 13]),
        "une seconde ligne trop courte": body(data=[first, second[:5]]),
        "une colonne en trop": body(columns=[*columns, "x"], data=[[*first, 1.0]]),
        "un nombre écrit en texte": body(data=[["13.2"] * 13]),
        "une colonne en moins": body(columns=columns[:-1], data=[first[:-1]]),
        "un corps vide": "",
        "aucune ligne": body(data=[]),
    }
    url = f"http://127.0.0.1:{free_port()}"
    served = [
        sys.executable,
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        f"models:/{MODEL}@champion",
        "--env-manager",
        "local",
    ]
    answers, sent = {}, {}
    with running(
        [*served, "-p", url.rpartition(":")[2]],
        scratch.root,
        f"{url}/health",
        MLFLOW_TRACKING_URI=scratch.uri,
    ):
        for name in ("mlflow", "sample"):
            sent[name] = requests.post(
                f"{url}/invocations",
                json=json.loads((ENDPOINT / f"{name}_request.json").read_text()),
                timeout=60,
            )
        for name, data in asked.items():
            headers = {} if name == "sans Content-Type" else {"Content-Type": "application/json"}
            answers[name] = requests.post(
                f"{url}/invocations", data=data, headers=headers, timeout=60
            ).status_code
    assert answers == {
        row["corps de la requête"]: int(row["code"])
        for row in tables(PAGE)
        if "corps de la requête" in row
    }
    assert list(answers.values()).count(500) == 5 and list(answers.values()).count(200) == 4
    assert sent["sample"].status_code == 400  # la forme d'Azure n'est pas celle de MLflow
    assert sent["mlflow"].json() == {"predictions": ["cultivar_2", "cultivar_0"]}
    # rien ne dit quel modèle a répondu
    assert "m-" not in sent["mlflow"].text + str(sent["mlflow"].headers)


@pytest.mark.release
def test_after_a_rollback_the_first_candidate_stands_in_front_of_the_champion(scratch):
    """Comme plan_azure, que test_04_registry éprouve après un retour en arrière."""
    scratch.fork(script("promote"), "--rollback")
    output = scratch.run(SERVE).stdout
    assert output.startswith("@champion : version 1. @challenger : version 2.")
    assert "@live sur la version 2 : REST, version 1 ; par lot, version 2." in output
