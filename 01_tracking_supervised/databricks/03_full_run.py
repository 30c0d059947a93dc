# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/03_full_run.py par tools/build.py. -->
# MAGIC # Leçon 1, script 3 : un run que l'on retrouve
# MAGIC
# MAGIC **Question.** Dans six mois, que faudra-t-il avoir gardé pour comprendre cet essai et se resservir
# MAGIC de son modèle ? Écrivez votre liste avant de lire la suite.

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

# MAGIC %run ./patients

# COMMAND ----------

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import mlflow
from mlflow.models import infer_signature
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

# COMMAND ----------

data = load_patients()
model = make_pipeline(StandardScaler(), SVC(C=1.0, gamma=0.3))
model.fit(data.X_train, data.y_train)
predicted, scores = model.predict(data.X_valid), model.decision_function(data.X_valid)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Un enregistrement par question
# MAGIC
# MAGIC - Pourquoi cet essai ? `description=`.
# MAGIC - Sur quelles données ? `log_input` en garde le nom, la taille et une empreinte.
# MAGIC - Quels réglages, quels résultats ? `log_params`, `log_metrics`.
# MAGIC - Quelles erreurs ? `log_figure` garde une figure, `log_artifact` un fichier quelconque.
# MAGIC - Quel modèle ? `log_model`, avec sa *signature* (ce qui entre, ce qui sort) et un exemple.

# COMMAND ----------

mlflow.set_experiment("/Shared/01_tracking_supervised")
description = "Le SVM de moindre coût du premier script ; référence pour toute la leçon."
with mlflow.start_run(run_name="svm complet", description=description):
    table = data.X_train.assign(malignant=data.y_train)
    train = mlflow.data.from_pandas(table, name="breast_cancer_train", targets="malignant")
    mlflow.log_input(train, context="training")
    mlflow.log_params({"model": "svm_rbf", "C": 1.0, "gamma": 0.3, "seed": 0})
    metrics = clinical_metrics(data.y_valid, predicted, scores)
    mlflow.log_metrics(metrics)

    matrix = ConfusionMatrixDisplay.from_predictions(data.y_valid, predicted, cmap="Blues")
    mlflow.log_figure(matrix.figure_, "confusion_matrix.png")
    plt.close(matrix.figure_)
    errors = data.X_valid.assign(malignant=data.y_valid, score=scores)[predicted != data.y_valid]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "errors.csv"
        errors.to_csv(path, index_label="patient")
        mlflow.log_artifact(path)

    logged = mlflow.sklearn.log_model(
        model,
        name="svm_complet",
        signature=infer_signature(data.X_valid, predicted),
        input_example=data.X_valid.head(3),
    )
display(matrix.figure_)
shown = ", ".join(f"{name} {metrics[name]:.3f}" for name in ("sensitivity", "roc_auc"))
print(f"cost {metrics['cost']:.0f}, {shown} ; {len(errors)} erreurs dans errors.csv")
print(f"Modèle enregistré : {logged.model_uri}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Une forêt est d'abord refusée
# MAGIC
# MAGIC MLflow relit avec *skops* le modèle qu'il vient d'écrire, et skops ne relit que les types qu'il
# MAGIC tient pour sûrs. L'arbre de scikit-learn n'en est pas : à vous de dire que vous lui faites
# MAGIC confiance.

# COMMAND ----------

with mlflow.start_run(run_name="forêt", description="Le type d'un arbre doit être déclaré."):
    forest = RandomForestClassifier(random_state=0).fit(data.X_train, data.y_train)
    mlflow.log_metrics(clinical_metrics(data.y_valid, forest.predict(data.X_valid)))
    try:
        mlflow.sklearn.log_model(forest, name="forest")
    except mlflow.MlflowException as error:
        print(f"Forêt refusée : {str(error).partition('.')[0]}.")
    logged = mlflow.sklearn.log_model(
        forest, name="forest", skops_trusted_types=["sklearn.tree._tree.Tree"]
    )
print(f"Forêt acceptée : {logged.model_uri}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC Ce run garde 4 paramètres, 9 métriques, un jeu de données, une figure, un fichier, un modèle et
# MAGIC une description : de quoi comprendre l'essai, et resservir le modèle, sans relire ce script.
# MAGIC
# MAGIC Ce qui est écrit avant un refus reste dans le run : enregistrez le modèle en dernier, après les
# MAGIC métriques.

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [04_open_model]($./04_open_model)
