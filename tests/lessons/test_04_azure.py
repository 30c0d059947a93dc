"""Leçon 4 : les fichiers d'endpoint/, ce que plan_azure prépare, et deploy_azure avec le vrai SDK sur un Azure simulé."""

import json
import re
import shutil
import subprocess
import sys

import mlflow
import pytest
from copies import Course
from programs import reader_environment
from texts import ROOT
from lesson_04 import LESSON, LOCAL, MODEL, is_announced, script, small_registry, with_server
from wines import load_wines
from workspaces import unique_name

AZURE, PLAN = script("deploy_azure"), script("plan_azure")
ENDPOINT = ROOT / LESSON / "endpoint"
NEEDS_AZURE = "le SDK d'Azure ML manque : uv run --group azure --group test pytest"
PLACE = {"AZURE_SUBSCRIPTION_ID": "11111111-1111-1111-1111-111111111111", "AZURE_RESOURCE_GROUP": "groupe", "AZURE_ML_WORKSPACE": "espace"}


# --- les fichiers d'endpoint/


def pins(text: str) -> dict[str, str]:
    return dict(re.findall(r"^\s*(?:- )?([\w.-]+)==([\w.]+)", text, re.MULTILINE))


def test_all_environments_say_the_same_versions():
    asked = pins((ENDPOINT / "requirements.in").read_text())
    assert asked == pins((ENDPOINT / "conda.yml").read_text())
    assert asked.items() <= pins((ENDPOINT / "requirements.txt").read_text()).items()
    course = pins((ROOT / "requirements.txt").read_text())
    shared = asked.keys() & course.keys()
    assert {name: asked[name] for name in shared} == {name: course[name] for name in shared}
    assert shared == {"mlflow-skinny", "pandas", "numpy", "scikit-learn", "skops"}
    group = pins((ROOT / "pyproject.toml").read_text().partition("azure = [")[2].partition("]")[0].replace('"', "\n"))
    azure = pins((ROOT / LESSON / "requirements-azure.txt").read_text())
    assert azure and azure.items() <= group.items()


def test_the_sample_request_is_two_true_wines():
    table = json.loads((ENDPOINT / "sample_request.json").read_text())["input_data"]
    wines = load_wines().X_test.head(2)
    assert table["columns"] == list(wines) and table["data"] == wines.to_numpy().tolist()


def test_the_request_for_mlflow_is_the_same_two_wines():
    azure, mlflow_form = (json.loads((ENDPOINT / f"{name}_request.json").read_text()) for name in ("sample", "mlflow"))
    assert mlflow_form == {"dataframe_split": {key: azure["input_data"][key] for key in ("columns", "data")}}


def test_yaml_files_pass_the_sdk_and_eight_bad_ones_do_not(tmp_path):
    ml = pytest.importorskip("azure.ai.ml", reason=NEEDS_AZURE)
    from azure.ai.ml.exceptions import MlException
    from marshmallow import ValidationError

    assert ml.load_online_endpoint(ENDPOINT / "endpoint.yml").auth_mode == "key"
    for name in ("blue", "green"):
        deployment = ml.load_online_deployment(ENDPOINT / f"{name}.yml")
        assert (deployment.name, deployment.code_configuration.scoring_script) == (name, "score.py")
        assert (ENDPOINT / deployment.code_configuration.scoring_script).is_file()
    endpoint, blue = ((ENDPOINT / f"{name}.yml").read_text() for name in ("endpoint", "blue"))
    for name in ("conda.yml", "score.py"):
        (tmp_path / name).write_text((ENDPOINT / name).read_text())
    bad = {
        "clé inconnue": (ml.load_online_endpoint, endpoint + "couleur: bleu\n"),
        "authentification inconnue": (ml.load_online_endpoint, endpoint.replace("auth_mode: key", "auth_mode: mot_de_passe")),
        "YAML mal formé": (ml.load_online_endpoint, endpoint + "traffic: {blue: 100\n"),
        "trafic en texte": (ml.load_online_endpoint, endpoint + "traffic: {blue: beaucoup}\n"),
        "sans point de terminaison": (ml.load_online_deployment, blue.replace("endpoint_name: wine-cultivars\n", "")),
        "nombre de machines en texte": (ml.load_online_deployment, blue.replace("instance_count: 1", "instance_count: une")),
        "environnement absent": (ml.load_online_deployment, blue.replace("conda.yml", "absent.yml")),
        "surveillance en texte": (ml.load_online_deployment, blue + "app_insights_enabled: beaucoup\n"),
    }
    (tmp_path / "good.yml").write_text(blue)
    assert ml.load_online_deployment(tmp_path / "good.yml").name == "blue"  # le dossier de test n'y est pour rien
    for name, (load, text) in bad.items():
        (tmp_path / "bad.yml").write_text(text, encoding="utf-8")
        with pytest.raises((MlException, ValidationError)):
            pytest.fail(f"{name} : accepté, {load(tmp_path / 'bad.yml')}")


# --- plan_azure.py, puis deploy_azure.py, avec le vrai SDK et un Azure en mémoire


@pytest.fixture(scope="module")
def lesson(tmp_path_factory) -> Course:
    return small_registry(tmp_path_factory.mktemp("azure"))


def simulate(course, *arguments, fails=False, **environment):
    """deploy_azure.py sur l'Azure simulé : ce qu'il dit, et le journal des requêtes."""
    pytest.importorskip("azure.ai.ml", reason=NEEDS_AZURE)
    pytest.importorskip("responses", reason=NEEDS_AZURE)
    course.run(PLAN)
    journal = course.root / "journal.json"
    ended = course.run("tests/azure_simulated.py", journal, course.root / AZURE, *arguments, fails=fails, **PLACE, **environment)
    return ended, json.loads(journal.read_text(encoding="utf-8"))


def puts(journal: list[dict], part: str) -> list[dict]:
    return [each["body"] for each in journal if each["method"] == "PUT" and each["host"] == "management.azure.com" and part in each["path"]]


@pytest.fixture(scope="module")
def created(lesson):
    return simulate(lesson, "--yes")


def test_create_sends_everything_in_order(created, lesson):
    _, journal = created
    order = [
        re.sub(r".*/workspaces/espace/", "", each["path"])
        for each in journal
        if each["method"] == "PUT" and each["host"] == "management.azure.com"
    ]
    name = unique_name("wine-cultivars", dict(zip(("subscription_id", "resource_group", "workspace_name"), PLACE.values(), strict=True)))
    kept = [path for path in order if not path.startswith(("codes/", "environments/"))]
    endpoint = f"onlineEndpoints/{name}"
    assert kept == [
        endpoint, "models/wine_cultivars/versions/1", f"{endpoint}/deployments/blue",
        "models/wine_cultivars/versions/2", f"{endpoint}/deployments/green", *[endpoint] * 3,
    ]  # fmt: skip
    uploaded = {each["path"].rsplit("/", 1)[-1] for each in journal if each["host"].endswith("blob.core.windows.net")}
    assert {"MLmodel", "model.skops", "score.py", "conda.yml"} <= uploaded


def test_bodies_tell_where_each_model_comes_from(created, lesson):
    _, journal = created
    client = lesson.client()
    for body, alias in zip(puts(journal, "/models/"), ("previous", "champion"), strict=True):
        version = client.get_model_version_by_alias("wine_cultivars", alias)
        run = client.get_run(version.run_id)
        properties = body["properties"]
        assert properties["modelType"] == "mlflow_model"
        assert properties["tags"]["mlflow_run_id"] == run.info.run_id
        assert properties["tags"]["mlflow_version"] == str(version.version)
    for body in puts(journal, "/deployments/"):
        assert body["properties"]["codeConfiguration"]["scoringScript"] == "score.py"
        assert body["sku"]["capacity"] == 1 and body["properties"]["instanceType"] == "Standard_DS3_v2"
    (environment, *_) = puts(journal, "/environments/")
    assert pins(environment["properties"]["condaFile"]) == pins((ENDPOINT / "conda.yml").read_text())
    assert [body["properties"].get("traffic") for body in puts(journal, "/onlineEndpoints/") if "authMode" in body["properties"]] == [
        {},
        {"blue": 100},
        {"blue": 90, "green": 10},
        {"green": 100},
    ]  # fmt: skip ; le SDK tait les zéros


def test_the_split_is_seen_from_outside_and_no_secret_is_said(created):
    ended, journal = created
    assert "Trafic 100/0, 100 requêtes : {'blue': 100}" in ended.stdout
    blue, green = map(int, re.search(r"Trafic 90/10, 100 requêtes : {'blue': (\d+), 'green': (\d+)}", ended.stdout).groups())
    assert blue + green == 100 and 0 < green < 30
    assert "Trafic 0/100, 100 requêtes : {'green': 100}" in ended.stdout
    from azure_simulated import KEY as secret

    assert sum(each["host"].startswith("wines.") for each in journal) == 301  # un essai de green, puis trois fois cent
    assert secret not in ended.stdout and "jeton-simule" not in ended.stdout


def test_the_plan_needs_no_account_and_sends_nothing(lesson):
    ended = lesson.run(PLAN)
    is_announced(PLAN, ended.stdout)
    client = lesson.client()
    for name, alias in {"blue": "previous", "green": "champion"}.items():
        version = client.get_model_version_by_alias(MODEL, alias)
        told = json.loads((lesson.root / f"azure_upload/{name}.yml").read_text(encoding="utf-8"))
        assert told["tags"]["mlflow_run_id"] == version.run_id and told["tags"]["mlflow_version"] == str(version.version)
        uploaded = lesson.root / "azure_upload" / told["path"]
        assert mlflow.models.get_model_info(str(uploaded)).model_id == version.source.rpartition("/")[2]
    assert lesson.git("status", "--porcelain", "azure_upload") == ""  # Git ne le voit pas


def test_without_option_the_files_are_checked_and_nothing_is_sent(lesson):
    pytest.importorskip("azure.ai.ml", reason=NEEDS_AZURE)
    ended, journal = simulate(lesson)
    assert "Rien n'est envoyé" in ended.stdout and journal == []
    assert re.search(r"wine-cultivars-[0-9a-f]{6}, green : version 2 du registre, 1 machine Standard_DS3_v2", ended.stdout)


@pytest.mark.slow
def test_without_a_plan_one_line_gives_the_command(lesson, tmp_path):
    pytest.importorskip("azure.ai.ml", reason=NEEDS_AZURE)
    shutil.rmtree(lesson.root / "azure_upload", ignore_errors=True)
    ended = lesson.run(AZURE, fails=True)
    assert (ended.returncode, ended.stderr) == (1, f"Lancez d'abord : uv run {PLAN}\n")


@pytest.mark.slow
def test_what_is_missing_is_said_in_one_line(lesson, tmp_path):
    pytest.importorskip("azure.ai.ml", reason=NEEDS_AZURE)
    lesson.run(PLAN)
    ended = lesson.run(AZURE, "--yes", fails=True, cwd=tmp_path, AZURE_RESOURCE_GROUP="groupe")
    assert ended.returncode == 1 and ended.stderr.count("\n") == 1
    assert "AZURE_SUBSCRIPTION_ID" in ended.stderr and "AZURE_ML_WORKSPACE" in ended.stderr and "AZURE_RESOURCE_GROUP" not in ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("config", ["{", "[]", '{"subscription_id": ""}'])
def test_a_bad_config_file_is_said_in_one_line(lesson, tmp_path, config):
    pytest.importorskip("azure.ai.ml", reason=NEEDS_AZURE)
    lesson.run(PLAN)
    (tmp_path / "config.json").write_text(config)
    ended = lesson.run(AZURE, "--yes", fails=True, cwd=tmp_path)
    assert ended.returncode == 1 and ended.stderr.count("\n") == 1 and "config.json" in ended.stderr


@pytest.mark.slow
def test_a_bad_yaml_file_is_said_in_one_line(lesson, tmp_path):
    pytest.importorskip("azure.ai.ml", reason=NEEDS_AZURE)
    for name in ("endpoint.yml", "blue.yml", "green.yml", "conda.yml"):
        (tmp_path / name).write_text((ENDPOINT / name).read_text() + ("couleur: verte\n" if name == "green.yml" else ""))
    lesson.run(PLAN)
    ended = lesson.run(AZURE, "--files", tmp_path, fails=True)
    assert ended.returncode == 1 and ended.stderr.count("\n") == 1 and "couleur" in ended.stderr


@pytest.mark.slow
def test_a_failed_deployment_stops_there_and_recalls_the_bill(lesson):
    ended, journal = simulate(lesson, "--yes", fails=True, SIMULATED_FAILURE="blue")
    assert ended.returncode == 1 and "ImageBuildFailure" in ended.stderr and "--delete" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert len(puts(journal, "/deployments/")) == 1  # green n'a pas été tenté


@pytest.mark.slow
def test_deleting_a_missing_endpoint_is_said_in_one_line(lesson):
    ended, journal = simulate(lesson, "--delete", fails=True)
    assert ended.returncode == 1 and "introuvable" in ended.stderr and ended.stderr.count("\n") == 1
    assert [each["method"] for each in journal] == ["DELETE"]


@pytest.mark.slow
def test_a_folder_that_is_no_mlflow_model_never_leaves(lesson):
    """Le SDK l'accepterait ; le service ne démarrerait pas."""
    client = lesson.client()
    folder = lesson.root / "pas un modèle"
    folder.mkdir()
    (folder / "poids.bin").write_text("rien")
    client.create_registered_model("pas_un_modele")
    for alias in ("previous", "champion"):
        version = client.create_model_version("pas_un_modele", folder.as_uri())
        client.set_registered_model_alias("pas_un_modele", alias, version.version)
    ended = lesson.run(PLAN, "--model", "pas_un_modele", fails=True)
    assert ended.returncode == 1 and "MLmodel" in ended.stderr and ended.stderr.count("\n") == 1


@pytest.mark.slow
def test_without_the_sdk_one_line_tells_the_group(lesson):
    blocked = f"import sys, runpy; sys.modules['azure.ai.ml'] = None; sys.argv = ['x']; sys.path.insert(0, {str(lesson.root / LOCAL)!r})\n"
    ended = subprocess.run(
        [sys.executable, "-c", blocked + f"runpy.run_path({str(lesson.root / AZURE)!r})"],
        cwd=lesson.root, env=reader_environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 1 and "--group azure" in ended.stderr and ended.stderr.count("\n") == 1


@pytest.mark.slow
def test_the_simulated_azure_serves_what_was_uploaded(lesson):
    """Le code et les modèles déposés, tels quels, sur les vrais serveurs : toute l'histoire, sans compte."""
    ended, _ = simulate(with_server(lesson), "--yes", SIMULATED_SERVERS="oui")
    lesson.client()
    wines = load_wines().X_test.head(2)
    model = mlflow.pyfunc.load_model("models:/wine_cultivars@champion")
    expected = {"predictions": model.predict(wines).tolist(), "model_id": model.metadata.model_id}
    answered = re.search(r"green, avant tout trafic : (.*)", ended.stdout)[1]
    assert json.loads(answered) == expected
    assert "Trafic 0/100, 100 requêtes : {'green': 100}" in ended.stdout
