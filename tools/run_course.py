"""Rejoue le cours : chaque script des leçons, dans l'ordre, dans son propre processus.

    uv run tools/run_course.py               tout
    uv run tools/run_course.py --lesson 01   une leçon
    uv run tools/run_course.py --list        seulement la liste
    uv run tools/run_course.py --fresh       après avoir vidé le magasin (il demande d'abord)
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

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "01_tracking_supervised/local"))

# Leçon -> (script, durée habituelle en secondes), dans l'ordre de lecture.
LESSONS = {
    "01_tracking_supervised": [
        ("first_run", 5),
        ("full_run", 10),
        ("open_model", 6),
        ("svm_sweep", 15),
        ("compare_models", 30),
        ("search_runs", 6),
        ("measure_tracking", 20),
        ("svm_sweep_spark", 60),
    ],
    "02_tracking_unsupervised": [("kmeans_sweep", 15), ("autoencoder", 20), ("compare_representations", 20), ("measure_storage", 30)],
    "03_mlflow_project": [("run_project", 40), ("run_from_git", 15), ("predict_new", 6), ("measure_reproducibility", 120)],
    "04_model_registry_azureml": [
        ("register_models", 8),
        ("promote", 15),
        ("serve", 20),
        ("deploy_local", 45),
        ("deploy_azure", 5),
        ("measure_traceability", 20),
    ],
}
WITH_TENSORFLOW = ("compare_models", "autoencoder", "compare_representations")


def left_out(script: str) -> str | None:
    """Ce qui manque ici à un script, ou None s'il peut tourner."""
    if script in WITH_TENSORFLOW and not find_spec("tensorflow"):
        return "TensorFlow n'existe pas pour cette machine"
    if script == "svm_sweep_spark" and not find_spec("pyspark"):
        return "demande PySpark : uv run --group spark ..."
    if script == "svm_sweep_spark" and not shutil.which("java"):
        return "demande Java 17"
    if script in ("run_from_git", "measure_reproducibility") and not (shutil.which("git") and (ROOT / ".git").exists()):
        return "demande git et un clone (pas une archive ZIP)"
    if script == "deploy_local" and not shutil.which("uv"):
        return "demande uv"
    if script == "deploy_azure":
        return "demande un compte Azure"
    return None


def run(path: Path) -> tuple[int, str]:
    """Lance un script ; renvoie son code de sortie et ce qu'il a écrit. Une interruption lui parvient comme un Ctrl-C."""
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


def short(script: str) -> str:
    """`01_tracking_supervised/local/first_run.py` -> `01 first_run`."""
    return f"{script[:2]} {Path(script).stem}"


def runs_since(start: float) -> int:
    """Le nombre de runs commencés depuis `start` (secondes depuis 1970), toutes expériences confondues."""
    import mlflow

    client = mlflow.MlflowClient()
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return len(client.search_runs(experiments, f"attributes.start_time >= {int(start * 1000)}", max_results=50_000))


def empty_store(agreed: bool) -> None:
    """Supprime la base et les artefacts ensemble, après accord. Lève `SystemExit` si le magasin n'est pas celui du dépôt."""
    if os.environ.get("MLFLOW_TRACKING_URI"):
        raise SystemExit("--fresh ne vide que le magasin du dépôt, or MLFLOW_TRACKING_URI en désigne un autre.")
    if not agreed:
        if not sys.stdin.isatty():
            raise SystemExit("--fresh demande un accord : ajoutez --yes.")
        if input("Supprimer mlflow.db et mlruns/, donc tous les runs ? [o/N] ").strip().lower() not in ("o", "oui"):
            raise SystemExit("Rien n'a été supprimé.")
    for path in ROOT.glob("mlflow.db*"):
        path.unlink()
    shutil.rmtree(ROOT / "mlruns", ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Rejoue les scripts du cours, dans l'ordre.")
    parser.add_argument("--lesson", choices=[name[:2] for name in LESSONS], help="une seule leçon")
    parser.add_argument("--list", action="store_true", help="montrer la liste, sans rien lancer")
    parser.add_argument("--fresh", action="store_true", help="vider d'abord le magasin, après accord")
    parser.add_argument("--yes", action="store_true", help="donner cet accord d'avance")
    args = parser.parse_args()

    console = Console()
    chosen = [
        (f"{lesson}/local/{script}.py", seconds, left_out(script))
        for lesson, scripts in LESSONS.items()
        if args.lesson in (None, lesson[:2])
        for script, seconds in scripts
    ]
    todo = [(script, seconds) for script, seconds, reason in chosen if reason is None]
    announced = f"{len(todo)} scripts, environ {max(1, round(sum(seconds for _, seconds in todo) / 60))} min"
    if args.list:
        for script, seconds, reason in chosen:
            console.print(f"{script:55} {f'{seconds} s' if reason is None else f'laissé de côté : {reason}'}", highlight=False, soft_wrap=True)
        console.print(f"En tout : {announced}")
        return 0

    if args.fresh:
        empty_store(args.yes)
    from store import open_store

    open_store()
    console.print(announced, highlight=False)
    table = Table("script", "secondes", "runs", "première ligne")
    room = max(20, console.width - 54)  # ce que les trois autres colonnes laissent à la première ligne
    failures = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(todo))
        for script, _, reason in chosen:
            if reason:
                table.add_row(short(script), "-", "-", f"laissé de côté : {reason}")
                continue
            progress.update(task, description=short(script))
            start = time.time()
            code, output = run(ROOT / script)
            lines = output.strip().splitlines() or [""]
            if code:
                failures.append((script, code, lines[-8:]))
            shown = f"ÉCHEC (code {code})" if code else lines[0]
            table.add_row(short(script), f"{time.time() - start:.0f}", str(runs_since(start)), shown if len(shown) <= room else f"{shown[: room - 1]}…")
            progress.advance(task)
    console.print(table)
    for script, code, lines in failures:
        console.print(f"{script} a échoué (code {code}) ; ses dernières lignes :", style="bold red", highlight=False)
        console.print("\n".join(f"    {line}" for line in lines), markup=False, highlight=False)
    console.print("Pour tout voir : uv run mlflow ui, puis")
    console.print("http://127.0.0.1:5000/#/experiments?workflowType=machine_learning", soft_wrap=True)
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrompu : les scripts déjà passés sont dans le magasin.")
