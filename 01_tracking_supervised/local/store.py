"""Ouvre le magasin MLflow que les quatre leçons partagent. Même fichier dans chaque leçon : un test y veille."""

import logging
import os
import signal
import sys
from contextlib import nullcontext
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]


def open_store() -> str:
    """Prépare `mlflow.db` et `mlruns/` à la racine du dépôt, d'où que le script soit lancé, et renvoie l'URI du magasin.

    Si `MLFLOW_TRACKING_URI` est définie, elle l'emporte : serveur d'équipe, Databricks, autre dossier.
    Lève `SystemExit` avec une ligne claire quand le magasin ne répond pas ou refuse l'écriture.
    """
    # Un serveur muet est signalé en moins d'une minute ; un serveur qui redémarre (10 s) est attendu.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "8")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # le cours n'appelle personne
    os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")  # les mêmes exigences notées avec uv et avec pip
    sys.stdout.reconfigure(errors="replace")  # sortie redirigée sous Windows
    for number in {signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}:  # kill, fenêtre fermée :
        if signal.getsignal(number) is signal.SIG_DFL:  # sans cela, le run resterait RUNNING
            signal.signal(number, lambda number, _: sys.exit(128 + number))

    import mlflow
    from sqlalchemy.exc import SQLAlchemyError

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        os.chdir(ROOT)  # par défaut, MLflow écrit dans le dossier courant
    uri = mlflow.get_tracking_uri()
    database = Path(uri.removeprefix("sqlite:///").partition("?")[0]) if uri.startswith("sqlite:///") else None
    try:
        # Deux scripts qui créent la base ensemble l'abîmeraient.
        with FileLock(f"{database}.lock") if database else nullcontext():
            mlflow.search_experiments(max_results=1)
    except (OSError, mlflow.MlflowException, SQLAlchemyError) as error:
        sys.exit(f"Le magasin {uri} ne répond pas ou refuse l'écriture : {str(error).splitlines()[0][:200]}")
    return uri
