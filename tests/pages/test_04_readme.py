"""Leçon 4, ce que sa page affirme : ses nombres, ses destinations, ses pièges. Ses commandes sont suivies par `test_texts_run`."""

import json
import re
import shutil
import subprocess
import sys

import course as plan
import mlflow
import pages
import pytest
from copies import Course
from programs import reader_environment
from texts import ROOT, last_cell, numbers, tables
from lesson_04 import FAMILIES, LESSON, LOCAL, MODEL, readme, script, small_registry
from mlflow import MlflowClient, MlflowException
from sklearn.datasets import load_wine
from wines import candidates, cultivars, load_wines, requirements, trusted_types

PAGE = readme()
PROSE = re.sub(r"\s+", " ", pages.prose(PAGE))
SCRIPTS = [each for each in plan.SCRIPTS if each.lesson == LESSON]
MEASURES = [each.name for each in SCRIPTS if each.name.startswith("measure_")]


def section(title: str) -> str:
    return re.search(rf"^## {title}.*?(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)[0]


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Course:
    """Un registre à deux versions : l'arbre `@previous`, la forêt `@champion`."""
    return small_registry(tmp_path_factory.mktemp("page"))


# --- le plan


def test_each_script_has_its_section_in_order():
    """La question, la commande, les lignes citées, ce qu'il y a à voir, ce que cela apprend ; les trois mesures ensemble."""
    titles = re.findall(r"^## Script (\d+) : `(\w+)\.py`", PAGE, re.MULTILINE)
    assert [(int(number), name) for number, name in titles] == list(enumerate([each.name for each in SCRIPTS][: -len(MEASURES)], 1))
    parts = ["**Question.**", "```bash\nuv run ", "à côté.**", "**À regarder.**", "**Ce que cela apprend.**"]
    for number, name in titles:
        text = section(f"Script {number} : ")
        assert [text.index(part) for part in parts] == sorted(text.index(part) for part in parts), name
        assert f"{LOCAL}/{name}.py" in text and f"# {LOCAL}/{name}.py" in text
    assert all(f"uv run {script(name)}\n" in section("La mesure : ") for name in MEASURES)


def test_the_scripts_said_to_be_enough_take_little_of_the_hour():
    kept = re.search(r"une heure pour les scripts ([\d, et]+)\.", PROSE)[1]
    chosen = {int(number) for number in re.findall(r"\d+", kept)}
    further = {int(re.match(r"## Script (\d+)", text)[1]) for text in re.split(r"(?m)^(?=## )", PAGE) if "aller plus loin.*\n\n**Q" in text}
    others = set(range(1, len(SCRIPTS) - len(MEASURES) + 1)) - further
    assert chosen == others
    assert sum(SCRIPTS[number - 1].seconds for number in chosen) < 180


def test_the_pictures_are_those_of_the_list():
    listed = json.loads((ROOT / LESSON / "Images/images.json").read_text(encoding="utf-8"))
    assert [f"Images/{each['name']}" for each in listed] == [target for _, target in pages.IMAGE.findall(PAGE)]
    clicks = [re.sub(r"\s+", " ", click) for click in re.findall(r"^\d\. (.*(?:\n   .*)*)", PAGE, re.MULTILINE)]
    assert all(step in clicks for each in listed for step in each.get("steps", []))


# --- les nombres


def test_every_number_was_computed():
    """Ceux des dernières cellules ont leur test, ceux des sorties aussi (`test_texts_run`)."""
    known = {number for each in SCRIPTS for number in numbers(last_cell(each.path).replace("+", ""))}
    known |= {number for block in pages.blocks(PAGE) if block.language == "text" for number in numbers(block.text.replace("+", ""))}
    assert set(numbers(PROSE)) <= known


def test_the_data_are_described_as_they_are():
    wines, X = load_wines(), load_wine(as_frame=True).data
    assert f"{len(X)} vins d'une même région d'Italie, {X.shape[1]} mesures chimiques, trois **cultivars**" in PROSE
    assert f"{len(wines.X_train)} vins servent à apprendre et à comparer" in PROSE and len(cultivars) == 3
    assert f"Les {len(wines.X_test)} autres ne décident d'aucune promotion" in PROSE and f"*Inputs ({X.shape[1]})*" in PROSE
    assert {name for name in FAMILIES if f'run {name}"]' in PAGE} == set(candidates())


def test_what_the_page_repeats_from_the_scripts_is_what_they_say():
    said = {name: re.sub(r"\s+", " ", last_cell(script(name))) for name in ("promote", "gate", "deploy_local", "webhook")}
    counts = re.search(r"bat la forêt (\d+) fois, est battue (\d+) fois, et l'égale (\d+) fois", PROSE)[0]
    assert counts in said["promote"]
    assert "un seul vin vaut 0.022, plus que la marge" in PROSE and "un seul vin vaut 0.022, plus que la marge" in said["gate"]
    assert "oui 17 fois sur 50. Pour la forêt, oui 50 fois sur 50" in PROSE and "oui 17 fois sur 50" in said["gate"]
    assert "23 sur 200, et non 20" in PROSE and "23 sur 200, et non 20" in said["deploy_local"]
    assert "Après quatre essais en quelques secondes" in PROSE and "4 essais" in said["webhook"]
    stages = {row["étape"]: row["aujourd'hui"] for row in tables(PAGE) if "étape" in row}
    assert stages == {
        "`Staging`": "un alias, `@challenger`",
        "`Production`": "un alias, `@champion`",
        "`Archived`": "rien, ou une étiquette",
    }


def test_the_first_line_of_deploy_local_is_the_one_that_the_build_prints():
    first = re.search(r"^L'environnement du serveur .*$", section("Script 8 : "), re.MULTILINE)[0]
    assert f'print("{first}"' in (ROOT / LOCAL / "servers.py").read_text(encoding="utf-8")


def test_the_notebooks_named_are_those_that_exist():
    named = re.findall(r"`(\w+)`", section("Sur Databricks").partition("dans le catalogue.")[2])
    notebooks = [each.name for each in SCRIPTS if (ROOT / LESSON / f"databricks/{each.name}.py").is_file()]
    assert named == notebooks


# --- sept destinations


def test_seven_destinations_and_the_commands_that_exist():
    from mlflow.cli import cli
    from mlflow.deployments.interface import plugin_store

    rows = [row for row in tables(PAGE) if "destination" in row]
    assert len(rows) == 7
    commands = [code for row in rows for cell in row.values() for code in re.findall(r"`mlflow ([\w -]+)`", cell)]
    assert len(commands) >= 6
    for command in commands:
        group, name, *options = command.split()
        assert name in cli.commands[group].commands, command
        assert options in ([], ["-t", "sagemaker"])
    assert "sagemaker" in plugin_store.registry


@pytest.mark.slow
def test_the_dockerfile_is_written_without_docker(small, tmp_path):
    """« `generate-dockerfile`, qui écrit le `Dockerfile` sans bâtir l'image, oui » : sans aucun `docker` sur le PATH."""
    folder = tmp_path / "image"
    command = [sys.executable, "-m", "mlflow", "models", "generate-dockerfile", "-m", f"models:/{MODEL}@champion", "-d", str(folder)]
    environment = reader_environment(PATH="", MLFLOW_TRACKING_URI=small.uri, MLFLOW_DISABLE_TELEMETRY="true")
    ended = subprocess.run([*command, "--env-manager", "local"], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "COPY model_dir" in (folder / "Dockerfile").read_text() and (folder / "model_dir/MLmodel").is_file()


@pytest.mark.slow
def test_on_spark_the_model_is_a_function_of_columns(small):
    """Le bloc de la page, tel quel : il compte autant de vins de chaque cultivar qu'il y en a vraiment."""
    pytest.importorskip("pyspark", reason="le groupe `spark` n'est pas installé")
    if not shutil.which("java"):
        pytest.skip("Java n'est pas installé")
    (block,) = [each for each in pages.blocks(PAGE) if each.remark == "demande Java"]
    ended = subprocess.run([sys.executable, "-c", block.text], env=reader_environment(), cwd=small.root, capture_output=True, text=True)
    counted = load_wine().target.tolist()
    assert ended.stdout.splitlines()[-1] == str([(f"cultivar_{each}", counted.count(each)) for each in range(3)]), ended.stderr
    assert f"Il compte {counted.count(0)}, {counted.count(1)} et {counted.count(2)} vins" in PROSE


# --- les pièges


def quoted(message: str) -> str:
    """Un message que la page cite en tête d'un piège."""
    assert f"- **`{message}`**" in PAGE
    return re.escape(message)


@pytest.mark.slow
def test_a_name_alone_is_nobody_and_latest_is_the_last(small):
    client = small.client()
    with pytest.raises(MlflowException, match=quoted("Logged model with ID 'wine_cultivars' not found")):
        mlflow.pyfunc.load_model(f"models:/{MODEL}")
    again = client.create_model_version(MODEL, client.get_model_version(MODEL, "1").source)  # l'arbre encore, en dernier
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
    assert client.get_model_version("essai", "1").aliases == [] and client.get_model_version("essai", "2").aliases == ["champion"]
    with pytest.raises(MlflowException, match=quoted("Version alias name 'v3' is reserved")):
        client.set_registered_model_alias("essai", "v3", "1")
    with pytest.raises(MlflowException, match="'latest' alias name .* is reserved"):
        client.set_registered_model_alias("essai", "latest", "1")


def test_skops_refuses_a_forest_whose_types_are_not_declared(tmp_path):
    wines = load_wines()
    forest = candidates()["random_forest"].fit(wines.X_train, wines.y_train)
    kept = {"serialization_format": "skops", "pip_requirements": requirements}
    with pytest.raises(MlflowException, match=quoted("The saved sklearn model references untrusted types")):
        mlflow.sklearn.save_model(forest, tmp_path / "non", **kept)
    mlflow.sklearn.save_model(forest, tmp_path / "oui", skops_trusted_types=trusted_types, **kept)
