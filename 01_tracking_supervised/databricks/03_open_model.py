# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/03_open_model.py par tools/build.py. -->
# MAGIC # Leçon 1, script 3 : ouvrir un modèle
# MAGIC
# MAGIC **Question.** Un modèle enregistré par MLflow, est-ce un fichier, un dossier, ou un objet Python ?
# MAGIC
# MAGIC Pronostic : que répondra-t-il si l'on oublie une colonne ? Et si un nombre arrive sous forme de
# MAGIC texte ?

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./patients

# COMMAND ----------

import sys
from importlib.metadata import version
from pathlib import Path

import mlflow

# COMMAND ----------

# MAGIC %md
# MAGIC ## Un dossier
# MAGIC
# MAGIC Depuis MLflow 3, un modèle est une chose à part entière : il a son identifiant (`m-...`), son run
# MAGIC d'origine, ses fichiers. Le run, lui, sait quels modèles il a produits.

# COMMAND ----------

mlflow.set_experiment("/Shared/01_tracking_supervised")
complete = "attributes.run_name = 'svm complet' AND attributes.status = 'FINISHED'"
found = mlflow.search_runs(filter_string=complete, max_results=1, output_format="list")
if not found:
    first = "uv run 01_tracking_supervised/local/02_full_run.py"
    sys.exit(f"Pas encore de modèle à ouvrir. Lancez d'abord : {first}")
uri = f"models:/{found[0].outputs.model_outputs[0].model_id}"
info = mlflow.models.get_model_info(uri)
folder = Path(mlflow.artifacts.download_artifacts(uri))
print(f"{uri} est un dossier :")
roles = {
    "MLmodel": "la carte d'identité : saveurs, signature, run d'origine",
    "model.skops": "le pipeline scikit-learn ;"
    " à la lecture, skops n'exécute que le code des types déclarés",
    "model.pkl": "le pipeline scikit-learn"
    " (format pickle, celui de Databricks : l'ouvrir exécute du code)",
    "input_example.json": "l'exemple d'entrée",
    "serving_input_example.json": "le même, tel qu'un service l'attend",
    "requirements.txt": "les bibliothèques, pour pip",
    "python_env.yaml": "les mêmes, avec la version de Python",
    "conda.yaml": "les mêmes, pour conda",
}
for name, role in roles.items():
    if (folder / name).exists():
        print(f"  {name:27} {role}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## `MLmodel`, lu à voix haute
# MAGIC
# MAGIC Une *saveur* (*flavor*) est une manière d'ouvrir le modèle. `sklearn` rend l'objet d'origine ;
# MAGIC `python_function` (pyfunc) rend un objet qui ne sait que prédire, le même pour toutes les
# MAGIC bibliothèques : c'est lui que les services utilisent.

# COMMAND ----------

print(f"Saveurs : {', '.join(sorted(info.flavors))} ; run d'origine : {info.run_id}")
columns = info.signature.inputs.inputs
print(f"Signature : {len(columns)} colonnes, {columns[0]} en tête")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Deux saveurs, une seule prédiction

# COMMAND ----------

X = load_patients().X_valid
pipeline = mlflow.sklearn.load_model(uri)
function = mlflow.pyfunc.load_model(uri)
usual = pipeline.predict(X)
same = (usual == function.predict(X)).sum()
names = f"scikit-learn ({type(pipeline).__name__}) et pyfunc ({type(function).__name__})"
print(f"{names} : {same} prédictions égales sur {len(X)}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## La signature refuse
# MAGIC
# MAGIC Avant de prédire, pyfunc compare les données à la signature. scikit-learn, lui, convertit le texte
# MAGIC sans rien dire.

# COMMAND ----------

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
# MAGIC ## L'environnement qu'il demande

# COMMAND ----------

asked = (folder / "requirements.txt").read_text().split()
different = [line for line in asked if version(line.split("==")[0]) != line.split("==")[1]]
told = ", ".join(different) or "aucune"
print(f"Il demande {', '.join(asked)} ; différences avec ce Python : {told}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC Un modèle MLflow est un dossier : l'objet, sa signature, un exemple, ses dépendances. Deux saveurs
# MAGIC l'ouvrent, et donnent ici 114 prédictions égales sur 114.
# MAGIC
# MAGIC | données | scikit-learn | pyfunc |
# MAGIC |---|---|---|
# MAGIC | une colonne oubliée | refuse | refuse |
# MAGIC | un nombre devenu texte | prédit (114 réponses inchangées) | refuse |
# MAGIC | les colonnes à l'envers | refuse | prédit (114 réponses inchangées) |
# MAGIC
# MAGIC La signature rend pyfunc plus souple sur l'ordre des colonnes, qu'il retrouve par leur nom, et
# MAGIC plus sévère sur leur type. Servez par pyfunc, explorez par scikit-learn.

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [04_svm_sweep]($./04_svm_sweep)
