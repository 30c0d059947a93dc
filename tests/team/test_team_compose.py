"""Le montage de `team/compose.yaml` : relu, comparé au serveur local, et sa commande lancée sans
Docker.
"""

import os
import re
import secrets
import subprocess
import sys
import tomllib
from configparser import ConfigParser

import pytest
import requests
import yaml
from programs import free_port, running
from texts import ROOT

import mlflow

pytestmark = pytest.mark.release

FOLDER = ROOT / "02_tracking_unsupervised/team"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
SERVER = COMPOSE["services"]["server"]
PACKAGES = re.search(r"pip install --no-cache-dir (.+)", SERVER["build"]["dockerfile_inline"])[1]
RULES = COMPOSE["configs"]["auth"]["content"]
ASKED = re.findall(r"^(\w+)=$", (FOLDER / ".env.example").read_text(), re.MULTILINE)


def options(command: list[str]) -> dict[str, str]:
    given = (word.removeprefix("--").partition("=") for word in command if word.startswith("--"))
    return {name: value for name, _, value in given}


def test_every_image_is_pinned_and_the_packages_are_those_of_the_course():
    images = {COMPOSE["services"]["postgres"]["image"]}
    images |= set(re.findall(r"^FROM (\S+)", SERVER["build"]["dockerfile_inline"], re.MULTILINE))
    assert len(images) == 2 and all(re.search(r":v?\d+\.\d+", image) for image in images)
    course = (ROOT / "requirements.txt").read_text().splitlines()
    group = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["team"]
    first, *others = PACKAGES.split()
    assert first in course and set(others) <= set(group) and len(others) == 2


def test_it_is_the_server_of_the_script():
    """Mêmes options de `mlflow server`, mêmes règles d'accès, aux adresses près."""
    script = (FOLDER / "01_team_server.py").read_text(encoding="utf-8")
    command, settings = (
        script[script.index("command = [") :].partition("wait_until_ready")[0].split("settings = {")
    )
    written = set(re.findall(r'"--([a-z-]+)"', command)) - {"env-file"}  # là, Compose lit .env
    given = options(SERVER["command"])
    assert set(given) == written and given["app-name"] == "basic-auth"
    rules = ConfigParser()
    rules.read_string(RULES)
    assert dict(rules["mlflow"]) == {
        "database_uri": given["backend-store-uri"],
        "default_permission": re.search(r"default_permission = (\w+)", script)[1],
        "auth_cache_ttl_seconds": re.search(r"auth_cache_ttl_seconds = (\d+)", script)[1],
    }
    variables = re.findall(r'"(MLFLOW_\w+)":', settings)
    assert len(variables) == 4 and set(variables) <= SERVER["environment"].keys()


def test_nothing_is_open_and_no_secret_is_written():
    services = COMPOSE["services"].items()
    published = {name: service["ports"] for name, service in services if "ports" in service}
    assert published == {"server": ["127.0.0.1:5050:5050"]}
    asked = re.findall(r"\$\{(\w+):\?", (FOLDER / "compose.yaml").read_text())
    assert set(asked) == set(ASKED)
    for _, service in services:
        for name, value in service.get("environment", {}).items():
            assert not re.search("PASSWORD|SECRET", name) or value.startswith("${")
    assert ".env" in (FOLDER / ".gitignore").read_text().split()


def test_the_file_follows_the_schema_of_compose():
    checker = ["uvx", "check-jsonschema==0.39.0", "--builtin-schema", "vendor.compose-spec"]
    checked = subprocess.run(
        [*checker, str(FOLDER / "compose.yaml")], capture_output=True, text=True, timeout=300
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_its_command_serves_runs_from_postgresql_and_files_from_its_folder(
    tmp_path, course, monkeypatch
):
    """Les paquets, la commande et les variables du service « server », sans Docker.

    À la place de l'image : PostgreSQL embarqué. Ce que seul Docker ferait n'est pas vérifié.
    """
    from team_servers import embedded_postgres, short_folder

    bin_ = tmp_path / "env/bin"
    uv = ["uv", "venv", "-q", "--python", sys.executable, str(tmp_path / "env")]
    subprocess.run(uv, check=True, timeout=300)
    install = ["uv", "pip", "install", "-q", "--python", str(bin_ / "python"), *PACKAGES.split()]
    subprocess.run(install, check=True, timeout=900)
    # ce n'est pas l'environnement du cours
    assert subprocess.run(
        [bin_ / "python", "-c", "import tensorflow"], capture_output=True
    ).returncode

    values, port = {name: secrets.token_hex(12) for name in ASKED}, free_port()
    given = options(SERVER["command"])
    with short_folder() as folder, embedded_postgres(folder) as base:
        places = {
            "0.0.0.0": "127.0.0.1", "5050": str(port), given["backend-store-uri"]: base,
            given["artifacts-destination"]: str(tmp_path / "files"),
            "/auth.ini": str(tmp_path / "auth.ini"),
        }  # fmt: skip

        def here(text: str) -> str:
            text = re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: values[found[1]], text)
            for there, local in places.items():
                text = text.replace(there, local)
            return text

        escaped = RULES.replace(given["backend-store-uri"], base.replace("%", "%%"))
        (tmp_path / "auth.ini").write_text(escaped)
        environment = {name: here(value) for name, value in SERVER["environment"].items()}
        environment["PATH"] = f"{bin_}{os.pathsep}{os.environ['PATH']}"
        program = [str(bin_ / "mlflow"), *map(here, SERVER["command"][1:])]
        address = f"http://127.0.0.1:{port}"
        with running(program, tmp_path, wait_for=f"{address}/health", **environment):
            search = f"{address}/api/2.0/mlflow/experiments/search"
            assert requests.get(search, timeout=30).status_code == 401
            account = {
                "MLFLOW_TRACKING_URI": address, "MLFLOW_TRACKING_USERNAME": "admin",
                "MLFLOW_TRACKING_PASSWORD": environment["MLFLOW_AUTH_ADMIN_PASSWORD"],
            }  # fmt: skip
            for name, value in account.items():
                monkeypatch.setenv(name, value)
            mlflow.set_tracking_uri(address)
            mlflow.create_workspace("classe")
            account["MLFLOW_WORKSPACE"] = "classe"
            course.run("01_tracking_supervised/local/03_full_run.py", **account)
            # relit le modèle, à travers le serveur
            course.run("01_tracking_supervised/local/04_open_model.py", **account)
            kept = {path.name for path in (tmp_path / "files/workspaces/classe").rglob("*")}
            assert {"MLmodel", "confusion_matrix.png"} <= kept
            assert not (tmp_path / "mlruns").exists() and not (tmp_path / "mlartifacts").exists()
