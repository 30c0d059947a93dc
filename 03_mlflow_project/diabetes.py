"""Ce que les étapes du projet partagent, MLflow mis à part : l'état du code, les données, les
modèles, les métriques.

Données : 442 patients diabétiques, dix mesures et la progression de la maladie un an après. B.
Efron, T. Hastie, I. Johnstone, R. Tibshirani, « Least Angle Regression », Annals of Statistics,
2004, fournies avec scikit-learn (`scaled=False` : l'âge est un âge, pas 0.038).
"""

import subprocess
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

MODELS = ("elastic_net", "random_forest", "ann")
# skops ne recharge que ce que l'on déclare sûr : ces types-là ne sont pas sur sa liste, mais nous
# les connaissons.
TRUSTED_TYPES = [
    "numpy.dtype",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
]


def tree_state() -> str:
    """« true » si le dossier du projet diffère du commit, « false » sinon, « unknown » hors d'un
    clone Git.

    MLflow note le commit, mais pas les retouches faites depuis : sans cette étiquette, rien ne les
    trahirait.
    """
    command = ["git", "status", "--porcelain", "."]
    status = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    return "unknown" if status.returncode else str(bool(status.stdout)).lower()


def read_table(path: str) -> pd.DataFrame:
    """Un CSV. Ses nombres, entiers compris, deviennent des réels : la signature du modèle les
    accepte alors avec ou sans valeur manquante.
    """
    table = pd.read_csv(path)
    return table.astype(dict.fromkeys(table.select_dtypes("number"), float))


def load_table(csv: str, target: str) -> pd.DataFrame:
    """Le tableau entier, cible comprise ; les lignes sans cible sont écartées.

    `csv` : « diabetes » ou un chemin.
    """
    if csv == "diabetes":
        table = load_diabetes(as_frame=True, scaled=False).frame
        table = table.rename(columns={"target": "progression"})
    else:
        table = read_table(csv)
    return table.dropna(subset=[target])


def split(table: pd.DataFrame, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Trois parts du tableau, cible comprise : 60 % pour apprendre (`train`), 20 % pour choisir
    (`valid`), 20 % pour juger à la fin ce qui a été choisi (`test`).
    """
    rest, test = train_test_split(table, test_size=0.2, random_state=seed)
    train, valid = train_test_split(rest, test_size=0.25, random_state=seed)
    return {"train": train, "valid": valid, "test": test}


def make_model(
    name: str, X: pd.DataFrame, alpha: float, l1_ratio: float, seed: int | None
) -> Pipeline:
    """Le pipeline `name`, non entraîné ; `alpha` et `l1_ratio` ne servent qu'à ElasticNet.

    `X` n'est lu que pour ses colonnes. Nombres : la médiane à la place de ce qui manque, puis la
    mise à l'échelle. Textes : une colonne 0/1 par valeur.
    """
    numbers = X.select_dtypes("number").columns.tolist()
    words = X.columns.difference(numbers, sort=False).tolist()
    scale = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    )
    encode = OneHotEncoder(
        handle_unknown="infrequent_if_exist", max_categories=20, sparse_output=False
    )
    # Un réseau apprend mal une cible de plusieurs centaines : elle est mise à l'échelle elle aussi.
    network = MLPRegressor(hidden_layer_sizes=(32,), alpha=10, max_iter=1000, random_state=seed)
    regressor = {
        "elastic_net": ElasticNet(alpha=alpha, l1_ratio=l1_ratio, max_iter=100_000),
        "random_forest": RandomForestRegressor(random_state=seed),
        "ann": TransformedTargetRegressor(network, transformer=StandardScaler()),
    }[name]
    prepare = make_column_transformer((scale, numbers), (encode, words))
    return Pipeline([("prepare", prepare), ("regress", regressor)])


def regression_metrics(y_true, y_pred, prefix: str) -> dict[str, float]:
    """RMSE et MAE, dans l'unité de la cible, et R² (1 : parfait ; 0 : comme la moyenne).

    `y_*` : forme (n,).
    """
    return {
        f"{prefix}_rmse": root_mean_squared_error(y_true, y_pred),
        f"{prefix}_mae": mean_absolute_error(y_true, y_pred),
        f"{prefix}_r2": r2_score(y_true, y_pred),
    }
