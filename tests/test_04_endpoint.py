"""Leçon 4 : le routeur, score.py sur le vrai serveur d'Azure ML, les fichiers YAML, et deploy_azure sur un Azure simulé."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import mlflow
import pytest
import requests
from conftest import ROOT, Course, clean_environment, free_port, last_cell, tables
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_04_registry import is_announced
from router import HEADER, Router
from wines import candidates, load_wines, trusted_types
from workspaces import unique_name

LESSON = "04_model_registry_azureml"
LOCAL = f"{LESSON}/local"
AZURE, DEPLOY = f"{LOCAL}/deploy_azure.py", f"{LOCAL}/deploy_local.py"
ENDPOINT = ROOT / LESSON / "endpoint"
KEY = "une-clé-de-test"
NEEDS_AZURE = "le SDK d'Azure ML manque : uv run --group azure --group test pytest"
PLACE = {"AZURE_SUBSCRIPTION_ID": "11111111-1111-1111-1111-111111111111", "AZURE_RESOURCE_GROUP": "groupe", "AZURE_ML_WORKSPACE": "espace"}


# --- le routeur, devant deux faux déploiements


class Echo(BaseHTTPRequestHandler):
    """Répond 400 au corps « mauvais », et sinon 200 avec le nom du déploiement et le corps reçu."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(400 if body == b"mauvais" else 200)
        self.send_header("Content-Type", "application/json")
        answer = json.dumps({"from": self.server.name, "body": body.decode()}).encode()
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        """Rien sur le terminal."""


@pytest.fixture
def routed():
    with ExitStack() as stack:
        router = stack.enter_context(Router(KEY, seed=0).listening())
        for name in ("blue", "green"):
            server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
            server.name = name
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            router.deployments[name] = f"http://127.0.0.1:{server.server_port}"
        router.set_traffic(blue=100)
        yield router


def post(router, body="{}", key=KEY, **headers):
    authorization = {"Authorization": f"Bearer {key}".encode()} if key is not None else {}
    return requests.post(router.url, data=body, headers={**authorization, **headers}, timeout=10)


def test_router_wants_the_key(routed):
    for key in (None, "", "fausse", KEY + "x", KEY[:-1]):
        answer = post(routed, key=key)
        assert answer.status_code == 401 and answer.json()["message"] and HEADER not in answer.headers
    assert requests.post(routed.url, headers={"Authorization": f"Basic {KEY}".encode()}, timeout=10).status_code == 401
    assert requests.post(routed.url, headers={"Authorization": b"Bearer \xff\xfe"}, timeout=10).status_code == 401
    assert post(routed).status_code == 200


def test_router_passes_body_status_and_name_through(routed):
    answer = post(routed, "corps")
    assert (answer.json(), answer.headers[HEADER]) == ({"from": "blue", "body": "corps"}, "blue")
    assert post(routed, "mauvais").status_code == 400
    assert post(routed, **{HEADER: "green"}).json()["from"] == "green"  # par l'en-tête, sans trafic
    assert post(routed, **{HEADER: "red"}).status_code == 404
    assert requests.get(routed.url, timeout=10).status_code == 405


def test_router_splits_the_traffic_and_replays_with_its_seed(routed):
    routed.set_traffic(blue=90, green=10)
    seen = [post(routed).headers[HEADER] for _ in range(300)]
    assert 10 <= seen.count("green") <= 55  # 30 attendus ; au-delà de quatre écarts-types, ce ne serait plus 10 %
    again = Router(KEY, seed=0)._random
    assert seen == again.choices(["blue", "green"], [90, 10], k=1) + [again.choices(["blue", "green"], [90, 10])[0] for _ in range(299)]
    routed.set_traffic(blue=0, green=100)
    assert {post(routed).headers[HEADER] for _ in range(20)} == {"green"}


def test_router_answers_503_for_a_dead_deployment_and_goes_on(routed):
    routed.deployments["green"] = f"http://127.0.0.1:{free_port()}"
    answer = post(routed, **{HEADER: "green"})
    assert (answer.status_code, answer.headers[HEADER]) == (503, "green")
    assert post(routed).json()["from"] == "blue"
    routed.traffic = {}
    assert post(routed).status_code == 503


def test_router_refuses_impossible_changes_and_keeps_the_old_ones(routed):
    for bad in ({"blue": 90}, {"blue": 110, "green": -10}, {"red": 100}, {"blue": 50, "green": 51}):
        with pytest.raises(ValueError, match="refusée"):
            routed.set_traffic(**bad)
    assert routed.traffic == {"blue": 100}
    for name in ("blue", "red"):  # il reçoit tout ; il n'existe pas
        with pytest.raises(ValueError, match=name):
            routed.delete(name)
    routed.delete("green")
    assert post(routed, **{HEADER: "green"}).status_code == 404


def test_nothing_listens_after_the_router():
    with Router(KEY).listening() as router:
        assert post(router).status_code == 503  # la clé est bonne, il n'y a aucun déploiement
        assert "127.0.0.1" in router.url
    with pytest.raises(requests.ConnectionError):
        post(router)


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


# --- deploy_azure.py, avec le vrai SDK et un Azure en mémoire


@pytest.fixture(scope="module")
def lesson(tmp_path_factory) -> Course:
    """Un registre tout petit, comme après promote.py : l'arbre est @previous, la forêt @champion."""
    course = Course(tmp_path_factory.mktemp("endpoint"))
    client, wines = course.client(), load_wines()
    client.create_experiment("petit", artifact_location=(course.root / "mlruns").as_uri())
    mlflow.set_experiment("petit")
    for family, alias in (("decision_tree", "previous"), ("random_forest", "champion")):
        model = candidates()[family].fit(wines.X_train, wines.y_train)
        with mlflow.start_run():
            logged = mlflow.sklearn.log_model(
                model, name=family, signature=mlflow.models.infer_signature(wines.X_train, wines.y_train),
                pip_requirements=["scikit-learn"], serialization_format="skops", skops_trusted_types=trusted_types,
            )  # fmt: skip
        version = mlflow.register_model(logged.model_uri, "wine_cultivars")
        client.set_registered_model_alias("wine_cultivars", alias, version.version)
    return course


def simulate(course, *arguments, fails=False, **environment):
    """deploy_azure.py sur l'Azure simulé : ce qu'il dit, et le journal des requêtes."""
    pytest.importorskip("azure.ai.ml", reason=NEEDS_AZURE)
    pytest.importorskip("responses", reason=NEEDS_AZURE)
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
        {}, {"blue": 100}, {"blue": 90, "green": 10}, {"green": 100},
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


def test_dry_run_sends_nothing_and_needs_no_account(lesson):
    pytest.importorskip("azure.ai.ml", reason=NEEDS_AZURE)
    output = lesson.run(AZURE, "--dry-run", "--yes").stdout  # --dry-run l'emporte
    assert "Rien n'est envoyé" in output and "2 modèles" in output and "à l'heure" in output
    assert "scoring_script: score.py" in output and "blue : version 1" in output


@pytest.mark.slow
def test_what_is_missing_is_said_in_one_line(lesson, tmp_path):
    pytest.importorskip("azure.ai.ml", reason=NEEDS_AZURE)
    ended = lesson.run(AZURE, "--yes", fails=True, cwd=tmp_path, AZURE_RESOURCE_GROUP="groupe")
    assert ended.returncode == 1 and ended.stderr.count("\n") == 1
    assert "AZURE_SUBSCRIPTION_ID" in ended.stderr and "AZURE_ML_WORKSPACE" in ended.stderr and "AZURE_RESOURCE_GROUP" not in ended.stderr
    assert "Partiraient" not in ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize("config", ["{", "[]", '{"subscription_id": ""}'])
def test_a_bad_config_file_is_said_in_one_line(lesson, tmp_path, config):
    pytest.importorskip("azure.ai.ml", reason=NEEDS_AZURE)
    (tmp_path / "config.json").write_text(config)
    ended = lesson.run(AZURE, "--yes", fails=True, cwd=tmp_path)
    assert ended.returncode == 1 and ended.stderr.count("\n") == 1 and "config.json" in ended.stderr


@pytest.mark.slow
def test_a_bad_yaml_file_is_said_in_one_line(lesson, tmp_path):
    pytest.importorskip("azure.ai.ml", reason=NEEDS_AZURE)
    for name in ("endpoint.yml", "blue.yml", "green.yml", "conda.yml"):
        (tmp_path / name).write_text((ENDPOINT / name).read_text() + ("couleur: verte\n" if name == "green.yml" else ""))
    ended = lesson.run(AZURE, "--dry-run", "--files", tmp_path, fails=True)
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
    pytest.importorskip("azure.ai.ml", reason=NEEDS_AZURE)
    client = lesson.client()
    folder = lesson.root / "pas un modèle"
    folder.mkdir()
    (folder / "poids.bin").write_text("rien")
    client.create_registered_model("pas_un_modele")
    for alias in ("previous", "champion"):
        version = client.create_model_version("pas_un_modele", folder.as_uri())
        client.set_registered_model_alias("pas_un_modele", alias, version.version)
    ended, journal = simulate(lesson, "--yes", "--model", "pas_un_modele", fails=True)
    assert ended.returncode == 1 and "MLmodel" in ended.stderr and journal == []


@pytest.mark.slow
def test_without_the_sdk_one_line_tells_the_group(lesson):
    blocked = f"import sys, runpy; sys.modules['azure.ai.ml'] = None; sys.argv = ['x']; sys.path.insert(0, {str(lesson.root / LOCAL)!r})\n"
    ended = subprocess.run(
        [sys.executable, "-c", blocked + f"runpy.run_path({str(lesson.root / AZURE)!r})"],
        cwd=lesson.root, env=clean_environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 1 and "--group azure" in ended.stderr and ended.stderr.count("\n") == 1


# --- le vrai serveur d'Azure ML


@pytest.fixture(scope="module")
def served(lesson):
    """La leçon de test, avec l'environnement du serveur : bâti une fois dans le dépôt, puis partagé par un lien."""
    import servers

    with FileLock(ROOT / LESSON / ".venv-server.lock") as lock:
        servers.inference_python()
    os.unlink(lock.lock_file)
    link = lesson.root / LESSON / ".venv-server"
    if not link.exists():
        link.symlink_to(ROOT / LESSON / ".venv-server", target_is_directory=True)
    return lesson


@pytest.fixture(scope="module")
def service(served):
    """score.py et la forêt sur le serveur d'Azure ML, derrière le routeur."""
    import servers

    served.client()
    path = mlflow.artifacts.download_artifacts("models:/wine_cultivars@champion", dst_path=str(served.root / "déposé"))
    with servers.deployment(path) as (url, process), Router(KEY).listening() as router:
        router.deployments["blue"] = url
        router.set_traffic(blue=100)
        yield url, router, process


def request(wines) -> dict:
    return {"input_data": {"columns": list(wines), "index": list(range(len(wines))), "data": wines.to_numpy().tolist()}}


@pytest.mark.slow
def test_the_service_answers_like_the_model_and_says_which(service, served):
    url, router, _ = service
    served.client()
    model = mlflow.pyfunc.load_model("models:/wine_cultivars@champion")
    wines = load_wines().X_test
    shuffled = wines[wines.columns[::-1]]  # l'ordre des colonnes ne compte pas, leur nom oui
    for given_wines in (wines, wines.head(1), shuffled):
        direct = requests.post(f"{url}/score", json=request(given_wines), timeout=30)
        routed = post(router, json.dumps(request(given_wines)))
        assert direct.status_code == routed.status_code == 200
        assert direct.json() == routed.json()
        assert direct.json() == {"predictions": model.predict(given_wines[wines.columns]).tolist(), "model_id": model.metadata.model_id}
    whole = wines.head(2).round(0).astype(int)  # des entiers sont des nombres
    assert requests.post(f"{url}/score", json=request(whole), timeout=30).status_code == 200
    assert requests.get(url, timeout=10).ok and requests.get(f"{url}/swagger.json?version=3", timeout=10).ok


GOOD = request(load_wines().X_test.head(2))
COLUMNS = GOOD["input_data"]["columns"]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
not_a_number = st.none() | st.booleans() | st.text(max_size=10) | st.lists(st.floats(), max_size=2) | st.sampled_from(
    [float("nan"), float("inf"), -float("inf"), 1e31, -1e300, 10**40, 10**400]
)  # fmt: skip


@st.composite
def bad_body(draw) -> bytes:
    """Un corps qu'un client peut envoyer et qu'aucun modèle ne peut servir."""
    kind = draw(st.sampled_from(["octets", "json", "table", "colonnes", "ligne", "valeur", "tronqué", "emboîté"]))
    columns, rows = list(COLUMNS), [list(row) for row in GOOD["input_data"]["data"]]
    if kind == "octets":
        return draw(st.binary(max_size=200))
    if kind == "json":
        return json.dumps(draw(anything)).encode()
    if kind == "tronqué":
        whole = json.dumps(GOOD).encode()
        return whole[: draw(st.integers(0, len(whole) - 1))]
    if kind == "emboîté":
        depth = draw(st.integers(500, 50_000))
        return b'{"input_data": ' + b"[" * depth + b"]" * depth + b"}"
    if kind == "table":
        return json.dumps({"input_data": draw(anything)}).encode()
    if kind == "colonnes":
        change = draw(st.sampled_from([columns[1:], [*columns, "x"], [columns[0], *columns[:-1]], [{"a": 1}, *columns[1:]], [[], *columns[1:]], None]))
        return json.dumps({"input_data": {"columns": change, "data": rows}}).encode()
    line = draw(st.integers(0, 1))
    if kind == "ligne":
        rows[line] = draw(st.sampled_from([rows[line][:-1], [*rows[line], 1.0], [], None, "texte", {"a": 1}, 3]))
    else:
        rows[line][draw(st.integers(0, 12))] = draw(not_a_number)
    return json.dumps({"input_data": {"columns": columns, "data": rows}}).encode()


@pytest.mark.slow
def test_a_thousand_bad_bodies_get_400_and_a_message(service):
    url, router, process = service
    session = requests.Session()
    seen = []

    @settings(max_examples=1000, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(bad_body(), st.booleans())
    def check(body, through_the_router):
        if through_the_router:
            answer = session.post(router.url, data=body, headers={"Authorization": f"Bearer {KEY}".encode()}, timeout=30)
        else:
            answer = session.post(f"{url}/score", data=body, headers={"Content-Type": "application/json"}, timeout=30)
        assert answer.status_code == 400, (answer.status_code, body[:300], answer.text[:300])
        assert answer.json()["message"]
        seen.append(body)

    check()
    assert len(seen) >= 1000 and process.poll() is None
    assert session.post(f"{url}/score", json=GOOD, timeout=30).status_code == 200  # il sert toujours


@pytest.mark.slow
def test_bad_bodies_by_hand(service):
    url, _, _ = service
    wines = GOOD["input_data"]
    huge = json.dumps(GOOD).replace(str(wines["data"][0][0]), "1" * 5000, 1)
    for body in (b"", b"{", b"[]", b"null", b"\xff\xfe", huge.encode(), json.dumps({"input_data": {**wines, "data": []}}).encode()):
        answer = requests.post(f"{url}/score", data=body, headers={"Content-Type": "application/json"}, timeout=30)
        assert answer.status_code == 400 and answer.json()["message"], body[:50]
    assert requests.get(f"{url}/score", timeout=10).status_code == 400
    assert requests.put(f"{url}/score", json=GOOD, timeout=10).status_code == 405
    assert requests.post(f"{url}/score", data=json.dumps(GOOD), timeout=10).status_code == 200  # sans Content-Type : lu tout de même


@pytest.mark.slow
def test_through_the_router_takes_at_most_four_times_as_long(service):
    url, router, _ = service
    session = requests.Session()
    headers = {"Authorization": f"Bearer {KEY}".encode()}

    def seconds(address: str) -> float:
        start = time.perf_counter()
        session.post(address, json=GOOD, headers=headers, timeout=30).raise_for_status()
        return time.perf_counter() - start

    direct, routed = zip(*[(seconds(f"{url}/score"), seconds(router.url)) for _ in range(100)], strict=True)
    assert sorted(routed)[50] <= 4 * sorted(direct)[50]


@pytest.mark.slow
def test_deploy_local_tells_what_its_text_says_and_leaves_nothing(served):
    output = served.run(DEPLOY).stdout
    is_announced(DEPLOY, output)
    for row in tables(last_cell(DEPLOY)):
        if row["réponses"].startswith(("blue", "green")):
            told = json.dumps({name: int(count) for name, count in re.findall(r"(\w+) (\d+)", row["réponses"])})
            assert f"{row['requêtes']} requêtes : {told}" in output
    assert 'green en panne, 10 requêtes : {"green 503": 10}' in output
    assert "Sans clé : 401. Déploiement inconnu : 404." in output and "green supprimé : 404." in output
    assert float(re.search(r"prend ([\d.]+) fois", output)[1]) <= 4
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(served.root / LESSON / ".venv-server") not in left


@pytest.mark.slow
def test_a_killed_script_leaves_no_server(served):
    """Même SIGKILL, que rien n'attrape : le serveur voit se fermer son entrée standard."""
    code = f"""
import sys, time; sys.path.insert(0, {str(served.root / LOCAL)!r})
from servers import deployment
with deployment({str(served.root / "mlruns")!r}) as (url, _):
    print(url, flush=True); time.sleep(600)
"""
    process = subprocess.Popen([sys.executable, "-c", code], env=clean_environment(), stdout=subprocess.PIPE, text=True)
    url = process.stdout.readline().strip()
    assert requests.get(url, timeout=10).ok
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            requests.get(url, timeout=5)
        except requests.ConnectionError:
            return
        time.sleep(0.2)
    pytest.fail("le serveur répond encore vingt secondes après la mort du script")


@pytest.mark.slow
def test_the_simulated_azure_serves_what_was_uploaded(served):
    """Le code et les modèles déposés, tels quels, sur les vrais serveurs : toute l'histoire, sans compte."""
    ended, _ = simulate(served, "--yes", SIMULATED_SERVERS="oui")
    served.client()
    wines = load_wines().X_test.head(2)
    model = mlflow.pyfunc.load_model("models:/wine_cultivars@champion")
    expected = {"predictions": model.predict(wines).tolist(), "model_id": model.metadata.model_id}
    answered = re.search(r"green, avant tout trafic : (.*)", ended.stdout)[1]
    assert json.loads(answered) == expected
    assert "Trafic 0/100, 100 requêtes : {'green': 100}" in ended.stdout
