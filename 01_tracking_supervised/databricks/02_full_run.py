# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/02_full_run.py par tools/build.py. -->
# MAGIC # Leçon 1, script 2 : un run que l'on retrouve
# MAGIC
# MAGIC **Question.** Dans six mois, que faudra-t-il avoir gardé pour comprendre cet essai et se resservir
# MAGIC de son modèle ?
# MAGIC
# MAGIC Faites votre liste avant de lire la suite : le script précédent gardait un paramètre, sept
# MAGIC métriques et une étiquette.

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./patients

# COMMAND ----------

from importlib.metadata import version

import matplotlib.pyplot as plt
import mlflow
from mlflow.models import infer_signature
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

# COMMAND ----------

# MAGIC %md
# MAGIC ## Ce que MLflow saura du modèle
# MAGIC
# MAGIC La *signature* dit ce qui entre et ce qui sort. Les *dépendances* disent quelles bibliothèques il
# MAGIC faut pour le relire ; les vôtres, aux versions d'aujourd'hui.

# COMMAND ----------

data = load_patients()
settings = {"gamma": 0.03, "C": 1.0}
model = make_pipeline(StandardScaler(), SVC(**settings))
model.fit(data.X_train, data.y_train)
predicted = model.predict(data.X_valid)

signature = infer_signature(data.X_valid, predicted)
requirements = [
    f"{library}=={version(library)}"
    for library in ("mlflow", "scikit-learn", "skops", "pandas", "numpy")
]

# COMMAND ----------

# MAGIC %md
# MAGIC ## Le run
# MAGIC
# MAGIC Six enregistrements, un par question. Quelles données : `log_input` (leur nom, leur taille, une
# MAGIC empreinte). Quels réglages : `log_params`. Quel résultat : `log_metrics`. À quoi il ressemble :
# MAGIC `log_figure`. Quel modèle : `log_model`. Et pourquoi cet essai : `description=`.

# COMMAND ----------

mlflow.set_experiment("/Shared/01_tracking_supervised")
description = "SVM à noyau RBF, réglages du premier script ; référence pour toute la leçon."
with mlflow.start_run(run_name="svm complet", description=description):
    table = data.X_train.assign(malignant=data.y_train)
    train = mlflow.data.from_pandas(table, name="breast_cancer_train", targets="malignant")
    mlflow.log_input(train, context="training")
    mlflow.log_params({"model": "svm_rbf", **settings, "seed": 0})
    metrics = clinical_metrics(data.y_valid, predicted, risk(model, data.X_valid))
    mlflow.log_metrics(metrics)

    figure, ax = plt.subplots(figsize=(5, 4), layout="constrained")
    ConfusionMatrixDisplay.from_predictions(
        data.y_valid, predicted, display_labels=["bénigne", "maligne"], cmap="Blues", ax=ax
    )
    ax.set(xlabel="prédiction", ylabel="vérité", title="114 tumeurs de validation")
    mlflow.log_figure(figure, "confusion_matrix.png")
    plt.close(figure)

    logged = mlflow.sklearn.log_model(
        model,
        name="svm",
        signature=signature,
        input_example=data.X_valid.head(3),
        pip_requirements=requirements,
    )
display(figure)

# COMMAND ----------

shown = ("accuracy", "sensitivity", "specificity", "roc_auc")
print(", ".join(f"{name} {metrics[name]:.3f}" for name in shown))
print(f"Modèle enregistré : {logged.model_uri}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC Ce run garde 4 paramètres, 8 métriques, un jeu de données, une figure, un modèle et une
# MAGIC description : de quoi comprendre l'essai, et resservir le modèle, sans relire ce script.
# MAGIC
# MAGIC La validation compte 43 tumeurs malignes : le modèle en trouve 41, sans fausse alerte. Sa
# MAGIC sensibilité, 0.953, tient donc à 2 patientes.

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [03_open_model]($./03_open_model)
