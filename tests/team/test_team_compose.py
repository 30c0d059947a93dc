"""Le montage de `team/compose.yaml` : relu, comparé au serveur local, et sa commande lancée sans
Docker.
"""

import os
import re
import secrets
import shutil
import subprocess
import sys
import tomllib
from configparser import ConfigParser

import pytest
import requests
import yaml
from programs import free_port, reader_environment, running
from texts import ROOT

pytestmark = pytest.mark.release

FOLDER = ROOT / "02_tracking_unsupervised/team"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
SERVER = COMPOSE["services"]["server"]
MOTO = ["uvx", "--from", "moto[server]==5.2.5", "moto_server"]


def pins(text: str) -> dict[str, str]:
    return {
        name.lower(): version
        for name, version in re.findall(r"^([\w.-]+)(?:\[\w+\])?==([\w.]+)", text, re.MULTILINE)
    }


def options(command: list[str]) -> dict[str, str]:
    return dict(word.removeprefix("--").split("=", 1) for word in command if word.startswith("--"))


def test_every_image_and_every_package_is_pinned():
    images = {service["image"] for service in COMPOSE["services"].values()}
    images |= set(re.findall(r"^FROM (\S+)", (FOLDER / "Dockerfile").read_text(), re.MULTILINE))
    assert len(images) == 4 and all(re.search(r":v?\d+\.\d+", image) for image in images)
    here = pins((FOLDER / "requirements.txt").read_text())
    course = pins((ROOT / "requirements.txt").read_text())
    group = pins(
        "\n".join(tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["team"])
    )
    for name in ("mlflow", "scikit-learn", "skops", "sqlalchemy"):
        assert here[name] == course[name]
    assert (
        here["psycopg"] == group["psycopg"]
        and here["flask-wtf"] == group["flask-wtf"]
        and "boto3" in here
    )
    assert f"mlflow-equipe:{here['mlflow']}" in images


def test_it_is_the_server_of_the_script():
    """Mêmes options de `mlflow server`, mêmes règles d'accès, aux adresses près."""
    script = (ROOT / "02_tracking_unsupervised/team/01_team_server.py").read_text(encoding="utf-8")
    command, settings = (
        script[script.index("command = [") :].partition("wait_until_ready")[0].split("settings = {")
    )
    written = set(re.findall(r'"--([a-z-]+)"', command)) - {"env-file"}  # là, Compose lit .env
    assert (
        set(options(SERVER["command"])) == written
        and options(SERVER["command"])["app-name"] == "basic-auth"
    )
    rules = ConfigParser()
    rules.read(FOLDER / "auth.ini")
    assert dict(rules["mlflow"]) == {
        "database_uri": options(SERVER["command"])["backend-store-uri"],
        "default_permission": re.search(r"default_permission = (\w+)", script)[1],
        "auth_cache_ttl_seconds": re.search(r"auth_cache_ttl_seconds = (\d+)", script)[1],
    }
    variables = re.findall(r'"(MLFLOW_\w+)":', settings)
    assert len(variables) == 4 and set(variables) <= SERVER["environment"].keys()


def test_nothing_is_open_and_no_secret_is_written():
    published = {
        name: service["ports"]
        for name, service in COMPOSE["services"].items()
        if "ports" in service
    }
    assert published == {"server": ["127.0.0.1:5050:5050"]}
    asked = set(re.findall(r"\$\{(\w+):\?", (FOLDER / "compose.yaml").read_text()))
    assert asked == set(
        re.findall(r"^(\w+)=$", (FOLDER / ".env.example").read_text(), re.MULTILINE)
    )
    for service in COMPOSE["services"].values():
        for name, value in service.get("environment", {}).items():
            assert not re.search("PASSWORD|SECRET|ACCESS_KEY", name) or value.startswith("${")
    assert (
        ".env" in (FOLDER / ".gitignore").read_text().split()
        and ".env" in (FOLDER / ".dockerignore").read_text().split()
    )


def test_the_file_follows_the_schema_of_compose():
    checker = ["uvx", "check-jsonschema==0.39.0", "--builtin-schema", "vendor.compose-spec"]
    checked = subprocess.run(
        [*checker, str(FOLDER / "compose.yaml")], capture_output=True, text=True, timeout=300
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_its_requirements_are_what_the_compiler_gives(tmp_path):
    for name in ("requirements.in", "requirements.txt"):
        shutil.copy(FOLDER / name, tmp_path / name)
    command = re.search(r"#\s+(uv pip compile .*)", (FOLDER / "requirements.in").read_text())[
        1
    ].split()
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=300)
    assert (tmp_path / "requirements.txt").read_bytes() == (
        FOLDER / "requirements.txt"
    ).read_bytes()


def test_its_command_serves_runs_from_postgresql_and_files_from_s3(tmp_path, course, monkeypatch):
    """L'environnement de requirements.txt, la commande et les variables du service « server », sans
    Docker.

    À la place des images : PostgreSQL embarqué, et moto, qui imite S3. Ce que seul Docker ferait
    n'est pas vérifié.
    """
    from team_servers import embedded_postgres, short_folder

    python = tmp_path / "env/bin/python"
    subprocess.run(
        ["uv", "venv", "-q", "--python", sys.executable, str(tmp_path / "env")],
        check=True,
        timeout=300,
    )
    install = [
        "uv",
        "pip",
        "install",
        "-q",
        "--python",
        str(python),
        "-r",
        str(FOLDER / "requirements.txt"),
    ]
    subprocess.run(install, check=True, timeout=900)
    # ce n'est pas l'environnement du cours
    assert subprocess.run([python, "-c", "import tensorflow"], capture_output=True).returncode

    values = {
        name: secrets.token_hex(12)
        for name in re.findall(r"^(\w+)=$", (FOLDER / ".env.example").read_text(), re.MULTILINE)
    }
    s3, port = f"http://127.0.0.1:{free_port()}", free_port()
    with short_folder() as folder, embedded_postgres(folder) as base:
        database = options(SERVER["command"])["backend-store-uri"]
        places = {"0.0.0.0": "127.0.0.1", "5050": str(port), "http://s3:8333": s3, database: base}

        def here(text: str) -> str:
            text = re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: values[found[1]], text)
            for there, local in places.items():
                text = text.replace(there, local)
            return text

        (tmp_path / "auth.ini").write_text(
            (FOLDER / "auth.ini").read_text().replace(database, base.replace("%", "%%"))
        )
        environment = {name: here(value) for name, value in SERVER["environment"].items()}
        program = [
            str(tmp_path / "env/bin" / word) if word in ("mlflow", "python") else here(word)
            for word in SERVER["command"]
        ]
        (tmp_path / "s3").mkdir()
        with running(
            [*MOTO, "--port", s3.rpartition(":")[2]], tmp_path / "s3", wait_for=f"{s3}/moto-api/"
        ):
            bucket = COMPOSE["services"]["bucket"]["command"]
            for _ in range(2):  # deux fois : le seau y est peut-être déjà
                make = [str(python), str(FOLDER / bucket[1]), bucket[2]]
                subprocess.run(make, env=reader_environment(**environment), check=True, timeout=120)
            address = f"http://127.0.0.1:{port}"
            environment["PATH"] = f"{tmp_path / 'env/bin'}{os.pathsep}{os.environ['PATH']}"
            with running(program, tmp_path, wait_for=f"{address}/health", **environment):
                account = {
                    "MLFLOW_TRACKING_URI": address, "MLFLOW_TRACKING_USERNAME": "admin",
                    "MLFLOW_TRACKING_PASSWORD": environment["MLFLOW_AUTH_ADMIN_PASSWORD"],
                }  # fmt: skip
                assert (
                    requests.get(
                        f"{address}/api/2.0/mlflow/experiments/search", timeout=30
                    ).status_code
                    == 401
                )
                course.run("01_tracking_supervised/local/03_full_run.py", **account)
                # relit le modèle, à travers le serveur
                course.run("01_tracking_supervised/local/04_open_model.py", **account)
                objects = re.findall(
                    r"<Key>([^<]+)</Key>", requests.get(f"{s3}/mlflow", timeout=30).text
                )
                assert {"MLmodel", "confusion_matrix.png"} <= {
                    name.rpartition("/")[2] for name in objects
                }
                assert (
                    not (tmp_path / "mlruns").exists() and not (tmp_path / "mlartifacts").exists()
                )
