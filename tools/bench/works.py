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

from bench import LESSONS, PROJECT, changed, imports, script, seconds

SCRIPTS = {
    name: script(name)
    for name in ("first_run", "svm_sweep", "kmeans_sweep", "run_project", "register_models")
} | {"train": f"{PROJECT}/train.py"}
CHILDREN = {"svm_sweep": 35, "kmeans_sweep": 19}
# Les mêmes balayages, réduits : les constantes du script, et ce qu'il reste de runs enfants.
FEW = {
    "svm_sweep": ({"GRID": {"C": [1.0], "gamma": [0.03]}}, 1),
    "kmeans_sweep": ({"K_MAX": 4}, 3),
}
GRID = {"C": [0.1, 1, 10, 100, 1000], "gamma": [0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3]}


def first_run(folder: Path) -> None:
    from patients import clinical_metrics, load_patients
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    data = load_patients()
    for gamma in (0.0001, 0.03, 0.3, 1):
        model = make_pipeline(StandardScaler(), SVC(gamma=gamma)).fit(data.X_train, data.y_train)
        clinical_metrics(data.y_valid, model.predict(data.X_valid))


def svm_sweep(folder: Path, GRID: dict = GRID) -> None:
    import pandas as pd
    from patients import cross_validated, known_patients, svm, sweep_figure

    (X, y), rows = known_patients(), []
    for C in GRID["C"]:
        for gamma in GRID["gamma"]:
            model = svm(C, gamma)
            scores = cross_validated(model, X, y)
            model.fit(X, y)
            scores = {f"metrics.{name}": value for name, value in scores.items()}
            rows.append({"params.C": C, "params.gamma": gamma, **scores})
    sweep_figure(pd.DataFrame(rows)).savefig(folder / "metric_against_parameter.png")


def kmeans_sweep(folder: Path, K_MAX: int = 20) -> None:
    import pandas as pd
    from digits import draw_rows, elbow, external_indices, internal_indices, load_images
    from sklearn.cluster import KMeans

    (X, y), models, rows = load_images(), {}, []
    for k in range(2, K_MAX + 1):
        models[k] = KMeans(n_clusters=k, n_init=10, random_state=0).fit(X)
        found = internal_indices(X, models[k]) | external_indices(y, models[k].labels_)
        rows.append({"k": k, **found})
    table = pd.DataFrame(rows).set_index("k")
    best = table.drop(columns="inertia").agg(["idxmin", "idxmax"])
    best["inertia"] = elbow(table.index.tolist(), table.inertia.tolist())
    axes = table.iloc[:, :4].plot(subplots=True, layout=(2, 2), figsize=(9, 6), marker="o")
    for ax, name in zip(axes.flat, table, strict=False):
        ax.axvline(best[name].iloc[-1], color="tab:red", linestyle=":", label=name)
        ax.legend()
    axes[0, 0].figure.savefig(folder / "indices.png")
    centers = {k: model.cluster_centers_ for k, model in models.items()}
    draw_rows(centers, "centres").savefig(folder / "centroids.png")


def train(folder: Path, model: str = "elastic_net", alpha: float = 0.1) -> None:
    import diabetes

    parts = diabetes.split(diabetes.load_table("diabetes", "progression"))
    for name, part in parts.items():
        part.to_csv(folder / f"{name}.csv", index=False)
    (X, y), (X_valid, y_valid) = (
        (parts[name].drop(columns="progression"), parts[name]["progression"])
        for name in ("train", "valid")
    )
    fitted = diabetes.make_model(model, X, alpha, 0.5, 0).fit(X, y)
    diabetes.regression_metrics(y_valid, fitted.predict(X_valid), "valid")


def run_project(folder: Path) -> None:
    for alpha in (0.1, 1, 10):
        train(folder, alpha=alpha)
    for model in ("random_forest", "ann"):
        train(folder, model)


def register_models(folder: Path) -> None:
    from wines import candidates, confusion_figure, cross_validated, load_wines

    wines = load_wines()
    for name, model in candidates().items():
        cross_validated(model, wines.X_train, wines.y_train)
        figure = confusion_figure(name, model, wines.X_train, wines.y_train)
        figure.savefig(folder / f"{name}.png")
        model.fit(wines.X_train, wines.y_train)


def alone(name: str, *options: str) -> float:
    """La durée de ce travail, seul dans son programme, imports à part : la plus courte de deux."""
    command = [sys.executable, __file__, name, *options]
    return min(float(subprocess.check_output(command, text=True)) for _ in range(2))


def measure(names: list[str]) -> dict[str, float]:
    """Pour chaque script, en fois le même travail sans MLflow : sa durée, imports à part.

    Aussi, pour les deux balayages : les millisecondes qu'un run enfant de plus ajoute au travail,
    et les secondes que MLflow ajoute une fois par script, quel que soit le nombre d'enfants.
    """
    found = {}
    for name in names:
        path = SCRIPTS[name]
        start_up = min(seconds("-c", imports(path)) for _ in range(2))
        with_mlflow, without = min(seconds(path) for _ in range(2)) - start_up, alone(name)
        found[f"lesson.{name}"] = with_mlflow / without
        if name in FEW:
            constants, few = FEW[name]
            program = changed(path, **constants)
            added = min(seconds("-c", program) for _ in range(2)) - start_up - alone(name, "few")
            child = (with_mlflow - without - added) / (CHILDREN[name] - few)
            found[f"lesson.{name}_child_ms"] = 1000 * child
            found[f"lesson.{name}_once_s"] = with_mlflow - without - child * CHILDREN[name]
    return found


if __name__ == "__main__":
    sys.path[:0] = [*LESSONS, PROJECT]
    import matplotlib

    matplotlib.use("agg")
    work, options = globals()[sys.argv[1]], FEW[sys.argv[1]][0] if "few" in sys.argv else {}
    with tempfile.TemporaryDirectory() as folder:
        import patients, digits, wines, diabetes  # noqa: E401, F401

        start = time.perf_counter()
        work(Path(folder), **options)
        print(time.perf_counter() - start)
