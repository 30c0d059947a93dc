# %% [markdown]
# # Leçon 2, script 1 : combien de groupes ?
#
# **Question.** Sans connaître les classes, dix-neuf K-Means sauraient-ils dire qu'il y a dix
# chiffres ?
#
# Quatre façons de choisir, sans les classes : le coude de l'inertie, la silhouette, Davies-Bouldin,
# Calinski-Harabasz. Notez le nombre de groupes que chacune va recommander, puis celui que
# préféreront les vrais chiffres.

# %% [markdown] tags=["local"]
# ```
# uv run 02_tracking_unsupervised/local/01_kmeans_sweep.py
# ```
#
# Dix secondes : dix-neuf runs, chacun avec son modèle.

# %% tags=["local"]
from store import open_store  # en premier : Ctrl-C se dit alors en une ligne

# %%
import argparse

import matplotlib.pyplot as plt
import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from rich.console import Console
from rich.progress import track
from sklearn.cluster import KMeans

from digits import (
    draw_centroids,
    draw_indices,
    elbow,
    external_indices,
    internal_indices,
    load_images,
    sklearn_pins,
)
from options import short_text, whole_number

# %% tags=["parameters"]
parser = argparse.ArgumentParser(
    description="Partage les chiffres en 2, 3, ... groupes et compare quatre façons de choisir."
)
parser.add_argument(
    "--experiment", type=short_text, default="02_tracking_unsupervised"
)  # databricks: "/Shared/02_tracking_unsupervised"
parser.add_argument(
    "--k-max",
    type=whole_number(2, 50),
    default=20,
    help="le plus grand nombre de groupes, entre 2 et 50",
)
parser.add_argument(
    "--seed", type=whole_number(0, 2**32 - 1), default=0, help="la graine des centres de départ"
)
args = parser.parse_args()

# %% tags=["local"]
open_store()

# %%
X, y = load_images()
requirements = sklearn_pins()
# 64 pixels entrent, un numéro de groupe sort
signature = infer_signature(X, np.zeros(len(X), dtype="int32"))

# %% [markdown]
# ## Un run parent, un run enfant par nombre de groupes
#
# Ce qui vaut pour tous (jeu de données, figures, description) va au parent ; chaque enfant a ses
# paramètres, ses métriques et son modèle. `ari` et `nmi` comparent aux vrais chiffres : ils jugent,
# ils ne choisissent pas.

# %%
models, rows = {}, []
mlflow.set_experiment(args.experiment)
with mlflow.start_run(run_name=f"kmeans k=2 à {args.k_max}") as parent:
    mlflow.log_input(mlflow.data.from_pandas(X, name="digits"), context="training")
    mlflow.log_params({"k_min": 2, "k_max": args.k_max, "n_init": 10, "seed": args.seed})
    for k in track(
        range(2, args.k_max + 1), "K-Means", console=Console(stderr=True), transient=True
    ):
        with mlflow.start_run(run_name=f"kmeans k={k}", nested=True):
            mlflow.log_params({"n_clusters": k, "n_init": 10, "seed": args.seed})
            models[k] = KMeans(n_clusters=k, n_init=10, random_state=args.seed).fit(X)
            metrics = internal_indices(X, models[k]) | external_indices(y, models[k].labels_)
            logged = mlflow.sklearn.log_model(
                models[k], name="kmeans", signature=signature, pip_requirements=requirements
            )
            mlflow.log_metrics(metrics, model_id=logged.model_id)
            rows.append({"k": k, **metrics})

# %% [markdown]
# ## Ce que chaque indice recommande
#
# Un run terminé se rouvre : `start_run(run_id=...)` ajoute au parent les recommandations et les
# deux figures.

# %%
table = pd.DataFrame(rows).set_index("k")
chosen = {
    "k_elbow": elbow(table.index.tolist(), table.inertia.tolist()),
    "k_silhouette": int(table.silhouette.idxmax()),
    "k_davies_bouldin": int(table.davies_bouldin.idxmin()),
    "k_calinski_harabasz": int(table.calinski_harabasz.idxmax()),
    "k_ari": int(table.ari.idxmax()),
}
curves, pictures = draw_indices(table, chosen), draw_centroids(models)
# databricks: display(curves)
# databricks: display(pictures)

with mlflow.start_run(run_id=parent.info.run_id):
    mlflow.log_metrics(chosen)
    mlflow.log_figure(curves, "indices.png")
    mlflow.log_figure(pictures, "centroids.png")
    mlflow.set_tag(
        "mlflow.note.content",
        f"K-Means sur les pixels, k de 2 à {args.k_max} : ce que chaque indice recommande.",
    )
plt.close("all")

# %%
labels = (
    "coude",
    "silhouette",
    "Davies-Bouldin",
    "Calinski-Harabasz",
    "ARI, qui voit les vrais chiffres",
)
for label, k in zip(labels, chosen.values(), strict=True):
    print(f"{label} : {k} groupes (ARI {table.ari[k]:.3f})")

# %% tags=["local"]
print("Ensuite : uv run 02_tracking_unsupervised/local/02_autoencoder.py")

# %% [markdown]
# ## À retenir
#
# | ce qui choisit | groupes | ARI |
# |---|---|---|
# | coude de l'inertie | 9 | 0.600 |
# | silhouette | 9 | 0.600 |
# | Davies-Bouldin | 9 | 0.600 |
# | Calinski-Harabasz | 2 | 0.138 |
# | ARI, qui voit les classes | 11 | 0.731 |
#
# Aucun indice ne recommande dix groupes. C'est qu'ils ne cherchent pas les chiffres : les 9 groupes
# de K-Means ont une silhouette de 0.189, le partage en vrais chiffres n'a que 0.163. À 9 groupes,
# 165 « trois » et 145 « neuf » sont ensemble ; à 10, ce sont 100 « un » et 100 « huit ». Un onzième
# groupe les sépare, et l'ARI monte. Calinski-Harabasz baisse à chaque groupe de plus : il
# recommande le plus petit nombre essayé.
#
# Avec `--seed 4`, le sommet de l'ARI passe à 12 groupes : ne concluez pas d'une seule graine.
