# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/wines.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Les vins : données, candidats et comparaison
# MAGIC
# MAGIC Ce que les scripts de la leçon partagent, et qui n'est pas MLflow. Données : *Wine Recognition*,
# MAGIC M. Forina et coll., PARVUS, 1988, doi 10.24432/C5PC7J (licence CC BY 4.0), fournies avec
# MAGIC scikit-learn : 178 vins d'une même région d'Italie, 13 mesures chimiques, et le cultivar (le
# MAGIC cépage) dont chacun vient.

# COMMAND ----------

# MAGIC %run ./splits

# COMMAND ----------

from importlib import metadata
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer, recall_score
from sklearn.model_selection import RepeatedStratifiedKFold, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

cultivars = ["cultivar_0", "cultivar_1", "cultivar_2"]
source_url = "https://archive.ics.uci.edu/dataset/109/wine"

# COMMAND ----------

# MAGIC %md
# MAGIC ## Les données

# COMMAND ----------

def load_wines() -> Split:
    """133 vins pour apprendre et comparer, 45 de test, qui ne décident d'aucune promotion ; pas de
    part `valid`.

    `X_*` : 13 mesures réelles par vin. `y_*` : son cultivar, un texte de `cultivars`, en mêmes
    proportions partout.
    """
    X, target = load_wine(return_X_y=True, as_frame=True)
    names = target.map(dict(enumerate(cultivars))).astype(object).rename("cultivar")
    return split(X, names, valid=0, test=0.25, stratify=True)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Les candidats
# MAGIC
# MAGIC Tout ce qui prépare les données est dans le `Pipeline` : appris après le découpage, enregistré
# MAGIC avec le modèle.

# COMMAND ----------

def candidates(seed: int = 0) -> dict[str, Pipeline]:
    """Les trois candidats, non entraînés, par nom.

    Arbres et forêts se passent de mise à l'échelle, pas la régression.
    """
    return {
        "decision_tree": make_pipeline(DecisionTreeClassifier(random_state=seed)),
        "random_forest": make_pipeline(RandomForestClassifier(n_estimators=50, random_state=seed)),
        "logistic_regression": make_pipeline(
            StandardScaler(), LogisticRegression(max_iter=1000, random_state=seed)
        ),
    }


# skops ne recharge que des types déclarés : celui-ci, que les arbres demandent, n'est pas sur sa
# liste à lui.
trusted_types = ["sklearn.tree._tree.Tree"]

# Ce qu'il faut pour recharger un candidat et lui donner un tableau, aux versions installées ici ;
# MLflow y ajoute la sienne.
requirements = [
    f"{name}=={metadata.version(name)}" for name in ("scikit-learn", "skops", "pandas", "numpy")
]

# COMMAND ----------

# MAGIC %md
# MAGIC ## La comparaison
# MAGIC
# MAGIC 133 vins, c'est peu : chaque modèle est jugé sur les mêmes 25 plis, cinq validations croisées à
# MAGIC cinq plis, stratifiées.

# COMMAND ----------

def cross_validated(model: Pipeline, X: pd.DataFrame, y: pd.Series) -> dict[str, float]:
    """Moyennes sur 25 plis, entre 0 et 1 : `cv_accuracy`, puis `cv_recall_<cultivar>` pour chacun
    des trois.

    `model` est cloné : il peut être entraîné ou non. Mêmes plis à chaque appel, donc mêmes valeurs,
    au bit près.
    """
    scoring = {"cv_accuracy": "accuracy"} | {
        f"cv_recall_{name}": make_scorer(recall_score, labels=[name], average="macro")
        for name in cultivars
    }
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=5, random_state=0)
    scores = cross_validate(model, X, y, scoring=scoring, cv=folds)
    return {name: float(np.mean(scores[f"test_{name}"])) for name in scoring}


class Verdict(NamedTuple):
    """La décision, sa raison en français, et le gain d'exactitude (entre -1 et 1)."""

    promoted: bool
    reason: str
    gain: float


def compare(champion: dict[str, float], challenger: dict[str, float], margin: float) -> Verdict:
    """Le candidat est promu s'il gagne au moins `margin` d'exactitude et ne perd sur aucun
    cultivar.

    `champion` et `challenger` : ce que renvoie `cross_validated`. Un gain égal à la marge, aux
    arrondis des flottants près, suffit : 0.91 - 0.90 vaut un peu plus que 0.01 en machine, 0.21 -
    0.20 un peu moins.
    """
    gain = challenger["cv_accuracy"] - champion["cv_accuracy"]
    losses = [
        name
        for name in cultivars
        if challenger[f"cv_recall_{name}"] < champion[f"cv_recall_{name}"]
    ]
    reason = f"exactitude {gain:+.4f}, marge {margin:g}" + (
        f" ; sensibilité en baisse sur {', '.join(losses)}" if losses else ""
    )
    return Verdict(gain >= margin - 1e-12 and not losses, reason, gain)


def recall_figure(scores: dict[str, dict[str, float]], title: str) -> Figure:
    """La sensibilité de chaque cultivar, un point par modèle ; `scores` : nom du modèle -> ce que
    renvoie `cross_validated`.
    """
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, score in scores.items():
        axes.plot(
            [score[f"cv_recall_{cultivar}"] for cultivar in cultivars], cultivars, "o", label=name
        )
    axes.set(xlabel="sensibilité, moyenne de 25 plis", title=title)
    axes.legend()
    return figure
