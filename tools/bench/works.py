"""Le travail de chaque leçon sans MLflow, tel que ses scripts le font : mêmes données, mêmes
modèles, mêmes figures.

python tools/bench/works.py svm_sweep           affiche la durée, imports mis à part
python tools/bench/works.py svm_sweep few       la même, pour `FEW`
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import LESSONS, PROJECT, script, seconds
from bench.startup import opening_seconds

SCRIPTS = {
    "first_run": script("01_tracking_supervised", "first_run"),
    "svm_sweep": script("01_tracking_supervised", "svm_sweep"),
    "kmeans_sweep": script("02_tracking_unsupervised", "kmeans_sweep"),
    "train": f"{PROJECT}/train.py",
    "run_project": script("03_mlflow_project", "run_project"),
    "register_models": script("04_model_registry_azureml", "register_models"),
}
CHILDREN = {"svm_sweep": 35, "kmeans_sweep": 19}
# Les mêmes balayages, réduits : les options du script, celles du même travail, et ce qu'il reste de
# runs enfants.
FEW = {
    "svm_sweep": (("--C", "1", "--gamma", "0.03"), {"Cs": (1,), "gammas": (0.03,)}, 1),
    "kmeans_sweep": (("--k-max", "4"), {"k_max": 4}, 3),
}


def first_run(folder: Path) -> None:
    from patients import clinical_metrics, load_patients, svm

    data = load_patients()
    model = svm(1.0, 0.03).fit(data.X_train, data.y_train)
    clinical_metrics(data.y_valid, model.predict(data.X_valid))


def svm_sweep(
    folder: Path, Cs=(0.1, 1, 10, 100, 1000), gammas=(0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
) -> None:
    import pandas as pd
    from patients import cross_validated, known_patients, svm, sweep_figure

    (X, y), rows = known_patients(), []
    for C in Cs:
        for gamma in gammas:
            model = svm(C, gamma)
            scores = cross_validated(model, X, y)
            model.fit(X, y)
            rows.append(
                {
                    "params.C": C,
                    "params.gamma": gamma,
                    **{f"metrics.{name}": value for name, value in scores.items()},
                }
            )
    sweep_figure(pd.DataFrame(rows)).savefig(folder / "metric_against_parameter.png")


def kmeans_sweep(folder: Path, k_max: int = 20) -> None:
    import pandas as pd
    from digits import (
        draw_centroids,
        draw_indices,
        elbow,
        external_indices,
        internal_indices,
        load_images,
    )
    from sklearn.cluster import KMeans

    (X, y), models, rows = load_images(), {}, []
    for k in range(2, k_max + 1):
        models[k] = KMeans(n_clusters=k, n_init=10, random_state=0).fit(X)
        rows.append(
            {"k": k, **internal_indices(X, models[k]), **external_indices(y, models[k].labels_)}
        )
    table = pd.DataFrame(rows).set_index("k")
    chosen = {
        "k_elbow": elbow(table.index.tolist(), table.inertia.tolist()),
        "k_silhouette": int(table.silhouette.idxmax()),
        "k_davies_bouldin": int(table.davies_bouldin.idxmin()),
        "k_calinski_harabasz": int(table.calinski_harabasz.idxmax()),
        "k_ari": int(table.ari.idxmax()),
    }
    draw_indices(table, chosen).savefig(folder / "indices.png")
    draw_centroids(models).savefig(folder / "centroids.png")


def train(folder: Path, model: str = "elastic_net", alpha: float = 0.1) -> None:
    import diabetes
    from splits import split

    table = diabetes.load_table("diabetes", "progression")
    diabetes.write_parts(
        split(table.drop(columns="progression"), table["progression"]), list(table), folder
    )
    parts = diabetes.read_parts(folder, "progression")
    fitted = diabetes.make_model(model, parts.X_train, alpha, 0.5, 0).fit(
        parts.X_train, parts.y_train
    )
    diabetes.regression_metrics(parts.y_valid, fitted.predict(parts.X_valid), "valid")


def run_project(folder: Path) -> None:
    for alpha in (0.1, 1, 10):
        train(folder, alpha=alpha)
    for model in ("random_forest", "ann"):
        train(folder, model)


def register_models(folder: Path) -> None:
    import matplotlib.pyplot as plt
    from sklearn.metrics import ConfusionMatrixDisplay
    from sklearn.model_selection import cross_val_predict
    from wines import candidates, cross_validated, load_wines

    wines = load_wines()
    for name, model in candidates().items():
        cross_validated(model, wines.X_train, wines.y_train)
        figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
        guesses = cross_val_predict(model, wines.X_train, wines.y_train, cv=5)
        ConfusionMatrixDisplay.from_predictions(wines.y_train, guesses, ax=axes, colorbar=False)
        figure.savefig(folder / f"{name}.png")
        model.fit(wines.X_train, wines.y_train)


def alone(name: str, *options: str) -> float:
    """La durée de ce travail, dans un programme à lui, imports mis à part : la plus courte de deux."""
    command = [sys.executable, __file__, name, *options]
    return min(
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(2)
    )


def measure(names: list[str]) -> dict[str, float]:
    """Pour chaque script, en fois le même travail sans MLflow : la durée de ce qui n'est ni import
    ni ouverture du magasin.

    Aussi, pour les deux balayages : les millisecondes qu'un run enfant de plus ajoute au travail,
    et les secondes que MLflow ajoute une fois par script, quel que soit le nombre d'enfants.
    """
    found = {}
    for name in names:
        path = SCRIPTS[name]
        start_up = min(seconds(path, "--help") for _ in range(2)) + opening_seconds()
        with_mlflow, without = min(seconds(path) for _ in range(2)) - start_up, alone(name)
        found[f"lesson.{name}"] = with_mlflow / without
        if name in FEW:
            options, _, few = FEW[name]
            added = min(seconds(path, *options) for _ in range(2)) - start_up - alone(name, "few")
            child = (with_mlflow - without - added) / (CHILDREN[name] - few)
            found[f"lesson.{name}_child_ms"] = 1000 * child
            found[f"lesson.{name}_once_s"] = with_mlflow - without - child * CHILDREN[name]
    return found


if __name__ == "__main__":
    sys.path[:0] = [*LESSONS, PROJECT]
    import matplotlib

    matplotlib.use("agg")
    work, options = globals()[sys.argv[1]], FEW[sys.argv[1]][1] if "few" in sys.argv else {}
    with tempfile.TemporaryDirectory() as folder:
        import patients, digits, wines, diabetes  # noqa: E401, F401

        start = time.perf_counter()
        work(Path(folder), **options)
        print(time.perf_counter() - start)
