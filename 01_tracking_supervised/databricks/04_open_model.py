# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/04_open_model.py par tools/build.py. -->
# MAGIC # Leçon 1, script 4 : ouvrir un modèle
# MAGIC
# MAGIC **Question.** Un modèle enregistré par MLflow, est-ce un fichier, un dossier, ou un objet Python ?
# MAGIC Pronostic : que répondra-t-il si l'on oublie une colonne ? Et si un nombre arrive sous forme de
# MAGIC texte ?

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

# MAGIC %run ./patients

# COMMAND ----------

import sys
from pathlib import Path

import mlflow

# COMMAND ----------

# MAGIC %md
# MAGIC ## Une adresse, un dossier
# MAGIC
# MAGIC Le script précédent avait l'adresse du modèle sous la main : `logged.model_uri`, ce que rend
# MAGIC `log_model`. Un autre programme la demande au magasin, qui cherche dans l'expérience choisie par
# MAGIC `set_experiment`, le modèle le plus récent d'abord.

# COMMAND ----------

mlflow.set_experiment("/Shared/01_tracking_supervised")
found = mlflow.search_logged_models(filter_string="name = 'svm_complet'", output_format="list")
if not found:
    first = "uv run 01_tracking_supervised/local/03_full_run.py"
    sys.exit(f"Pas encore de modèle à ouvrir. Lancez d'abord : {first}")
logged = found[0]
folder = Path(mlflow.artifacts.download_artifacts(logged.model_uri))
files = ", ".join(sorted(path.name for path in folder.iterdir()))
print(f"{logged.model_uri} est un dossier : {files}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Deux saveurs, une seule prédiction
# MAGIC
# MAGIC Une *saveur* (*flavor*) est une manière d'ouvrir le modèle. `sklearn` rend l'objet d'origine ;
# MAGIC `python_function` (pyfunc) rend un objet qui ne sait que prédire, le même pour toutes les
# MAGIC bibliothèques : c'est lui que les services utilisent.

# COMMAND ----------

X = load_patients().X_valid
pipeline = mlflow.sklearn.load_model(logged.model_uri)
function = mlflow.pyfunc.load_model(logged.model_uri)
usual = pipeline.predict(X)
equal = (usual == function.predict(X)).sum()
names = f"{type(pipeline).__name__} et {type(function).__name__}"
print(f"{names} : {equal} prédictions égales sur {len(X)}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## La signature refuse
# MAGIC
# MAGIC Avant de prédire, pyfunc compare les données à la signature : trente nombres, chacun par son nom.
# MAGIC scikit-learn, lui, convertit le texte sans rien dire.

# COMMAND ----------

columns = function.metadata.signature.inputs.inputs
print(f"Signature : {len(columns)} colonnes, {columns[0]} en tête")
damaged = {
    "une colonne oubliée": X.drop(columns="mean radius"),
    "un nombre devenu texte": X.astype({"mean radius": str}),
    "les colonnes à l'envers": X[X.columns[::-1]],
}
for damage, table in damaged.items():
    answers = []
    for flavor in (pipeline, function):
        try:
            answers.append(f"prédit ({(flavor.predict(table) == usual).sum()} réponses inchangées)")
        except (mlflow.MlflowException, ValueError):
            answers.append("refuse")
    print(f"{damage} : scikit-learn {answers[0]} ; pyfunc {answers[1]}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC Un modèle MLflow est un dossier, que deux saveurs ouvrent. La signature rend pyfunc plus souple
# MAGIC sur l'ordre des colonnes, qu'il retrouve par leur nom, et plus sévère sur leur type. Servez par
# MAGIC pyfunc, explorez par scikit-learn.

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [05_svm_sweep]($./05_svm_sweep)
