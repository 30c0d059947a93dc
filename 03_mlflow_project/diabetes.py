"""Ce que les étapes du projet partagent, MLflow mis à part : les options, l'état du code, les
données, les modèles, les métriques.

Il s'importe en premier : dès lors, Ctrl-C ferme le run sans rien écrire ; qui a lancé l'étape le
dit.

Données : 442 patients diabétiques, dix mesures et la progression de la maladie un an après. B.
Efron, T. Hastie, I. Johnstone, R. Tibshirani, « Least Angle Regression », Annals of Statistics,
2004, fournies avec scikit-learn (`scaled=False` : l'âge est un âge, pas 0.038).
"""

import atexit
import gc
import os
import subprocess
import sys
from pathlib import Path

import errors

errors.listen(quiet=True)
gc.set_threshold(50_000)  # une étape part et finit plus vite : voir store.py
atexit.register(gc.freeze)

import pandas as pd
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import ElasticNet
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from options import whole_number
from splits import Split
from tables import prepare_columns, read_table

# chaque étape dit sa ligne, et rien de plus
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
sys.stdout.reconfigure(errors="replace")  # un nom de colonne que le terminal ne sait pas écrire

PARTS = ("train", "valid", "test")
MODELS = ("elastic_net", "random_forest", "ann")
# skops ne recharge que ce que l'on déclare sûr : ces types-là ne sont pas sur sa liste, mais nous
# les connaissons.
TRUSTED_TYPES = [
    "numpy.dtype",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
]


# --- Les options que `options.py` n'a pas. MLflow ne vérifie pas leurs types : ces fonctions le
# font, en une ligne.


def model_name(text: str) -> str:
    """L'un des modèles de `MODELS` ; lève sinon `SystemExit`."""
    if text in MODELS:
        return text
    raise SystemExit(f"« {text} » : il faut l'un de ces modèles : {', '.join(MODELS)}.")


def seed(text: str) -> int | None:
    """Une graine entre 0 et 2**32 - 1, ou None pour « none » : le hasard n'est alors pas fixé."""
    return None if text == "none" else whole_number(0, 2**32 - 1)(text)


def absolute(text: str) -> str:
    """Un chemin absolu : le projet s'exécute dans son propre dossier, où un chemin relatif ne
    mènerait pas.

    Lève sinon `SystemExit`.
    """
    if os.path.isabs(text):
        return text
    raise SystemExit(
        f"« {text} » n'est pas un chemin absolu : le projet s'exécute dans son propre dossier."
    )


def table_path(text: str) -> str:
    """« diabetes », pour les données fournies, ou le chemin absolu d'un CSV."""
    return text if text == "diabetes" else absolute(text)


def output_path(text: str) -> str | None:
    """Un chemin absolu, ou None pour « none »."""
    return None if text == "none" else absolute(text)


# --- L'état du code


def tree_state() -> str:
    """« true » si le dossier du projet diffère du commit, « false » sinon, « unknown » hors d'un
    clone Git.

    MLflow note le commit, mais pas les retouches faites depuis : sans cette étiquette, rien ne les
    trahirait.
    """
    try:
        status = subprocess.run(
            ["git", "status", "--porcelain", "."],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        return "unknown"  # Git n'est pas installé
    return "unknown" if status.returncode else str(bool(status.stdout)).lower()


# --- Les données


def load_table(csv: str, target: str) -> pd.DataFrame:
    """Le tableau entier, cible comprise ; les lignes sans cible sont écartées.

    `csv` : « diabetes » ou un chemin.

    Dit en une ligne pour quoi chaque colonne d'un CSV a été prise. Lève `SystemExit`, en une ligne,
    si le tableau ne convient pas.
    """
    if csv == "diabetes":
        table = load_diabetes(as_frame=True, scaled=False).frame.rename(
            columns={"target": "progression"}
        )
    else:
        table, columns = read_table(csv)
        print(columns, flush=True)
    if target not in table:
        raise SystemExit(
            f"{csv} : pas de colonne {target!r}. Colonnes : {', '.join(table.columns[:20])}."
        )
    if not pd.api.types.is_float_dtype(table[target]):
        raise SystemExit(f"{csv} : la cible {target!r} n'est pas une colonne de nombres.")
    table = table.dropna(subset=[target]).reset_index(drop=True)
    if len(table) < 50 or table.shape[1] < 2:
        raise SystemExit(
            f"{csv} : il faut 50 lignes et une colonne en plus de la cible ({len(table)} × {table.shape[1]} ici)."
        )
    if table[target].nunique() < 2:
        raise SystemExit(f"{csv} : la cible {target!r} est constante.")
    return table


def write_parts(parts: Split, columns: list[str], folder: str) -> None:
    """Un CSV par part, cible comprise, les colonnes dans l'ordre de `columns` ; `read_parts` relit
    les mêmes nombres, au bit près.
    """
    for name in PARTS:
        X, y = getattr(parts, f"X_{name}"), getattr(parts, f"y_{name}")
        X.join(y)[columns].to_csv(Path(folder, f"{name}.csv"), index=False)


def read_parts(folder: str, target: str) -> Split:
    """Ce que `write_parts` a écrit.

    Lève `SystemExit`, en une ligne, si la colonne `target` n'y est pas.
    """
    tables = [read_table(Path(folder, f"{name}.csv"))[0] for name in PARTS]
    if target not in tables[0]:
        raise SystemExit(f"Les données de ce run n'ont pas de colonne « {target} ».")
    return Split(
        *(table.drop(columns=target) for table in tables), *(table[target] for table in tables)
    )


# --- Les modèles et les métriques


def make_model(
    name: str, X: pd.DataFrame, alpha: float, l1_ratio: float, seed: int | None
) -> Pipeline:
    """Le pipeline `name`, non entraîné ; `alpha` et `l1_ratio` ne servent qu'à ElasticNet.

    `X` n'est lu que pour ses colonnes.
    """
    # Un réseau apprend mal une cible de plusieurs centaines : elle est mise à l'échelle elle aussi.
    network = MLPRegressor(hidden_layer_sizes=(32,), alpha=10, max_iter=1000, random_state=seed)
    regressor = {
        "elastic_net": ElasticNet(alpha=alpha, l1_ratio=l1_ratio, max_iter=100_000),
        "random_forest": RandomForestRegressor(random_state=seed),
        "ann": TransformedTargetRegressor(network, transformer=StandardScaler()),
    }[name]
    return Pipeline([("prepare", prepare_columns(X)), ("regress", regressor)])


def regression_metrics(y_true, y_pred, prefix: str) -> dict[str, float]:
    """RMSE et MAE, dans l'unité de la cible, et R² (1 : parfait ; 0 : comme la moyenne).

    `y_*` : forme (n,).
    """
    return {
        f"{prefix}_rmse": root_mean_squared_error(y_true, y_pred),
        f"{prefix}_mae": mean_absolute_error(y_true, y_pred),
        f"{prefix}_r2": r2_score(y_true, y_pred),
    }
