# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis solutions/ex_04_2_rollback.py par tools/build.py. -->
# MAGIC # Exercice 04-2, solution : revenir en arrière
# MAGIC
# MAGIC **Question.** La version promue hier ne répond plus jamais `cultivar_2`. Rendez le service à la
# MAGIC version d'avant, sans rien effacer : qui relira l'histoire doit comprendre ce qui s'est passé.
# MAGIC
# MAGIC Votre pronostic : combien de gestes, et combien de fichiers copiés ?

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

# MAGIC %run ../wines

# COMMAND ----------

from datetime import UTC, datetime

import mlflow
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

# COMMAND ----------

# MAGIC %md
# MAGIC ## La promotion d'hier
# MAGIC
# MAGIC Une forêt en service, un arbre réduit à une question (`max_depth=1`) par erreur, promu sans être
# MAGIC regardé.

# COMMAND ----------

dbutils.widgets.text("MODEL", "workspace.default.exercise_04_2")
MODEL = dbutils.widgets.get("MODEL")
wines = load_wines()
yesterday = {
    "random_forest": make_pipeline(RandomForestClassifier(n_estimators=50, random_state=0)),
    "decision_tree": make_pipeline(DecisionTreeClassifier(max_depth=1, random_state=0)),
}
client = MlflowClient()
mlflow.set_experiment("/Shared/04_model_registry_azureml")

versions = []
for name, model in yesterday.items():
    with mlflow.start_run(run_name=name):
        mlflow.set_tag("exercise", "04-2")
        model.fit(wines.X_train, wines.y_train)
        logged = mlflow.sklearn.log_model(
            model,
            name=name,
            signature=infer_signature(wines.X_train, wines.y_train),
            pip_requirements=requirements,
            serialization_format="skops",
            skops_trusted_types=["sklearn.tree._tree.Tree"],
        )
    versions.append(mlflow.register_model(logged.model_uri, MODEL).version)
good, bad = versions
now = datetime.now(UTC)
client.set_registered_model_tag(MODEL, "exercise", "04-2")
client.set_registered_model_tag(
    MODEL,
    f"history_{now:%Y%m%d_%H%M%S_%f}",
    f"{now:%Y-%m-%d %H:%M} UTC, @champion : {good} -> {bad}",
)
client.set_registered_model_alias(MODEL, "champion", bad)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Le symptôme

# COMMAND ----------

champion = mlflow.sklearn.load_model(f"models:/{MODEL}@champion")
answered = champion.predict(wines.X_train)
count = sum(answered == "cultivar_2")
print(f"@champion : version {bad}. Sur {len(answered)} vins, réponses cultivar_2 : {count}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À vous
# MAGIC
# MAGIC L'alias d'abord : c'est lui que le service lit. Puis ce que le registre, seul, oublierait.

# COMMAND ----------

# solution : @champion à la version d'avant ; sur la fautive, `decision` et `reason` ; sur le nom,
# une étiquette `history_...` de plus
client.set_registered_model_alias(MODEL, "champion", good)
client.set_model_version_tag(MODEL, bad, "decision", "rolled back")
client.set_model_version_tag(
    MODEL, bad, "reason", "max_depth=1 : cette version ne répond jamais cultivar_2"
)
now = datetime.now(UTC)
told = f"{now:%Y-%m-%d %H:%M} UTC, @champion : {bad} -> {good}, retour en arrière"
client.set_registered_model_tag(MODEL, f"history_{now:%Y%m%d_%H%M%S_%f}", told)
answered = mlflow.sklearn.load_model(f"models:/{MODEL}@champion").predict(wines.X_train)
count = sum(answered == "cultivar_2")
print(f"@champion : version {good}. Sur {len(answered)} vins, réponses cultivar_2 : {count}")
# fin

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC Sur 133 vins, la version fautive répond `cultivar_2` 0 fois, celle d'avant 36 fois. Un appel
# MAGIC suffit à rendre le service, et rien n'est copié : les deux versions sont toujours là. Les trois
# MAGIC autres appels n'y changent rien ; ils disent pourquoi, à qui demandera dans six mois.
