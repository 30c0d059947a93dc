# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/01_kmeans_sweep.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Leçon 2, script 1 : combien de groupes ?
# MAGIC
# MAGIC **Question.** Sans connaître les classes, dix-neuf K-Means sauraient-ils dire qu'il y a dix
# MAGIC chiffres ?
# MAGIC
# MAGIC Quatre façons de choisir, sans les classes : le coude de l'inertie, la silhouette, Davies-Bouldin,
# MAGIC Calinski-Harabasz. Notez le nombre de groupes que chacune va recommander, puis celui que
# MAGIC préféreront les vrais chiffres.

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 rich==15.0.0 scikit-learn==1.9.1 threadpoolctl==3.8.0
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./digits

# COMMAND ----------

# MAGIC %run ./options

# COMMAND ----------

import matplotlib.pyplot as plt
import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from rich.console import Console
from rich.progress import track
from sklearn.cluster import KMeans

# COMMAND ----------

from types import SimpleNamespace

dbutils.widgets.text("experiment", "/Shared/02_tracking_unsupervised")
dbutils.widgets.text("k_max", "20")  # le plus grand nombre de groupes, entre 2 et 50
dbutils.widgets.text("seed", "0")  # la graine des centres de départ

args = SimpleNamespace(
    experiment=short_text(dbutils.widgets.get("experiment")),
    k_max=whole_number(2, 50)(dbutils.widgets.get("k_max")),
    seed=whole_number(0, 2**32 - 1)(dbutils.widgets.get("seed")),
)

# COMMAND ----------

X, y = load_images()
requirements = sklearn_pins()
# 64 pixels entrent, un numéro de groupe sort
signature = infer_signature(X, np.zeros(len(X), dtype="int32"))

# COMMAND ----------

# MAGIC %md
# MAGIC ## Un run parent, un run enfant par nombre de groupes
# MAGIC
# MAGIC Ce qui vaut pour tous (jeu de données, figures, description) va au parent ; chaque enfant a ses
# MAGIC paramètres, ses métriques et son modèle. `ari` et `nmi` comparent aux vrais chiffres : ils jugent,
# MAGIC ils ne choisissent pas.

# COMMAND ----------

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

# COMMAND ----------

# MAGIC %md
# MAGIC ## Ce que chaque indice recommande
# MAGIC
# MAGIC Un run terminé se rouvre : `start_run(run_id=...)` ajoute au parent les recommandations et les
# MAGIC deux figures.

# COMMAND ----------

table = pd.DataFrame(rows).set_index("k")
chosen = {
    "k_elbow": elbow(table.index.tolist(), table.inertia.tolist()),
    "k_silhouette": int(table.silhouette.idxmax()),
    "k_davies_bouldin": int(table.davies_bouldin.idxmin()),
    "k_calinski_harabasz": int(table.calinski_harabasz.idxmax()),
    "k_ari": int(table.ari.idxmax()),
}
curves, pictures = draw_indices(table, chosen), draw_centroids(models)
display(curves)
display(pictures)

with mlflow.start_run(run_id=parent.info.run_id):
    mlflow.log_metrics(chosen)
    mlflow.log_figure(curves, "indices.png")
    mlflow.log_figure(pictures, "centroids.png")
    mlflow.set_tag(
        "mlflow.note.content",
        f"K-Means sur les pixels, k de 2 à {args.k_max} : ce que chaque indice recommande.",
    )
plt.close("all")

# COMMAND ----------

labels = (
    "coude",
    "silhouette",
    "Davies-Bouldin",
    "Calinski-Harabasz",
    "ARI, qui voit les vrais chiffres",
)
for label, k in zip(labels, chosen.values(), strict=True):
    print(f"{label} : {k} groupes (ARI {table.ari[k]:.3f})")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC | ce qui choisit | groupes | ARI |
# MAGIC |---|---|---|
# MAGIC | coude de l'inertie | 9 | 0.600 |
# MAGIC | silhouette | 9 | 0.600 |
# MAGIC | Davies-Bouldin | 9 | 0.600 |
# MAGIC | Calinski-Harabasz | 2 | 0.138 |
# MAGIC | ARI, qui voit les classes | 11 | 0.731 |
# MAGIC
# MAGIC Aucun indice ne recommande dix groupes. C'est qu'ils ne cherchent pas les chiffres : les 9 groupes
# MAGIC de K-Means ont une silhouette de 0.189, le partage en vrais chiffres n'a que 0.163. À 9 groupes,
# MAGIC 165 « trois » et 145 « neuf » sont ensemble ; à 10, ce sont 100 « un » et 100 « huit ». Un onzième
# MAGIC groupe les sépare, et l'ARI monte. Calinski-Harabasz baisse à chaque groupe de plus : il
# MAGIC recommande le plus petit nombre essayé.
# MAGIC
# MAGIC Avec `seed 4`, le sommet de l'ARI passe à 12 groupes : ne concluez pas d'une seule graine.

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [02_autoencoder]($./02_autoencoder)
