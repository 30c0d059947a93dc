"""Leçon 4 : le routeur devant deux faux déploiements, score.py sur le vrai serveur d'Azure ML, et deploy_local.py."""

import gzip
import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import mlflow
import pytest
import requests
from copies import Course
from programs import reader_environment, free_port
from texts import last_cell, tables
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lesson_04 import LESSON, LOCAL, is_announced, request, script, small_registry, with_server
from router import HEADER, Router
from wines import load_wines

DEPLOY = script("deploy_local")
KEY = "une-clé-de-test"
BUILDING = "L'environnement du serveur d'Azure ML se bâtit (une fois, 350 Mo)...\n"  # la première fois, que la page montre


# --- le routeur, devant deux faux déploiements


class Echo(BaseHTTPRequestHandler):
    """Répond 400 au corps « mauvais », et sinon 200 avec le nom du déploiement et le corps reçu."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(400 if body == b"mauvais" else 200)
        self.send_header("Content-Type", "application/json")
        answer = json.dumps({"from": self.server.name, "body": body.decode(errors="replace")}).encode()
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


def test_a_split_is_a_draw_not_a_count(routed):
    """« Chaque requête est tirée au sort : 23 sur 200, et non 20 » : d'autres graines donnent d'autres nombres, autour de 20."""
    counts = []
    for seed in range(8):
        with Router(KEY, seed=seed).listening() as router:
            router.deployments.update(routed.deployments)
            router.set_traffic(blue=90, green=10)
            counts.append([post(router).headers[HEADER] for _ in range(200)].count("green"))
    assert counts[0] == 23 and len(set(counts)) > 3 and all(5 <= count <= 38 for count in counts)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "inconnu"])
def test_router_passes_a_compressed_body_as_it_is(routed, encoding):
    """Même un corps qui se dit compressé et ne l'est pas : c'est au déploiement d'en juger."""
    answer = post(routed, "corps", **{"Content-Encoding": encoding})
    assert (answer.status_code, answer.json()["body"]) == (200, "corps")
    answer = post(routed, gzip.compress(b"a" * 10_000_000), **{"Content-Encoding": encoding})  # pas de décompression : pas de bombe
    assert answer.status_code == 200 and len(answer.json()["body"]) < 20_000


def test_router_says_the_rest_in_plain_text(routed):
    """Ce que sa documentation annonce : 404, 405, 413 et 400, en texte, par aiohttp."""
    said = {
        404: requests.post(routed.url + "/x", timeout=10),
        405: requests.get(routed.url, timeout=10),
        413: post(routed, "a" * (1024**2 + 1)),
    }
    for status, answer in said.items():
        assert answer.status_code == status and answer.headers["Content-Type"].startswith("text/plain")
    with socket.create_connection(("127.0.0.1", int(routed.url.split(":")[2].split("/")[0])), timeout=10) as client:
        client.sendall(b"ceci n'est pas du HTTP\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.0 400 ")
    assert post(routed).ok


def test_router_splits_the_traffic_and_replays_with_its_seed(routed):
    routed.set_traffic(blue=90, green=10)
    seen = [post(routed).headers[HEADER] for _ in range(300)]
    assert 10 <= seen.count("green") <= 55  # 30 attendus ; au-delà de quatre écarts-types, ce ne serait plus 10 %
    with Router(KEY, seed=0).listening() as again:
        again.deployments.update(routed.deployments)
        again.set_traffic(blue=90, green=10)
        assert seen == [post(again).headers[HEADER] for _ in range(300)]
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


# --- le vrai serveur d'Azure ML


@pytest.fixture(scope="module")
def lesson(tmp_path_factory) -> Course:
    return small_registry(tmp_path_factory.mktemp("service"))


@pytest.fixture(scope="module")
def served(lesson) -> Course:
    return with_server(lesson)


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
    kind = draw(st.sampled_from(["octets", "json", "table", "colonnes", "ligne", "valeur", "tronqué", "emboîté", "clé en double"]))
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
        change = draw(
            st.sampled_from([columns[1:], [*columns, "x"], [columns[0], *columns[:-1]], [{"a": 1}, *columns[1:]], [[], *columns[1:]], None])
        )
        return json.dumps({"input_data": {"columns": change, "data": rows}}).encode()
    if kind == "clé en double":
        key = draw(st.sampled_from(["input_data", "columns", "data", "index"]))
        whole = json.dumps(GOOD)
        return whole.replace(f'"{key}":', f'"{key}": {draw(st.sampled_from(["[]", "1", "null"]))}, "{key}":').encode()
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
def test_what_the_server_of_azure_does_before_us(service):
    """Ce que score.py dit n'être pas son affaire : morceaux mal formés, formulaire, client qui n'achève pas sa requête."""
    url, _, process = service
    body, address = json.dumps(GOOD), ("127.0.0.1", int(url.rsplit(":", 1)[1]))
    form = requests.post(f"{url}/score", data=body, headers={"Content-Type": "application/x-www-form-urlencoded"}, timeout=30)
    assert form.status_code == 400 and "de type application/json" in form.json()["message"]
    with socket.create_connection(address, timeout=30) as client:
        client.sendall(b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 500 ")
    with socket.create_connection(address, timeout=30) as stalled:
        stalled.sendall(b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
        with pytest.raises(requests.ReadTimeout):
            requests.post(f"{url}/score", json=GOOD, timeout=3)
    assert requests.post(f"{url}/score", json=GOOD, timeout=30).status_code == 200 and process.poll() is None


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
    is_announced(DEPLOY, BUILDING + output.removeprefix(BUILDING))
    for row in tables(last_cell(DEPLOY)):
        if row["réponses"].startswith(("blue", "green")):
            assert f"{row['requêtes']} requêtes : {row['réponses']}\n" in output
    assert "green en panne, 10 requêtes : green 503 10" in output
    assert "Sans clé : 401. Déploiement inconnu : 404." in output and "green supprimé : 404." in output
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
    process = subprocess.Popen([sys.executable, "-c", code], env=reader_environment(), stdout=subprocess.PIPE, text=True)
    url = process.stdout.readline().strip()
    assert requests.get(url, timeout=10).ok
    process.kill()
    process.wait(10)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            requests.get(url, timeout=5)
        except requests.ConnectionError:
            return
        time.sleep(0.2)
    pytest.fail("le serveur répond encore vingt secondes après la mort du script")
