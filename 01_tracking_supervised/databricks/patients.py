# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/patients.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Les patientes : données, modèles et métriques
# MAGIC
# MAGIC Ce que les scripts de la leçon partagent, MLflow mis à part. Données : *Breast Cancer Wisconsin (Diagnostic)*,
# MAGIC W. H. Wolberg, W. N. Street, O. L. Mangasarian, 1995 (licence CC BY 4.0), fournies avec scikit-learn.

# COMMAND ----------

import os
import warnings
from io import StringIO
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, precision_score, recall_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

# COMMAND ----------

# MAGIC %md
# MAGIC ## Les données

# COMMAND ----------

class Split(NamedTuple):
    """Un découpage : `X_*` une ligne par tumeur, `y_*` 1.0 si elle est maligne, 0.0 sinon."""

    X_train: pd.DataFrame
    X_valid: pd.DataFrame
    y_train: pd.Series
    y_valid: pd.Series


def split(X: pd.DataFrame, y: pd.Series, seed: int = 0) -> tuple[Split, pd.DataFrame, pd.Series]:
    """60 % pour apprendre et 20 % pour choisir (`Split`), puis `X_test` et `y_test`, 20 % à n'ouvrir qu'une fois.

    Les deux classes gardent leurs proportions. `X` : (n, d) ; `y` : (n,), 0.0 ou 1.0.
    """
    X_rest, X_test, y_rest, y_test = train_test_split(X, y, test_size=0.2, random_state=seed, stratify=y)
    halves = train_test_split(X_rest, y_rest, test_size=0.25, random_state=seed, stratify=y_rest)
    return Split(*halves), X_test, y_test


def load_patients(seed: int = 0) -> tuple[Split, pd.DataFrame, pd.Series]:
    """569 tumeurs, 212 malignes : 10 caractéristiques des noyaux, en moyenne, erreur standard et pire valeur.

    Renvoie ce que renvoie `split` : 341 tumeurs pour apprendre, 114 pour choisir, 114 pour le test.
    """
    X, target = load_breast_cancer(return_X_y=True, as_frame=True)
    malignant = (target == 0).astype(float).rename("malignant")  # scikit-learn : 0 = maligne ; réel : pas d'avertissement
    return split(X, malignant, seed)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Les métriques cliniques
# MAGIC
# MAGIC La classe positive est nommée partout : c'est 1.0, la tumeur maligne.

# COMMAND ----------

def clinical_metrics(y_true, y_pred, y_score=None) -> dict[str, float]:
    """Les métriques d'un test diagnostique, entre 0 et 1 ; huit avec `y_score`, sept sans.

    `y_true`, `y_pred` : 0.0 ou 1.0, forme (n,). `y_score`, forme (n,), croît avec le risque (probabilité ou distance).
    Une métrique sans objet vaut NaN : la précision de qui ne prédit aucune maligne est 0/0.
    Définitions : https://en.wikipedia.org/wiki/Sensitivity_and_specificity
    """
    rate = {"y_true": y_true, "y_pred": y_pred, "zero_division": np.nan}
    specificity = recall_score(pos_label=0.0, **rate)  # bénignes reconnues
    precision = precision_score(pos_label=1.0, **rate)  # malignes parmi les alertes
    metrics = {
        "accuracy": accuracy_score(y_true, y_pred),
        "sensitivity": recall_score(pos_label=1.0, **rate),  # malignes retrouvées
        "specificity": specificity,
        "precision": precision,
        "npv": precision_score(pos_label=0.0, **rate),  # bénignes parmi les rassurées
        "fall_out": 1 - specificity,  # fausses alertes parmi les bénignes
        "fdr": 1 - precision,  # fausses alertes parmi les alertes
    }
    if y_score is not None:
        metrics["roc_auc"] = roc_auc_score(y_true, y_score)
    return metrics


def risk(model, X: pd.DataFrame) -> np.ndarray:
    """Le score de risque, forme (n,) : la probabilité de la classe 1.0, ou la distance à la frontière pour un SVM."""
    return model.predict_proba(X)[:, 1] if hasattr(model, "predict_proba") else model.decision_function(X)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Les sept classifieurs
# MAGIC
# MAGIC Chacun est un `Pipeline` : ce qui prépare les données est appris avec le modèle, et enregistré avec lui.

# COMMAND ----------

def import_keras():
    """Le module Keras, sur TensorFlow, sans les lignes que celui-ci écrit au démarrage ; 5 s la première fois.

    Lève `SystemExit` si TensorFlow n'est pas installé : il n'existe ni pour Mac Intel ni pour Windows ARM.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")  # les mêmes instructions, donc les mêmes bits, sur tous les PC
    stderr, devnull = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)  # aucune variable ne fait taire le chargement de CUDA, écrit hors de Python
    try:
        import keras
        import tensorflow

        tensorflow.config.set_visible_devices([], "GPU")  # sur processeur : les mêmes chiffres partout
        keras.ops.zeros(1)
    except ImportError:
        raise SystemExit("Le réseau de neurones demande TensorFlow, absent ici (il n'existe ni pour Mac Intel ni pour Windows ARM).") from None
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(devnull)
    return keras


class NeuralNetwork(ClassifierMixin, BaseEstimator):
    """Un réseau de neurones Keras, une couche cachée, qui parle la langue de scikit-learn : il entre dans un `Pipeline`.

    `hidden` : neurones cachés ; `epochs` : passages sur les données, dont un cinquième sert de validation.
    Il garde ses poids en tableaux numpy (`weights_`) : skops sait les enregistrer, comme tout modèle de la leçon.
    """

    def __init__(self, hidden: int = 16, epochs: int = 50, seed: int = 0):
        self.hidden = hidden
        self.epochs = epochs
        self.seed = seed

    def _network(self, n_features: int):
        keras = import_keras()
        layers = [keras.layers.Dense(self.hidden, activation="relu"), keras.layers.Dense(1, activation="sigmoid")]
        network = keras.Sequential([keras.Input((n_features,)), *layers])
        network.compile(optimizer="adam", loss="binary_crossentropy")  # sans « accuracy » : autolog l'écrirait par-dessus la nôtre
        return network

    def fit(self, X, y):
        """`X` : (n, d), mis à l'échelle ; `y` : (n,), 0.0 ou 1.0."""
        import_keras().utils.set_random_seed(self.seed)
        network = self._network(X.shape[1])
        network.fit(X, np.asarray(y), epochs=self.epochs, batch_size=32, validation_split=0.2, verbose=0)
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
    """Les sept pipelines, non entraînés, par nom. `X` n'est lu que pour ses colonnes.

    Nombres : valeurs manquantes remplacées par la médiane, puis mise à l'échelle. Textes : une colonne 0/1 par valeur.
    """
    numbers = X.select_dtypes("number").columns.tolist()
    words = X.columns.difference(numbers, sort=False).tolist()
    encode = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=20, sparse_output=False)
    prepare = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()), numbers), (encode, words)
    )
    estimators = {
        "logistic_regression": LogisticRegression(max_iter=1000),
        "k_nearest_neighbors": KNeighborsClassifier(),
        "decision_tree": DecisionTreeClassifier(random_state=seed),
        "random_forest": RandomForestClassifier(random_state=seed),
        "naive_bayes": GaussianNB(),
        "svm_rbf": SVC(gamma=0.03),
        "neural_network": NeuralNetwork(seed=seed),
    }
    return {name: Pipeline([("prepare", clone(prepare)), ("classify", estimator)]) for name, estimator in estimators.items()}


# skops ne recharge que ce que l'on déclare sûr : ces types-là ne sont pas sur sa liste, mais nous les connaissons.
trusted_types = [
    "numpy.dtype",
    "patients.NeuralNetwork",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.tree._tree.Tree",
]

# COMMAND ----------

# MAGIC %md
# MAGIC ## Votre tableau

# COMMAND ----------

def read_table(path: str) -> pd.DataFrame:
    """Un CSV, dont la première ligne nomme les colonnes : séparateur `,` `;` ou tabulation, décimales `.` ou `,`.

    Les colonnes de nombres deviennent des réels (NaN si vide), les autres restent du texte.
    Lève `SystemExit`, en une ligne, si le fichier manque, est vide ou n'est pas un CSV.
    """
    try:
        content = open(path, "rb").read()
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
    if "\0" in text or table.shape[1] < 2:
        raise SystemExit(f"{path} : ce n'est pas un CSV (deux colonnes au moins, séparées par , ; ou une tabulation).")
    for name in table:
        numbers = pd.to_numeric(table[name].str.replace(",", "."), errors="coerce").astype(float)
        if numbers.notna().equals(table[name].notna()):
            table[name] = numbers
            if (numbers.abs() > 1e30).any():
                raise SystemExit(f"{path} : la colonne {name} contient des nombres au-delà de 1e30.")
    return table


def load_table(path: str, target: str, positive: str | None = None, drop: list[str] = ()) -> tuple[Split, pd.DataFrame, pd.Series]:
    """Votre tableau, découpé comme `load_patients`. `y` vaut 1.0 pour la valeur `positive` (par défaut, la plus rare).

    Les lignes sans cible sont écartées. Lève `SystemExit`, en une ligne, si le tableau ne convient pas :
    cible absente, qui n'a pas deux valeurs, trop peu de lignes, aucune colonne restante.
    """
    table = read_table(path)
    if unknown := [name for name in (target, *drop) if name not in table]:
        raise SystemExit(f"{path} : pas de colonne {unknown[0]!r}. Colonnes : {', '.join(table.columns[:20])}.")
    table = table.dropna(subset=[target])
    labels, X = table[target], table.drop(columns=[target, *drop])
    counts = labels.value_counts().sort_index()
    if len(counts) != 2:
        raise SystemExit(f"{path} : la cible {target!r} a {len(counts)} valeurs ; il en faut exactement deux.")
    if X.empty:
        raise SystemExit(f"{path} : il ne reste aucune colonne pour prédire {target!r}.")
    if len(table) < 50 or counts.min() < 10:
        raise SystemExit(f"{path} : trop peu de lignes ({len(table)}, dont {counts.min()} de la classe rare) ; il en faut 50, dont 10.")
    names = {f"{label:g}" if isinstance(label, float) else label: label for label in counts.index}
    if positive is not None and positive not in names:
        raise SystemExit(f"{path} : {positive!r} n'est pas une valeur de {target!r} : {', '.join(names)}.")
    chosen = counts.idxmin() if positive is None else names[positive]
    return split(X, (labels == chosen).astype(float))


def read_patients(path: str, columns: list[str]) -> pd.DataFrame:
    """De nouvelles patientes : un CSV où chercher les colonnes `columns`, rendues dans cet ordre, en réels, forme (n, d).

    Lève `SystemExit`, en une ligne, si une colonne manque, ou contient autre chose que des nombres.
    """
    table = read_table(path)
    if missing := [name for name in columns if name not in table]:
        raise SystemExit(f"{path} : il manque {len(missing)} colonne(s) sur {len(columns)}, la première est {missing[0]!r}.")
    if wrong := [name for name in columns if table[name].dtype != float or table[name].isna().any()]:
        raise SystemExit(f"{path} : la colonne {wrong[0]!r} doit contenir un nombre à chaque ligne.")
    if table.empty:
        raise SystemExit(f"{path} : aucune ligne sous les titres.")
    return table[columns]
