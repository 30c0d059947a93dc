"""Leçon 4 : les fichiers d'endpoint/, ce que plan_azure prépare, et deploy_azure avec le vrai SDK
sur un Azure simulé.
"""

import hashlib
import json
import re
import shutil
import sys

import mlflow
import pytest
from lesson_04 import (
    ENDPOINT,
    LESSON,
    MODEL,
    WINES,
    last_line,
    one_line,
    predicted,
    script,
    with_server,
)
from programs import ended
from texts import ROOT

from forms.outputs import unexpected

AZURE, PLAN = script("deploy_azure"), script("plan_azure")
PLACE = {
    "AZURE_SUBSCRIPTION_ID": "11111111-1111-1111-1111-111111111111",
    "AZURE_RESOURCE_GROUP": "groupe",
    "AZURE_ML_WORKSPACE": "espace",
}


def sdk():
    """Le SDK d'Azure ML, ou le test est sauté."""
    reason = "le groupe `azure` n'est pas installé"
    pytest.importorskip("responses", reason=reason)
    return pytest.importorskip("azure.ai.ml", reason=reason)


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
    group = pins(
        (ROOT / "pyproject.toml")
        .read_text()
        .partition("azure = [")[2]
        .partition("]")[0]
        .replace('"', "\n")
    )
    azure = pins((ROOT / LESSON / "requirements-azure.txt").read_text())
    assert azure and azure.items() <= group.items()


def test_the_sample_requests_are_the_same_two_true_wines():
    azure, mlflow_form = (
        json.loads((ENDPOINT / f"{name}_request.json").read_text()) for name in ("sample", "mlflow")
    )
    table = azure["input_data"]
    assert (
        table["columns"] == list(WINES.X_test)
        and table["data"] == WINES.X_test.head(2).to_numpy().tolist()
    )
    assert mlflow_form == {"dataframe_split": {key: table[key] for key in ("columns", "data")}}


@pytest.mark.slow
def test_yaml_files_pass_the_sdk_and_eight_bad_ones_do_not(tmp_path):
    ml = sdk()
    from azure.ai.ml.exceptions import MlException
    from marshmallow import ValidationError

    assert ml.load_online_endpoint(ENDPOINT / "endpoint.yml").auth_mode == "key"
    for name in ("blue", "green"):
        deployment = ml.load_online_deployment(ENDPOINT / f"{name}.yml")
        assert (deployment.name, deployment.code_configuration.scoring_script) == (name, "score.py")
        assert (ENDPOINT / deployment.code_configuration.scoring_script).is_file()
    endpoint, blue = ((ENDPOINT / f"{name}.yml").read_text() for name in ("endpoint", "blue"))
    for name in ("conda.yml", "score.py"):
        shutil.copy(ENDPOINT / name, tmp_path)
    bad = {
        "clé inconnue": (ml.load_online_endpoint, endpoint + "couleur: bleu\n"),
        "authentification inconnue": (
            ml.load_online_endpoint,
            endpoint.replace("auth_mode: key", "auth_mode: mot_de_passe"),
        ),
        "YAML mal formé": (ml.load_online_endpoint, endpoint + "traffic: {blue: 100\n"),
        "trafic en texte": (ml.load_online_endpoint, endpoint + "traffic: {blue: beaucoup}\n"),
        "sans point de terminaison": (
            ml.load_online_deployment,
            blue.replace("endpoint_name: wine-cultivars\n", ""),
        ),
        "nombre de machines en texte": (
            ml.load_online_deployment,
            blue.replace("instance_count: 1", "instance_count: une"),
        ),
        "environnement absent": (
            ml.load_online_deployment,
            blue.replace("conda.yml", "absent.yml"),
        ),
        "surveillance en texte": (
            ml.load_online_deployment,
            blue + "app_insights_enabled: beaucoup\n",
        ),
    }
    (tmp_path / "good.yml").write_text(blue)
    # le dossier de test n'y est pour rien
    assert ml.load_online_deployment(tmp_path / "good.yml").name == "blue"
    for name, (load, text) in bad.items():
        (tmp_path / "bad.yml").write_text(text, encoding="utf-8")
        with pytest.raises((MlException, ValidationError)):
            pytest.fail(f"{name} : accepté, {load(tmp_path / 'bad.yml')}")


# --- 09_plan_azure.py, puis 10_deploy_azure.py, avec le vrai SDK et un Azure en mémoire


def test_the_plan_needs_no_account_and_sends_nothing(lesson, scratch):
    assert (
        "Partiraient : 2 modèles, 1 point de terminaison, 2 déploiements."
        in lesson.ended("plan_azure").stdout
    )
    for name, alias in {"blue": "previous", "green": "champion"}.items():
        version = lesson.client().get_model_version_by_alias(MODEL, alias)
        told = json.loads((lesson.root / f"azure_upload/{name}.yml").read_text(encoding="utf-8"))
        assert told["tags"]["mlflow_run_id"] == version.run_id and told["tags"][
            "mlflow_version"
        ] == str(version.version)
        uploaded = lesson.root / "azure_upload" / told["path"]
        assert (
            mlflow.models.get_model_info(str(uploaded)).model_id
            == version.source.rpartition("/")[2]
        )
    assert scratch.git("status", "--porcelain", "azure_upload") == ""  # Git ne le voit pas


def simulate(course, *arguments, start=None, fails=False, **environment):
    """10_deploy_azure.py sur l'Azure simulé : ce qu'il dit, et le journal des requêtes."""
    sdk()
    journal = course.root / "journal.json"
    simulated = ("tests/support/azure_simulated.py", journal, course.root / AZURE, *arguments)
    told = (start or course.fork)(*simulated, fails=True, **PLACE | environment)
    # ce que le SDK dit de lui-même, et la couleur qu'il remet
    said = re.sub(r"\x1b\[39m|Check: endpoint \S+ exists", "", told.stderr)
    assert fails or (told.returncode, unexpected(said)) == (0, ""), told
    return told, json.loads(journal.read_text(encoding="utf-8"))


def puts(journal: list[dict], part: str = "") -> list[dict]:
    return [
        each
        for each in journal
        if each["method"] == "PUT"
        and each["host"] == "management.azure.com"
        and part in each["path"]
    ]


@pytest.fixture(scope="module")
def created(scratch):
    return simulate(scratch, "--yes")


@pytest.mark.slow
def test_create_sends_everything_in_order(created):
    _, journal = created
    place = dict(
        zip(("subscription_id", "resource_group", "workspace_name"), PLACE.values(), strict=True)
    )
    digest = hashlib.sha256(json.dumps(place, sort_keys=True).encode()).hexdigest()
    name = f"wine-cultivars-{digest[:6]}"
    order = [re.sub(r".*/workspaces/espace/", "", each["path"]) for each in puts(journal)]
    endpoint = f"onlineEndpoints/{name}"
    assert [path for path in order if not path.startswith(("codes/", "environments/"))] == [
        endpoint, "models/wine_cultivars/versions/1", f"{endpoint}/deployments/blue",
        "models/wine_cultivars/versions/2", f"{endpoint}/deployments/green", *[endpoint] * 3,
    ]  # fmt: skip
    uploaded = {
        each["path"].rsplit("/", 1)[-1]
        for each in journal
        if each["host"].endswith("blob.core.windows.net")
    }
    assert {"MLmodel", "model.skops", "score.py", "conda.yml"} <= uploaded


@pytest.mark.slow
def test_bodies_tell_where_each_model_comes_from(created, lesson):
    bodies = {
        part: [each["body"] for each in puts(created[1], f"/{part}/")]
        for part in ("models", "deployments", "environments")
    }
    for body, alias in zip(bodies["models"], ("previous", "champion"), strict=True):
        version, properties = (
            lesson.client().get_model_version_by_alias(MODEL, alias),
            body["properties"],
        )
        assert properties["modelType"] == "mlflow_model"
        assert properties["tags"]["mlflow_run_id"] == version.run_id and properties["tags"][
            "mlflow_version"
        ] == str(version.version)
    for body in bodies["deployments"]:
        assert body["properties"]["codeConfiguration"]["scoringScript"] == "score.py"
        assert (
            body["sku"]["capacity"] == 1 and body["properties"]["instanceType"] == "Standard_DS3_v2"
        )
    assert pins(bodies["environments"][0]["properties"]["condaFile"]) == pins(
        (ENDPOINT / "conda.yml").read_text()
    )
    endpoints = [
        each["body"]["properties"]
        for each in puts(created[1], "/onlineEndpoints/")
        if "authMode" in each["body"]["properties"]
    ]
    assert [each.get("traffic") for each in endpoints] == [
        {},
        {"blue": 100},
        {"blue": 90, "green": 10},
        {"green": 100},
    ]  # le SDK tait les 0


@pytest.mark.slow
def test_the_split_is_seen_from_outside_and_no_secret_is_said(created):
    told, journal = created
    assert "Trafic 100/0, 100 requêtes : {'blue': 100}" in told.stdout
    blue, green = map(
        int,
        re.search(
            r"Trafic 90/10, 100 requêtes : {'blue': (\d+), 'green': (\d+)}", told.stdout
        ).groups(),
    )
    assert blue + green == 100 and 0 < green < 30
    assert "Trafic 0/100, 100 requêtes : {'green': 100}" in told.stdout
    from azure_simulated import KEY as secret

    # un essai de green, puis trois fois cent
    assert sum(each["host"].startswith("wines.") for each in journal) == 301
    assert secret not in told.stdout and "jeton-simule" not in told.stdout


@pytest.mark.slow
def test_without_option_the_files_are_checked_and_nothing_is_sent(scratch):
    told, journal = simulate(scratch)
    assert "Rien n'est envoyé" in told.stdout and journal == []
    assert re.search(
        r"wine-cultivars-[0-9a-f]{6}, green : version 2 du registre, 1 machine Standard_DS3_v2",
        told.stdout,
    )


@pytest.mark.slow
def test_what_azure_refuses_stops_there(scratch):
    told, journal = simulate(scratch, "--yes", fails=True, SIMULATED_FAILURE="blue")
    assert told.returncode == 1 and "ImageBuildFailure" in told.stderr
    assert "--delete" in told.stdout  # ce qui est créé se paie
    assert len(puts(journal, "/deployments/")) == 1  # green n'a pas été tenté
    told, journal = simulate(scratch, "--delete", fails=True)
    assert told.returncode == 1 and "introuvable" in told.stderr
    assert [each["method"] for each in journal] == ["DELETE"]


@pytest.mark.slow
def test_what_is_missing_or_badly_written_sends_nothing(scratch, fresh_course):
    """Le SDK dit ce qui est faux dans un fichier ; le script, ce qui manque pour joindre Azure."""

    def refused(*arguments, course=scratch, **environment):
        told, journal = simulate(course, *arguments, fails=True, **environment)
        assert (told.returncode, journal) == (1, [])
        return told

    assert "azure_upload/blue.yml" in refused(course=fresh_course).stderr
    nowhere = dict.fromkeys(PLACE, "")
    asked = one_line(refused("--yes", **nowhere | {"AZURE_RESOURCE_GROUP": "groupe"}))
    assert "AZURE_SUBSCRIPTION_ID" in asked and "AZURE_ML_WORKSPACE" in asked
    assert "AZURE_RESOURCE_GROUP" not in asked
    config = scratch.root / "config.json"
    config.write_text('{"subscription_id": "", "workspace_name": "espace"}', encoding="utf-8")
    asked = one_line(refused("--yes", **nowhere))
    assert asked.endswith(" : AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP.")
    config.unlink()
    green = scratch.root / LESSON / "endpoint/green.yml"
    kept = green.read_text(encoding="utf-8")
    green.write_text(kept + "couleur: verte\n", encoding="utf-8")
    assert "couleur" in refused().stderr
    green.write_text(kept, encoding="utf-8")


def test_a_folder_that_is_no_mlflow_model_never_leaves(fresh_course):
    """Le SDK l'accepterait ; le service ne démarrerait pas."""
    client, folder = fresh_course.client(), fresh_course.root / "pas un modèle"
    folder.mkdir()
    (folder / "poids.bin").write_text("rien")
    client.create_registered_model(MODEL)
    for alias in ("previous", "champion"):
        client.set_registered_model_alias(
            MODEL, alias, client.create_model_version(MODEL, folder.as_uri()).version
        )
    assert "MLmodel" in last_line(fresh_course.fork(PLAN, fails=True))
    # sans lui, deploy_azure ne part pas
    assert not (fresh_course.root / "azure_upload/blue.yml").exists()


def test_without_the_sdk_the_error_names_azure(scratch):
    blocked = "import sys, runpy; sys.modules['azure.ai.ml'] = None; "
    code = blocked + f"runpy.run_path({str(scratch.root / AZURE)!r})"
    said = last_line(ended([sys.executable, "-c", code], scratch.root))
    assert said.startswith("ModuleNotFoundError") and "azure" in said


@pytest.mark.slow
def test_the_simulated_azure_serves_what_was_uploaded(whole_lesson, tmp_path):
    """Le code et les modèles déposés, tels quels, sur les vrais serveurs : toute l'histoire, sans
    compte.
    """
    course = with_server(whole_lesson).copy(tmp_path / "cours")
    told, _ = simulate(course, "--yes", start=course.run, SIMULATED_SERVERS="oui")
    champion = course.client().get_model_version_by_alias(MODEL, "champion")
    expected = {
        "predictions": predicted(course, champion.version, WINES.X_test.head(2)),
        "model_id": champion.source.rpartition("/")[2],
    }
    assert json.loads(re.search(r"green, avant tout trafic : (.*)", told.stdout)[1]) == expected
    assert "Trafic 0/100, 100 requêtes : {'green': 100}" in told.stdout
