"""Ce que les étapes du projet partagent, MLflow mis à part : les données, les modèles, les métriques, les types des options.

Données : 442 patients diabétiques, dix mesures et la progression de la maladie un an après.
B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, « Least Angle Regression », Annals of Statistics, 2004,
fournies avec scikit-learn (`scaled=False` : l'âge est un âge, pas 0.038).
"""

import argparse
import os
import subprocess
import warnings
from io import StringIO
from pathlib import Path

import pandas as pd
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"  # chaque étape dit sa ligne, et rien de plus

PARTS = ("train", "valid", "test")
MODELS = ("elastic_net", "random_forest", "ann")
# skops ne recharge que ce que l'on déclare sûr : ces types-là ne sont pas sur sa liste, mais nous les connaissons.
TRUSTED_TYPES = ["numpy.dtype", "sklearn.neural_network._stochastic_optimizers.AdamOptimizer", "sklearn.tree._tree.Tree"]


# --- Les options : MLflow ne vérifie pas leurs types, argparse le fait.


def number(low: float, high: float):
    """Le `type=` d'une option réelle entre `low` et `high`."""

    def parse(text: str) -> float:
        try:
            value = float(text.replace(",", "."))
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} n'est pas un nombre") from None
        if low <= value <= high:
            return value
        raise argparse.ArgumentTypeError(f"{text} n'est pas entre {low:g} et {high:g}")

    return parse


def seed(text: str) -> int | None:
    """Une graine entre 0 et 2**32 - 1, ou None pour « none » : le hasard n'est alors pas fixé."""
    if text == "none":
        return None
    if text.isdecimal() and int(text) < 2**32:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} n'est ni un entier positif, ni « none »")


def absolute(text: str) -> str:
    """Un chemin absolu : le projet s'exécute dans son propre dossier, où un chemin relatif ne mènerait pas."""
    if os.path.isabs(text):
        return text
    raise argparse.ArgumentTypeError(f"{text!r} n'est pas un chemin absolu (le projet s'exécute dans son propre dossier)")


def table_path(text: str) -> str:
    """« diabetes », pour les données fournies, ou le chemin absolu d'un CSV."""
    return text if text == "diabetes" else absolute(text)


def output_path(text: str) -> str | None:
    """Un chemin absolu, ou None pour « none »."""
    return None if text == "none" else absolute(text)


# --- L'état du code


def tree_state() -> str:
    """« true » si le dossier du projet diffère du commit, « false » sinon, « unknown » hors d'un clone Git.

    MLflow note le commit, mais pas les retouches faites depuis : sans cette étiquette, rien ne les trahirait.
    """
    try:
        status = subprocess.run(["git", "status", "--porcelain", "."], cwd=Path(__file__).parent, capture_output=True, text=True)
    except FileNotFoundError:
        return "unknown"  # Git n'est pas installé
    return "unknown" if status.returncode else str(bool(status.stdout)).lower()


# --- Les données


def read_table(path: str) -> pd.DataFrame:
    """Un CSV, dont la première ligne nomme les colonnes : séparateur `,` `;` ou tabulation, décimales `.` ou `,`.

    Les colonnes de nombres deviennent des réels, au bit près (NaN si vide), les autres restent du texte.
    Lève `SystemExit`, en une ligne, si le fichier manque, est vide ou n'est pas un CSV.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise SystemExit(f"{path} : lecture impossible ({error.strerror}).") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # le CSV d'un Excel français
    if not text.strip():
        raise SystemExit(f"{path} : le fichier est vide.")
    separator = max(",;\t", key=text.lstrip().splitlines()[0].count)
    try:
        with warnings.catch_warnings(action="error"):  # une ligne plus longue que les titres : pandas la couperait
            table = pd.read_csv(StringIO(text), sep=separator, dtype=str, skipinitialspace=True, index_col=False)
    except (ValueError, pd.errors.ParserWarning) as error:
        raise SystemExit(f"{path} : ce n'est pas un CSV ({str(error).splitlines()[0]}).") from None
    if "\0" in text or table.empty:
        raise SystemExit(f"{path} : ce n'est pas un CSV (une ligne de noms de colonnes, puis les valeurs).")
    for name in table:
        numbers = pd.to_numeric(table[name].str.replace(",", "."), errors="coerce").astype(float)
        if numbers.notna().equals(table[name].notna()):
            table[name] = numbers
            if (numbers.abs() > 1e30).any():
                raise SystemExit(f"{path} : la colonne {name} contient des nombres au-delà de 1e30.")
    return table


def load_table(csv: str, target: str) -> pd.DataFrame:
    """Le tableau entier, cible comprise ; les lignes sans cible sont écartées. `csv` : « diabetes » ou un chemin.

    Lève `SystemExit`, en une ligne, si le tableau ne convient pas.
    """
    if csv == "diabetes":
        table = load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": "progression"})
    else:
        table = read_table(csv)
    if target not in table:
        raise SystemExit(f"{csv} : pas de colonne {target!r}. Colonnes : {', '.join(table.columns[:20])}.")
    if not pd.api.types.is_float_dtype(table[target]):
        raise SystemExit(f"{csv} : la cible {target!r} n'est pas une colonne de nombres.")
    table = table.dropna(subset=[target]).reset_index(drop=True)
    if len(table) < 50 or table.shape[1] < 2:
        raise SystemExit(f"{csv} : il faut 50 lignes et une colonne en plus de la cible ({len(table)} × {table.shape[1]} ici).")
    if table[target].nunique() < 2:
        raise SystemExit(f"{csv} : la cible {target!r} est constante.")
    return table


def split(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """60 % des lignes pour apprendre (`train`), 20 % pour choisir (`valid`), 20 % à n'ouvrir qu'une fois (`test`)."""
    rest, test = train_test_split(table, test_size=0.2, random_state=0)
    train, valid = train_test_split(rest, test_size=0.25, random_state=0)
    return dict(zip(PARTS, (train, valid, test), strict=True))


def write_parts(parts: dict[str, pd.DataFrame], folder: str) -> None:
    """Un CSV par morceau ; `read_table` relit les mêmes nombres, au bit près."""
    for name, part in parts.items():
        part.to_csv(Path(folder, f"{name}.csv"), index=False)


def read_parts(folder: str) -> dict[str, pd.DataFrame]:
    """Ce que `write_parts` a écrit."""
    return {name: read_table(Path(folder, f"{name}.csv")) for name in PARTS}


# --- Les modèles et les métriques


def make_model(name: str, X: pd.DataFrame, alpha: float, l1_ratio: float, seed: int | None) -> Pipeline:
    """Le pipeline `name`, non entraîné ; `alpha` et `l1_ratio` ne servent qu'à ElasticNet. `X` n'est lu que pour ses colonnes.

    Nombres : valeurs manquantes remplacées par la médiane, puis mise à l'échelle. Textes : une colonne 0/1 par valeur.
    """
    numbers = X.select_dtypes("number").columns.tolist()
    words = X.columns.difference(numbers, sort=False).tolist()
    encode = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=20, sparse_output=False)
    prepare = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()), numbers), (encode, words)
    )
    # Un réseau apprend mal une cible de plusieurs centaines : elle est mise à l'échelle elle aussi.
    network = MLPRegressor(hidden_layer_sizes=(32,), alpha=10, max_iter=1000, random_state=seed)
    regressor = {
        "elastic_net": ElasticNet(alpha=alpha, l1_ratio=l1_ratio, max_iter=100_000),
        "random_forest": RandomForestRegressor(random_state=seed),
        "ann": TransformedTargetRegressor(network, transformer=StandardScaler()),
    }[name]
    return Pipeline([("prepare", prepare), ("regress", regressor)])


def regression_metrics(y_true, y_pred, prefix: str) -> dict[str, float]:
    """RMSE et MAE, dans l'unité de la cible, et R² (1 : parfait ; 0 : comme la moyenne). `y_*` : forme (n,)."""
    return {
        f"{prefix}_rmse": root_mean_squared_error(y_true, y_pred),
        f"{prefix}_mae": mean_absolute_error(y_true, y_pred),
        f"{prefix}_r2": r2_score(y_true, y_pred),
    }
