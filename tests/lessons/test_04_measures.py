"""Leçon 4 : les trois mesures."""

import shutil

import pytest
from lesson_04 import LESSON, LOCAL, MODEL, PRODUCTION, end_of, registry, script
from texts import last_cell, tables

TRACE, HISTORY, TRANSPARENCY = (
    script(f"measure_{name}") for name in ("traceability", "history", "transparency")
)
KINDS = {
    "paramètre": "parameter",
    "métrique": "metric",
    "étiquette": "tag",
    "description": "description",
    "alias": "alias",
}
KINDS |= {"run supprimé": "run_deletion", "version supprimée": "version_deletion"}


@pytest.mark.slow
def test_every_link_is_true_and_each_damage_is_noticed(whole_lesson):
    output = whole_lesson.ended("measure_traceability").stdout
    [run] = whole_lesson.runs_of("measure_traceability")  # rien d'ajouté qu'un run de mesure
    metrics, text = run.data.metrics, end_of("measure_traceability")
    assert metrics["links_true_share"] == 1 and "100 % (15 prédictions, 10 maillons)" in output
    assert [value for name, value in metrics.items() if name.startswith("link_")] == [1.0] * 10
    assert "les 10 maillons" in text and "15 prédictions sur 15" in text
    told = {row["dégât"]: row["maillons rompus"] for row in tables(last_cell(TRACE))}
    assert len(told) == 5 and all(
        f"Dégât « {name} », maillons rompus : {links}\n" in output for name, links in told.items()
    )
    broken = {
        "changed_answer": 1,
        "false_time": 1,
        "one_value_changed": 1,
        "dirty_tree": 1,
        "no_run": 7,
    }
    assert {
        name.removeprefix("broken_by_"): value
        for name, value in metrics.items()
        if name.startswith("broken_by_")
    } == broken


@pytest.mark.slow
def test_a_model_that_lies_about_its_origin_is_noticed(scratch):
    """Une étiquette peut mentir : auteur et commit faux, chacun sur un run, rompent chacun leur
    maillon.
    """
    versions = registry(scratch).versions
    scratch.client().set_tag(versions[1].run_id, "mlflow.user", "quelqu'un d'autre")
    scratch.client().set_tag(versions[2].run_id, "mlflow.source.git.commit", "0" * 40)
    output = scratch.fork(TRACE, timeout=900).stdout.splitlines()
    assert [line.split(", ", 2)[2] for line in output[:3]] == ["auteur", "commit, dates", "aucun"]
    assert "90 % (15 prédictions, 10 maillons)" in output[3]


def test_what_is_lost_and_what_is_kept(lesson):
    [run] = lesson.runs_of("measure_history")
    kept = {row["ancienne valeur"]: row["où"].split(", ") for row in tables(last_cell(HISTORY))}
    assert set(kept) == {"retrouvée", "perdue"} and len(run.data.metrics) == 7
    for verdict, share in (("retrouvée", 1), ("perdue", 0)):
        assert {KINDS[name] for name in kept[verdict]} == {
            key.removeprefix("kept_") for key, value in run.data.metrics.items() if value == share
        }
    assert registry(lesson).names == {MODEL, PRODUCTION}  # son magasin à jeter n'est pas celui-ci


def test_the_shares_are_those_of_the_store(scratch):
    client = scratch.client()
    bare = client.create_run(
        client.create_experiment(
            "sans rien", artifact_location=(scratch.root / "mlruns/x").as_uri()
        )
    )
    client.set_terminated(bare.info.run_id)
    everywhere = [
        run
        for experiment in (LESSON, "measurements", "sans rien")
        for run in scratch.runs(experiment)
    ]
    output = scratch.fork(TRANSPARENCY).stdout
    metrics = scratch.runs("measurements")[0].data.metrics
    for name, tag in {
        "description": "mlflow.note.content",
        "commit": "mlflow.source.git.commit",
        "author": "mlflow.user",
    }.items():
        assert metrics[f"transparency_{name}"] == sum(
            tag in run.data.tags for run in everywhere
        ) / len(everywhere)
    assert metrics["transparency_data_set"] == sum(
        bool(run.inputs.dataset_inputs) for run in everywhere
    ) / len(everywhere)
    assert metrics["transparency_signature"] == 1 and 0 < metrics["transparency_author"] < 1
    [line] = [line.split() for line in output.splitlines() if line.startswith("sans rien")]
    assert [word for word in line if word.isdecimal()] == ["0"] * 4 and line[-1] == "-"


def test_commit_and_author_are_noted_without_being_asked(fresh_course):
    """« dès que le script est dans un dépôt Git » : dans le dépôt, un commit ; dans le même dossier
    sans dépôt, aucun.
    """
    bare = "from store import open_store\nopen_store()\n"
    bare += "import mlflow\nwith mlflow.start_run():\n    pass\n"
    (fresh_course.root / LOCAL / "nu.py").write_text(bare, encoding="utf-8")
    fresh_course.fork(f"{LOCAL}/nu.py")
    tags = fresh_course.runs("Default")[0].data.tags
    assert (
        tags["mlflow.source.git.commit"] == fresh_course.git("rev-parse", "HEAD")
        and tags["mlflow.user"]
    )
    assert "mlflow.note.content" not in tags
    shutil.rmtree(fresh_course.root / ".git")
    fresh_course.fork(f"{LOCAL}/nu.py", GIT_CEILING_DIRECTORIES=str(fresh_course.root.parent))
    assert "mlflow.source.git.commit" not in fresh_course.runs("Default")[0].data.tags
