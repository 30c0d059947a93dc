"""DEPANNAGE.md : ce qui demande un serveur ou un navigateur.

Chaque ennui est causé, son message retrouvé, son remède essayé.
"""

import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import browser
import pytest
import requests
from copies import Course
from programs import LIGHT, free_port, running
from troubles import FIRST, MLFLOW, TROUBLES, about, launched, reader_in, typed

pytestmark = pytest.mark.slow


chromium = pytest.mark.skipif(
    not shutil.which("chromium"), reason="Chromium manque : apt-get install chromium"
)


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Course:
    """Une copie où le premier script a tourné."""
    course = Course(tmp_path_factory.mktemp("interface"))
    course.fork(FIRST)
    return course


@pytest.fixture(scope="module")
def port(course) -> int:
    """Celui de l'interface, ouverte à la racine de la copie comme DEPANNAGE.md le dit."""
    cure = TROUBLES["L'interface est vide"].cure()
    back, start = cure.lines
    assert typed(
        ["bash", "-c", f"{back} && pwd"], course.root / "03_mlflow_project"
    ).strip() == str(course.root)
    with ExitStack() as stack:
        reader = reader_in(course.root, stack)
        reader.type(cure._replace(lines=[start]))
        yield reader.ports[5000]


@pytest.fixture(scope="module")
def elsewhere(course, tmp_path_factory):
    """Une interface ouverte dans un sous-dossier : son port, et le fichier où s'écrivent les
    machines qu'elle cherche.
    """
    asked, port = tmp_path_factory.mktemp("témoin") / "noms.txt", free_port()
    variables = {**LIGHT, **witness(asked), "MLFLOW_DISABLE_TELEMETRY": "false"}
    command = [*MLFLOW, "ui", "--port", str(port)]
    with running(
        command,
        course.root / "03_mlflow_project",
        wait_for=f"http://127.0.0.1:{port}/health",
        **variables,
    ):
        yield port, asked


@contextmanager
def served(trouble, folder: Path) -> Iterator[int]:
    """Tape le remède, qui ouvre un serveur, et donne le port qu'il a."""
    with ExitStack() as stack:
        reader = reader_in(folder, stack)
        reader.type(trouble.cure())
        [port] = reader.ports.values()
        yield port


def searched(port: int, **headers: str) -> requests.Response:
    address = f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search"
    return requests.get(address, params={"max_results": 10}, headers=headers, timeout=60)


def experiments(port: int) -> list[str]:
    return [each["name"] for each in searched(port).json()["experiments"]]


@about("L'interface est vide")
def test_empty_ui(trouble, course, port, elsewhere):
    assert experiments(elsewhere[0]) == ["Default"]
    assert (course.root / "03_mlflow_project/mlflow.db").exists()  # la base égarée
    assert "01_tracking_supervised" in experiments(port)


@chromium
@about("L'interface montre Judges, Sessions, pas mes runs")
def test_wrong_side(trouble, port):
    with browser.chromium() as chrome, browser.fresh_page(chrome) as page:
        page.goto(f"http://127.0.0.1:{port}/#/experiments", wait_until="domcontentloaded")
        page.get_by_text("01_tracking_supervised").first.click()
        for word in ("Judges", "Sessions"):  # ceux du titre
            page.get_by_text(word, exact=True).first.wait_for()
        # ce que refusent les images et les tests de l'interface
        with pytest.raises(AssertionError, match="côté GenAI"):
            browser.check(page, [], {})
        [address] = re.findall(r"<(http://127\.0\.0\.1:5000/\S+)>", trouble.text)
        assert "*Got it*" in trouble.text
        page.get_by_role("dialog").get_by_role("button", name="Got it").click()
        page.get_by_role("dialog").wait_for(state="hidden")
        # le lien de la page ouvre un onglet ; ici, seul ce qui suit # changerait
        page.goto("about:blank")
        page.goto(address.replace("5000", str(port)), wait_until="domcontentloaded")
        page.get_by_role("button", name="Model training").click()
        page.get_by_role("row").get_by_role("link", name="01_tracking_supervised").click()
        page.get_by_text("svm gamma=0.03").first.wait_for()
        browser.check(page, [], {})  # plus rien du côté « GenAI »


@chromium
@about("Aucune métrique dans la liste des runs")
def test_no_metric_column(trouble, course, port):
    with browser.chromium() as chrome:
        address = f"http://127.0.0.1:{port}"
        memory = browser.step_one(chrome, address)
        number = course.client().get_experiment_by_name("01_tracking_supervised").experiment_id
        choose = {"role": "menuitemcheckbox", "name": "sensitivity", "exact": True}
        for button, click in {"Columns": "sensitivity", "Sort: Created": choose}.items():
            assert f"*{button.partition(':')[0]}*" in trouble.text
            with browser.opened(chrome, f"{address}/#/experiments/{number}/runs", memory) as page:
                page.get_by_text("svm gamma=0.03").first.wait_for()
                column = page.locator(".ag-header-cell", has_text="sensitivity")
                assert column.count() == 0
                browser.do(page, {"contains": button})
                browser.do(page, click)
                column.first.wait_for(state="attached")


@about("address already in use")
def test_port_taken(trouble, port, tmp_path):
    # comme sans réglage : c'est un autre message
    trouble.seen(typed([*MLFLOW, "ui", "--port", str(port)], tmp_path, MLFLOW_WORKERS="4"))
    with served(trouble, tmp_path) as other:
        assert experiments(other) == ["Default"]


@about("Invalid Host header")
def test_host_header(trouble, port, tmp_path):
    refused = searched(port, Host=f"mlflow.lan:{port}")
    assert refused.status_code == 403
    trouble.seen(refused.text)
    with served(trouble, tmp_path) as other:
        assert [
            searched(other, Host=host).status_code for host in ("mlflow.lan", f"mlflow.lan:{other}")
        ] == [200, 200]


# Le nom des machines que le programme cherche, écrit dans un fichier ; aucune n'est jointe.
WITNESS = """
import os, socket
def witness(host, *arguments, _real=socket.getaddrinfo, **options):
    if str(host) not in ("127.0.0.1", "localhost"):
        open(os.environ["WITNESS"], "a").write(f"{host}\\n")
        raise socket.gaierror("personne")
    return _real(host, *arguments, **options)
socket.getaddrinfo = witness
"""


def witness(asked: Path) -> dict[str, str]:
    """Les variables d'un programme dont les recherches de machines vont dans le fichier `asked`."""
    (asked.parent / "sitecustomize.py").write_text(WITNESS)
    return {"PYTHONPATH": str(asked.parent), "WITNESS": str(asked)}


ONE_RUN = """
import os, time, mlflow
with mlflow.start_run():
    mlflow.log_metric("valid_accuracy", 0.97)
end = time.monotonic() + 60
while not os.path.exists(os.environ["WITNESS"]) and time.monotonic() < end:
    time.sleep(0.2)  # l'envoi se fait à part
"""


@about("Le pare-feu signale un appel vers l'extérieur")
def test_telemetry(trouble, elsewhere, tmp_path):
    [named] = re.findall(r"`…([\w.-]+)`", trouble.text)
    assert named in elsewhere[1].read_text()  # déjà, quand l'interface répond
    # un programme qui n'est pas du cours
    asked = tmp_path / "programme/noms.txt"
    asked.parent.mkdir()
    settings = {**witness(asked), "MLFLOW_DISABLE_TELEMETRY": "false"}
    typed([sys.executable, "-c", ONE_RUN], asked.parent, **settings)
    assert named in asked.read_text()
    with ExitStack() as stack:
        reader = reader_in(tmp_path, stack, **witness(tmp_path / "noms.txt"))
        del reader.variables["MLFLOW_DISABLE_TELEMETRY"]  # le remède la donnera
        reader.type(trouble.cure(0))
        reader.type(trouble.cure(1))
    assert not (tmp_path / "noms.txt").exists()


@about("Un dossier Jean%20Dupont")
def test_percent_encoded_folder(trouble, tmp_path):
    folder, ghost = tmp_path / "Jean Dupont", tmp_path / "Jean%20Dupont"
    folder.mkdir()
    typed([*MLFLOW, "experiments", "search"], folder)
    assert ghost.is_dir() and list(ghost.iterdir()) == []
    ghost.rmdir()
    with served(trouble, folder) as port:
        assert experiments(port) == ["Default"]
    assert not ghost.exists()


ONE_FILE = """
import sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment(sys.argv[2])
with mlflow.start_run() as run:
    mlflow.log_text("bonjour", "salut.txt")
print(run.info.artifact_uri)
"""


@about("Les fichiers restent sur mon poste")
def test_artifacts_on_the_client(trouble, tmp_path):
    address = f"http://127.0.0.1:{free_port()}"
    command = [*MLFLOW, "server", "--no-serve-artifacts", "--port", address.rpartition(":")[2]]
    with running(command, tmp_path, wait_for=f"{address}/health", **LIGHT):
        said = typed([sys.executable, "-c", ONE_FILE, address, "avant"], tmp_path)
    trouble.seen(said)
    # écrit par le client, à ce chemin, sur sa machine
    assert Path(said.strip().splitlines()[-1], "salut.txt").is_file()
    with served(trouble, tmp_path) as port:
        said = typed(
            [sys.executable, "-c", ONE_FILE, f"http://127.0.0.1:{port}", "après"], tmp_path
        )
    assert said.strip().splitlines()[-1].startswith("mlflow-artifacts:/")


ALICE = """
import mlflow, sys
from mlflow.server.auth.client import AuthServiceClient
accounts = AuthServiceClient(sys.argv[1])
accounts.create_user("alice", "douze-lettres-1")
for name in ("alice", "bob"):
    mlflow.create_workspace(name)
[role] = [role.id for role in accounts.list_roles("alice") if role.name == "admin"]
accounts.assign_role("alice", role)
"""
RULES = "[mlflow]\ndatabase_uri = sqlite:///comptes.db\ndefault_permission = READ\n"


@about("Permission denied")
def test_no_workspace_or_another_s(trouble, course, tmp_path):
    pytest.importorskip("flask_wtf", reason="demande le groupe team")
    (tmp_path / "auth.ini").write_text(RULES)
    settings = {
        "MLFLOW_AUTH_CONFIG_PATH": str(tmp_path / "auth.ini"),
        "MLFLOW_AUTH_ADMIN_USERNAME": "admin",
        "MLFLOW_AUTH_ADMIN_PASSWORD": "douze-lettres-0",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "un-secret",
    }
    address = f"http://127.0.0.1:{free_port()}"
    port = address.rpartition(":")[2]
    command = [*MLFLOW, "server", "--app-name", "basic-auth", "--enable-workspaces", "--port", port]

    def account(name: str, password: str, **workspace: str) -> dict[str, str]:
        return {
            "MLFLOW_TRACKING_URI": address,
            "MLFLOW_TRACKING_USERNAME": name,
            "MLFLOW_TRACKING_PASSWORD": password,
            **workspace,
        }

    alice = account("alice", "douze-lettres-1")
    with running(command, tmp_path, wait_for=f"{address}/health", **LIGHT, **settings):
        admin = account("admin", "douze-lettres-0")
        assert "Error" not in typed([sys.executable, "-c", ALICE, address], tmp_path, **admin)
        for workspace in ({}, {"MLFLOW_WORKSPACE": "bob"}):
            trouble.seen(launched(FIRST, course.root, **alice, **workspace))
        with ExitStack() as stack:
            done = reader_in(course.root, stack, **alice).type(trouble.cure())
        assert "accuracy 0.982" in done.output and f"{address}/#/experiments/" in done.output


NAMED = """
import mlflow, sys
mlflow.set_tracking_uri(sys.argv[1])
with mlflow.start_run():
    for name in sys.argv[2:]:
        mlflow.log_text(name, name)
"""


@about("Deux figures n'en font plus qu'une")
def test_a_name_is_cut_on_its_way(trouble, tmp_path):
    """À droite, ce que le serveur a gardé : le nom du fichier, et son texte, le nom donné."""
    *lost, left, kept = re.findall("`([^`]*igure[^`]*)`", trouble.text)
    assert (lost, left, kept) == (["figure #1.txt", "figure #2.txt"], "figure ", "figure_1.txt")
    address = f"http://127.0.0.1:{free_port()}"
    command = [*MLFLOW, "server", "--port", address.rpartition(":")[2]]
    names = [*lost, kept, "quoi?1.txt", "50%25.txt"]
    with running(command, tmp_path, wait_for=f"{address}/health", **LIGHT):
        said = typed([sys.executable, "-c", NAMED, address, *names], tmp_path)
    assert not any(name in said for name in names)
    files = {path.name: path.read_text() for path in tmp_path.glob("mlartifacts/0/*/artifacts/*")}
    assert files == {
        left: lost[-1], kept: kept, "quoi": "quoi?1.txt", "50%.txt": "50%25.txt"
    }  # fmt: skip
