# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/01_first_run.py par tools/build.py. -->
# MAGIC # Leçon 1, script 1 : un premier run
# MAGIC
# MAGIC **Question.** Un SVM (*support vector machine*) trace une frontière entre les tumeurs malignes
# MAGIC et les bénignes. Plus son réglage `gamma` est grand, plus la frontière suit chaque cas de près.
# MAGIC Lequel de ces quatre `gamma` trouve le plus de tumeurs malignes ? Notez votre pronostic.

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./patients

# COMMAND ----------

import mlflow
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

# COMMAND ----------

# MAGIC %md
# MAGIC ## Un run = un essai
# MAGIC
# MAGIC Une *expérience* regroupe des *runs*. Ce qui est enregistré dans le bloc `with` appartient au
# MAGIC même run : ce que l'on a réglé (paramètres), ce que l'on a obtenu (métriques), ce qui servira à
# MAGIC le retrouver (étiquettes).

# COMMAND ----------

data = load_patients()
experiment = mlflow.set_experiment("/Shared/01_tracking_supervised")

for gamma in (0.0001, 0.03, 0.3, 1):
    with mlflow.start_run(run_name=f"svm gamma={gamma:g}"):
        model = make_pipeline(StandardScaler(), SVC(gamma=gamma))
        model.fit(data.X_train, data.y_train)
        metrics = clinical_metrics(data.y_valid, model.predict(data.X_valid))
        mlflow.log_param("gamma", gamma)
        mlflow.log_metrics(metrics)
        mlflow.set_tag("question", "sensibilité selon gamma")
    shown = ("accuracy", "sensitivity", "specificity")
    print(f"gamma {gamma:<6g} : " + ", ".join(f"{name} {metrics[name]:.3f}" for name in shown))

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
