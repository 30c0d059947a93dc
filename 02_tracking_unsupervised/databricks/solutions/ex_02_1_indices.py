# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis solutions/ex_02_1_indices.py par tools/build.py. -->
# MAGIC # Exercice 02-1, solution : quatre indices d'accord ont-ils raison ?
# MAGIC
# MAGIC **Question.** Dans la leçon, K-Means a groupé des pixels. Donnez-lui huit composantes (ACP) au
# MAGIC lieu des 64 pixels : que recommande chaque indice, et que préfèrent les vrais chiffres ?
# MAGIC
# MAGIC | ce qui choisit, sur les pixels | groupes |
# MAGIC |---|---|
# MAGIC | coude, silhouette, Davies-Bouldin | 9 |
# MAGIC | Calinski-Harabasz | 2 |
# MAGIC
# MAGIC Votre pronostic : cinq nombres de groupes, celui des vrais chiffres compris.

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1 threadpoolctl==3.8.0
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

# MAGIC %run ../digits

# COMMAND ----------

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

# COMMAND ----------

# MAGIC %md
# MAGIC ## Un parent, un enfant par nombre de groupes
# MAGIC
# MAGIC L'ACP entre dans le pipeline, donc dans le modèle. Les indices se mesurent là où K-Means mesure
# MAGIC ses distances : sur `seen`.

# COMMAND ----------

X, y = load_images()
signature = infer_signature(X, np.zeros(len(X), dtype="int32"))
requirements = pins("scikit-learn", "skops")  # sinon, MLflow les cherche à chaque modèle
rows = []

mlflow.set_experiment("/Shared/02_tracking_unsupervised")
with mlflow.start_run(run_name="k par indice") as parent:
    mlflow.set_tag("exercise", "02-1")
    mlflow.log_params({"k_min": 2, "k_max": 20, "n_init": 10, "seed": 0})
    for k in range(2, 21):
        kmeans = KMeans(k, n_init=10, random_state=0)
        # solution : le pipeline qui passe les images par une ACP de huit composantes, de
        # graine 0, avant K-Means ; puis ce que K-Means en voit
        model = make_pipeline(PCA(8, random_state=0), kmeans).fit(X)
        seen = model[:-1].transform(X)
        # départ
        # model = make_pipeline(kmeans).fit(X)
        # seen = X  # les pixels
        # fin
        metrics = internal_indices(seen, kmeans) | external_indices(y, kmeans.labels_)
        rows.append({"k": k, **metrics})
        # solution : un run enfant, avec le paramètre `n_clusters`, le modèle (`signature=` et
        # `pip_requirements=`), et ses métriques, reliées au modèle par `model_id=`
        with mlflow.start_run(run_name=f"k={k}", nested=True):
            mlflow.log_params({"n_clusters": k, "n_init": 10, "seed": 0})
            logged = mlflow.sklearn.log_model(
                model, name="kmeans", signature=signature, pip_requirements=requirements
            )
            mlflow.log_metrics(metrics, model_id=logged.model_id)
        # fin

# COMMAND ----------

# MAGIC %md
# MAGIC ## Ce que chacun recommande
# MAGIC
# MAGIC Certains indices doivent être élevés, d'autres bas ; l'inertie, elle, descend toujours : on
# MAGIC cherche son coude.

# COMMAND ----------

table = pd.DataFrame(rows).set_index("k")
# solution : quatre recommandations de plus : `k_elbow`, `k_davies_bouldin`,
# `k_calinski_harabasz` et `k_ari`
chosen = {
    "k_elbow": elbow(table.index.tolist(), table.inertia.tolist()),
    "k_silhouette": int(table.silhouette.idxmax()),
    "k_davies_bouldin": int(table.davies_bouldin.idxmin()),
    "k_calinski_harabasz": int(table.calinski_harabasz.idxmax()),
    "k_ari": int(table.ari.idxmax()),
}
# départ
# chosen = {"k_silhouette": int(table.silhouette.idxmax())}
# fin
for name, k in chosen.items():
    print(f"{name} : {k} groupes, ARI {table.ari[k]:.3f}")

# solution : rouvrez le run parent (`run_id=`), et donnez-lui ces recommandations en métriques
with mlflow.start_run(run_id=parent.info.run_id):
    mlflow.log_metrics(chosen)
# fin

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC | ce qui choisit | groupes | ARI |
# MAGIC |---|---|---|
# MAGIC | coude de l'inertie | 9 | 0.587 |
# MAGIC | silhouette | 9 | 0.587 |
# MAGIC | Davies-Bouldin | 9 | 0.587 |
# MAGIC | Calinski-Harabasz | 9 | 0.587 |
# MAGIC | ARI, qui voit les classes | 12 | 0.649 |
# MAGIC
# MAGIC Les quatre indices sont unanimes, et les vrais chiffres préfèrent un autre partage. L'accord de
# MAGIC plusieurs indices n'est pas une preuve : aucun ne voit les classes.
