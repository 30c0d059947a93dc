# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/digits.py par tools/build.py. -->
# MAGIC # Les chiffres : images, indices, figures et autoencodeur
# MAGIC
# MAGIC Ce que les scripts de la leçon partagent, MLflow mis à part. Données : *Optical Recognition of
# MAGIC Handwritten Digits*, E. Alpaydin, C. Kaynak, 1998 (licence CC BY 4.0) ; les 1 797 images de test,
# MAGIC fournies avec scikit-learn.

# COMMAND ----------

import os
from collections import namedtuple
from importlib.metadata import version

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score, calinski_harabasz_score, davies_bouldin_score
from sklearn.metrics import normalized_mutual_info_score, silhouette_score
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

# Selon les instructions du processeur, TensorFlow arrondit autrement. Nos décimales : AVX2.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
threadpool_limits(1, user_api="openmp")  # plusieurs fils changeraient les derniers bits de K-Means
Split = namedtuple("Split", "X_train X_valid X_test y_train y_valid y_test")


def load_images() -> tuple[pd.DataFrame, pd.Series]:
    """1 797 images de 8 x 8 pixels, et le chiffre que chacune représente : sa classe.

    `X`, forme (1797, 64), de 0.0 (blanc) à 1.0 (noir) ; `y`, forme (1797,), entiers de 0 à 9.
    """
    X, y = load_digits(return_X_y=True, as_frame=True)
    return X / 16, y  # les pixels de scikit-learn vont de 0 à 16


def split_images(X: pd.DataFrame, y: pd.Series) -> Split:
    """300 images pour le test, 300 pour choisir l'époque où s'arrêter, 1 197 pour apprendre."""
    size = {"test_size": 300, "random_state": 0}
    X_rest, X_test, y_rest, y_test = train_test_split(X, y, **size)
    X_train, X_valid, y_train, y_valid = train_test_split(X_rest, y_rest, **size)
    return Split(X_train, X_valid, X_test, y_train, y_valid, y_test)


def internal_indices(X, model) -> dict[str, float]:
    """Quatre indices du partage de `X`, forme (n, d), sur lequel ce K-Means a appris.

    Les plus petits sont les meilleurs pour l'inertie (somme des carrés des distances aux centres)
    et Davies-Bouldin ; les plus grands pour la silhouette (de -1 à 1) et Calinski-Harabasz.
    Définitions : https://scikit-learn.org/stable/modules/clustering.html
    """
    return {
        "inertia": model.inertia_,
        "silhouette": silhouette_score(X, model.labels_),
        "davies_bouldin": davies_bouldin_score(X, model.labels_),
        "calinski_harabasz": calinski_harabasz_score(X, model.labels_),
    }


def external_indices(y, groups) -> dict[str, float]:
    """ARI (*adjusted Rand index*) et NMI (*normalized mutual information*) : 1 si les groupes,
    forme (n,), sont les classes.

    Au hasard, l'ARI vaut 0 en moyenne ; la NMI un peu plus, d'autant plus qu'il y a de groupes.
    """
    return {"ari": adjusted_rand_score(y, groups), "nmi": normalized_mutual_info_score(y, groups)}


def elbow(x: list[int], y: list[float]) -> int:
    """Le coude d'une courbe qui descend : le `x` le plus loin sous la corde entre ses deux bouts.

    Source : V. Satopää et al., *Finding a "Kneedle" in a Haystack*, 2011.
    """
    across = (np.asarray(x) - x[0]) / (x[-1] - x[0])
    down = (y[0] - np.asarray(y)) / (y[0] - y[-1])
    return x[int(np.argmax(down - across))]


def draw_rows(rows: dict, title: str) -> plt.Figure:
    """Une rangée d'images par entrée de `rows`, chacune de forme (n, 64), son nom à gauche."""
    columns = max(len(images) for images in rows.values())
    picture = np.full((9 * len(rows), 9 * columns), np.nan)  # NaN : le blanc entre les images
    for i, images in enumerate(rows.values()):
        for j, pixels in enumerate(images):
            picture[9 * i : 9 * i + 8, 9 * j : 9 * j + 8] = pixels.reshape(8, 8)
    figure, ax = plt.subplots(figsize=(9, 9 * len(rows) / columns + 0.4), layout="constrained")
    ax.imshow(picture[:-1, :-1], cmap="gray_r", vmin=0, vmax=1)
    ax.set(title=title, xticks=[], yticks=range(4, 9 * len(rows), 9), yticklabels=list(rows))
    plt.close(figure)  # à la cellule qui la demande de l'afficher
    return figure


def draw_spread(scores: dict) -> plt.Figure:
    """L'ARI de chaque graine, un point chacun : une rangée par entrée de `scores`, forme (n,), et
    sa moyenne, un trait.
    """
    figure, ax = plt.subplots(figsize=(7, 0.45 * len(scores) + 1.2), layout="constrained")
    for name, ari in scores.items():
        ax.plot(ari, [name] * len(ari), "o", alpha=0.5)
        ax.plot([ari.mean()], [name], "k|", markersize=20)
    ax.set(title="Le même K-Means, un point par graine", xlabel="ARI avec les vrais chiffres")
    ax.invert_yaxis()
    plt.close(figure)  # à la cellule qui la demande de l'afficher
    return figure


def build_autoencoder(code_size: int = 8, seed: int = 0):
    """Deux modèles Keras : de (n, 64) vers (n, 64), et son encodeur, vers (n, code_size).

    La perte est l'erreur quadratique moyenne par pixel. La graine fixe aussi l'ordre des images.
    """
    from tensorflow import keras  # long à charger : K-Means s'en passe

    keras.utils.set_random_seed(seed)
    Dense = keras.layers.Dense
    encoding = [keras.Input((64,)), Dense(64, "relu"), Dense(code_size)]
    decoding = [keras.Input((code_size,)), Dense(64, "relu"), Dense(64, "sigmoid")]
    encoder = keras.Sequential(encoding, name="encoder")
    autoencoder = keras.Sequential([encoder, keras.Sequential(decoding)], name="autoencoder")
    autoencoder.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
    return autoencoder, encoder


def fit_autoencoder(autoencoder, images: Split, callbacks: list = ()):
    """Apprend comme `02_autoencoder.py` : jusqu'à cinq époques sans progrès de la validation, et
    rend au réseau les poids de la meilleure.

    Renvoie l'historique de Keras : `history["loss"]` et `history["val_loss"]`, par époque.
    """
    from tensorflow import keras

    stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
    train, valid = images.X_train.to_numpy("float32"), images.X_valid.to_numpy("float32")
    settings = {"epochs": 200, "batch_size": 64, "callbacks": [*callbacks, stop]}
    return autoencoder.fit(train, train, validation_data=(valid, valid), verbose=0, **settings)


def pins(*names: str) -> list[str]:
    """De quoi relire un modèle : les bibliothèques `names` et trois autres, aux versions d'ici."""
    return [f"{name}=={version(name)}" for name in ("mlflow", *names, "pandas", "numpy")]
