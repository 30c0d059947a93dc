"""Leçon 4 : serve.py, et ce que le serveur de MLflow répond."""

import json

import mlflow
import pytest
import requests
from copies import Course
from programs import free_port, running
from texts import ROOT, last_cell, tables
from lesson_04 import LESSON, MODEL, is_announced, readme, registry, script
from wines import load_wines

ENDPOINT = ROOT / LESSON / "endpoint"
SERVE = script("serve")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory) -> Course:
    """Le cours au point où serve.py le trouve : la forêt championne, l'arbre avant elle."""
    course = Course(tmp_path_factory.mktemp("servir"))
    course.run(script("register_models"))
    course.run(script("promote"))
    return course


def predictions(course: Course, *versions: int) -> list[list[str]]:
    course.client()
    wines = load_wines().X_test
    return [mlflow.pyfunc.load_model(f"models:/{MODEL}/{number}").predict(wines).tolist() for number in versions]


@pytest.mark.slow
def test_the_service_keeps_its_version_until_restarted(deployed):
    before = registry(deployed).aliases
    output = deployed.run(SERVE).stdout
    is_announced(SERVE, output)
    lines = output.splitlines()
    new, old = predictions(deployed, 2, 1)
    differ = sum(a != b for a, b in zip(new, old, strict=True))
    assert lines[0] == f"@champion : version 2. @previous : version 1. Sur {len(new)} vins, elles diffèrent {differ} fois."
    assert f"les deux versions diffèrent {differ} fois" in last_cell(SERVE).replace("\n", " ") and differ > 0
    assert f"Un vin : {{'predictions': ['{new[0]}']}}" in lines
    assert [line for line in lines if "REST" in line] == [
        "@live sur la version 2 : REST, version 2 ; par lot, version 2.",
        "@live sur la version 1 : REST, version 2 ; par lot, version 1.",
        "Après redémarrage : REST, version 1 ; par lot, version 1.",
    ]
    assert [line.split(" : ")[1][:3] for line in lines if line.startswith("  ")] == ["400"] * 3
    assert registry(deployed).aliases == before  # @live n'a fait que passer


@pytest.mark.slow
def test_bodies_for_which_the_mlflow_server_answers_500_or_too_kindly(deployed):
    """Ce serveur n'est pas le nôtre : la leçon dit ce qu'il répond, et ce test le tient à jour."""
    wines = load_wines().X_test.head(2)
    split = wines.to_dict(orient="split", index=False)
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
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        *deployed.command("", "")[:1],
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
    with running([*command, "-p", str(port)], deployed.root, f"{url}/health", MLFLOW_TRACKING_URI=deployed.uri):
        for name in ("mlflow", "sample"):
            sent[name] = requests.post(f"{url}/invocations", json=json.loads((ENDPOINT / f"{name}_request.json").read_text()), timeout=60)
        for name, data in asked.items():
            headers = {} if name == "sans Content-Type" else {"Content-Type": "application/json"}
            answers[name] = requests.post(f"{url}/invocations", data=data, headers=headers, timeout=60).status_code
    told = {row["corps de la requête"]: int(row["code"]) for row in tables(readme()) if "corps de la requête" in row}
    assert answers == told
    assert list(answers.values()).count(500) == 5 and list(answers.values()).count(200) == 4
    assert sent["sample"].status_code == 400  # la forme d'Azure n'est pas celle de MLflow
    assert sent["mlflow"].json() == {"predictions": ["cultivar_2", "cultivar_0"]}
    assert "m-" not in sent["mlflow"].text + str(sent["mlflow"].headers)  # rien ne dit quel modèle a répondu


@pytest.mark.slow
def test_after_a_rollback_once_and_twice_what_follows_runs(deployed):
    """Personne n'est plus avant le champion : serve.py met en face de lui le premier candidat, et le dit."""
    deployed.run(script("promote"), "--rollback")
    deployed.run(script("promote"), "--rollback", fails=True)
    output = deployed.run(SERVE).stdout
    assert output.startswith("@champion : version 1. @challenger : version 2. Sur 45 vins, elles diffèrent 5 fois.")
    assert "@live sur la version 2 : REST, version 1 ; par lot, version 2." in output
    planned = deployed.run(script("plan_azure")).stdout
    assert "blue : @challenger, version 2," in planned and "green : @champion, version 1," in planned
    measured = deployed.run(script("measure_traceability"), timeout=900).stdout
    assert "Maillons retrouvés et vrais : 100 % (15 prédictions, 10 maillons)." in measured
