# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/patients.py par tools/build.py. -->
# MAGIC # Les patientes : données, modèles et métriques
# MAGIC
# MAGIC Ce que les scripts de la leçon partagent, MLflow mis à part. Données : *Breast Cancer Wisconsin
# MAGIC (Diagnostic)*, W. H. Wolberg, W. N. Street, O. L. Mangasarian, 1995 (licence CC BY 4.0), fournies
# MAGIC avec scikit-learn. La classe positive est 1.0, la tumeur maligne.

# COMMAND ----------

from collections import namedtuple
from importlib.metadata import version

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, precision_score, recall_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

Split = namedtuple("Split", "X_train X_valid X_test y_train y_valid y_test")
# skops ne recharge que les types de sa liste et ceux que l'on déclare
trusted_types = [
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.tree._tree.Tree",
]


def load_patients(seed: int = 0) -> Split:
    """569 tumeurs, 212 malignes : 10 caractéristiques des noyaux, en moyenne, erreur standard et
    pire valeur. 341 pour apprendre, 114 pour choisir, 114 pour juger, aux mêmes proportions ;
    `X_*`, (n, 30) ; `y_*`, (n,), vaut 1.0 si la tumeur est maligne, 0.0 sinon.
    """
    X, target = load_breast_cancer(return_X_y=True, as_frame=True)
    y = (target == 0).astype(float).rename("malignant")  # scikit-learn : 0 = maligne
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, stratify=y, random_state=seed)
    X_train, X_valid, y_train, y_valid = train_test_split(
        X, y, test_size=0.25, stratify=y, random_state=seed
    )
    return Split(X_train, X_valid, X_test, y_train, y_valid, y_test)


def known_patients() -> tuple[pd.DataFrame, pd.Series]:
    """Les 455 tumeurs hors test, pour la validation croisée : `X`, (455, 30), et `y`, (455,)."""
    data = load_patients()
    return pd.concat([data.X_train, data.X_valid]), pd.concat([data.y_train, data.y_valid])


def clinical_metrics(y_true, y_pred, y_score=None) -> dict[str, float]:
    """Les métriques d'un test diagnostique, entre 0 et 1 ; huit avec `y_score`, sept sans.
    `y_true`, `y_pred` : 0.0 ou 1.0, (n,) ; `y_score`, (n,), croît avec le risque. Sans objet (la
    précision de qui ne prédit aucune maligne), une métrique vaut NaN. Définitions :
    https://en.wikipedia.org/wiki/Sensitivity_and_specificity
    """
    rate = {"y_true": y_true, "y_pred": y_pred, "zero_division": np.nan}
    specificity = recall_score(pos_label=0.0, **rate)  # bénignes reconnues
    precision = precision_score(pos_label=1.0, **rate)  # malignes parmi les alertes
    metrics = {
        "accuracy": accuracy_score(y_true, y_pred),
        "sensitivity": recall_score(pos_label=1.0, **rate),  # malignes retrouvées
        "specificity": specificity,
        "precision": precision,
        "npv": precision_score(pos_label=0.0, **rate),  # bénignes parmi les cas classés bénins
        "fall_out": 1 - specificity,  # fausses alertes parmi les bénignes
        "fdr": 1 - precision,  # fausses alertes parmi les alertes
    }
    return metrics if y_score is None else metrics | {"roc_auc": roc_auc_score(y_true, y_score)}


def risk(model, X: pd.DataFrame) -> np.ndarray:
    """Le score de risque, (n,) : la distance à la frontière, ou la probabilité de la classe 1.0."""
    if hasattr(model, "predict_proba"):
        return model.predict_proba(X)[:, 1]
    if hasattr(model, "decision_function"):
        return model.decision_function(X)
    return model.predict(X)[:, 0]  # un réseau Keras


def svm(C: float, gamma: float) -> Pipeline:
    """Un SVM à noyau RBF, précédé de la mise à l'échelle ; non entraîné."""
    return make_pipeline(StandardScaler(), SVC(C=C, gamma=gamma))


def cross_validated(model, X: pd.DataFrame, y: pd.Series) -> dict[str, float]:
    """Les huit métriques d'un SVM, préfixées `cv_` : cinq parts stratifiées, graine 0, chaque ligne
    prédite par un modèle qui ne l'a pas vue. `X` : (n, d) ; `y` : (n,), 0.0 ou 1.0.
    """
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    distance = cross_val_predict(model, X, y, cv=folds, method="decision_function")
    metrics = clinical_metrics(y, (distance > 0).astype(float), distance)
    return {f"cv_{name}": value for name, value in metrics.items()}


def sweep_figure(points: pd.DataFrame) -> plt.Figure:
    """La sensibilité et l'exactitude en fonction de `gamma`, une courbe par `C`. `points` : ce que
    rend `mlflow.search_runs`, `params.C` et `params.gamma` en réels.
    """
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    titles = {"sensitivity": "sensibilité", "accuracy": "exactitude"}
    for ax, (metric, title) in zip(axes, titles.items(), strict=True):
        line = points.pivot(index="params.gamma", columns="params.C", values=f"metrics.cv_{metric}")
        ax.plot(line.index, line, marker="o", label=[f"C = {C:g}" for C in line])
        ax.set(xscale="log", xlabel="gamma", title=f"{title} (validation croisée)", ylim=(0.5, 1))
    axes[0].legend()
    return figure


def classifiers(seed: int = 0) -> dict[str, Pipeline]:
    """Six pipelines, non entraînés, par nom : la mise à l'échelle s'apprend avec le modèle."""
    models = {
        "logistic_regression": LogisticRegression(max_iter=1000),
        "k_nearest_neighbors": KNeighborsClassifier(),
        "decision_tree": DecisionTreeClassifier(random_state=seed),
        "random_forest": RandomForestClassifier(random_state=seed),
        "naive_bayes": GaussianNB(),
        "svm_rbf": SVC(gamma=0.03),
    }
    return {name: make_pipeline(StandardScaler(), model) for name, model in models.items()}


def network(X: pd.DataFrame):
    """Un réseau Keras, non entraîné, qui rend la probabilité de la classe 1.0, (n, 1). Sa mise à
    l'échelle est réglée sur `X`, (n, d). Lève `ImportError` sans TensorFlow (Mac Intel).
    """
    import keras

    keras.utils.set_random_seed(0)
    keras.utils.disable_interactive_logging()  # pas de barre à chaque prédiction
    scale = keras.layers.Normalization(mean=X.mean(), variance=X.var(ddof=0))
    layers = [keras.layers.Dense(16, "relu"), keras.layers.Dense(1, "sigmoid")]
    model = keras.Sequential([keras.Input(X.shape[1:]), scale, *layers])
    model.compile(optimizer="adam", loss="binary_crossentropy")
    return model


def pins(*more: str) -> list[str]:
    """Les bibliothèques qu'il faut pour relire un modèle, et `more`, aux versions d'ici."""
    names = ("mlflow", "scikit-learn", "skops", "pandas", "numpy", *more)
    return [f"{name}=={version(name)}" for name in names]
