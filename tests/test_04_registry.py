"""Leçon 4 : le registre, la promotion, le service et la traçabilité, vérifiés sur un magasin de test."""

import json
import re
from types import SimpleNamespace

import mlflow
import numpy as np
import pytest
import requests
from conftest import ROOT, Course, free_port, last_cell, numbers, tables
from servers import running
from wines import Verdict, candidates, compare, cross_validated, cultivars, load_wines

LOCAL = "04_model_registry_azureml/local"
REGISTER, PROMOTE, SERVE, MEASURE = (f"{LOCAL}/{name}.py" for name in ("register_models", "promote", "serve", "measure_traceability"))
EXPERIMENT, MODEL = "04_model_registry_azureml", "wine_cultivars"
FAMILIES = ("decision_tree", "random_forest", "logistic_regression")


def registry(course: Course) -> SimpleNamespace:
    """Le registre tel qu'il est : alias, étiquettes du nom, versions."""
    client = course.client()
    model = client.get_registered_model(MODEL)
    versions = sorted(client.search_model_versions(f"name = '{MODEL}'"), key=lambda each: int(each.version))
    return SimpleNamespace(
        aliases={alias: int(version) for alias, version in model.aliases.items()},
        history=[line for key, line in sorted(model.tags.items()) if key.startswith("history_")],
        versions={int(each.version): client.get_model_version(MODEL, each.version) for each in versions},
        names={each.name for each in client.search_registered_models()},
    )


@pytest.fixture(scope="module")
def story(tmp_path_factory) -> SimpleNamespace:
    """L'histoire entière, une fois : inscrire, promouvoir, refuser, revenir en arrière ; l'état du registre à chaque pas."""
    course = Course(tmp_path_factory.mktemp("leçon 4"))
    told = SimpleNamespace(course=course)
    told.registering, told.registered = course.run(REGISTER), registry(course)
    told.promoting, told.promoted = course.run(PROMOTE), registry(course)
    told.refusing, told.refused = course.run(PROMOTE, "--candidates", "outsider", "--margin", 0), registry(course)
    told.going_back, told.back = course.run(PROMOTE, "--rollback"), registry(course)
    told.again = course.run(PROMOTE, "--rollback", fails=True)
    return told


@pytest.fixture(scope="module")
def scores() -> dict[str, dict[str, float]]:
    """Les métriques des trois candidats, recalculées ici."""
    wines = load_wines()
    return {name: cross_validated(model, wines.X_train, wines.y_train) for name, model in candidates().items()}


def run_of(story, version: int):
    return story.course.client().get_run(story.registered.versions[version].run_id)


def announced(script: str) -> str:
    """L'expression régulière de ce que le README annonce pour `script` ; `…` y vaut n'importe quoi."""
    readme = (ROOT / "04_model_registry_azureml/README.md").read_text(encoding="utf-8")
    block = re.search(rf"```\nuv run {re.escape(script)}\n```\n\n```text\n(.*?)\n```", readme, re.DOTALL)[1]
    return re.escape(block).replace("…", ".*?")


def is_announced(script: str, output: str) -> None:
    assert re.fullmatch(announced(script), output.strip(), re.DOTALL), output


# --- wines.py


def test_the_split_keeps_the_proportions_and_the_real_units():
    wines = load_wines()
    assert (len(wines.X_train), len(wines.X_test)) == (133, 45)
    assert not set(wines.X_train.index) & set(wines.X_test.index)
    shares = [[np.mean(y == name) for name in cultivars] for y in (wines.y_train, wines.y_test)]
    np.testing.assert_allclose(*shares, atol=0.02)
    assert wines.X_train.proline.max() > 1000  # des mg/l, non mis à l'échelle : c'est le travail du pipeline
    assert set(map(str, wines.X_train.dtypes)) == {"float64"}


@pytest.mark.parametrize(
    ("accuracy", "recalls", "promoted"),
    [
        (0.92, (0.9, 0.9, 0.9), True),
        (0.91, (0.9, 0.9, 0.9), True),  # la marge tout juste
        (0.905, (0.9, 0.9, 0.9), False),  # mieux, mais moins que la marge
        (0.99, (0.9, 0.89, 1.0), False),  # bien mieux, mais un cultivar perd
        (0.90, (0.9, 0.9, 0.9), False),
        (0.80, (0.9, 0.9, 0.9), False),
    ],
)
def test_a_candidate_needs_the_margin_and_every_cultivar(accuracy, recalls, promoted):
    def metrics(accuracy, recalls):
        return {"cv_accuracy": accuracy} | {f"cv_recall_{name}": recall for name, recall in zip(cultivars, recalls, strict=True)}

    verdict = compare(metrics(0.9, (0.9, 0.9, 0.9)), metrics(accuracy, recalls), margin=0.01 - 1e-12)
    assert isinstance(verdict, Verdict) and verdict.promoted == promoted
    assert ("cultivar_1" in verdict.reason) == (recalls[1] < 0.9)


# --- register_models.py


def test_three_versions_with_what_is_behind_each(story, scores):
    assert story.registered.aliases == {"champion": 1, "challenger": 2, "outsider": 3}
    wines = load_wines()
    digest = mlflow.data.from_pandas(wines.X_train.assign(cultivar=wines.y_train), targets="cultivar").digest
    for number, family in enumerate(FAMILIES, 1):
        version, run = story.registered.versions[number], run_of(story, number)
        assert version.tags["family"] == run.data.params["family"] == family
        assert f"{scores[family]['cv_accuracy']:.3f}" in version.description
        assert {name: run.data.metrics[name] for name in scores[family]} == scores[family]
        assert run.data.tags["mlflow.note.content"] and run.data.tags["mlflow.user"]
        assert run.data.tags["mlflow.source.git.commit"] == story.course.git("rev-parse", "HEAD")
        assert [each.dataset.digest for each in run.inputs.dataset_inputs] == [digest]
        assert story.course.client().list_artifacts(run.info.run_id)[0].path == "confusion_matrix.png"


def test_models_are_skops_files_with_signature_that_answer_like_a_fresh_fit(story):
    wines = load_wines()
    story.course.client()
    for number, family in enumerate(FAMILIES, 1):
        info = mlflow.models.get_model_info(f"models:/{MODEL}/{number}")
        assert info.flavors["sklearn"]["serialization_format"] == "skops"
        assert info.signature.inputs.input_names() == list(wines.X_train) and info.signature.outputs is not None
        folder = story.course.root / "mlruns"
        assert list(folder.rglob(f"{info.model_id}/artifacts/model.skops")) and not list(folder.rglob("*.pkl"))
        model = mlflow.pyfunc.load_model(f"models:/{MODEL}/{number}")
        fresh = candidates()[family].fit(wines.X_train, wines.y_train)
        assert model.predict(wines.X_test).tolist() == fresh.predict(wines.X_test).tolist()


def test_the_throw_away_name_is_gone_and_nothing_else(story):
    assert story.registered.names == {MODEL}
    assert "wine_cultivars_renamed : version 1 supprimée, reste la 2" in story.registering.stdout
    assert [run.info.status for run in story.course.runs(EXPERIMENT)].count("FINISHED") == len(story.course.runs(EXPERIMENT))


def test_register_text_and_output_agree_with_the_scores(story, scores):
    rows = tables(last_cell(REGISTER))
    assert [row["modèle"] for row in rows] == list(FAMILIES)
    for row in rows:
        assert row["exactitude"] == f"{scores[row['modèle']]['cv_accuracy']:.3f}"
        assert story.registered.aliases[row["alias"]] == int(row["version"])
        assert re.search(rf"version {row['version']} : {row['modèle']} +@{row['alias']} +exactitude {row['exactitude']}", story.registering.stdout)
    story.course.client()
    with pytest.raises(mlflow.MlflowException):
        mlflow.pyfunc.load_model(f"models:/{MODEL}")


# --- promote.py


def test_promotes_the_forest_and_refuses_the_regression(story, scores):
    assert story.promoted.aliases == {"champion": 2, "previous": 1, "challenger": 2, "outsider": 3}
    tags = {number: version.tags for number, version in story.promoted.versions.items()}
    assert (tags[2]["decision"], tags[3]["decision"]) == ("promoted", "refused") and "decision" not in tags[1]
    gains = [scores[b]["cv_accuracy"] - scores[a]["cv_accuracy"] for a, b in zip(FAMILIES, FAMILIES[1:], strict=False)]
    assert f"{gains[0]:+.4f}" in tags[2]["reason"] and f"{gains[1]:+.4f}" in tags[3]["reason"]
    assert "cultivar_1, cultivar_2" in tags[3]["reason"]
    rows = tables(last_cell(PROMOTE))
    for row, (champion, candidate), gain in zip(rows, zip(FAMILIES, FAMILIES[1:], strict=False), gains, strict=True):
        assert row["exactitude du champion"] == f"{scores[champion]['cv_accuracy']:.3f}"
        assert row["du candidat"] == f"{scores[candidate]['cv_accuracy']:.3f}"
        assert row["gain"] == f"{gain:+.4f}"
    assert [row["verdict"] for row in rows] == ["promue", "refusée"]


def test_what_the_comparison_recorded_is_what_was_compared(story, scores):
    decided = {run.info.run_name: run for run in story.course.runs(EXPERIMENT, "params.margin = '0.01'")}
    for name, champion, candidate in (("version 2 contre 1", *FAMILIES[:2]), ("version 3 contre 2", *FAMILIES[1:])):
        metrics = decided[name].data.metrics
        for role, family in (("champion", champion), ("candidate", candidate)):
            assert {key: metrics[f"{role}_{key}"] for key in scores[family]} == scores[family]
        assert metrics["cv_accuracy_gain"] == scores[candidate]["cv_accuracy"] - scores[champion]["cv_accuracy"]


def test_the_test_set_is_counted_for_the_champion_alone(story):
    wines = load_wines()
    right = int((candidates()["random_forest"].fit(wines.X_train, wines.y_train).predict(wines.X_test) == wines.y_test).sum())
    assert f"Jeu de test : {right} vins sur {len(wines.y_test)}." in story.promoting.stdout
    assert f"Les {right} vins du test, tous reconnus" in last_cell(PROMOTE)


def test_the_readme_announces_what_is_printed(story):
    is_announced(REGISTER, story.registering.stdout)
    is_announced(PROMOTE, story.promoting.stdout)


def test_without_margin_a_loss_on_a_cultivar_still_refuses(story):
    assert "refusée" in story.refusing.stdout and "sensibilité en baisse" in story.refusing.stdout
    assert story.refused.aliases == story.promoted.aliases
    assert story.refused.history == story.promoted.history


def test_rollback_restores_the_previous_holder_and_the_history_tells_all(story):
    assert story.back.aliases == {"champion": 1, "challenger": 2, "outsider": 3}
    assert [re.search(r"@champion : (\d+(?: -> \d+)?)", line)[1] for line in story.back.history] == ["1", "1 -> 2", "2 -> 1"]
    assert story.back.versions[2].tags["decision"] == "rolled back"
    for line in story.back.history:
        assert line in story.going_back.stdout


def test_a_second_rollback_says_in_one_line_that_nobody_is_before(story):
    assert story.again.returncode == 1 and story.again.stderr.count("\n") == 1
    assert "@previous" in story.again.stderr


@pytest.mark.slow
def test_bad_arguments_and_unknown_models_leave_no_run(story):
    before = len(story.course.runs(EXPERIMENT))
    for arguments, code in ((("--margin", "2"), 2), (("--candidates", "absent"), 1)):
        ended = story.course.run(PROMOTE, *arguments, fails=True)
        assert ended.returncode == code, (arguments, ended.stderr)
    assert len(story.course.runs(EXPERIMENT)) == before


# --- serve.py et le serveur de MLflow


@pytest.fixture(scope="module")
def deployed(story) -> Course:
    """L'histoire, reprise au point où serve.py la trouve : la forêt championne, l'arbre avant elle."""
    story.course.run(PROMOTE)
    return story.course


@pytest.mark.slow
def test_the_service_keeps_its_version_until_restarted(deployed):
    before = registry(deployed).aliases
    output = deployed.run(SERVE).stdout
    is_announced(SERVE, output)
    lines = output.splitlines()
    wines = load_wines()
    deployed.client()
    new, old = (mlflow.pyfunc.load_model(f"models:/{MODEL}/{number}").predict(wines.X_test) for number in (2, 1))
    differ = int((new != old).sum())
    assert lines[0] == f"Sur {len(wines.X_test)} vins, les versions 2 et 1 diffèrent {differ} fois."
    assert f"les deux versions diffèrent {differ} fois" in last_cell(SERVE).replace("\n", " ") and differ > 0
    assert lines[1] == f"Un vin : {{'predictions': ['{new[0]}']}}"
    answered = [line for line in lines if "REST" in line]
    assert answered == [
        "REST : version 2. Par lot : version 2.", "REST : version 2. Par lot : version 1.", "Après redémarrage, REST : version 1.",
    ]  # fmt: skip
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
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [*deployed.command("", "")[:1], "-m", "mlflow", "models", "serve", "-m", f"models:/{MODEL}@champion", "--env-manager", "local"]
    answers = {}
    with running([*command, "-p", str(port)], f"{url}/health", MLFLOW_TRACKING_URI=deployed.uri):
        for name, data in asked.items():
            headers = {} if name == "sans Content-Type" else {"Content-Type": "application/json"}
            answers[name] = requests.post(f"{url}/invocations", data=data, headers=headers, timeout=60).status_code
    readme = (deployed.root / "04_model_registry_azureml/README.md").read_text(encoding="utf-8")
    told = {row["corps de la requête"]: int(row["code"]) for row in tables(readme) if "corps de la requête" in row}
    assert answers == told
    assert list(answers.values()).count(500) == 5


# --- measure_traceability.py


@pytest.mark.slow
def test_every_link_is_true_and_each_damage_is_noticed(deployed):
    names, runs = registry(deployed).names, len(deployed.runs(EXPERIMENT))
    output = deployed.run(MEASURE, timeout=600).stdout
    is_announced(MEASURE, output)
    metrics = deployed.runs("measurements")[0].data.metrics
    assert metrics["links_true_share"] == 1 and "vrais : 100% (15 prédictions, 10 maillons)" in output
    assert "10 maillons sur 10" in last_cell(MEASURE) and "15 prédictions sur 15" in last_cell(MEASURE)
    told = {row["dégât"]: row["maillons rompus"] for row in tables(last_cell(MEASURE)) if "dégât" in row}
    for name, links in told.items():
        assert f"Dégât « {name} », maillons rompus : {links}" in output
        assert metrics[f"broken_by_{name.replace(' ', '_')}"] == len(links.split(", "))
    assert len(told) == 3
    kept = {row["ancienne valeur"]: row["où"].split(", ") for row in tables(last_cell(MEASURE)) if "ancienne valeur" in row}
    for verdict, share in (("retrouvée", 1), ("perdue", 0)):
        assert set(kept[verdict]) == {
            key.removeprefix("kept_").replace("_", " ") for key, value in metrics.items() if key.startswith("kept_") and value == share
        }
    # rien d'abîmé, rien d'ajouté qu'un run de mesure
    assert registry(deployed).names == names and len(deployed.runs(EXPERIMENT)) == runs
    everywhere = [run for experiment in (EXPERIMENT, "measurements") for run in deployed.runs(experiment)][:-1]
    commits = sum("mlflow.source.git.commit" in run.data.tags for run in everywhere)
    assert metrics["transparency_commit"] == commits / len(everywhere) == 1


@pytest.mark.slow
def test_a_false_answer_a_false_time_and_an_unknown_model_are_noticed(deployed):
    from tracing import Prediction, Tracer

    wines = load_wines()
    client = deployed.client()
    model = mlflow.pyfunc.load_model(f"models:/{MODEL}/2")
    wine = wines.X_test.head(1)
    true = Prediction(wine, model.predict(wine)[0], model.metadata.model_id, 2**53)
    tracer = Tracer(client, wines.X_train, wines.y_train, deployed.root)
    assert all(tracer.trace(true).values())
    lies = tracer.trace(true._replace(cultivar="cultivar_9"))
    assert [link for link, holds in lies.items() if not holds] == ["model"]
    early = tracer.trace(true._replace(time=0))
    assert [link for link, holds in early.items() if not holds] == ["time"]
    assert not any(tracer.trace(true._replace(model_id="m-" + "0" * 32)).values())


def test_numbers_in_the_texts_have_a_test():
    """Chaque nombre à virgule d'un « À retenir » de la leçon est dans un tableau vérifié plus haut, ou l'un de ceux-ci."""
    checked = {"promote": {"0.0003", "0.01"}}
    for script in (REGISTER, PROMOTE, SERVE, MEASURE):
        text = last_cell(script)
        in_tables = {number for row in tables(text) for cell in row.values() for number in numbers(cell.replace("+", ""))}
        rest = set(numbers(text.replace("+", ""))) - in_tables - checked.get(script.split("/")[-1].removesuffix(".py"), set())
        assert not rest, (script, rest)
