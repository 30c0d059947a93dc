# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/01_first_run.py par tools/build.py. -->
# MAGIC # Leçon 1, script 1 : un premier run
# MAGIC
# MAGIC **Question.** Un SVM (*support vector machine*) trace une frontière entre les tumeurs malignes
# MAGIC et les bénignes. Plus son réglage `gamma` est grand, plus la frontière suit chaque cas de près.
# MAGIC Lequel de ces quatre `gamma` faut-il garder ?
# MAGIC
# MAGIC **Le critère** de toute la leçon se dit avant le premier chiffre. Une tumeur maligne manquée est
# MAGIC plus grave qu'une fausse alerte : nous la comptons dix fois. Le coût (`cost`) d'un modèle est
# MAGIC 10 × manquées + fausses alertes, et le plus petit l'emporte. Notez votre pronostic.

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

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
        scores = model.decision_function(data.X_valid)
        metrics = clinical_metrics(data.y_valid, model.predict(data.X_valid), scores)
        mlflow.log_param("gamma", gamma)
        mlflow.log_metrics(metrics)
        mlflow.set_tag("question", "coût selon gamma")
    shown = ", ".join(f"{name} {metrics[name]:.3f}" for name in ("accuracy", "sensitivity"))
    print(f"gamma {gamma:<6g} : cost {metrics['cost']:3.0f}, {shown}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC `gamma = 0.3` coûte le moins, 12 : une tumeur manquée sur 43, et deux fausses alertes. `0.03` en
# MAGIC manque deux, sans fausse alerte, et coûte 20. Le critère est annoncé, on s'y tient : la suite
# MAGIC garde 0.3.
# MAGIC
# MAGIC À `gamma = 1`, l'exactitude de 0.623 cache qu'aucune tumeur maligne n'est trouvée. L'exactitude
# MAGIC seule ne suffit pas.

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [02_autolog]($./02_autolog)
