"""Ce que MLflow ajoute au travail lui-même, mesuré ici et maintenant : chaque chiffre compare deux choses dans la même exécution.

    uv run tools/benchmark.py

Deux minutes, dans un magasin jetable. Code 1 si une limite est dépassée.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
IMPORTS = "import mlflow, pandas, sklearn.svm"
FIRST_RUN = str(ROOT / "01_tracking_supervised/local/first_run.py")
SVM_SWEEP = str(ROOT / "01_tracking_supervised/local/svm_sweep.py")
COMPARE = str(ROOT / "01_tracking_supervised/local/compare_models.py")
KMEANS_SWEEP = str(ROOT / "02_tracking_unsupervised/local/kmeans_sweep.py")
PROJECT = str(ROOT / "03_mlflow_project")


def seconds(*command: str) -> float:
    """La durée d'une commande Python, lancée du dossier courant ; lève `CalledProcessError` si elle échoue."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    start = time.perf_counter()
    subprocess.run([sys.executable, *command], env={**os.environ, "PATH": path}, check=True, capture_output=True)
    return time.perf_counter() - start


def child_seconds(experiment: str) -> list[float]:
    """Les durées des runs enfants d'une expérience, telles que MLflow les a notées, du premier au dernier."""
    import mlflow

    client = mlflow.MlflowClient()
    experiment_id = client.get_experiment_by_name(experiment).experiment_id
    found = client.search_runs([experiment_id], order_by=["attributes.start_time ASC"], max_results=1000)
    return [(run.info.end_time - run.info.start_time) / 1000 for run in found if "mlflow.parentRunId" in run.data.tags]


def svm_fits() -> list[float]:
    """Les durées des mêmes validations croisées et ajustements que `svm_sweep`, sans MLflow."""
    import pandas as pd
    from patients import clinical_metrics, load_patients
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    data = load_patients()
    X, y = pd.concat([data.X_train, data.X_valid]), pd.concat([data.y_train, data.y_valid])
    folds, durations = StratifiedKFold(5, shuffle=True, random_state=0), []
    for C in (0.1, 1.0, 10.0, 100.0, 1000.0):
        for gamma in (0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3):
            start = time.perf_counter()
            model = make_pipeline(StandardScaler(), SVC(C=C, gamma=gamma))
            distance = cross_val_predict(model, X, y, cv=folds, method="decision_function")
            clinical_metrics(y, (distance > 0).astype(float), distance)
            model.fit(X, y)
            durations.append(time.perf_counter() - start)
    return durations


def kmeans_fits() -> list[float]:
    """Les durées des mêmes K-Means et des mêmes indices que `kmeans_sweep`, sans MLflow."""
    from digits import external_indices, internal_indices, load_images
    from sklearn.cluster import KMeans

    (X, y), durations = load_images(), []
    for k in range(2, 21):
        start = time.perf_counter()
        model = KMeans(n_clusters=k, n_init=10, random_state=0).fit(X)
        internal_indices(X, model) | external_indices(y, model.labels_)
        durations.append(time.perf_counter() - start)
    return durations


def added_seconds(script: str, experiment: str, fits) -> float:
    """Ce que MLflow ajoute à un run enfant de `script` : la médiane des écarts, qui laisse de côté les imports du premier."""
    seconds(script)
    return median(child - alone for child, alone in zip(child_seconds(experiment), fits(), strict=True))


def epoch_milliseconds() -> float:
    """Ce que coûte d'enregistrer deux métriques à une époque : la médiane de cent."""
    import mlflow

    durations = []
    with mlflow.start_run():
        for epoch in range(100):
            start = time.perf_counter()
            mlflow.log_metrics({"loss": 0.1, "val_loss": 0.1}, step=epoch)
            durations.append(time.perf_counter() - start)
    return 1000 * median(durations)


def project_seconds() -> float:
    """Ce que `mlflow run` ajoute au script qu'il lance : la médiane de trois paires."""
    run = ["-m", "mlflow", "run", PROJECT, "-e", "train", "--env-manager", "local"]
    return median(seconds(*run) - seconds(f"{PROJECT}/train.py") for _ in range(3))


def main() -> int:
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{Path(folder.name).as_posix()}/mlflow.db"
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    sys.path[:0] = [str(ROOT / lesson / "local") for lesson in ("01_tracking_supervised", "02_tracking_unsupervised")]
    os.chdir(folder.name)  # les artefacts vont avec la base

    seconds(FIRST_RUN), seconds("-c", IMPORTS)  # à chaud
    measures = {
        "first_run, en fois la durée de ses imports": (2.3, lambda: median(seconds(FIRST_RUN) / seconds("-c", IMPORTS) for _ in range(5))),
        "svm_sweep, ms ajoutées par run enfant": (100, lambda: 1000 * added_seconds(SVM_SWEEP, "01_tracking_supervised", svm_fits)),
        "compare_models, secondes": (60, lambda: seconds(COMPARE)),
        "kmeans_sweep, secondes ajoutées par les 19 enfants": (
            4, lambda: 19 * added_seconds(KMEANS_SWEEP, "02_tracking_unsupervised", kmeans_fits),
        ),
        "une époque enregistrée, ms": (15, epoch_milliseconds),
        "mlflow run, secondes ajoutées au script": (4, project_seconds),
    }  # fmt: skip
    table, late = Table("mesure", "ici", "limite"), False
    for name, (limit, measure) in track(measures.items(), "Mesures", transient=True, console=Console(stderr=True)):
        value = measure()
        late |= value > limit
        table.add_row(name, f"{value:.2f}", f"{limit}{' DÉPASSÉE' if value > limit else ''}")
    Console().print(table)
    return int(late)


if __name__ == "__main__":
    sys.exit(main())
