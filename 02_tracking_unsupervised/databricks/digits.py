# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/digits.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Les chiffres : images, indices et autoencodeur
# MAGIC
# MAGIC Ce que les scripts de la leçon partagent, MLflow mis à part. Données : *Optical Recognition of Handwritten Digits*,
# MAGIC E. Alpaydin, C. Kaynak, 1998 (licence CC BY 4.0) ; les 1 797 images de test, fournies avec scikit-learn.

# COMMAND ----------

import argparse
import os
from importlib.metadata import version
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE
from sklearn.metrics import (
    adjusted_rand_score,
    calinski_harabasz_score,
    davies_bouldin_score,
    normalized_mutual_info_score,
    silhouette_score,
)
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

# K-Means additionne les images fil par fil : d'un nombre de fils à l'autre, les derniers bits changent. Un seul fil, donc,
# pour les mêmes chiffres partout ; sur des images aussi petites, c'est même plus rapide.
threadpool_limits(1, user_api="openmp")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Les images

# COMMAND ----------

def load_images() -> tuple[pd.DataFrame, pd.Series]:
    """1 797 images de 8 x 8 pixels, et le chiffre que chacune représente.

    Renvoie `X`, forme (1797, 64), une image par ligne, 0.0 = blanc, 1.0 = noir ; et `y`, forme (1797,), entiers de 0 à 9.
    Les pixels de scikit-learn vont de 0 à 16. `y` ne sert ni à apprendre ni à choisir : il juge après coup.
    """
    X, y = load_digits(return_X_y=True, as_frame=True)
    return X / 16, y


class Images(NamedTuple):
    """Un découpage : forme (n, 64), une image par ligne."""

    train: pd.DataFrame
    valid: pd.DataFrame
    test: pd.DataFrame


def split_images(X: pd.DataFrame, seed: int = 0) -> Images:
    """300 images pour le test, 300 pour choisir l'époque où s'arrêter, le reste pour apprendre."""
    rest, test = train_test_split(X, test_size=300, random_state=seed)
    train, valid = train_test_split(rest, test_size=300, random_state=seed)
    return Images(train, valid, test)


def mosaic(rows: list[np.ndarray]) -> np.ndarray:
    """Des rangées d'images, chacune de forme (n, 64), en un seul tableau à dessiner ; NaN entre les images."""
    columns = max(len(row) for row in rows)
    picture = np.full((9 * len(rows), 9 * columns), np.nan)
    for i, row in enumerate(rows):
        for j, pixels in enumerate(np.asarray(row)):
            picture[9 * i : 9 * i + 8, 9 * j : 9 * j + 8] = pixels.reshape(8, 8)
    return picture[:-1, :-1]

# COMMAND ----------

# MAGIC %md
# MAGIC ## Juger un partage en groupes
# MAGIC
# MAGIC Les quatre premiers indices ne regardent que les données ; les deux derniers comparent aux vrais chiffres.

# COMMAND ----------

def internal_indices(X, model: KMeans) -> dict[str, float]:
    """Quatre indices du partage que `model` fait de `X`, forme (n, d). Seul le sens dit lequel est bon :

    inertie (somme des carrés des distances aux centres) et Davies-Bouldin : bas ; silhouette (de -1 à 1) et
    Calinski-Harabasz : hauts. Définitions : https://scikit-learn.org/stable/modules/clustering.html
    """
    return {
        "inertia": float(model.inertia_),
        "silhouette": float(silhouette_score(X, model.labels_)),
        "davies_bouldin": float(davies_bouldin_score(X, model.labels_)),
        "calinski_harabasz": float(calinski_harabasz_score(X, model.labels_)),
    }


def external_indices(y, groups) -> dict[str, float]:
    """ARI (*adjusted Rand index*) et NMI (*normalized mutual information*) : 1 si les groupes sont les chiffres.

    Au hasard, l'ARI vaut 0 en moyenne ; la NMI un peu plus, d'autant plus qu'il y a de groupes. `y`, `groups` : forme (n,).
    """
    return {"ari": float(adjusted_rand_score(y, groups)), "nmi": float(normalized_mutual_info_score(y, groups))}


def elbow(x: list[int], y: list[float]) -> int:
    """Le coude d'une courbe convexe qui descend : le `x` le plus loin sous la corde qui joint ses extrémités.

    Source : V. Satopää et al., *Finding a "Kneedle" in a Haystack*, 2011. Moins de trois points : le premier.
    """
    if len(x) < 3:
        return x[0]
    across = (np.asarray(x) - x[0]) / (x[-1] - x[0])
    down = (y[0] - np.asarray(y)) / (y[0] - y[-1])
    return x[int(np.argmax(down - across))]

# COMMAND ----------

# MAGIC %md
# MAGIC ## Dessiner les représentations

# COMMAND ----------

def draw_maps(views: dict[str, np.ndarray], y: pd.Series, n: int = 600):
    """Une carte en deux dimensions par représentation, forme (n images, d), colorée par les vrais chiffres.

    t-SNE garde voisines les images voisines ; ses axes n'ont pas de sens. Les `n` premières images suffisent à voir.
    """
    figure, axes = plt.subplots(2, 2, figsize=(9, 8.5), layout="constrained")
    for ax, (name, points) in zip(axes.flat, views.items()):
        drawn = ax.scatter(*TSNE(random_state=0).fit_transform(points[:n]).T, c=y[:n], cmap="tab10", s=9)
        ax.set(title=name, xticks=[], yticks=[])
    figure.legend(*drawn.legend_elements(), title="chiffre", loc="outside right center")
    return figure


def draw_spread(scores: dict[str, list[float]]):
    """Une rangée par représentation : un point par graine, un trait à la moyenne."""
    figure, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
    for row, values in enumerate(scores.values()):
        ax.plot(values, [row] * len(values), "o", alpha=0.5)
        ax.plot(np.mean(values), row, "k|", markersize=20)
    ax.set(title="Le même K-Means, un point par graine", xlabel="ARI avec les vrais chiffres")
    ax.set_yticks(range(len(scores)), list(scores))
    ax.invert_yaxis()
    return figure

# COMMAND ----------

# MAGIC %md
# MAGIC ## L'autoencodeur

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
        keras.utils.disable_interactive_logging()  # pas de barre à chaque prédiction
    except ImportError:
        raise SystemExit("L'autoencodeur demande TensorFlow, absent ici (il n'existe ni pour Mac Intel ni pour Windows ARM).") from None
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(devnull)
    return keras


def build_autoencoder(code_size: int = 8, seed: int = 0):
    """Deux modèles Keras qui partagent leurs poids : l'autoencodeur, (n, 64) vers (n, 64), et l'encodeur, (n, 64) vers (n, code_size).

    La perte est l'erreur quadratique moyenne par pixel. La graine fixe aussi l'ordre des images pendant l'apprentissage.
    """
    keras = import_keras()
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    encoder = keras.Sequential([keras.Input((64,)), layers.Dense(64, activation="relu"), layers.Dense(code_size)], name="encoder")
    decoder = keras.Sequential([keras.Input((code_size,)), layers.Dense(64, activation="relu"), layers.Dense(64, activation="sigmoid")])
    autoencoder = keras.Sequential([encoder, decoder], name="autoencoder")
    autoencoder.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
    return autoencoder, encoder


def fit_autoencoder(autoencoder, images: Images, epochs: int = 200, callbacks: list = ()):
    """Apprend jusqu'à ce que la perte de validation stagne cinq époques, puis reprend les poids de la meilleure.

    Renvoie l'historique de Keras : `history["loss"]` et `history["val_loss"]`, une valeur par époque.
    """
    patience = import_keras().callbacks.EarlyStopping(monitor="val_loss", patience=5, restore_best_weights=True)
    train, valid = (part.to_numpy("float32") for part in (images.train, images.valid))
    return autoencoder.fit(
        train, train, validation_data=(valid, valid), epochs=epochs, batch_size=64, verbose=0, callbacks=[*callbacks, patience]
    )


def encode(encoder, X: pd.DataFrame) -> pd.DataFrame:
    """Les codes des images, forme (n, taille du code), une colonne par nombre du code."""
    codes = encoder(X.to_numpy("float32")).numpy().astype(float)
    return pd.DataFrame(codes, columns=[f"code_{i}" for i in range(codes.shape[1])], index=X.index)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Les exigences et les options

# COMMAND ----------

def pins(*names: str) -> list[str]:
    """Les bibliothèques nommées, aux versions d'aujourd'hui : `["mlflow==3.17.2", ...]`, pour `pip_requirements`."""
    return [f"{name}=={version(name)}" for name in names]


def whole_number(text: str, low: int, high: int) -> int:
    """Un entier entre `low` et `high`, bornes comprises, sinon l'erreur d'argparse."""
    if text.isdecimal() and len(text) <= 20 and low <= int(text) <= high:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} n'est pas un entier entre {low} et {high}")
