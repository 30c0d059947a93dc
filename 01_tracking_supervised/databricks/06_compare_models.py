# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/06_compare_models.py par tools/build.py. -->
# MAGIC # Leçon 1, script 6 : sept classifieurs côte à côte
# MAGIC
# MAGIC **Question.** Sur 114 tumeurs de validation, lequel de sept classifieurs coûte le moins ?
# MAGIC Classez d'avance : régression logistique, k plus proches voisins, arbre de décision, forêt
# MAGIC aléatoire, Bayes naïf, SVM, réseau de neurones.

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

# MAGIC %run ./patients

# COMMAND ----------

import time

import matplotlib.pyplot as plt
import mlflow
import pandas as pd
from sklearn.metrics import ConfusionMatrixDisplay

# COMMAND ----------

# MAGIC %md
# MAGIC ## Des runs de même forme
# MAGIC
# MAGIC Mêmes noms de paramètres et de métriques, mêmes données, mêmes artefacts : c'est ce qui rend les
# MAGIC runs comparables dans l'interface. L'étiquette `comparison` les rassemble. `trusted_types` est la
# MAGIC liste des types auxquels nous faisons confiance : arbre, forêt et réseau en ont besoin.

# COMMAND ----------

data = load_patients()
table = data.X_train.assign(malignant=data.y_train)
train = mlflow.data.from_pandas(table, name="breast_cancer_train", targets="malignant")

mlflow.set_experiment("/Shared/01_tracking_supervised")
comparison = time.strftime("breast_cancer %Y-%m-%d %H:%M:%S")
ranking = {}
for name, model in classifiers().items():
    description = f"{name}, évalué sur les {len(data.X_valid)} tumeurs de validation."
    with mlflow.start_run(run_name=f"{name} breast_cancer", description=description):
        mlflow.set_tag("comparison", comparison)
        mlflow.log_input(train, context="training")
        mlflow.log_param("model", name)

        start = time.perf_counter()
        model.fit(data.X_train, data.y_train)
        mlflow.log_metric("fit_seconds", time.perf_counter() - start)

        predicted = model.predict(data.X_valid)
        ranking[name] = clinical_metrics(data.y_valid, predicted, risk(model, data.X_valid))
        mlflow.log_metrics(ranking[name])
        matrix = ConfusionMatrixDisplay.from_predictions(data.y_valid, predicted, cmap="Blues")
        mlflow.log_figure(matrix.figure_, "confusion_matrix.png")
        display(matrix.figure_)
        plt.close(matrix.figure_)
        mlflow.sklearn.log_model(
            model,
            name=name,
            input_example=data.X_valid.head(3),
            pip_requirements=pins(),
            skops_trusted_types=trusted_types,
        )

# COMMAND ----------

shown = ["cost", "sensitivity", "specificity", "accuracy"]
print(pd.DataFrame(ranking).T[shown].sort_values("cost", kind="stable").round(3))

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC Deux classifieurs coûtent 1, une fausse alerte chacun : la régression logistique et le réseau de
# MAGIC neurones sont à égalité, et une égalité se dit. Sans tumeur manquée ne veut pas dire infaillible :
# MAGIC sur 43 tumeurs malignes, une de plus ou de moins déplace la sensibilité de 0.023.

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [07_search_runs]($./07_search_runs)
