"""Ouvre le magasin MLflow que les quatre leçons partagent.

Même fichier dans chaque leçon : un test y veille.

Il s'importe en premier : dès lors, Ctrl-C, ou un magasin abîmé en cours de route, se disent en une
ligne.
"""

import atexit
import gc
import json
import logging
import os
import sqlite3
import sys
import tempfile
import time
from contextlib import closing, nullcontext
from pathlib import Path
from platform import node
from urllib.parse import unquote, urlsplit

import psutil
from filelock import FileLock

from errors import listen, reason, refused, without_password

ROOT = Path(__file__).resolve().parents[2]

# Le script démarre et s'arrête plus vite : sans cela, Python chercherait sans cesse ce qui est à
# jeter dans ce que MLflow importe.
gc.set_threshold(50_000)
atexit.register(gc.freeze)


def open_store() -> str:
    """Prépare `mlflow.db` et `mlruns/` à la racine du dépôt, d'où que le script soit lancé, et
    renvoie l'URI du magasin.

    C'est `mlflow.set_tracking_uri`, précédé de ce que MLflow ne fait pas : attendre son tour, se
    taire, dire clairement ce qui ne va pas. Si `MLFLOW_TRACKING_URI` est définie, elle l'emporte :
    serveur d'équipe, Databricks, autre dossier. Lève `SystemExit`, en une ligne, quand le magasin
    ne répond pas, refuse l'écriture, ou a changé de dossier.
    """
    # Un serveur muet est signalé en moins d'une minute ; un serveur qui redémarre (10 s) est
    # attendu.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "8")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nos scripts n'appellent personne
    # les mêmes dépendances notées avec uv et avec pip
    os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
    # restées là, elles enverraient
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        # notre run dans celui d'un autre, sans un mot : c'est le script qui dit où il écrit
        os.environ.pop(name, None)
    if hasattr(sys.stdout, "reconfigure"):  # un terminal ou un fichier, pas un notebook
        sys.stdout.reconfigure(errors="replace")  # sortie redirigée sous Windows
    listen()
    # argparse en ferait une liste vide
    if any(argument == "--" or argument.endswith("=--") for argument in sys.argv[1:]):
        sys.exit("« -- » n'est pas une valeur.")

    import mlflow
    from sqlalchemy.exc import SQLAlchemyError

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    # la trace d'une base qui refuse : `explain` le dit
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    ours = not os.environ.get("MLFLOW_TRACKING_URI")
    if ours:
        os.chdir(ROOT)  # les artefacts vont dans mlruns/, sous le dossier courant
        path = (ROOT / "mlflow.db").as_posix().replace("%", "%25").replace("?", "%3F")
        mlflow.set_tracking_uri(f"sqlite:///{path}")
    uri = mlflow.get_tracking_uri()
    database = unquote(urlsplit(uri).path[1:]) if uri.startswith("sqlite:///") else None
    try:
        # Deux scripts qui créent la base ensemble l'abîmeraient.
        with FileLock(f"{database}.lock") if database else nullcontext():
            if database:
                create_whole(Path(database))
            experiments = mlflow.search_experiments()
    except (OSError, sqlite3.Error, mlflow.MlflowException, SQLAlchemyError) as error:
        if "out-of-date database schema" in str(error):
            sys.exit(
                f'Le magasin est d\'une autre version de MLflow. Après une copie de sécurité : mlflow db upgrade "{uri}"'
            )
        if ours and "already exists" in str(error):
            sys.exit(
                "Le magasin a été interrompu pendant sa création. Supprimez mlflow.db, encore vide, puis relancez."
            )
        sys.exit(
            refused(error)
            or f"Le magasin {without_password(uri)} ne répond pas ou refuse l'écriture : {reason(error)}"
        )
    origins = [
        Path(each.artifact_location).parents[1]
        for each in experiments
        if each.experiment_id == "0" and ours
    ]
    if origins and "://" not in str(origins[0]) and origins[0] != ROOT and origins[0].is_absolute():
        sys.exit(
            f"Ce magasin a été créé dans {origins[0]}, où MLflow cherche encore ses fichiers. Remettez-y le dossier,"
            " ou supprimez mlflow.db, mlruns/ et .venv/ pour repartir d'un magasin vide."
        )
    close_orphans([each.experiment_id for each in experiments])
    return uri


def create_whole(database: Path) -> None:
    """Crée la base ailleurs et la pose d'un coup : `mlflow ui`, lancé au même instant, n'en voit
    jamais la moitié.

    Si un autre programme est en train de la créer, ou l'occupe, attend qu'il ait fini.
    """
    import mlflow

    if not database.exists() or not database.stat().st_size:
        # Windows garde la base ouverte
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db").search_experiments()
            with (
                closing(sqlite3.connect(f"{folder}/mlflow.db")) as whole,
                closing(sqlite3.connect(database)) as base,
            ):
                if not base.execute("SELECT 1 FROM sqlite_master").fetchone():
                    whole.backup(base)
    while True:
        # secondes : celles que MLflow attend ensuite
        with closing(sqlite3.connect(database, timeout=20)) as base:
            tables = base.execute(
                "SELECT 1 FROM sqlite_master WHERE name = 'experiments'"
            ).fetchone()
            # MLflow finit par l'expérience Default
            if tables and base.execute("SELECT 1 FROM experiments").fetchone():
                return
        if time.time() - database.stat().st_mtime > 10:
            return  # qui la créait est mort
        time.sleep(0.2)


def close_orphans(experiment_ids: list[str]) -> None:
    """Marque KILLED les runs qu'un programme mort a laissés RUNNING (`09_resume_sweep.py`, en leçon 1,
    montre pourquoi).

    Chaque run dit qui l'écrit, par une étiquette : la machine, le numéro du programme, l'heure où
    il est né.
    """
    import mlflow

    process = f"{node()} {os.getpid()} {psutil.Process().create_time():.0f}"
    # l'étiquette de tous nos runs
    os.environ["MLFLOW_RUN_CONTEXT"] = json.dumps({"mlflow.source.process": process})
    running = mlflow.search_runs(
        experiment_ids, "attributes.status = 'RUNNING'", output_format="list"
    )
    orphans = [run for run in running if is_dead(run)]
    closed = 0
    for run in orphans:
        try:
            mlflow.MlflowClient().set_terminated(run.info.run_id, "KILLED")
            closed += 1
        except mlflow.MlflowException as error:
            # sur le serveur d'une équipe, le run d'un autre : c'est à lui de le fermer
            if not refused(error):
                raise
    if closed:
        print(f"Runs laissés RUNNING par un programme mort, marqués KILLED : {closed}.")


def is_dead(run) -> bool:
    """Si le programme de ce run, sur cette machine, n'existe plus ; d'une autre machine, on n'en
    sait rien.
    """
    import mlflow

    machine, _, rest = run.data.tags.get("mlflow.source.process", "").partition(" ")
    if (
        not machine
        and run.data.tags.get("mlflow.source.type") == "PROJECT"
        and mlflow.get_tracking_uri().startswith("sqlite")
    ):
        # `mlflow run` crée le run lui-même, sans cette étiquette, et en donne le numéro à ce qu'il
        # lance
        return not any(
            run.info.run_id in (each.info["environ"] or {}).values()
            for each in psutil.process_iter(["environ"])
        )
    if machine != node() or not rest:
        return False
    number, born = rest.split()
    try:
        program = psutil.Process(int(number))
        # un autre a pris son numéro
        return (
            program.status() == psutil.STATUS_ZOMBIE or abs(program.create_time() - int(born)) > 2
        )
    except psutil.NoSuchProcess:
        return True
