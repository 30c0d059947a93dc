"""Ce que les tests de la leçon 3 partagent : recalculer sans le projet, lancer une étape, relire un run et le README."""

import runpy
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pages
from conftest import ROOT, Course, clean_environment
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import ElasticNet
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

LESSON = "03_mlflow_project"
LOCAL = f"{LESSON}/local"
README = ROOT / LESSON / "README.md"

# La forme des tables *wine quality* de l'UCI : séparateur `;`, noms entre guillemets et avec une espace, cible entière.
WINE = '"fixed acidity";"volatile acidity";"alcohol";"quality"\n' + "".join(
    f"{7 + i % 5 / 10};{0.3 + i % 7 / 100};{9 + i % 30 / 10};{3 + i % 30 // 5}\n" for i in range(120)
)


# ------------------------------------------------------------------------------------------------ recalculer, sans le projet


def parts(seed: int = 0) -> tuple:
    """X_train, X_valid, X_test, y_train, y_valid, y_test : le découpage que le projet annonce, refait ici."""
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    X_rest, X_test, y_rest, y_test = train_test_split(X, y, test_size=0.2, random_state=seed)
    X_train, X_valid, y_train, y_valid = train_test_split(X_rest, y_rest, test_size=0.25, random_state=seed)
    return X_train, X_valid, X_test, y_train, y_valid, y_test


def model(name: str, alpha: float = 0.1):
    network = MLPRegressor(hidden_layer_sizes=(32,), alpha=10, max_iter=1000, random_state=0)
    regressors = {
        "elastic_net": ElasticNet(alpha=alpha, l1_ratio=0.5),
        "random_forest": RandomForestRegressor(random_state=0),
        "ann": TransformedTargetRegressor(network, transformer=StandardScaler()),
    }
    return make_pipeline(StandardScaler(), regressors[name])


def valid_rmse(name: str, alpha: float = 0.1, seed: int = 0) -> float:
    X_train, X_valid, _, y_train, y_valid, _ = parts(seed)
    return root_mean_squared_error(y_valid, model(name, alpha).fit(X_train, y_train).predict(X_valid))


def mean_rmse() -> float:
    *_, y_train, y_valid, _ = parts()
    return root_mean_squared_error(y_valid, [y_train.mean()] * len(y_valid))


# ------------------------------------------------------------------------------------------------------- lancer les étapes


@contextmanager
def restored_signals():
    """Le bloc peut régler des signaux, comme le font les scripts : ceux de pytest sont rétablis ensuite."""
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    handlers = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


class Step:
    """Une étape du projet exécutée dans ce processus : la fin (None, ou ce qui l'a arrêtée) et le run."""

    def __init__(self, course: Course, name: str, *arguments, run: bool = True):
        self.client = course.client()
        experiment = mlflow.set_experiment("en direct").experiment_id
        before = {run.info.run_id for run in self.client.search_runs([experiment])}
        folder, self.end = str(course.root / LESSON), None
        saved = sys.argv, sys.path[:]
        sys.argv = [f"{name}.py", *map(str, arguments)]
        sys.path.insert(0, folder)
        sys.modules.pop("diabetes", None)
        try:
            with restored_signals():
                runpy.run_path(f"{folder}/{name}.py", run_name="__main__")
        except SystemExit as error:
            self.end = error.code
        finally:
            sys.argv, sys.path[:] = saved
            sys.modules.pop("diabetes", None)
        created = [run for run in self.client.search_runs([experiment]) if run.info.run_id not in before]
        assert len(created) <= 1
        self.run = created[0] if created else None


def by_command(course: Course, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess:
    """`mlflow run ...`, tel que le lecteur le tape."""
    command = [str(Path(sys.executable).parent / "mlflow"), "run", *arguments]
    return subprocess.run(
        command, cwd=cwd or course.root, env=clean_environment(**environment), capture_output=True, text=True, encoding="utf-8", timeout=300
    )


def children(course: Course, parent) -> dict[str, object]:
    found = course.client().search_runs([parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    return {run.data.tags["mlflow.project.entryPoint"]: run for run in found}


def text(run, path: str) -> str:
    return mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/{path}")


def hexes(run) -> dict[str, str]:
    return {name: value.hex() for name, value in run.data.metrics.items()}


def announced(command: str) -> list[str]:
    """La sortie que le README montre après cette commande, la dernière de son bloc."""
    found = pages.blocks(README.read_text(encoding="utf-8"))
    at = next(place for place, block in enumerate(found) if block.language == "bash" and block.lines[-1] == command)
    assert found[at + 1].language == "text"
    return found[at + 1].lines


def script(name: str, *options: str) -> str:
    """La commande du README qui lance un script de la leçon."""
    return " ".join([f"uv run {LOCAL}/{name}.py", *options])


def assert_announced(lines: list[str], stdout: str) -> None:
    """Ce qui a été écrit est, en entier, ce que le README montre."""
    assert pages.same_output(lines, stdout), f"{lines}\n\n{stdout}"
