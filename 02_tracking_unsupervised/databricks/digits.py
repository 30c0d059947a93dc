# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/digits.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Les chiffres : images, indices et autoencodeur
# MAGIC
# MAGIC Ce que les scripts de la leçon partagent, MLflow mis à part. Données : *Optical Recognition of
# MAGIC Handwritten Digits*, E. Alpaydin, C. Kaynak, 1998 (licence CC BY 4.0) ; les 1 797 images de test,
# MAGIC fournies avec scikit-learn.

# COMMAND ----------

# MAGIC %run ./splits

# COMMAND ----------

import os
from functools import cache
from importlib.metadata import version

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator
from rich.console import Console
from rich.progress import Progress, track
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
from sklearn.pipeline import Pipeline, make_pipeline
from threadpoolctl import threadpool_limits

# K-Means additionne les images fil par fil : d'un nombre de fils à l'autre, les derniers bits
# changent. Un seul fil, donc.
threadpool_limits(1, user_api="openmp")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Les images

# COMMAND ----------

def load_images() -> tuple[pd.DataFrame, pd.Series]:
    """1 797 images de 8 x 8 pixels, et le chiffre que chacune représente : sa classe.

    Renvoie `X`, forme (1797, 64), une image par ligne, 0.0 = blanc, 1.0 = noir ; et `y`, forme
    (1797,), entiers de 0 à 9. Les pixels de scikit-learn vont de 0 à 16. `y` ne sert ni à apprendre
    ni à choisir : il juge après coup.
    """
    X, y = load_digits(return_X_y=True, as_frame=True)
    return X / 16, y


def split_images(X: pd.DataFrame, y: pd.Series) -> Split:
    """300 images pour le test, 300 pour choisir l'époque où s'arrêter, le reste (1 197) pour
    apprendre.
    """
    return split(X, y, valid=300, test=300)


def mosaic(rows: list[np.ndarray]) -> np.ndarray:
    """Des rangées d'images, chacune de forme (n, 64), en un seul tableau à dessiner ; NaN entre les
    images.
    """
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
# MAGIC Les quatre premiers indices ne regardent que les données ; les deux derniers comparent aux vrais
# MAGIC chiffres.

# COMMAND ----------

def internal_indices(X, model: KMeans) -> dict[str, float]:
    """Quatre indices du partage de `X`, forme (n, d), sur lequel `model` a appris.

    Les plus petits sont les meilleurs pour l'inertie (somme des carrés des distances aux centres)
    et Davies-Bouldin ; les plus grands pour la silhouette (de -1 à 1) et Calinski-Harabasz.
    Définitions : https://scikit-learn.org/stable/modules/clustering.html
    """
    return {
        "inertia": float(model.inertia_),
        "silhouette": float(silhouette_score(X, model.labels_)),
        "davies_bouldin": float(davies_bouldin_score(X, model.labels_)),
        "calinski_harabasz": float(calinski_harabasz_score(X, model.labels_)),
    }


def external_indices(y, groups) -> dict[str, float]:
    """ARI (*adjusted Rand index*) et NMI (*normalized mutual information*) : 1 si les groupes sont
    les chiffres.

    Au hasard, l'ARI vaut 0 en moyenne ; la NMI un peu plus, d'autant plus qu'il y a de groupes.
    `y`, `groups` : forme (n,).
    """
    return {
        "ari": float(adjusted_rand_score(y, groups)),
        "nmi": float(normalized_mutual_info_score(y, groups)),
    }


def elbow(x: list[int], y: list[float]) -> int:
    """Le coude d'une courbe convexe qui descend : le `x` le plus loin sous la corde qui joint ses
    extrémités.

    Source : V. Satopää et al., *Finding a "Kneedle" in a Haystack*, 2011. Moins de trois points :
    le premier.
    """
    if len(x) < 3:
        return x[0]
    across = (np.asarray(x) - x[0]) / (x[-1] - x[0])
    down = (y[0] - np.asarray(y)) / (y[0] - y[-1])
    return x[int(np.argmax(down - across))]

# COMMAND ----------

# MAGIC %md
# MAGIC ## Dessiner un balayage

# COMMAND ----------

def draw_indices(table: pd.DataFrame, chosen: dict[str, int]):
    """Les quatre indices internes selon le nombre de groupes, et ce que chacun recommande.

    `table` : une ligne par nombre de groupes, une colonne par indice ; `chosen` : un nombre de
    groupes par recommandation.
    """
    figure, axes = plt.subplots(2, 2, figsize=(9, 6), layout="constrained", sharex=True)
    curves = (
        ("inertia", "k_elbow", "inertie (coude)"),
        ("silhouette", "k_silhouette", "silhouette (haut)"),
        ("davies_bouldin", "k_davies_bouldin", "Davies-Bouldin (bas)"),
        ("calinski_harabasz", "k_calinski_harabasz", "Calinski-Harabasz (haut)"),
    )
    for ax, (name, choice, title) in zip(axes.flat, curves, strict=True):
        ax.plot(table.index, table[name], "o-", markersize=4)
        ax.axvline(
            chosen[choice], color="tab:red", linestyle=":", label=f"recommande {chosen[choice]}"
        )
        ax.set(title=title, xlabel="nombre de groupes")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend()
    return figure


def draw_centroids(models: dict[int, KMeans]):
    """Les centres dessinés comme des images : une rangée par nombre de groupes."""
    figure, ax = plt.subplots(figsize=(9, 9), layout="constrained")
    ax.imshow(
        mosaic([model.cluster_centers_ for model in models.values()]), cmap="gray_r", vmin=0, vmax=1
    )
    ax.set(
        title="Les centres des groupes, un nombre de groupes par rangée",
        ylabel="nombre de groupes",
        xticks=[],
    )
    ax.set_yticks([9 * i + 4 for i in range(len(models))], list(models))
    return figure

# COMMAND ----------

# MAGIC %md
# MAGIC ## Grouper une représentation

# COMMAND ----------

def cluster_with_seeds(
    inputs: pd.DataFrame, preparation: list, y: pd.Series, n_seeds: int
) -> tuple[pd.DataFrame, list[Pipeline]]:
    """Dix groupes, par K-Means, un seul départ (`n_init=1`) pour chaque graine de 0 à `n_seeds` -
    1.

    `inputs` : (n, d) ; `preparation` : ce qui passe avant K-Means, [] pour rien ; `y` : (n,).
    Renvoie un tableau, une ligne par graine (`ari`, `nmi`, `inertia`), et les pipelines appris,
    dans le même ordre.
    """
    pipelines = [
        make_pipeline(*preparation, KMeans(10, n_init=1, random_state=seed)).fit(inputs)
        for seed in range(n_seeds)
    ]
    rows = [
        external_indices(y, pipeline[-1].labels_) | {"inertia": pipeline[-1].inertia_}
        for pipeline in pipelines
    ]
    return pd.DataFrame(rows), pipelines


def seen_by_kmeans(pipeline: Pipeline, inputs: pd.DataFrame) -> np.ndarray:
    """Ce que la préparation de `pipeline` donne à K-Means, forme (n, d')."""
    return pipeline[:-1].transform(inputs) if len(pipeline) > 1 else inputs.to_numpy()

# COMMAND ----------

# MAGIC %md
# MAGIC ## Dessiner les représentations

# COMMAND ----------

def draw_maps(views: dict[str, np.ndarray], y: pd.Series, n: int = 600):
    """Une carte en deux dimensions par représentation, forme (n images, d), colorée par les vrais
    chiffres.

    Seules les `n` premières images sont dessinées. t-SNE garde voisines les images voisines ; ses
    axes n'ont pas de sens.
    """
    figure, axes = plt.subplots(2, 2, figsize=(9, 8.5), layout="constrained")
    shown = track(views.items(), "Cartes", console=Console(stderr=True), transient=True)
    for ax, (name, points) in zip(axes.flat, shown, strict=True):
        drawn = ax.scatter(
            *TSNE(random_state=0).fit_transform(points[:n]).T, c=y[:n], cmap="tab10", s=9
        )
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

def draw_reconstructions(rows: dict[str, np.ndarray], code_size: int):
    """Une rangée d'images par entrée de `rows` (forme (n, 64)), les originaux d'abord."""
    figure, ax = plt.subplots(figsize=(9, 2.2), layout="constrained")
    ax.imshow(mosaic(list(rows.values())), cmap="gray_r", vmin=0, vmax=1)
    ax.set(title=f"Quinze images de test, redessinées d'après {code_size} nombres", xticks=[])
    ax.set_yticks([9 * i + 4 for i in range(len(rows))], list(rows))
    return figure


@cache
def import_keras():
    """Le module Keras, sur TensorFlow et sur processeur, sans les lignes que TensorFlow écrit au
    démarrage.

    Lève `SystemExit`, en une ligne, si TensorFlow n'est pas installé : il n'existe ni pour Mac
    Intel ni pour Windows ARM.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # d'autres instructions arrondiraient autrement
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
    screen, devnull = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)  # la variable ci-dessus ne fait pas taire CUDA, qui écrit hors de Python
    try:
        with open(screen, "w", encoding="utf-8", closefd=False) as file:
            with Console(file=file, force_jupyter=False, force_terminal=file.isatty()).status(
                "TensorFlow se charge"
            ):
                import keras
                import tensorflow
        tensorflow.config.set_visible_devices([], "GPU")
        keras.ops.zeros(1)
        keras.utils.disable_interactive_logging()  # pas de barre à chaque prédiction
    except ImportError:
        raise SystemExit(
            "L'autoencodeur demande TensorFlow, absent ici (il n'existe ni pour Mac Intel ni pour Windows ARM)."
        ) from None
    finally:
        os.dup2(screen, 2)
        os.close(screen)
        os.close(devnull)
    return keras


PATIENCE, BATCH_SIZE, LEARNING_RATE = 5, 64, 0.01  # époques, images, pas d'Adam


def build_autoencoder(code_size: int = 8, seed: int = 0):
    """Deux modèles Keras qui partagent leurs poids : l'autoencodeur, (n, 64) vers (n, 64), et
    l'encodeur, (n, 64) vers (n, code_size).

    La perte est l'erreur quadratique moyenne par pixel. La graine fixe aussi l'ordre des images
    pendant l'apprentissage.
    """
    keras = import_keras()
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    encoder = keras.Sequential(
        [keras.Input((64,)), layers.Dense(64, activation="relu"), layers.Dense(code_size)],
        name="encoder",
    )
    decoder = keras.Sequential(
        [
            keras.Input((code_size,)),
            layers.Dense(64, activation="relu"),
            layers.Dense(64, activation="sigmoid"),
        ]
    )
    autoencoder = keras.Sequential([encoder, decoder], name="autoencoder")
    autoencoder.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE), loss="mse")
    return autoencoder, encoder


def fit_autoencoder(autoencoder, images: Split, epochs: int = 200, callbacks: list = ()):
    """Apprend jusqu'à ce que la perte de validation stagne `PATIENCE` époques, puis reprend les
    poids de la meilleure.

    Renvoie l'historique de Keras : `history["loss"]` et `history["val_loss"]`, une valeur par
    époque.
    """
    keras = import_keras()
    patience = keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=PATIENCE, restore_best_weights=True
    )
    train, valid = (part.to_numpy("float32") for part in (images.X_train, images.X_valid))
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Époques", total=epochs)
        advance = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: bar.advance(task))
        return autoencoder.fit(
            train, train, validation_data=(valid, valid), epochs=epochs, batch_size=BATCH_SIZE, verbose=0,
            callbacks=[*callbacks, patience, advance],
        )  # fmt: skip


def encode(encoder, X: pd.DataFrame) -> pd.DataFrame:
    """Les codes des images, forme (n, taille du code), une colonne par nombre du code."""
    codes = encoder(X.to_numpy("float32")).numpy().astype(float)
    return pd.DataFrame(codes, columns=[f"code_{i}" for i in range(codes.shape[1])], index=X.index)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Les dépendances d'un modèle

# COMMAND ----------

def pins(*names: str) -> list[str]:
    """Les bibliothèques nommées, aux versions d'aujourd'hui : `["mlflow==3.17.2", ...]`, pour
    `pip_requirements`.
    """
    return [f"{name}=={version(name)}" for name in names]


def sklearn_pins() -> list[str]:
    """Ce qu'il faut pour relire un K-Means."""
    return pins("mlflow", "scikit-learn", "skops", "pandas", "numpy")


def keras_pins() -> list[str]:
    """Ce qu'il faut pour relire un réseau."""
    return pins("mlflow", "tensorflow", "keras", "pandas", "numpy")
