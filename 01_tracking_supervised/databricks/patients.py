# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/patients.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Les patientes : données, modèles et métriques
# MAGIC
# MAGIC Ce que les scripts de la leçon partagent, MLflow mis à part. Données : *Breast Cancer Wisconsin
# MAGIC (Diagnostic)*, W. H. Wolberg, W. N. Street, O. L. Mangasarian, 1995 (licence CC BY 4.0), fournies
# MAGIC avec scikit-learn.

# COMMAND ----------

# MAGIC %run ./splits

# COMMAND ----------

# MAGIC %run ./tables

# COMMAND ----------

import os
from importlib.metadata import version

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, precision_score, recall_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

# COMMAND ----------

# MAGIC %md
# MAGIC ## Les données

# COMMAND ----------

def load_patients(seed: int = 0) -> Split:
    """569 tumeurs, 212 malignes : 10 caractéristiques des noyaux, en moyenne, erreur standard et
    pire valeur.

    341 tumeurs pour apprendre, 114 pour choisir, 114 pour juger ; `y_*` vaut 1.0 si la tumeur est
    maligne, 0.0 sinon. Les deux classes gardent leurs proportions.
    """
    X, target = load_breast_cancer(return_X_y=True, as_frame=True)
    # scikit-learn : 0 = maligne ; réel : pas d'avertissement
    malignant = (target == 0).astype(float).rename("malignant")
    return split(X, malignant, seed=seed, stratify=True)


def known_patients() -> tuple[pd.DataFrame, pd.Series]:
    """Les 455 tumeurs hors test : `X`, forme (455, 30), et `y`, forme (455,).

    C'est là que se fait la validation croisée.
    """
    data = load_patients()
    return pd.concat([data.X_train, data.X_valid]), pd.concat([data.y_train, data.y_valid])

# COMMAND ----------

# MAGIC %md
# MAGIC ## Les métriques cliniques
# MAGIC
# MAGIC La classe positive est nommée partout : c'est 1.0, la tumeur maligne.

# COMMAND ----------

def clinical_metrics(y_true, y_pred, y_score=None) -> dict[str, float]:
    """Les métriques d'un test diagnostique, entre 0 et 1 ; huit avec `y_score`, sept sans.

    `y_true`, `y_pred` : 0.0 ou 1.0, forme (n,). `y_score`, forme (n,), croît avec le risque
    (probabilité ou distance). Une métrique sans objet vaut NaN : la précision de qui ne prédit
    aucune maligne est 0/0. Définitions : https://en.wikipedia.org/wiki/Sensitivity_and_specificity
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
    if y_score is not None:
        metrics["roc_auc"] = roc_auc_score(y_true, y_score)
    return metrics


def risk(model, X: pd.DataFrame) -> np.ndarray:
    """Le score de risque, forme (n,) : la probabilité de la classe 1.0, ou la distance à la
    frontière pour un SVM.
    """
    return (
        model.predict_proba(X)[:, 1]
        if hasattr(model, "predict_proba")
        else model.decision_function(X)
    )


def svm(C: float, gamma: float) -> Pipeline:
    """Un SVM à noyau RBF, précédé de la mise à l'échelle ; non entraîné."""
    return make_pipeline(StandardScaler(), SVC(C=C, gamma=gamma))


def cross_validated(model, X: pd.DataFrame, y: pd.Series) -> dict[str, float]:
    """Les huit métriques d'un SVM, préfixées `cv_` : validation croisée stratifiée, cinq parts,
    graine 0.

    `X` : (n, d) ; `y` : (n,), 0.0 ou 1.0. Chaque ligne est prédite par un modèle qui ne l'a pas
    vue.
    """
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    distance = cross_val_predict(model, X, y, cv=folds, method="decision_function")
    metrics = clinical_metrics(y, (distance > 0).astype(float), distance)
    return {f"cv_{name}": value for name, value in metrics.items()}


def sweep_figure(points: pd.DataFrame) -> plt.Figure:
    """La sensibilité et l'exactitude en fonction de `gamma`, une courbe par `C`.

    `points` : un balayage tel que `mlflow.search_runs` le rend, une ligne par couple, `params.C` et
    `params.gamma` en réels.
    """
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    for ax, metric, title in zip(
        axes, ("sensitivity", "accuracy"), ("sensibilité", "exactitude"), strict=True
    ):
        for C, line in points.sort_values("params.gamma").groupby("params.C"):
            ax.plot(
                line["params.gamma"], line[f"metrics.cv_{metric}"], marker="o", label=f"C = {C:g}"
            )
        ax.set(xscale="log", xlabel="gamma", title=f"{title} (validation croisée)", ylim=(0.5, 1))
    axes[0].legend()
    return figure

# COMMAND ----------

# MAGIC %md
# MAGIC ## Les sept classifieurs
# MAGIC
# MAGIC Chacun est un `Pipeline` : ce qui prépare les données est appris avec le modèle, et enregistré
# MAGIC avec lui.

# COMMAND ----------

def import_keras():
    """Le module Keras, sur TensorFlow, sans les lignes que celui-ci écrit au démarrage ; 5 s la
    première fois.

    Lève `ImportError` si TensorFlow n'est pas installé : il n'existe ni pour Mac Intel ni pour
    Windows ARM.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # d'autres instructions arrondiraient autrement
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
    stderr, devnull = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)  # aucune variable ne fait taire le chargement de CUDA, écrit hors de Python
    try:
        import keras
        import tensorflow

        # sur processeur : les mêmes chiffres partout
        tensorflow.config.set_visible_devices([], "GPU")
        keras.ops.zeros(1)
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(devnull)
    return keras


class NeuralNetwork(ClassifierMixin, BaseEstimator):
    """Un réseau de neurones Keras, une couche cachée, qui parle la langue de scikit-learn : il
    entre dans un `Pipeline`.

    `hidden` : neurones cachés ; `epochs` : époques, c'est-à-dire passages sur les données, dont un
    cinquième sert de validation. Il garde ses poids en tableaux numpy (`weights_`) : skops sait les
    enregistrer, comme tout modèle de la leçon.
    """

    def __init__(self, hidden: int = 16, epochs: int = 50, seed: int = 0):
        self.hidden = hidden
        self.epochs = epochs
        self.seed = seed

    def _network(self, n_features: int):
        keras = import_keras()
        layers = [
            keras.layers.Dense(self.hidden, activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
        network = keras.Sequential([keras.Input((n_features,)), *layers])
        # sans « accuracy » : autolog l'écrirait par-dessus la nôtre
        network.compile(optimizer="adam", loss="binary_crossentropy")
        return network

    def fit(self, X, y):
        """`X` : (n, d), mis à l'échelle ; `y` : (n,), 0.0 ou 1.0."""
        import_keras().utils.set_random_seed(self.seed)
        network = self._network(X.shape[1])
        network.fit(
            X, np.asarray(y), epochs=self.epochs, batch_size=32, validation_split=0.2, verbose=0
        )
        self.classes_ = np.array([0.0, 1.0])
        self.weights_ = network.get_weights()
        return self

    def predict_proba(self, X) -> np.ndarray:
        """Les probabilités des classes 0.0 et 1.0, forme (n, 2)."""
        network = self._network(X.shape[1])
        network.set_weights(self.weights_)
        positive = np.asarray(network(np.asarray(X, dtype="float32")), dtype=float)
        return np.hstack([1 - positive, positive])

    def predict(self, X) -> np.ndarray:
        """La classe la plus probable, forme (n,)."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

# COMMAND ----------

def classifiers(X: pd.DataFrame, seed: int = 0) -> dict[str, Pipeline]:
    """Les sept pipelines, non entraînés, par nom. `X` n'est lu que pour ses colonnes."""
    estimators = {
        "logistic_regression": LogisticRegression(max_iter=1000),
        "k_nearest_neighbors": KNeighborsClassifier(),
        "decision_tree": DecisionTreeClassifier(random_state=seed),
        "random_forest": RandomForestClassifier(random_state=seed),
        "naive_bayes": GaussianNB(),
        "svm_rbf": SVC(gamma=0.03),
        "neural_network": NeuralNetwork(seed=seed),
    }
    return {
        name: Pipeline([("prepare", prepare_columns(X)), ("classify", estimator)])
        for name, estimator in estimators.items()
    }


# skops ne recharge que les types de sa liste et ceux que l'on déclare : ceux-ci n'y sont pas, et
# nous les connaissons.
trusted_types = [
    "numpy.dtype",
    "patients.NeuralNetwork",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.tree._tree.Tree",
]


def pins(*more: str) -> list[str]:
    """Les bibliothèques qu'il faut pour relire un modèle de la leçon, et `more`, aux versions
    installées ici.
    """
    return [
        f"{library}=={version(library)}"
        for library in ("mlflow", "scikit-learn", "skops", "pandas", "numpy", *more)
    ]

# COMMAND ----------

# MAGIC %md
# MAGIC ## Votre tableau

# COMMAND ----------

def load_table(
    path: str, target: str, positive: str | None = None, drop: list[str] = ()
) -> tuple[Split, str]:
    """Votre tableau, découpé comme `load_patients`, et la ligne de `read_table` qui dit comment il
    a été lu.

    `y` vaut 1.0 pour la valeur `positive` (par défaut, la plus rare). Les lignes sans cible sont
    écartées. Lève `SystemExit`, en une ligne, si le tableau ne convient pas : cible absente, qui
    n'a pas deux valeurs, trop peu de lignes, aucune colonne restante.
    """
    table, line = read_table(path)
    unknown = [name for name in (target, *drop) if name not in table]
    if unknown:
        raise SystemExit(
            f"{path} : pas de colonne {unknown[0]!r}. Colonnes : {', '.join(table.columns[:20])}."
        )
    table = table.dropna(subset=[target])
    values, X = table[target], table.drop(columns=[target, *drop])
    counts = values.value_counts().sort_index()
    if len(counts) != 2:
        raise SystemExit(
            f"{path} : la cible {target!r} a {len(counts)} valeurs ; il en faut exactement deux."
        )
    if X.empty:
        raise SystemExit(f"{path} : il ne reste aucune colonne pour prédire {target!r}.")
    if len(table) < 50 or counts.min() < 10:
        raise SystemExit(
            f"{path} : trop peu de lignes ({len(table)}, dont {counts.min()} de la classe rare) ; il en faut 50, dont 10."
        )
    written = {f"{value:g}" if isinstance(value, float) else value: value for value in counts.index}
    if positive is not None and positive not in written:
        raise SystemExit(
            f"{path} : {positive!r} n'est pas une valeur de {target!r} : {', '.join(written)}."
        )
    chosen = counts.idxmin() if positive is None else written[positive]
    return split(X, (values == chosen).astype(float), stratify=True), line


def read_patients(path: str, columns: list[str]) -> tuple[pd.DataFrame, str]:
    """De nouvelles patientes, et la ligne qui dit comment elles ont été lues : un CSV où chercher
    les colonnes `columns`.

    Le tableau a ces colonnes, dans cet ordre, en réels, forme (n, d).
    Lève `SystemExit`, en une ligne, si une colonne manque, ou contient autre chose que des nombres.
    """
    table, line = read_table(path)
    missing = [name for name in columns if name not in table]
    if missing:
        raise SystemExit(
            f"{path} : il manque {len(missing)} colonne(s) sur {len(columns)}, la première est {missing[0]!r}."
        )
    wrong = [name for name in columns if table[name].dtype != float or table[name].isna().any()]
    if wrong:
        raise SystemExit(
            f"{path} : la colonne {wrong[0]!r} doit contenir un nombre à chaque ligne."
        )
    return table[columns], line
