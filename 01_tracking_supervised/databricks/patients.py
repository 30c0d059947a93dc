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
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

Split = namedtuple("Split", "X_train X_valid X_test y_train y_valid y_test")
# skops ne recharge que les types de sa liste et ceux que l'on déclare
trusted_types = [
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
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


def cost(y_true, y_pred) -> float:
    """Le critère de la leçon : 10 par tumeur maligne manquée, 1 par fausse alerte.
    `y_true`, `y_pred` : 0.0 ou 1.0, (n,).
    """
    _, false_alarms, missed, _ = confusion_matrix(y_true, y_pred, labels=[0.0, 1.0]).ravel()
    return float(10 * missed + false_alarms)


def clinical_metrics(y_true, y_pred, y_score=None) -> dict[str, float]:
    """Les métriques d'un test diagnostique : `cost`, et sept parts, entre 0 et 1 ; avec `y_score`,
    l'aire sous la courbe ROC. `y_true`, `y_pred` : 0.0 ou 1.0, (n,) ; `y_score`, (n,), croît avec
    le risque. Sans objet (la précision de qui ne prédit aucune maligne), une part vaut NaN.
    Définitions : https://en.wikipedia.org/wiki/Sensitivity_and_specificity
    """
    rate = {"y_true": y_true, "y_pred": y_pred, "zero_division": np.nan}
    specificity = recall_score(pos_label=0.0, **rate)  # bénignes reconnues
    precision = precision_score(pos_label=1.0, **rate)  # malignes parmi les alertes
    metrics = {
        "cost": cost(y_true, y_pred),
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
    """Le score de risque, (n,) : la probabilité de la classe 1.0, ou `decision_function`."""
    if hasattr(model, "predict_proba"):
        return model.predict_proba(X)[:, 1]
    return model.decision_function(X)


def svm(C: float, gamma: float) -> Pipeline:
    """Un SVM à noyau RBF, précédé de la mise à l'échelle ; non entraîné."""
    return make_pipeline(StandardScaler(), SVC(C=C, gamma=gamma))


def cross_validated(model, X: pd.DataFrame, y: pd.Series) -> dict[str, float]:
    """Les métriques d'un SVM, préfixées `cv_` : cinq parts stratifiées, graine 0, chaque ligne
    prédite par un modèle qui ne l'a pas vue. `X` : (n, d) ; `y` : (n,), 0.0 ou 1.0.
    L'aire ROC compare entre eux les scores de cinq modèles, chacun à son échelle : elle est
    approchée (voir `cross_val_predict`, de scikit-learn).
    """
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    score = cross_val_predict(model, X, y, cv=folds, method="decision_function")
    metrics = clinical_metrics(y, (score > 0).astype(float), score)
    return {f"cv_{name}": value for name, value in metrics.items()}


def sweep_figure(couples: pd.DataFrame) -> plt.Figure:
    """Coût et exactitude selon `gamma`, une courbe par `C`. `couples` : de `mlflow.search_runs`."""
    couples = couples.astype({"params.C": float, "params.gamma": float})
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for ax, name in zip(axes, ("metrics.cv_cost", "metrics.cv_accuracy"), strict=True):
        lines = couples.pivot(index="params.gamma", columns="params.C", values=name)
        ax.plot(lines.index, lines, marker="o", label=[f"C = {C:g}" for C in lines])
    axes[0].set(title="coût (validation croisée)", xlabel="gamma", xscale="log", yscale="log")
    axes[1].set(title="exactitude (validation croisée)", xlabel="gamma", xscale="log")
    axes[1].legend(loc="lower center")
    return figure


def classifiers(seed: int = 0) -> dict[str, Pipeline]:
    """Sept pipelines, non entraînés, par nom : la mise à l'échelle s'apprend avec le modèle."""
    models = {
        "logistic_regression": LogisticRegression(max_iter=1000),
        "k_nearest_neighbors": KNeighborsClassifier(),
        "decision_tree": DecisionTreeClassifier(random_state=seed),
        "random_forest": RandomForestClassifier(random_state=seed),
        "naive_bayes": GaussianNB(),
        "svm_rbf": SVC(gamma=0.3),
        "neural_network": MLPClassifier(max_iter=500, random_state=seed),
    }
    return {name: make_pipeline(StandardScaler(), model) for name, model in models.items()}


def pins(*more: str) -> list[str]:
    """Les bibliothèques qu'il faut pour relire un modèle, et `more`, aux versions d'ici."""
    names = ("mlflow", "scikit-learn", "skops", "pandas", "numpy", *more)
    return [f"{name}=={version(name)}" for name in names]
