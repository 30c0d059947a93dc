"""Ouvrir le magasin sans y écrire : ni base créée, ni verrou, ni mise à niveau."""

import logging
import os
import sqlite3
from pathlib import Path
from urllib.parse import unquote, urlsplit

from checks import ROOT
from errors import first_line, without_password

FIRST = "Lancez d'abord : uv run 01_tracking_supervised/local/01_first_run.py"


def open_read_only():
    """Le `MlflowClient` du magasin à la racine, ou de `MLFLOW_TRACKING_URI`.

    Lève `SystemExit`, en une ligne, s'il ne s'ouvre pas.

    MLflow crée la base qui manque et remplit celle qui est vide : on l'en empêche, et SQLite refuse
    toute écriture.
    """
    given = os.environ.get("MLFLOW_TRACKING_URI")
    uri = (
        given
        or f"sqlite:///{(ROOT / 'mlflow.db').as_posix().replace('%', '%25').replace('?', '%3F')}"
    )
    if uri.startswith("sqlite:///"):
        check_database(Path(unquote(urlsplit(uri).path[1:])), uri)

    # un serveur muet se dit en quelques secondes
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "8")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow
    from sqlalchemy import event
    from sqlalchemy.engine import Engine
    from sqlalchemy.exc import SQLAlchemyError

    logging.getLogger("mlflow").setLevel(logging.CRITICAL)

    def forbid_writing(connection, _):
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA query_only = ON")

    event.listen(Engine, "connect", forbid_writing)
    try:
        mlflow.set_tracking_uri(uri)
        client = mlflow.MlflowClient()
        client.search_experiments(max_results=1)
    except (OSError, mlflow.MlflowException, SQLAlchemyError) as error:
        raise SystemExit(explain(uri, error)) from None
    return client


def check_database(path: Path, uri: str):
    """Lève `SystemExit` si `path` n'est pas la base d'un magasin : MLflow la créerait, ou la
    remplirait.
    """
    if not path.is_file():
        raise SystemExit(f"Il n'y a pas de magasin à {path}. {FIRST}")
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            tables = {
                name
                for (name,) in connection.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table'"
                )
            }
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise SystemExit(f"Le magasin {path} ne se lit pas : {error}") from None
    if not {"experiments", "runs", "alembic_version"} <= tables:
        raise SystemExit(f"{path} n'est pas un magasin de MLflow, ou il est vide. {FIRST}")


def explain(uri: str, error: BaseException) -> str:
    """La ligne à écrire quand le magasin ne s'ouvre pas, ou plus."""
    text = str(error)
    if (
        "out-of-date database schema" in text
        or "readonly database" in text
        or "no such column" in text
        or "no such table" in text
    ):
        return f'Le magasin est d\'une autre version de MLflow. Après une copie de sécurité : mlflow db upgrade "{uri}"'
    if uri.startswith("http") and any(
        each in text for each in ("Max retries", "Connection", "timed out")
    ):
        return f"Le serveur {without_password(uri)} ne répond pas. Est-il lancé ? L'adresse vient de MLFLOW_TRACKING_URI."
    return f"Le magasin {without_password(uri)} ne se lit pas : {first_line(error)}"
