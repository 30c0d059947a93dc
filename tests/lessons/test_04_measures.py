"""Leçon 4 : les trois mesures, vérifiées sur un magasin de test."""

import shutil

import pytest
from copies import Course
from texts import last_cell, tables
from lesson_04 import LESSON, is_announced, registry, script

TRACE, HISTORY, TRANSPARENCY = (script(f"measure_{name}") for name in ("traceability", "history", "transparency"))
KINDS = {"paramètre": "parameter", "métrique": "metric", "étiquette": "tag", "description": "description", "alias": "alias"}
KINDS |= {"run supprimé": "run_deletion", "version supprimée": "version_deletion"}


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Course:
    course = Course(tmp_path_factory.mktemp("mesures"))
    course.run(script("register_models"))
    course.run(script("promote"))
    return course


def metrics_of(course: Course, name: str) -> dict[str, float]:
    (run,) = [each for each in course.runs("measurements") if each.info.run_name == name]
    return run.data.metrics


@pytest.mark.slow
def test_every_link_is_true_and_each_damage_is_noticed(measured):
    before, runs = registry(measured), len(measured.runs(LESSON))
    output = measured.run(TRACE, timeout=900).stdout
    is_announced(TRACE, output)
    metrics = metrics_of(measured, "traceability")
    assert metrics["links_true_share"] == 1 and "vrais : 100 % (15 prédictions, 10 maillons)" in output
    assert [value for name, value in metrics.items() if name.startswith("link_")] == [1.0] * 10
    text = last_cell(TRACE).replace("\n", " ")
    assert "les 10 maillons" in text and "15 prédictions sur 15" in text
    told = {row["dégât"]: row["maillons rompus"] for row in tables(last_cell(TRACE))}
    assert len(told) == 5
    for name, links in told.items():
        assert f"Dégât « {name} », maillons rompus : {links}\n" in output
    broken = {"changed_answer": 1, "false_time": 1, "one_value_changed": 1, "dirty_tree": 1, "no_run": 7}
    assert {name.removeprefix("broken_by_"): value for name, value in metrics.items() if name.startswith("broken_by_")} == broken
    after = registry(measured)  # rien d'abîmé, rien d'ajouté qu'un run de mesure
    assert (after.names, after.aliases) == (before.names, before.aliases) and len(measured.runs(LESSON)) == runs


@pytest.mark.slow
def test_a_model_that_lies_about_its_origin_is_noticed(measured):
    """Une étiquette peut mentir : auteur, commit et jeu de données faux, chacun sur un run, rompent chacun leur maillon."""
    client = measured.client()
    run_ids = {number: version.run_id for number, version in registry(measured).versions.items()}
    client.set_tag(run_ids[1], "mlflow.user", "quelqu'un d'autre")
    client.set_tag(run_ids[2], "mlflow.source.git.commit", "0" * 40)
    output = measured.run(TRACE, timeout=900).stdout.splitlines()
    assert output[0] == "version 1, 5 prédictions : maillons rompus, auteur"
    assert output[1] == "version 2, 5 prédictions : maillons rompus, commit, dates"
    assert output[3] == "Maillons retrouvés et vrais : 90 % (15 prédictions, 10 maillons)."


def test_what_is_lost_and_what_is_kept(measured):
    is_announced(HISTORY, measured.run(HISTORY).stdout)
    metrics = metrics_of(measured, "history")
    kept = {row["ancienne valeur"]: row["où"].split(", ") for row in tables(last_cell(HISTORY))}
    assert set(kept) == {"retrouvée", "perdue"}
    for verdict, share in (("retrouvée", 1), ("perdue", 0)):
        assert {KINDS[name] for name in kept[verdict]} == {key.removeprefix("kept_") for key, value in metrics.items() if value == share}
    assert len(metrics) == 7
    assert {each.name for each in measured.client().search_registered_models()} == {"wine_cultivars"}


def test_the_shares_are_those_of_the_store(measured):
    client = measured.client()
    bare = client.create_run(client.create_experiment("sans rien", artifact_location=(measured.root / "mlruns/x").as_uri()))
    client.set_terminated(bare.info.run_id)
    output = measured.run(TRANSPARENCY).stdout
    everywhere = [run for experiment in (LESSON, "measurements", "sans rien") for run in measured.runs(experiment)]
    everywhere = [run for run in everywhere if run.info.run_name != "transparency"]
    metrics = metrics_of(measured, "transparency")
    for name, tag in {"description": "mlflow.note.content", "commit": "mlflow.source.git.commit", "author": "mlflow.user"}.items():
        assert metrics[f"transparency_{name}"] == sum(tag in run.data.tags for run in everywhere) / len(everywhere)
    assert metrics["transparency_data_set"] == sum(bool(run.inputs.dataset_inputs) for run in everywhere) / len(everywhere)
    assert metrics["transparency_signature"] == 1 and 0 < metrics["transparency_author"] < 1
    (line,) = [line.split() for line in output.splitlines() if line.startswith("sans rien")]
    assert [word for word in line if word.isdecimal()] == ["0"] * 4 and line[-1] == "-"


@pytest.mark.slow
def test_commit_and_author_are_noted_without_being_asked(fresh_course):
    """« dès que le script est dans un dépôt Git » : dans le dépôt, un commit ; dans le même dossier sans dépôt, aucun."""
    bare = "from store import open_store\nopen_store()\nimport mlflow\nwith mlflow.start_run():\n    pass\n"
    program = fresh_course.root / "04_model_registry_azureml/local/nu.py"
    program.write_text(bare, encoding="utf-8")
    fresh_course.run("04_model_registry_azureml/local/nu.py")
    tags = fresh_course.runs("Default")[0].data.tags
    assert tags["mlflow.source.git.commit"] == fresh_course.git("rev-parse", "HEAD") and tags["mlflow.user"]
    assert "mlflow.note.content" not in tags
    shutil.rmtree(fresh_course.root / ".git")
    fresh_course.run("04_model_registry_azureml/local/nu.py", **{"GIT_CEILING_DIRECTORIES": str(fresh_course.root.parent)})
    assert "mlflow.source.git.commit" not in fresh_course.runs("Default")[0].data.tags
