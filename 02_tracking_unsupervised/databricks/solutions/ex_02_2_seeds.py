# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis solutions/ex_02_2_seeds.py par tools/build.py. -->
# MAGIC # Exercice 02-2, solution : une autre graine, un autre sommet
# MAGIC
# MAGIC **Question.** Dans la leçon, l'ARI est le plus haut à 11 groupes. Chaque K-Means y essayait dix
# MAGIC départs (`n_init=10`) et gardait le meilleur. Avec un seul départ, et dix graines différentes, où
# MAGIC est le sommet ?
# MAGIC
# MAGIC Votre pronostic : combien de graines le mettront au même endroit que la leçon ?

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
from mlflow.models import infer_signature
from sklearn.cluster import KMeans

# COMMAND ----------

# MAGIC %md
# MAGIC ## Une courbe par graine
# MAGIC
# MAGIC Une métrique peut avoir une histoire. Ici, le pas (`step`) n'est pas le temps, c'est le nombre de
# MAGIC groupes : l'interface trace alors l'ARI en fonction de k, et superpose les graines.

# COMMAND ----------

X, y = load_images()
signature = infer_signature(X, np.zeros(len(X), dtype="int32"))
requirements = pins("scikit-learn", "skops")
# solution : dix graines, de 0 à 9
seeds = range(10)
# départ
# seeds = [0]
# fin

# solution : choisissez l'expérience « 02_tracking_unsupervised »
mlflow.set_experiment("/Shared/02_tracking_unsupervised")
# fin
print("graine  sommet    ARI  ARI à k=11")
for seed in seeds:
    models = {k: KMeans(k, n_init=1, random_state=seed).fit(X) for k in range(8, 16)}
    scores = {k: external_indices(y, models[k].labels_)["ari"] for k in models}
    best = max(scores, key=scores.get)
    # solution : un run, avec l'étiquette `exercise`, qui vaut « 02-2 », les paramètres `seed`
    # et `n_clusters` (le sommet), la courbe (métrique `ari`, pas = k) et le modèle du sommet
    with mlflow.start_run(run_name=f"graine {seed}"):
        mlflow.set_tag("exercise", "02-2")
        mlflow.log_params({"seed": seed, "n_init": 1, "n_clusters": best})
        for k, score in scores.items():
            mlflow.log_metric("ari", score, step=k)
        mlflow.sklearn.log_model(
            models[best], name="kmeans", signature=signature, pip_requirements=requirements
        )
    # fin
    print(f"{seed:6}  {best:6}  {scores[best]:.3f}  {scores[11]:10.3f}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC | sommet | graines |
# MAGIC |---|---|
# MAGIC | 12 groupes | 0, 3, 5, 6, 7, 8, 9 |
# MAGIC | 13 groupes | 2, 4 |
# MAGIC | 14 groupes | 1 |
# MAGIC
# MAGIC Aucune graine ne met le sommet là où la leçon l'a trouvé. À 12 groupes, l'ARI va de 0.589 à 0.753
# MAGIC selon la graine. Donner une graine rend un nombre répétable, pas vrai.
