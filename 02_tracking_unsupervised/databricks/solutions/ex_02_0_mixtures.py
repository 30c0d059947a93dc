# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis solutions/ex_02_0_mixtures.py par tools/build.py. -->
# MAGIC # Exercice 02-0, solution : suivre un balayage qui ne l'est pas
# MAGIC
# MAGIC **Question.** Voici un script de scikit-learn, sans MLflow ni rien du cours : il partage 178 vins
# MAGIC en groupes, par un mélange de lois normales. Que faut-il y ajouter pour que chaque essai se
# MAGIC retrouve, avec son modèle, et que le magasin dise lequel garder ?
# MAGIC
# MAGIC Plus son BIC (*Bayesian information criterion*) est bas, meilleur est le mélange : il récompense
# MAGIC la vraisemblance, et pénalise chaque paramètre de plus. Les vins viennent de trois cépages : votre
# MAGIC pronostic, combien de groupes gardera-t-il ?

# COMMAND ----------

# MAGIC %pip install mlflow==3.17.2 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

# solution : importez MLflow
import mlflow

# fin
from sklearn.datasets import load_wine
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X = load_wine(as_frame=True).data  # 178 vins, 13 mesures

models, bic = {}, {}
for k in range(1, 6):
    models[k] = make_pipeline(StandardScaler(), GaussianMixture(k, random_state=0)).fit(X)
    bic[k] = models[k][-1].bic(models[k][:-1].transform(X))
    print(f"groupes : {k}, BIC : {bic[k]:.1f}")

# solution : un run parent, dans l'expérience « 02_tracking_unsupervised », avec l'étiquette
# `exercise`, qui vaut « 02-0 ». Dans ce parent, un run enfant par nombre de groupes, qui garde le
# paramètre `n_components`, la métrique `bic` et le modèle. Retrouvez ensuite le meilleur enfant par
# `mlflow.search_runs`, et donnez au parent la métrique `k_bic` : le nombre de groupes à garder.
mlflow.set_experiment("/Shared/02_tracking_unsupervised")
with mlflow.start_run(run_name="mélanges k=1 à 5") as parent:
    mlflow.set_tag("exercise", "02-0")
    for k, model in models.items():
        with mlflow.start_run(run_name=f"mélange k={k}", nested=True):
            mlflow.log_param("n_components", k)
            mlflow.log_metric("bic", bic[k])
            mlflow.sklearn.log_model(model, name="mixture")
    found = mlflow.search_runs(
        filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'",
        order_by=["metrics.bic ASC"],
    )
    best = int(found["params.n_components"][0])
    mlflow.log_metric("k_bic", best)
print(f"Retrouvé dans le magasin : {found['tags.mlflow.runName'][0]}, à garder")
# fin

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC Seize lignes, et le balayage se retrouve. Le BIC est le plus bas à 2 groupes : 5608.3, contre
# MAGIC 5842.3 à 3. Jugé après coup, avec les trois cépages, le partage en 3 groupes est pourtant le
# MAGIC meilleur des deux : son ARI est de 0.897, contre 0.461 pour l'autre. Un indice interne ne cherche
# MAGIC pas vos classes.
# MAGIC
# MAGIC `search_runs` parcourt toute l'expérience, où les autres scripts de la leçon écrivent aussi : le
# MAGIC filtre sur `parentRunId` n'en garde que ces cinq enfants.
