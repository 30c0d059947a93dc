# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis exercises/ex_04_1_promotion.py par tools/build.py. -->
# MAGIC # Exercice 04-1 : une promotion qui ne doit pas se faire
# MAGIC
# MAGIC **Question.** Trois équipes ont inscrit leur modèle et noté son exactitude : 0.967, 1.000 et
# MAGIC 0.970. Le premier est en service. Qui promouvez-vous, et que répondez-vous aux autres ?
# MAGIC
# MAGIC Votre pronostic : avant de lancer, quelle exactitude vous paraît suspecte ?

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

# MAGIC %run ../wines

# COMMAND ----------

import mlflow
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

# COMMAND ----------

# MAGIC %md
# MAGIC ## Ce que les équipes ont fait
# MAGIC
# MAGIC Chacune a noté `accuracy`, mesurée à sa façon. Relancer ce script ajoute trois versions et remet
# MAGIC la première en service.

# COMMAND ----------

dbutils.widgets.text("MODEL", "workspace.default.exercise_04_1")
MODEL = dbutils.widgets.get("MODEL")
wines = load_wines()
teams = {
    "random_forest": make_pipeline(RandomForestClassifier(n_estimators=50, random_state=0)),
    "k_nearest_neighbors": make_pipeline(KNeighborsClassifier(1)),
    "svm_rbf": make_pipeline(StandardScaler(), SVC()),
}
trusted = [
    "sklearn.tree._tree.Tree",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
]
client = MlflowClient()
mlflow.set_experiment("/Shared/04_model_registry_azureml")

versions, claimed = {}, {}
for name, model in teams.items():
    with mlflow.start_run(run_name=name):
        mlflow.set_tag("exercise", "04-1")
        model.fit(wines.X_train, wines.y_train)
        claimed[name] = cross_validated(model, wines.X_train, wines.y_train)["cv_accuracy"]
        if name == "k_nearest_neighbors":
            claimed[name] = accuracy_score(wines.y_train, model.predict(wines.X_train))
        mlflow.log_metric("accuracy", claimed[name])
        signature = infer_signature(wines.X_train, wines.y_train)
        logged = mlflow.sklearn.log_model(
            model,
            name=name,
            signature=signature,
            pip_requirements=requirements,
            serialization_format="skops",
            skops_trusted_types=trusted,
        )
    versions[name] = mlflow.register_model(logged.model_uri, MODEL).version
    print(f"version {versions[name]} : {name}, exactitude annoncée {claimed[name]:.3f}")
client.set_registered_model_tag(MODEL, "exercise", "04-1")
champion = versions["random_forest"]
client.set_registered_model_alias(MODEL, "champion", champion)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Ce que vous décidez
# MAGIC
# MAGIC La règle de la leçon : au moins 0.01 d'exactitude en plus, et aucun cultivar moins bien reconnu,
# MAGIC sur les mêmes 25 plis pour tous.

# COMMAND ----------

# Votre code ici : jugez chaque candidat (`cross_validated`, `compare`) ; sur sa version, `decision` et
# `reason` ; @champion, s'il le faut
winner = max(claimed, key=claimed.get)  # l'exactitude annoncée fait foi ?
client.set_registered_model_alias(MODEL, "champion", versions[winner])
print(f"promu sur parole : {winner}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Votre réponse
# MAGIC
# MAGIC Notez ici ce que vous avez trouvé, en nombres, et ce que cela change à votre pronostic.
