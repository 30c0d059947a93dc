"""Leçon 4 : inscrire et promouvoir, dans la leçon enregistrée ; revenir en arrière, réinscrire et
se tromper d'ordre, dans une copie.
"""

import re
import sqlite3
from contextlib import closing
from types import SimpleNamespace

import mlflow
import numpy as np
import pytest
from lesson_04 import (
    FAMILIES,
    LESSON,
    MODEL,
    PRODUCTION,
    WINES,
    end_of,
    fitted,
    last_line,
    moves,
    one_line,
    predicted,
    registry,
    scores,
    script,
)
from sklearn.datasets import load_wine
from sklearn.metrics import make_scorer, recall_score
from sklearn.model_selection import RepeatedStratifiedKFold, cross_validate, train_test_split
from texts import ROOT, last_cell, numbers, tables

from wines import Verdict, candidates, compare, cultivars, requirements

TROUBLES = (ROOT / "DEPANNAGE.md").read_text(encoding="utf-8")
REGISTER, PROMOTE = script("register_models"), script("promote")
PAIRS = list(zip(FAMILIES, FAMILIES[1:], strict=False))  # le champion, et qui se présente


@pytest.fixture(scope="module")
def story(scratch) -> SimpleNamespace:
    """La suite : revenir en arrière, deux fois, et préparer un déploiement."""
    told = SimpleNamespace()
    told.going_back, told.back = scratch.fork(PROMOTE, "--rollback").stdout, registry(scratch)
    told.again, told.kept = scratch.fork(PROMOTE, "--rollback", fails=True), registry(scratch)
    told.planned = scratch.fork(script("plan_azure")).stdout
    return told


@pytest.fixture(scope="module")
def renewed(story, scratch) -> SimpleNamespace:
    """La fin de l'histoire : une version inscrite à la main, trois de plus par le script, une
    promotion, un refus.
    """
    client, told = scratch.client(), SimpleNamespace()
    by_hand = client.create_run(client.get_experiment_by_name(LESSON).experiment_id)
    client.create_model_version(
        MODEL, client.get_model_version(MODEL, "1").source, by_hand.info.run_id
    )
    for left in ("draft", "renamed"):  # un lancement tué au milieu de sa démonstration
        client.create_registered_model(f"{MODEL}_{left}")
    told.anew, told.registered = scratch.fork(REGISTER).stdout, registry(scratch)
    told.names = {each.name for each in client.search_registered_models()}
    scratch.fork(PROMOTE)
    told.promoted = registry(scratch)
    scratch.tune(PROMOTE, CANDIDATES=("outsider",), MARGIN=0)
    told.refusing, told.refused = scratch.fork(PROMOTE).stdout, registry(scratch)
    return told


def scored(family: str, **folds) -> np.ndarray:
    """Les 25 valeurs que donnent les plis annoncés."""
    return cross_validate(
        candidates()[family],
        WINES.X_train,
        WINES.y_train,
        cv=RepeatedStratifiedKFold(n_splits=5, n_repeats=5, random_state=0),
        **folds,
    )["test_score"]


# --- wines.py


def test_the_split_keeps_the_rows_the_proportions_and_the_real_units():
    """133 et 45 lignes, les mêmes et dans le même ordre qu'à la première édition : tout nombre
    enregistré en dépend.
    """
    X, y = load_wine(return_X_y=True, as_frame=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.25, random_state=0, stratify=y
    )
    assert (len(WINES.X_train), len(WINES.X_test)) == (133, 45)
    assert WINES.X_train.equals(X_train) and WINES.X_test.equals(X_test)
    assert WINES.y_train.tolist() == [f"cultivar_{each}" for each in y_train]
    assert WINES.y_test.tolist() == [f"cultivar_{each}" for each in y_test]
    np.testing.assert_allclose(
        *([np.mean(y == name) for name in cultivars] for y in (WINES.y_train, WINES.y_test)),
        atol=0.02,
    )
    # des mg/l, non mis à l'échelle : c'est le travail du pipeline
    assert WINES.X_train.proline.max() > 1000


@pytest.mark.parametrize(
    ("champion", "accuracy", "recall", "promoted"),
    [
        (0.9, 0.92, 0.9, True),
        # la marge tout juste ; la différence des flottants la dépasse à peine
        (0.9, 0.91, 0.9, True),
        # la marge tout juste ; la différence des flottants ne l'atteint pas tout à fait
        (0.2, 0.21, 0.9, True),
        (0.9, 0.9099, 0.9, False),  # mieux, mais moins que la marge
        (0.9, 0.99, 0.89, False),  # bien mieux, mais un cultivar perd
        (0.9, 0.90, 0.9, False),
        (0.9, 0.80, 0.9, False),
    ],
)
def test_a_candidate_needs_the_margin_and_every_cultivar(champion, accuracy, recall, promoted):
    def metrics(accuracy, recall):
        return {
            "cv_accuracy": accuracy,
            "cv_recall_cultivar_0": 0.9,
            "cv_recall_cultivar_1": recall,
            "cv_recall_cultivar_2": 0.95,
        }

    verdict = compare(metrics(champion, 0.9), metrics(accuracy, recall), margin=0.01)
    assert isinstance(verdict, Verdict) and verdict.promoted == promoted
    assert ("cultivar_1" in verdict.reason) == (recall < 0.9)
    assert 0.21 - 0.2 < 0.01 < 0.91 - 0.9  # sans quoi ces deux lignes n'éprouveraient rien


def test_the_recalls_are_those_of_the_cultivars():
    scorer = make_scorer(recall_score, labels=["cultivar_1"], average=None)
    found = scored("decision_tree", scoring=lambda *asked: float(scorer(*asked)[0]))
    assert scores()["decision_tree"]["cv_recall_cultivar_1"] == pytest.approx(
        found.mean(), abs=1e-15
    )


# --- 01_register_models.py


def test_three_versions_with_what_is_behind_each(lesson):
    digest = mlflow.data.from_pandas(
        WINES.X_train.assign(cultivar=WINES.y_train), targets="cultivar"
    ).digest
    found = registry(lesson)
    assert list(found.versions) == [1, 2, 3]
    assert [found.versions[number].run_id for number in (1, 2, 3)] == [
        run.info.run_id for run in lesson.runs_of("register_models")
    ]
    for (number, version), run, family in zip(
        found.versions.items(), lesson.runs_of("register_models"), FAMILIES, strict=True
    ):
        assert version.tags["family"] == run.data.params["family"] == family
        assert f"{scores()[family]['cv_accuracy']:.3f}" in version.description
        assert {name: run.data.metrics[name] for name in scores()[family]} == scores()[family]
        assert run.data.tags["mlflow.note.content"] and run.data.tags["mlflow.user"]
        assert run.data.tags["mlflow.source.git.commit"] == lesson.git("rev-parse", "HEAD")
        assert [each.dataset.digest for each in run.inputs.dataset_inputs] == [digest]
        assert lesson.client().list_artifacts(run.info.run_id)[0].path == "confusion_matrix.png"
        info = mlflow.models.get_model_info(f"models:/{MODEL}/{number}")
        assert info.flavors["sklearn"]["serialization_format"] == "skops"
        assert (
            info.signature.inputs.input_names() == list(WINES.X_train)
            and info.signature.outputs is not None
        )
        assert list((lesson.root / "mlruns").rglob(f"{info.model_id}/artifacts/model.skops"))
        assert predicted(lesson, number) == fitted(family).predict(WINES.X_test).tolist()
    assert {run.info.status for run in lesson.runs(LESSON)} == {"FINISHED"}
    assert found.names == {MODEL, PRODUCTION}  # les noms à jeter n'y sont plus


def test_registering_copies_no_file_here(lesson):
    """« Ici, inscrire ne copie aucun fichier » : quatre versions, la copie comprise, et les trois
    modèles des trois runs.
    """
    assert len(list((lesson.root / "mlruns").rglob("model.skops"))) == 3
    assert not list((lesson.root / "mlruns").rglob("*.pkl"))


def test_a_model_pins_all_that_it_needs(lesson):
    lesson.client()
    asked = set(mlflow.artifacts.load_text(f"models:/{MODEL}/2/requirements.txt").split())
    assert set(requirements) <= asked and all("==" in line for line in asked)
    assert {line.split("==")[0] for line in asked} == {
        "mlflow",
        "scikit-learn",
        "skops",
        "pandas",
        "numpy",
    }


def test_register_text_and_output_agree_with_the_scores(lesson):
    output, rows = lesson.ended("register_models").stdout, tables(last_cell(REGISTER))
    assert [row["modèle"] for row in rows] == list(FAMILIES)
    for row in rows:
        assert row["exactitude"] == f"{scores()[row['modèle']]['cv_accuracy']:.3f}"
        assert re.search(
            rf"version {row['version']} : {row['modèle']} +exactitude {row['exactitude']}", output
        )
        assert f"@{row['alias']} version {row['version']}" in output
    assert {row["alias"]: row["version"] for row in rows} == {
        "champion": "1",
        "challenger": "2",
        "outsider": "3",
    }
    assert min(scores(), key=lambda name: scores()[name]["cv_accuracy"]) == "decision_tree"
    assert "l'arbre, le moins bon des trois" in end_of("register_models")
    assert f"{MODEL}_renamed : version 1 supprimée, reste la 2" in output


# --- 02_promote.py


def test_promotes_the_forest_and_refuses_the_regression(lesson):
    found = registry(lesson)
    assert found.aliases == {
        "champion": 2,
        "previous": 1,
        "challenger": 2,
        "outsider": 3,
    } and moves(found.history) == ["1", "1 -> 2"]
    tags = {number: version.tags for number, version in found.versions.items()}
    assert (tags[2]["decision"], tags[3]["decision"]) == (
        "promoted",
        "refused",
    ) and "decision" not in tags[1]
    assert "cultivar_1, cultivar_2" in tags[3]["reason"]
    rows, runs = tables(last_cell(PROMOTE)), lesson.runs_of("promote")
    assert [row["verdict"] for row in rows] == ["promue", "refusée"]
    assert [run.info.run_name for run in runs] == ["version 2 contre 1", "version 3 contre 2"]
    for row, run, reason, (champion, candidate) in zip(
        rows, runs, (tags[2]["reason"], tags[3]["reason"]), PAIRS, strict=True
    ):
        gain = scores()[candidate]["cv_accuracy"] - scores()[champion]["cv_accuracy"]
        assert row["gain"] == f"{gain:+.4f}" and row["gain"] in reason
        assert row["exactitude du champion"] == f"{scores()[champion]['cv_accuracy']:.3f}"
        assert row["du candidat"] == f"{scores()[candidate]['cv_accuracy']:.3f}"
        roles = {"champion": scores()[champion], "candidate": scores()[candidate]}
        compared = {
            f"{role}_{name}": value
            for role, values in roles.items()
            for name, value in values.items()
        }
        assert (
            run.data.metrics == compared | {"cv_accuracy_gain": gain}
            and run.data.params["margin"] == "0.01"
        )
        assert [each.path for each in lesson.client().list_artifacts(run.info.run_id)] == [
            "recall_by_cultivar.png"
        ]


def test_why_the_regression_is_not_better():
    """« perd en sensibilité sur cultivar_1 et cultivar_2 ; bat la forêt 9 fois, est battue 10 fois,
    l'égale 6 fois ».
    """
    forest, regression, text = (
        scores()["random_forest"],
        scores()["logistic_regression"],
        end_of("promote"),
    )
    lost = [
        name for name in cultivars if regression[f"cv_recall_{name}"] < forest[f"cv_recall_{name}"]
    ]
    assert (
        lost == ["cultivar_1", "cultivar_2"]
        and "perd en sensibilité sur `cultivar_1` et `cultivar_2`" in text
    )
    by_fold = {name: scored(name, scoring="accuracy") for name in FAMILIES[1:]}
    assert np.mean(by_fold["random_forest"]) == forest["cv_accuracy"]  # ce sont bien les mêmes plis
    difference = by_fold["logistic_regression"] - by_fold["random_forest"]
    counted = tuple(
        map(
            int,
            re.search(
                r"bat la forêt (\d+) fois, est battue (\d+) fois, et l'égale (\d+) fois", text
            ).groups(),
        )
    )
    assert counted == (
        int((difference > 0).sum()),
        int((difference < 0).sum()),
        int((difference == 0).sum()),
    )
    assert sum(counted) == 25 and counted[0] < counted[1]


def test_rollback_restores_the_previous_holder_and_the_history_tells_all(story):
    assert story.back.aliases == {"champion": 1, "challenger": 2, "outsider": 3}
    assert moves(story.back.history) == ["1", "1 -> 2", "2 -> 1"] and all(
        line in story.going_back for line in story.back.history
    )
    assert story.back.versions[2].tags["decision"] == "rolled back"
    # une seconde fois : plus personne n'est avant, et rien ne bouge
    said = "Registered model alias previous not found"
    assert last_line(story.again).endswith(f"{said}.") and f"`{said}`" in TROUBLES
    assert story.kept == story.back
    assert (
        "blue : @challenger, version 2," in story.planned
        and "green : @champion, version 1," in story.planned
    )


@pytest.mark.slow
def test_registering_again_leaves_the_champion_and_versions_of_others(renewed):
    """La version d'un run d'ailleurs n'a pas de `cv_accuracy` : les nôtres reçoivent leur
    description, pas elle.
    """
    assert "@champion était déjà donné" in renewed.anew and "@champion version 1" in renewed.anew
    assert renewed.registered.aliases == {"champion": 1, "challenger": 6, "outsider": 7}
    assert moves(renewed.registered.history) == ["1", "1 -> 2", "2 -> 1"]
    assert not renewed.names & {f"{MODEL}_draft", f"{MODEL}_renamed"}
    described = [
        (version.description or "").split(" : ")[0]
        for version in renewed.registered.versions.values()
    ]
    assert described == [*FAMILIES, "", *FAMILIES]


@pytest.mark.slow
def test_the_history_goes_on_and_without_margin_a_loss_on_a_cultivar_still_refuses(renewed):
    assert renewed.promoted.aliases == {
        "champion": 6,
        "previous": 1,
        "challenger": 6,
        "outsider": 7,
    }
    assert moves(renewed.promoted.history) == ["1", "1 -> 2", "2 -> 1", "1 -> 6"]
    assert "refusée" in renewed.refusing and "sensibilité en baisse" in renewed.refusing
    assert (renewed.refused.aliases, renewed.refused.history) == (
        renewed.promoted.aliases,
        renewed.promoted.history,
    )


def test_stages_are_deprecated_and_still_answer(scratch):
    """« dépréciées depuis MLflow 2.9 ; elles répondent encore, avec un avertissement »."""
    client = scratch.client()
    client.create_registered_model("anciennes_étapes")
    client.create_model_version("anciennes_étapes", client.get_model_version(MODEL, "1").source)
    with pytest.warns(FutureWarning, match="deprecated since 2.9"):
        client.transition_model_version_stage("anciennes_étapes", "1", "Production")
    assert client.get_model_version("anciennes_étapes", "1").current_stage == "Production"
    client.delete_registered_model("anciennes_étapes")


# --- toute la leçon


@pytest.mark.parametrize("change", ["promotion", "retour en arrière"])
def test_a_move_cut_short_leaves_the_champion_and_starts_again(lesson, tmp_path, change):
    """L'histoire s'écrit d'abord, et `@champion` bouge en dernier : ici, la base l'empêche."""
    course = lesson.copy(tmp_path / "cours")
    command = [course.tune(PROMOTE, CANDIDATES=("challenger",)), "--rollback"]
    if change == "promotion":
        course.fork(*command)
        command.pop()
    before, wall = registry(course), "CREATE TRIGGER wall BEFORE UPDATE ON registered_model_aliases"
    with closing(sqlite3.connect(course.root / "mlflow.db")) as base:
        base.execute(f"{wall} WHEN NEW.alias = 'champion' BEGIN SELECT RAISE(ABORT, 'mur'); END")
    assert "mur" in course.fork(*command, fails=True).stderr
    cut = registry(course)
    assert cut.aliases["champion"] == before.aliases["champion"]
    assert len(cut.history) == len(before.history) + 1
    with closing(sqlite3.connect(course.root / "mlflow.db")) as base:
        base.execute("DROP TRIGGER wall")
    course.fork(*command)
    assert registry(course).aliases["champion"] == {1: 2, 2: 1}[before.aliases["champion"]]


def test_too_early_mlflow_says_it_and_nothing_is_half_written(fresh_course):
    told = f"Registered Model with name={MODEL} not found"
    assert f"`{told}`" in TROUBLES
    names = "promote gate copy_to_production serve rehearse deploy_local plan_azure"
    for name in (*names.split(), "measure_traceability"):
        assert last_line(fresh_course.fork(script(name), fails=True)).endswith(told), name
    client = fresh_course.client()
    assert client.search_registered_models() == [] == fresh_course.runs(LESSON)
    assert not (fresh_course.root / "azure_upload").exists()
    said = one_line(fresh_course.fork(script("measure_transparency"), fails=True))
    assert said.endswith(f"Lancez d'abord : uv run {REGISTER}")


@pytest.mark.slow
def test_nothing_after_promote_moves_the_registry(lesson, whole_lesson):
    """gate, webhook, serve (dont @live ne fait que passer), rehearse, les déploiements, les
    mesures : les mêmes alias, la même histoire.
    """
    for found in map(registry, (lesson, whole_lesson)):
        assert found.names == {MODEL, PRODUCTION} and list(found.versions) == [1, 2, 3]
        assert found.aliases == {
            "champion": 2,
            "previous": 1,
            "challenger": 2,
            "outsider": 3,
        } and moves(found.history) == ["1", "1 -> 2"]
        assert {name for version in found.versions.values() for name in version.tags} == {
            "family",
            "decision",
            "reason",
        }


def test_numbers_in_the_texts_have_a_test():
    """Chaque nombre à virgule d'un « À retenir » de la leçon est dans un tableau vérifié plus haut,
    ou l'un de ceux-ci.
    """
    # 0.2 et 0.3 : des prix, que rien ici ne mesure
    checked = {"promote": {"0.0003", "2.9"}, "plan_azure": {"0.2", "0.3"}}
    scripts = "register_models promote serve deploy_local plan_azure deploy_azure"
    for name in (*scripts.split(), "measure_traceability", "measure_history"):
        text = last_cell(script(name))
        in_tables = {
            number
            for row in tables(text)
            for cell in row.values()
            for number in numbers(cell.replace("+", ""))
        }
        assert set(numbers(text.replace("+", ""))) <= in_tables | checked.get(name, set()), name
