"""Ouvrir le magasin sans y écrire : ni base créée, ni verrou, ni mise à niveau."""

import logging
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from checks import ROOT

FIRST = "Lancez d'abord : uv run 01_tracking_supervised/local/01_first_run.py"


def open_read_only():
    """Le `MlflowClient` du magasin à la racine, ou de `MLFLOW_TRACKING_URI`.

    MLflow crée la base qui manque et remplit celle qui est vide : on l'en empêche, et SQLite refuse
    toute écriture. Lève `SystemExit`, en une ligne, si le magasin ne s'ouvre pas.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{ROOT.as_posix()}/mlflow.db"
    if uri.startswith("sqlite:///"):
        check_database(Path(uri.removeprefix("sqlite:///")).absolute())

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

    @event.listens_for(Engine, "connect")
    def forbid_writing(connection, _):
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA query_only = ON")

    mlflow.set_tracking_uri(uri)
    try:
        client = mlflow.MlflowClient()
        client.search_experiments(max_results=1)
    except (OSError, mlflow.MlflowException, SQLAlchemyError) as error:
        raise SystemExit(unreadable(error)) from None
    return client


def check_database(path: Path):
    """Lève `SystemExit` si `path` n'est pas la base d'un magasin."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as base:
            base.execute("SELECT 1 FROM experiments LIMIT 1")
    except sqlite3.Error as error:
        raise SystemExit(f"Il n'y a pas de magasin à {path} ({error}). {FIRST}") from None


def unreadable(error: BaseException) -> str:
    """La ligne à écrire quand le magasin ne se lit pas : celle de MLflow, sans mot de passe."""
    said = re.sub(r"//[^/\s]*@", "//", str(error).splitlines()[0])
    return f"Le magasin de MLFLOW_TRACKING_URI, ou de mlflow.db, ne se lit pas : {said}"
