# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/01_kmeans_sweep.py par tools/build.py. -->
# MAGIC # Leçon 2, script 1 : combien de groupes ?
# MAGIC
# MAGIC **Question.** Sans connaître les classes, dix-neuf K-Means sauraient-ils dire qu'il y a dix
# MAGIC chiffres ?
# MAGIC
# MAGIC Quatre façons de choisir, sans les classes : le coude de l'inertie, la silhouette, Davies-Bouldin,
# MAGIC Calinski-Harabasz. Notez le nombre de groupes que chacune va recommander, puis celui que
# MAGIC préféreront les vrais chiffres.

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1 threadpoolctl==3.8.0
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

# MAGIC %run ./digits

# COMMAND ----------

import matplotlib.pyplot as plt
import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from sklearn.cluster import KMeans

# COMMAND ----------

K_MAX = 20  # le plus grand nombre de groupes
SEED = 0  # la graine des centres de départ

X, y = load_images()
requirements = pins("scikit-learn", "skops")
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
mlflow.set_experiment("/Shared/02_tracking_unsupervised")
with mlflow.start_run(
    run_name=f"kmeans k=2 à {K_MAX}",
    description=f"K-Means sur les pixels, k de 2 à {K_MAX} : ce que chaque indice recommande.",
) as parent:
    mlflow.log_input(mlflow.data.from_pandas(X, name="digits"), context="training")
    mlflow.log_params({"k_min": 2, "k_max": K_MAX, "n_init": 10, "seed": SEED})
    for k in range(2, K_MAX + 1):
        with mlflow.start_run(run_name=f"kmeans k={k}", nested=True):
            mlflow.log_params({"n_clusters": k, "n_init": 10, "seed": SEED})
            models[k] = KMeans(n_clusters=k, n_init=10, random_state=SEED).fit(X)
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
axes = table.iloc[:, :4].plot(subplots=True, layout=(2, 2), figsize=(9, 6), marker="o")
for ax, k in zip(axes.flat, chosen.values(), strict=False):  # l'ARI n'a pas sa courbe
    ax.axvline(k, color="tab:red", linestyle=":", label=f"recommande {k}")
    ax.legend()
curves = axes[0, 0].figure
centers = {k: model.cluster_centers_ for k, model in models.items()}
pictures = draw_rows(centers, "Les centres des groupes, un nombre de groupes par rangée")
display(curves)
display(pictures)

with mlflow.start_run(run_id=parent.info.run_id):
    mlflow.log_metrics(chosen)
    mlflow.log_figure(curves, "indices.png")
    mlflow.log_figure(pictures, "centroids.png")
plt.close("all")

# COMMAND ----------

labels = ["coude", "silhouette", "Davies-Bouldin", "Calinski-Harabasz"]
labels += ["ARI, qui voit les vrais chiffres"]
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
# MAGIC de K-Means ont une silhouette de 0.189, le partage en vrais chiffres n'a que 0.163.
# MAGIC Calinski-Harabasz baisse à chaque groupe de plus : il recommande le plus petit nombre essayé.
# MAGIC
# MAGIC Voici ce que K-Means réunit dans un même groupe :
# MAGIC
# MAGIC | groupes demandés | chiffres dessinés réunis |
# MAGIC |---|---|
# MAGIC | 9 | « trois » (165 images) et « neuf » (145 images) |
# MAGIC | 10 | « un » (100 images) et « huit » (100 images) |
# MAGIC
# MAGIC Un onzième groupe sépare les derniers, et l'ARI monte. Ce sommet dépend aussi du hasard : avec une
# MAGIC autre graine (`SEED = 4`, en haut du script), il se déplace d'un cran.

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [02_autoencoder]($./02_autoencoder)
