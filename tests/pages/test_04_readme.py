"""Leçon 4, ce que sa page affirme : ses nombres, ses destinations, ses pièges.

`test_follow_01_02_04` suit ses commandes.
"""

import re
import shutil
import sys

import mlflow
import pages
import pytest
from lesson_04 import FAMILIES, LESSON, MODEL, PAGE, WINES, end_of, fitted, script
from mlflow import MlflowClient, MlflowException
from programs import ended
from sklearn.datasets import load_wine
from texts import ROOT, heading, last_cell, numbers, tables

import course as plan
from wines import candidates, cultivars, requirements, trusted_types

PROSE = re.sub(r"\s+", " ", pages.prose(PAGE))
BLOCKS = pages.blocks(PAGE)
SCRIPTS = [each for each in plan.SCRIPTS if each.lesson == LESSON]
NAMES = [each.name for each in SCRIPTS if not each.name.startswith("measure_")]
MEASURES = [each.name for each in SCRIPTS if each.name.startswith("measure_")]


def section(title: str) -> str:
    return re.search(rf"^## {re.escape(title)}.*?(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)[0]


# --- le plan


def test_each_script_has_its_section_in_order():
    """La question, la commande, les lignes citées, ce qu'il y a à voir, ce que cela apprend ; les
    trois mesures ensemble.
    """
    titles = re.findall(r"^## (`\d\d_\w+\.py`) : ", PAGE, re.MULTILINE)
    assert titles == [heading(name) for name in NAMES]
    parts = [
        "**Question.**",
        "```bash\nuv run ",
        "à côté.**",
        "**À regarder.**",
        "**Ce que cela apprend.**",
    ]
    for name in NAMES:
        text = section(heading(name))
        assert [text.index(part) for part in parts] == sorted(text.index(part) for part in parts), (
            name
        )
        assert f"{script(name)}\n" in text and f"# {script(name)}\n" in text
    assert all(f"uv run {script(name)}\n" in section("La mesure : ") for name in MEASURES)


def test_the_announced_hour_is_enough_for_the_machine():
    """Moins de trois minutes de calcul ; ce qui peut attendre est ailleurs."""
    page = (ROOT / LESSON / "README.md").read_text(encoding="utf-8")
    assert "Comptez une heure." in page
    core = [each for each in SCRIPTS if each.core]
    assert [each for each in SCRIPTS if each.path in page] == core
    assert sum(each.seconds for each in core) < 180


def test_the_notebooks_named_are_those_that_exist():
    [said] = re.findall(r"Les scripts ([\d, et]+) ont leur notebook", section("Sur Databricks"))
    there = ROOT / LESSON / "databricks"
    ours = [each.stem for each in SCRIPTS if (there / f"{each.stem}.py").is_file()]
    assert re.findall(r"\d+", said) == [f"{int(stem[:2])}" for stem in ours]


# --- les sorties et les nombres


def test_the_page_shows_what_the_brief_scripts_write(lesson):
    for name in lesson.names():
        assert pages.same_output(
            pages.shown(PAGE, f"uv run {script(name)}"), lesson.ended(name).stdout
        ), name


def test_every_number_was_computed():
    """Ceux des dernières cellules ont leur test, ceux des sorties aussi."""
    known = {
        number for each in SCRIPTS for number in numbers(last_cell(each.path).replace("+", ""))
    }
    known |= {
        number
        for block in BLOCKS
        if block.language == "text"
        for number in numbers(block.text.replace("+", ""))
    }
    assert set(numbers(PROSE)) <= known


def test_the_data_are_described_as_they_are():
    X = load_wine(as_frame=True).data
    told = f"{len(X)} vins d'une même région d'Italie, {X.shape[1]} mesures chimiques"
    assert f"{told}, trois **cultivars**" in PROSE
    assert (
        f"{len(WINES.X_train)} vins servent à apprendre et à comparer" in PROSE
        and len(cultivars) == 3
    )
    assert (
        f"Les {len(WINES.X_test)} autres ne décident d'aucune promotion" in PROSE
        and f"*Inputs ({X.shape[1]})*" in PROSE
    )
    assert {name for name in FAMILIES if f'run {name}"]' in PAGE} == set(candidates())


def test_what_the_page_repeats_from_the_scripts_is_what_they_say():
    counts = re.search(
        r"bat la forêt (\d+) fois, est battue (\d+) fois, et l'égale (\d+) fois", PROSE
    )[0]
    said = {
        "promote": counts,
        "gate": "oui 17 fois sur 50",
        "deploy_local": "23 sur 200, et non 20",
    }
    for name, text in (*said.items(), ("gate", "un seul vin vaut 0.022, plus que la marge")):
        assert text in PROSE and text in end_of(name)
    assert "oui 17 fois sur 50. Pour la forêt, oui 50 fois sur 50" in PROSE
    assert "Après quatre essais en quelques secondes" in PROSE and "4 essais" in end_of("webhook")
    stages = {
        row["étape"]: re.findall(r"@\w+", row["aujourd'hui"])
        for row in tables(PAGE)
        if "étape" in row
    }
    assert stages == {"`Staging`": ["@challenger"], "`Production`": ["@champion"], "`Archived`": []}


# --- sept destinations


def test_seven_destinations_and_the_commands_that_exist():
    from mlflow.cli import cli
    from mlflow.deployments.interface import plugin_store

    rows = [row for row in tables(PAGE) if "destination" in row]
    commands = [
        code.split()
        for row in rows
        for cell in row.values()
        for code in re.findall(r"`mlflow ([\w -]+)`", cell)
    ]
    assert len(rows) == 7 and len(commands) >= 6
    for group, name, *options in commands:
        assert name in cli.commands[group].commands
        assert options in ([], ["-t", "sagemaker"])
    assert "sagemaker" in plugin_store.registry


@pytest.mark.slow
def test_the_dockerfile_is_written_without_docker(scratch, tmp_path):
    """« `generate-dockerfile`, qui écrit le `Dockerfile` sans bâtir l'image, oui » : sans aucun
    `docker` sur le PATH.
    """
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "models",
        "generate-dockerfile",
        "-m",
        f"models:/{MODEL}@champion",
        "-d",
        "image",
    ]
    told = ended(
        [*command, "--env-manager", "local"], tmp_path, PATH="", MLFLOW_TRACKING_URI=scratch.uri
    )
    assert told.returncode == 0, told.stderr
    assert (
        "COPY model_dir" in (tmp_path / "image/Dockerfile").read_text()
        and (tmp_path / "image/model_dir/MLmodel").is_file()
    )


@pytest.mark.slow
def test_on_spark_the_model_is_a_function_of_columns(scratch):
    """Le bloc de la page, tel quel : il compte autant de vins de chaque cultivar qu'il y en a
    vraiment.
    """
    pytest.importorskip("pyspark", reason="le groupe `spark` n'est pas installé")
    if not shutil.which("java"):
        pytest.skip("Java n'est pas installé")
    [block] = [each for each in BLOCKS if each.remark == "il faut Java"]
    told = ended([sys.executable, "-c", block.text], scratch.root)
    counts = [load_wine().target.tolist().count(each) for each in range(3)]
    assert told.stdout.splitlines()[-1] == str(
        [(f"cultivar_{each}", count) for each, count in enumerate(counts)]
    ), told.stderr
    assert "Il compte {}, {} et {} vins".format(*counts) in PROSE


# --- les pièges


def quoted(message: str) -> str:
    """Un message que la page cite en tête d'un piège."""
    assert f"- **`{message}`**" in PAGE
    return re.escape(message)


def test_a_name_alone_is_nobody_and_latest_is_the_last(scratch):
    client = scratch.client()
    with pytest.raises(
        MlflowException, match=quoted("Logged model with ID 'wine_cultivars' not found")
    ):
        mlflow.pyfunc.load_model(f"models:/{MODEL}")
    # l'arbre encore, en dernier
    again = client.create_model_version(MODEL, client.get_model_version(MODEL, "1").source)
    latest = mlflow.pyfunc.load_model(f"models:/{MODEL}/latest").metadata.model_id
    assert latest == mlflow.pyfunc.load_model(f"models:/{MODEL}/1").metadata.model_id
    client.delete_model_version(MODEL, again.version)


def test_an_alias_forgets_where_it_was_and_cannot_look_like_a_version(tmp_path):
    """Question 5, « déplacer un alias efface où il était » ; et le piège des noms réservés."""
    client = MlflowClient(f"sqlite:///{tmp_path}/essai.db")
    client.create_registered_model("essai")
    run = client.create_run(client.create_experiment("essai", artifact_location=tmp_path.as_uri()))
    for number in ("1", "2"):
        client.create_model_version("essai", f"runs:/{run.info.run_id}/model", run.info.run_id)
        client.set_registered_model_alias("essai", "champion", number)
    assert client.get_model_version("essai", "1").aliases == [] and client.get_model_version(
        "essai", "2"
    ).aliases == ["champion"]
    with pytest.raises(MlflowException, match=quoted("Version alias name 'v3' is reserved")):
        client.set_registered_model_alias("essai", "v3", "1")
    with pytest.raises(MlflowException, match="'latest' alias name .* is reserved"):
        client.set_registered_model_alias("essai", "latest", "1")


def test_skops_refuses_a_forest_whose_types_are_not_declared(tmp_path):
    kept = {"serialization_format": "skops", "pip_requirements": requirements}
    with pytest.raises(
        MlflowException, match=quoted("The saved sklearn model references untrusted types")
    ):
        mlflow.sklearn.save_model(fitted("random_forest"), tmp_path / "non", **kept)
    mlflow.sklearn.save_model(
        fitted("random_forest"), tmp_path / "oui", skops_trusted_types=trusted_types, **kept
    )
