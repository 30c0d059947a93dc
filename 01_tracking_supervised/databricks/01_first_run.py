# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/01_first_run.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Leçon 1, script 1 : un premier run
# MAGIC
# MAGIC **Question.** Un SVM (*support vector machine*) trace une frontière entre les tumeurs malignes et
# MAGIC les bénignes. Quel `gamma` lui fait trouver le plus de tumeurs malignes ?
# MAGIC
# MAGIC Plus `gamma` est grand, plus la frontière épouse chaque cas. Avant chaque essai, notez votre
# MAGIC pronostic ; MLflow se souviendra du reste.

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./options

# COMMAND ----------

# MAGIC %run ./patients

# COMMAND ----------

import mlflow
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

# COMMAND ----------

from types import SimpleNamespace

dbutils.widgets.text("experiment", "/Shared/01_tracking_supervised")
dbutils.widgets.text("gamma", "0.03")  # plus gamma est grand, plus la frontière épouse chaque cas

args = SimpleNamespace(
    experiment=short_text(dbutils.widgets.get("experiment")),
    gamma=number(1e-6, 100)(dbutils.widgets.get("gamma")),
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Un run = un essai
# MAGIC
# MAGIC Une *expérience* MLflow regroupe des *runs*. Tout ce qui est enregistré dans le bloc `with`
# MAGIC appartient au même run : ce que l'on a réglé (paramètres), ce que l'on a obtenu (métriques), ce
# MAGIC que l'on veut retrouver (étiquettes).

# COMMAND ----------

data = load_patients()
model = make_pipeline(StandardScaler(), SVC(gamma=args.gamma))

mlflow.set_experiment(args.experiment)
with mlflow.start_run(run_name=f"svm gamma={args.gamma:g}") as run:
    mlflow.log_param("gamma", args.gamma)
    model.fit(data.X_train, data.y_train)
    metrics = clinical_metrics(data.y_valid, model.predict(data.X_valid))
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
# MAGIC C'est 0.3 qui trouve le plus de tumeurs malignes : 42 sur 43, au prix de 2 fausses alertes. 0.03
# MAGIC en trouve 41, sans aucune fausse alerte. Une patiente d'écart ne tranche pas : la suite garde
# MAGIC 0.03, et le balayage (`04_svm_sweep.py`) reprendra la question.
# MAGIC
# MAGIC À `gamma = 1`, l'exactitude de 0.623 cache tout : aucune tumeur maligne n'est trouvée. Une
# MAGIC métrique seule ne suffit pas.

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [02_full_run]($./02_full_run)
