"""Leçon 4 : le routeur devant deux faux déploiements, score.py sur le vrai serveur d'Azure ML, et
04_deploy_local.py.
"""

import gzip
import json
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import mlflow
import psutil
import pytest
import requests
import servers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lesson_04 import LESSON, LOCAL, MODEL, WINES, predicted, script, with_server
from programs import free_port, reader_environment
from router import HEADER, Router
from texts import last_cell, tables

DEPLOY = script("deploy_local")
KEY = "une-clé-de-test"
BEARER = {"Authorization": f"Bearer {KEY}".encode()}
JSON = {"Content-Type": "application/json"}


# --- le routeur, devant deux faux déploiements


class Echo(BaseHTTPRequestHandler):
    """Répond 400 au corps « mauvais », et sinon 200 avec le nom du déploiement et le corps reçu."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = json.dumps(
            {"from": self.server.name, "body": body.decode(errors="replace")}
        ).encode()
        self.send_response(400 if body == b"mauvais" else 200)
        for name, value in {**JSON, "Content-Length": str(len(answer))}.items():
            self.send_header(name, value)
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
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            router.deployments[name] = f"http://127.0.0.1:{server.server_port}"
        router.set_traffic(blue=100)
        yield router


def post(router, body="{}", session=requests, **headers):
    return session.post(router.url, data=body, headers={**BEARER, **headers}, timeout=10)


def drawn(deployments: dict[str, str], seed: int) -> list[str]:
    """Qui répond à 200 requêtes, à 90/10, avec cette graine."""
    with Router(KEY, seed=seed).listening() as router, requests.Session() as session:
        router.deployments.update(deployments)
        router.set_traffic(blue=90, green=10)
        return [post(router, session=session).headers[HEADER] for _ in range(200)]


def test_router_wants_the_key(routed):
    for key in ("", "fausse", KEY + "x", KEY[:-1]):
        answer = post(routed, Authorization=f"Bearer {key}".encode())
        assert (
            answer.status_code == 401 and answer.json()["message"] and HEADER not in answer.headers
        )
    for given_headers in (
        {},
        {"Authorization": f"Basic {KEY}".encode()},
        {"Authorization": b"Bearer \xff\xfe"},
    ):
        assert requests.post(routed.url, headers=given_headers, timeout=10).status_code == 401
    assert post(routed).status_code == 200


def test_router_passes_body_status_and_name_through(routed):
    answer = post(routed, "corps")
    assert (answer.json(), answer.headers[HEADER]) == ({"from": "blue", "body": "corps"}, "blue")
    assert post(routed, "mauvais").status_code == 400
    assert post(routed, **{HEADER: "green"}).json()["from"] == "green"  # par l'en-tête, sans trafic
    assert post(routed, **{HEADER: "red"}).status_code == 404


def test_a_split_is_a_draw_not_a_count_and_replays_with_its_seed(routed):
    """« Chaque requête est tirée au sort : 23 sur 200, et non 20 » : d'autres graines donnent
    d'autres nombres, autour de 20.
    """
    seen = [drawn(routed.deployments, seed) for seed in range(8)]
    counts = [each.count("green") for each in seen]
    assert counts[0] == 23 and len(set(counts)) > 3 and all(5 <= count <= 38 for count in counts)
    assert drawn(routed.deployments, 0) == seen[0]
    routed.set_traffic(blue=0, green=100)
    assert {post(routed).headers[HEADER] for _ in range(20)} == {"green"}


def test_router_passes_a_compressed_body_as_it_is(routed):
    """Même un corps qui se dit compressé et ne l'est pas : c'est au déploiement d'en juger."""
    for encoding in ("gzip", "deflate", "br", "inconnu"):
        answer = post(routed, "corps", **{"Content-Encoding": encoding})
        assert (answer.status_code, answer.json()["body"]) == (200, "corps")
        # pas de décompression : pas de bombe
        answer = post(routed, gzip.compress(b"a" * 10_000_000), **{"Content-Encoding": encoding})
        assert answer.status_code == 200 and len(answer.json()["body"]) < 20_000


def test_router_says_the_rest_in_plain_text(routed):
    """Ce que sa documentation annonce : 404, 405, 413 et 400, en texte, par aiohttp."""
    said = {
        404: requests.post(f"{routed.url}/x", timeout=10),
        405: requests.get(routed.url, timeout=10),
        413: post(routed, "a" * 1024**2 + "a"),
    }
    for status, answer in said.items():
        assert answer.status_code == status and answer.headers["Content-Type"].startswith(
            "text/plain"
        )
    with socket.create_connection(
        ("127.0.0.1", int(routed.url.split(":")[2].split("/")[0])), timeout=10
    ) as client:
        client.sendall(b"ceci n'est pas du HTTP\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.0 400 ")
    assert post(routed).ok


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


def request(wines) -> dict:
    """La requête que score.py attend, pour ces vins."""
    return {
        "input_data": {
            "columns": list(wines),
            "index": list(range(len(wines))),
            "data": wines.to_numpy().tolist(),
        }
    }


GOOD = request(WINES.X_test.head(2))
COLUMNS = GOOD["input_data"]["columns"]


@pytest.fixture(scope="module")
def service(whole_lesson, tmp_path_factory):
    """score.py et la forêt sur le serveur d'Azure ML, celui que deploy_local a bâti, derrière le
    routeur.
    """
    with_server(whole_lesson).client()
    path = mlflow.artifacts.download_artifacts(
        f"models:/{MODEL}@champion", dst_path=str(tmp_path_factory.mktemp("déposé"))
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(servers, "LESSON", whole_lesson.root / LESSON)
        with servers.deployment(path) as (url, process), Router(KEY).listening() as router:
            router.deployments["blue"] = url
            router.set_traffic(blue=100)
            yield url, router, process


def score(url: str, **sent) -> requests.Response:
    return requests.post(f"{url}/score", timeout=30, **sent)


@pytest.mark.slow
def test_the_service_answers_like_the_model_and_says_which(service, whole_lesson):
    url, router, _ = service
    model_id = (
        whole_lesson.client()
        .get_model_version_by_alias(MODEL, "champion")
        .source.rpartition("/")[2]
    )
    shuffled = WINES.X_test[COLUMNS[::-1]]  # l'ordre des colonnes ne compte pas, leur nom oui
    for asked in (WINES.X_test, WINES.X_test.head(1), shuffled):
        direct, routed = score(url, json=request(asked)), post(router, json.dumps(request(asked)))
        assert direct.status_code == routed.status_code == 200
        assert (
            direct.json()
            == routed.json()
            == {"predictions": predicted(whole_lesson, 2, asked[COLUMNS]), "model_id": model_id}
        )
    # des entiers sont des nombres
    assert score(url, json=request(WINES.X_test.head(2).round(0).astype(int))).status_code == 200
    assert (
        requests.get(url, timeout=10).ok
        and requests.get(f"{url}/swagger.json?version=3", timeout=10).ok
    )


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=10,
)
not_a_number = st.none() | st.booleans() | st.text(max_size=10) | st.lists(st.floats(), max_size=2)
not_a_number |= st.sampled_from(
    [float("nan"), float("inf"), -float("inf"), 1e31, -1e300, 10**40, 10**400]
)
not_a_row = st.sampled_from(
    [
        lambda row: row[:-1],
        lambda row: [*row, 1.0],
        *(lambda _, v=v: v for v in ([], None, "texte", {"a": 1}, 3)),
    ]
)
not_the_columns = st.sampled_from(
    [
        COLUMNS[1:],
        [*COLUMNS, "x"],
        [COLUMNS[0], *COLUMNS[:-1]],
        [{"a": 1}, *COLUMNS[1:]],
        [[], *COLUMNS[1:]],
        None,
    ]
)


@st.composite
def bad_body(draw) -> bytes:
    """Un corps qu'un client peut envoyer et qu'aucun modèle ne peut servir."""
    kind = draw(
        st.sampled_from(
            [
                "octets",
                "json",
                "table",
                "colonnes",
                "ligne",
                "valeur",
                "tronqué",
                "emboîté",
                "clé en double",
            ]
        )
    )
    whole, columns, rows = (
        json.dumps(GOOD),
        COLUMNS,
        [list(row) for row in GOOD["input_data"]["data"]],
    )
    if kind == "octets":
        return draw(st.binary(max_size=200))
    if kind == "json":
        return json.dumps(draw(anything)).encode()
    if kind == "tronqué":
        return whole.encode()[: draw(st.integers(0, len(whole.encode()) - 1))]
    if kind == "emboîté":
        depth = draw(st.integers(500, 50_000))
        return b'{"input_data": ' + b"[" * depth + b"]" * depth + b"}"
    if kind == "table":
        return json.dumps({"input_data": draw(anything)}).encode()
    if kind == "clé en double":
        key = draw(st.sampled_from(["input_data", "columns", "data", "index"]))
        return whole.replace(
            f'"{key}":', f'"{key}": {draw(st.sampled_from(["[]", "1", "null"]))}, "{key}":'
        ).encode()
    line = draw(st.integers(0, 1))
    if kind == "colonnes":
        columns = draw(not_the_columns)
    elif kind == "ligne":
        rows[line] = draw(not_a_row)(rows[line])
    else:
        rows[line][draw(st.integers(0, 12))] = draw(not_a_number)
    return json.dumps({"input_data": {"columns": columns, "data": rows}}).encode()


@pytest.mark.slow
def test_a_thousand_bad_bodies_get_400_and_a_message(service):
    url, router, process = service
    session, seen = requests.Session(), []

    @settings(
        max_examples=1000,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(bad_body(), st.booleans())
    def check(body, through_the_router):
        address, headers = (router.url, BEARER) if through_the_router else (f"{url}/score", JSON)
        answer = session.post(address, data=body, headers=headers, timeout=30)
        assert answer.status_code == 400, (answer.status_code, body[:300], answer.text[:300])
        assert answer.json()["message"]
        seen.append(body)

    check()
    assert len(seen) >= 1000 and process.poll() is None
    assert score(url, json=GOOD).status_code == 200  # il sert toujours


@pytest.mark.slow
def test_bad_bodies_by_hand(service):
    url, _, _ = service
    wines = GOOD["input_data"]
    huge = json.dumps(GOOD).replace(str(wines["data"][0][0]), "1" * 5000, 1)
    for body in (
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        huge.encode(),
        json.dumps({"input_data": {**wines, "data": []}}).encode(),
    ):
        answer = score(url, data=body, headers=JSON)
        assert answer.status_code == 400 and answer.json()["message"], body[:50]
    assert requests.get(f"{url}/score", timeout=10).status_code == 400
    assert requests.put(f"{url}/score", json=GOOD, timeout=10).status_code == 405
    # sans Content-Type : lu tout de même
    assert score(url, data=json.dumps(GOOD)).status_code == 200


@pytest.mark.slow
def test_what_the_server_of_azure_does_before_us(service):
    """Ce que score.py dit n'être pas son affaire : morceaux mal formés, formulaire, client qui
    n'achève pas sa requête.
    """
    url, _, process = service
    address, head = (
        ("127.0.0.1", int(url.rsplit(":", 1)[1])),
        b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n",
    )
    form = score(
        url, data=json.dumps(GOOD), headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert form.status_code == 400 and "de type application/json" in form.json()["message"]
    with socket.create_connection(address, timeout=30) as client:
        client.sendall(head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 500 ")
    with socket.create_connection(address, timeout=30) as stalled:
        stalled.sendall(head + b"Content-Length: 1000\r\n\r\n{")
        with pytest.raises(requests.ReadTimeout):
            requests.post(f"{url}/score", json=GOOD, timeout=3)
    assert score(url, json=GOOD).status_code == 200 and process.poll() is None


@pytest.mark.slow
def test_deploy_local_tells_what_its_text_says(whole_lesson):
    output = whole_lesson.ended("deploy_local").stdout
    told = [
        row for row in tables(last_cell(DEPLOY)) if row["réponses"].startswith(("blue", "green"))
    ]
    assert told and all(
        f"{row['requêtes']} requêtes : {row['réponses']}\n" in output for row in told
    )
    assert "green en panne, 10 requêtes : green 503 10" in output
    assert (
        "Sans clé : 401. Déploiement inconnu : 404." in output and "green supprimé : 404." in output
    )


@pytest.mark.slow
@pytest.mark.parametrize("sent", [None, signal.SIGINT])
def test_a_script_that_ends_or_is_interrupted_leaves_no_server(whole_lesson, sent):
    root = with_server(whole_lesson).root
    model = whole_lesson.client().get_model_version_download_uri(MODEL, "1")
    code = f"""
import sys; sys.path.insert(0, {str(root / LOCAL)!r})
from servers import deployment
with deployment({model!r}) as (url, _):
    print(url, flush=True); sys.stdin.read()
"""
    # rien ne s'écrit dans la leçon enregistrée
    quiet = reader_environment(PYTHONDONTWRITEBYTECODE="1")
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=quiet,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    url = process.stdout.readline().strip()
    assert requests.get(url, timeout=10).ok
    family = psutil.Process(process.pid).children(recursive=True)
    assert family
    if sent:
        process.send_signal(sent)
    process.communicate(timeout=30)
    assert process.returncode == (-sent if sent else 0)
    assert not any(each.is_running() for each in family)
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)
