# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/first_run.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Leçon 1, script 1 : un premier run
# MAGIC
# MAGIC **Question.** Quel `gamma` fait trouver le plus de tumeurs malignes à un SVM ?
# MAGIC
# MAGIC Avant chaque essai, notez votre pronostic ; MLflow se souviendra du reste.

# COMMAND ----------

# MAGIC %pip install mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./patients

# COMMAND ----------

import argparse

import mlflow
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC


def gamma(text: str) -> float:
    """Un nombre entre 1e-6 et 100, sinon l'erreur d'argparse."""
    if 1e-6 <= (value := float(text)) <= 100:
        return value
    raise argparse.ArgumentTypeError(f"{text} n'est pas entre 1e-6 et 100")

# COMMAND ----------

from types import SimpleNamespace

dbutils.widgets.text("experiment", "/Shared/01_tracking_supervised")
dbutils.widgets.text("gamma", "0.03")  # plus gamma est grand, plus la frontière est locale

args = SimpleNamespace(
    experiment=dbutils.widgets.get("experiment"),
    gamma=gamma(dbutils.widgets.get("gamma")),
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Un run = un essai
# MAGIC
# MAGIC Une *expérience* MLflow regroupe des *runs*. Tout ce qui est enregistré dans le bloc `with` appartient au même run :
# MAGIC ce que l'on a réglé (paramètres), ce que l'on a obtenu (métriques), ce que l'on veut retrouver (étiquettes).

# COMMAND ----------

patients, _, _ = load_patients()
model = make_pipeline(StandardScaler(), SVC(gamma=args.gamma))

mlflow.set_experiment(args.experiment)
with mlflow.start_run(run_name=f"svm gamma={args.gamma:g}") as run:
    mlflow.log_param("gamma", args.gamma)
    model.fit(patients.X_train, patients.y_train)
    metrics = clinical_metrics(patients.y_valid, model.predict(patients.X_valid))
    mlflow.log_metrics(metrics)
    mlflow.set_tag("question", "sensibilité selon gamma")

# COMMAND ----------

shown = ("accuracy", "sensitivity", "specificity")
print(f"gamma {args.gamma:g} : " + ", ".join(f"{name} {metrics[name]:.3f}" for name in shown))

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC | gamma | exactitude | sensibilité | spécificité |
# MAGIC |---|---|---|---|
# MAGIC | 0.0001 | 0.772 | 0.395 | 1.000 |
# MAGIC | 0.03 | 0.982 | 0.953 | 1.000 |
# MAGIC | 0.3 | 0.974 | 0.977 | 0.972 |
# MAGIC | 1 | 0.623 | 0.000 | 1.000 |
# MAGIC
# MAGIC À `gamma = 1`, l'exactitude de 0.623 cache tout : aucune tumeur maligne n'est trouvée. Une métrique seule ne suffit pas,
# MAGIC et c'est parce que les quatre essais sont enregistrés qu'on peut les comparer.

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [full_run]($./full_run)
