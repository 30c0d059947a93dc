"""Leçon 4 : inscrire et promouvoir, vérifiés sur un magasin de test ; et ce qu'il reste d'un lancement tué."""

import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import mlflow
import numpy as np
import pytest
from conftest import ROOT, Course, clean_environment, last_cell, numbers, tables
from lesson_04 import FAMILIES, LESSON, MODEL, is_announced, moves, registry, script
from sklearn.datasets import load_wine
from sklearn.metrics import make_scorer, recall_score
from sklearn.model_selection import RepeatedStratifiedKFold, cross_validate, train_test_split
from wines import Verdict, candidates, compare, cross_validated, cultivars, load_wines, requirements

REGISTER, PROMOTE = script("register_models"), script("promote")


@pytest.fixture(scope="module")
def story(tmp_path_factory) -> SimpleNamespace:
    """L'histoire entière, une fois : inscrire, promouvoir, refuser, revenir en arrière deux fois, réinscrire."""
    course = Course(tmp_path_factory.mktemp("leçon 4"))
    told = SimpleNamespace(course=course)
    told.registering, told.registered = course.run(REGISTER), registry(course)
    told.promoting, told.promoted = course.run(PROMOTE), registry(course)
    told.refusing, told.refused = course.run(PROMOTE, "--candidates", "outsider", "--margin", 0), registry(course)
    told.going_back, told.back = course.run(PROMOTE, "--rollback"), registry(course)
    told.again = course.run(PROMOTE, "--rollback", fails=True)
    course.run(PROMOTE)
    told.anew, told.renewed = course.run(REGISTER), registry(course)
    return told


@pytest.fixture(scope="module")
def scores() -> dict[str, dict[str, float]]:
    """Les métriques des trois candidats, recalculées ici."""
    wines = load_wines()
    return {name: cross_validated(model, wines.X_train, wines.y_train) for name, model in candidates().items()}


def run_of(story, version: int):
    return story.course.client().get_run(story.registered.versions[version].run_id)


# --- wines.py


def test_the_split_keeps_the_proportions_and_the_real_units():
    wines = load_wines()
    assert (len(wines.X_train), len(wines.X_valid), len(wines.X_test)) == (133, 0, 45)
    assert not set(wines.X_train.index) & set(wines.X_test.index)
    shares = [[np.mean(y == name) for name in cultivars] for y in (wines.y_train, wines.y_test)]
    np.testing.assert_allclose(*shares, atol=0.02)
    assert wines.X_train.proline.max() > 1000  # des mg/l, non mis à l'échelle : c'est le travail du pipeline
    assert set(map(str, wines.X_train.dtypes)) == {"float64"}


def test_the_rows_are_those_of_the_first_edition():
    """133 et 45 lignes, les mêmes et dans le même ordre : tout nombre enregistré en dépend."""
    X, y = load_wine(return_X_y=True, as_frame=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=0, stratify=y)
    wines = load_wines()
    assert wines.X_train.equals(X_train) and wines.X_test.equals(X_test)
    assert wines.y_train.tolist() == [f"cultivar_{each}" for each in y_train]
    assert wines.y_test.tolist() == [f"cultivar_{each}" for each in y_test]


@pytest.mark.parametrize(
    ("champion", "accuracy", "recalls", "promoted"),
    [
        (0.9, 0.92, (0.9, 0.9, 0.9), True),
        (0.9, 0.91, (0.9, 0.9, 0.9), True),  # la marge tout juste ; la différence des flottants la dépasse à peine
        (0.2, 0.21, (0.9, 0.9, 0.9), True),  # la marge tout juste ; la différence des flottants ne l'atteint pas tout à fait
        (0.9, 0.9099, (0.9, 0.9, 0.9), False),  # mieux, mais moins que la marge
        (0.9, 0.99, (0.9, 0.89, 1.0), False),  # bien mieux, mais un cultivar perd
        (0.9, 0.90, (0.9, 0.9, 0.9), False),
        (0.9, 0.80, (0.9, 0.9, 0.9), False),
    ],
)
def test_a_candidate_needs_the_margin_and_every_cultivar(champion, accuracy, recalls, promoted):
    def metrics(accuracy, recalls):
        return {"cv_accuracy": accuracy} | {f"cv_recall_{name}": recall for name, recall in zip(cultivars, recalls, strict=True)}

    verdict = compare(metrics(champion, (0.9, 0.9, 0.9)), metrics(accuracy, recalls), margin=0.01)
    assert isinstance(verdict, Verdict) and verdict.promoted == promoted
    assert ("cultivar_1" in verdict.reason) == (recalls[1] < 0.9)
    assert 0.21 - 0.2 < 0.01 < 0.91 - 0.9  # sans quoi ces deux lignes n'éprouveraient rien


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


def test_a_model_pins_all_that_it_needs(story):
    story.course.client()
    text = mlflow.artifacts.load_text(f"models:/{MODEL}/2/requirements.txt")
    asked = set(text.split())
    assert set(requirements) <= asked and all("==" in line for line in asked)
    assert {line.split("==")[0] for line in asked} == {"mlflow", "scikit-learn", "skops", "pandas", "numpy"}


def test_registering_copies_no_file_here(story):
    """« Ici, inscrire ne copie aucun fichier » : autant de modèles sur le disque que de runs, pas le double."""
    assert len(list((story.course.root / "mlruns").rglob("model.skops"))) == 6  # trois par lancement
    assert len(story.renewed.versions) == 6


def test_the_throw_away_name_is_gone_and_nothing_else(story):
    assert story.registered.names == {MODEL}
    assert "wine_cultivars_renamed : version 1 supprimée, reste la 2" in story.registering.stdout
    assert {run.info.status for run in story.course.runs(LESSON)} == {"FINISHED"}


def test_register_text_and_output_agree_with_the_scores(story, scores):
    rows = tables(last_cell(REGISTER))
    assert [row["modèle"] for row in rows] == list(FAMILIES)
    for row in rows:
        assert row["exactitude"] == f"{scores[row['modèle']]['cv_accuracy']:.3f}"
        assert story.registered.aliases[row["alias"]] == int(row["version"])
        assert re.search(rf"version {row['version']} : {row['modèle']} +exactitude {row['exactitude']}", story.registering.stdout)
        assert f"@{row['alias']} version {row['version']}" in story.registering.stdout
    worst = min(scores, key=lambda name: scores[name]["cv_accuracy"])
    assert worst == "decision_tree" and "l'arbre, le moins bon des trois" in last_cell(REGISTER).replace("\n", " ")
    story.course.client()
    with pytest.raises(mlflow.MlflowException):
        mlflow.pyfunc.load_model(f"models:/{MODEL}")


def test_registering_again_leaves_the_champion_and_says_so(story):
    assert story.renewed.aliases == {"champion": 2, "previous": 1, "challenger": 5, "outsider": 6}
    assert "@champion était déjà donné : il reste où il est" in story.anew.stdout
    assert "@champion version 2" in story.anew.stdout
    assert moves(story.renewed.history) == ["1", "1 -> 2", "2 -> 1", "1 -> 2"]


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


def test_why_the_regression_is_not_better(scores):
    """« perd en sensibilité sur cultivar_1 et cultivar_2 ; bat la forêt 9 fois, est battue 10 fois, l'égale 6 fois »."""
    forest, regression = scores["random_forest"], scores["logistic_regression"]
    lost = [name for name in cultivars if regression[f"cv_recall_{name}"] < forest[f"cv_recall_{name}"]]
    text = last_cell(PROMOTE).replace("\n", " ")
    assert "perd en sensibilité sur `cultivar_1` et `cultivar_2`" in text and lost == ["cultivar_1", "cultivar_2"]
    wines, folds = load_wines(), RepeatedStratifiedKFold(n_splits=5, n_repeats=5, random_state=0)
    by_fold = {
        name: cross_validate(candidates()[name], wines.X_train, wines.y_train, cv=folds, scoring="accuracy")["test_score"]
        for name in FAMILIES[1:]
    }
    assert np.mean(by_fold["random_forest"]) == forest["cv_accuracy"]  # ce sont bien les mêmes plis
    difference = by_fold["logistic_regression"] - by_fold["random_forest"]
    counted = tuple(map(int, re.search(r"bat la forêt (\d+) fois, est battue (\d+) fois, et l'égale (\d+) fois", text).groups()))
    assert counted == (int((difference > 0).sum()), int((difference < 0).sum()), int((difference == 0).sum()))
    assert sum(counted) == 25 and counted[0] < counted[1]


def test_the_recalls_are_those_of_the_cultivars(scores):
    wines, folds = load_wines(), RepeatedStratifiedKFold(n_splits=5, n_repeats=5, random_state=0)
    scorer = make_scorer(recall_score, labels=["cultivar_1"], average=None)
    found = cross_validate(candidates()["decision_tree"], wines.X_train, wines.y_train, cv=folds, scoring=lambda *a: float(scorer(*a)[0]))
    assert scores["decision_tree"]["cv_recall_cultivar_1"] == pytest.approx(found["test_score"].mean(), abs=1e-15)


def test_what_the_comparison_recorded_is_what_was_compared(story, scores):
    decided = {run.info.run_name: run for run in story.course.runs(LESSON, "params.margin = '0.01'")}
    for name, champion, candidate in (("version 2 contre 1", *FAMILIES[:2]), ("version 3 contre 2", *FAMILIES[1:])):
        metrics = decided[name].data.metrics
        for role, family in (("champion", champion), ("candidate", candidate)):
            assert {key: metrics[f"{role}_{key}"] for key in scores[family]} == scores[family]
        assert metrics["cv_accuracy_gain"] == scores[candidate]["cv_accuracy"] - scores[champion]["cv_accuracy"]
        files = [each.path for each in story.course.client().list_artifacts(decided[name].info.run_id)]
        assert files == ["recall_by_cultivar.png"]


def test_stages_are_deprecated_and_still_answer(story):
    """« dépréciées depuis MLflow 2.9 ; elles répondent encore, avec un avertissement »."""
    client = story.course.client()
    client.create_registered_model("anciennes_étapes")
    client.create_model_version("anciennes_étapes", story.registered.versions[1].source)
    with pytest.warns(FutureWarning, match="deprecated since 2.9"):
        client.transition_model_version_stage("anciennes_étapes", "1", "Production")
    assert client.get_model_version("anciennes_étapes", "1").current_stage == "Production"
    client.delete_registered_model("anciennes_étapes")


def test_the_readme_announces_what_is_printed(story):
    is_announced(REGISTER, story.registering.stdout)
    is_announced(PROMOTE, story.promoting.stdout)


def test_without_margin_a_loss_on_a_cultivar_still_refuses(story):
    assert "refusée" in story.refusing.stdout and "sensibilité en baisse" in story.refusing.stdout
    assert story.refused.aliases == story.promoted.aliases
    assert story.refused.history == story.promoted.history


def test_rollback_restores_the_previous_holder_and_the_history_tells_all(story):
    assert story.back.aliases == {"champion": 1, "challenger": 2, "outsider": 3}
    assert moves(story.back.history) == ["1", "1 -> 2", "2 -> 1"]
    assert story.back.versions[2].tags["decision"] == "rolled back"
    for line in story.back.history:
        assert line in story.going_back.stdout


def test_a_second_rollback_says_in_one_line_that_nobody_is_before(story):
    assert story.again.returncode == 1
    assert story.again.stderr.splitlines() == [
        "Personne n'a été @champion avant la version 1 : rien à rendre. Pour promouvoir, relancez sans --rollback."
    ]


@pytest.mark.slow
def test_bad_arguments_and_unknown_models_leave_no_run(story):
    before = len(story.course.runs(LESSON))
    for arguments in (("--margin", "2"), ("--margin", "0,1"), ("--candidates", "absent"), ("--model", "inconnu"), ("--model", "")):
        ended = story.course.run(PROMOTE, *arguments, fails=True)
        assert ended.returncode == 1 and ended.stderr.count("\n") == 1, (arguments, ended.stderr)
    assert len(story.course.runs(LESSON)) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["promote", "serve", "deploy_local", "plan_azure", "measure_traceability"])
def test_on_an_empty_store_one_line_gives_the_command(fresh_course, name):
    ended = fresh_course.run(script(name), fails=True)
    assert ended.returncode == 1 and ended.stderr.count("\n") == 1
    assert ended.stderr.strip().endswith(f"Lancez d'abord : uv run {REGISTER}")


# --- un lancement tué


def killed(course: Course, tmp_path, scores, *arguments: str) -> list[dict]:
    """Ce que rapporte `killed.py` : un objet par appel au registre, et le dernier pour le lancement que rien n'arrête."""
    known = {type(candidates()[name][-1]).__name__: values for name, values in scores.items()}
    (tmp_path / "scores.json").write_text(json.dumps(known))
    command = [sys.executable, str(ROOT / "tests/killed.py"), str(course.root), str(tmp_path / "scores.json"), *arguments]
    ended = subprocess.run(command, env=clean_environment(MPLBACKEND="agg"), capture_output=True, text=True, timeout=1800)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout.splitlines()[-1])
    assert [each["code"] for each in told] == [9] * (len(told) - 1) + [0] and len(told) > 3
    return told


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="killed.py copie des processus : pas sous Windows")
def test_promote_and_rollback_killed_at_any_call_are_finished_by_the_next_launch(fresh_course, tmp_path, scores):
    fresh_course.run(REGISTER)
    told = killed(fresh_course, tmp_path, scores, PROMOTE)
    for each in told:
        assert each.get("relaunched", 0) == 0
        state = each["registry"]
        assert state["aliases"] == {"champion": 2, "previous": 1, "challenger": 2, "outsider": 3}, each
        assert state["history"] == ["1", "1 -> 2"] and state["decisions"] == {"2": "promoted", "3": "refused"}, each
    fresh_course.run(PROMOTE)
    for each in killed(fresh_course, tmp_path, scores, PROMOTE, "--rollback"):
        assert each.get("relaunched", 0) == 0, each
        state = each["registry"]
        assert state["aliases"] == {"champion": 1, "challenger": 2, "outsider": 3}, each
        assert state["history"] == ["1", "1 -> 2", "2 -> 1"] and state["decisions"]["2"] == "rolled back", each


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="killed.py copie des processus : pas sous Windows")
def test_register_models_killed_at_any_call_is_finished_by_the_next_launch(fresh_course, tmp_path, scores):
    fresh_course.client().search_experiments()  # la base existe : sa création coupée a son propre test
    for each in killed(fresh_course, tmp_path, scores, REGISTER):
        assert each.get("relaunched", 0) == 0, each
        state = each["registry"]
        assert state["names"] == [MODEL] and 3 <= state["versions"] <= 6 and state["half"] == [], each
        assert set(state["aliases"]) == {"champion", "challenger", "outsider"}
        assert state["history"] == [str(state["aliases"]["champion"])], each
        assert state["aliases"]["outsider"] == state["aliases"]["challenger"] + 1 == state["versions"]


@pytest.mark.slow
def test_a_version_registered_by_hand_under_the_same_name_is_left_as_it_is(fresh_course):
    """Celle d'un run d'ailleurs n'a pas de `cv_accuracy` : les nôtres reçoivent leur description, pas elle."""
    fresh_course.run("01_tracking_supervised/local/full_run.py")
    [run] = fresh_course.runs("01_tracking_supervised")
    fresh_course.client()
    mlflow.register_model(f"models:/{run.outputs.model_outputs[0].model_id}", MODEL)
    fresh_course.run(REGISTER)
    versions = {each.version: each for each in fresh_course.client().search_model_versions(f"name = '{MODEL}'")}
    assert not versions[1].description and versions[1].run_id == run.info.run_id
    assert [versions[number].description.split(" : ")[0] for number in (2, 3, 4)] == list(FAMILIES)


def test_numbers_in_the_texts_have_a_test():
    """Chaque nombre à virgule d'un « À retenir » de la leçon est dans un tableau vérifié plus haut, ou l'un de ceux-ci."""
    checked = {"promote": {"0.0003", "2.9"}, "plan_azure": {"0.2", "0.3"}}  # 0.2 et 0.3 : des prix, que rien ici ne mesure
    for name in (
        "register_models",
        "promote",
        "serve",
        "deploy_local",
        "plan_azure",
        "deploy_azure",
        "measure_traceability",
        "measure_history",
    ):
        text = last_cell(script(name))
        in_tables = {number for row in tables(text) for cell in row.values() for number in numbers(cell.replace("+", ""))}
        rest = set(numbers(text.replace("+", ""))) - in_tables - checked.get(name, set())
        assert not rest, (name, rest)
