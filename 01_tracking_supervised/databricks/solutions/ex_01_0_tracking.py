# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis solutions/ex_01_0_tracking.py par tools/build.py. -->
# MAGIC # Exercice 01-0, solution : suivre un script qui ne l'est pas
# MAGIC
# MAGIC **Question.** Voici un script de scikit-learn, sans MLflow ni rien du cours. Que faut-il y ajouter
# MAGIC pour que cet essai se retrouve, avec son réglage, son résultat et son modèle ?
# MAGIC
# MAGIC Votre pronostic : combien de lignes ?

# COMMAND ----------

# MAGIC %pip install mlflow==3.17.2 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

# solution : importez MLflow
import mlflow

# fin
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X_train, X_valid, y_train, y_valid = train_test_split(X, y, stratify=y, random_state=0)

max_depth = 3
model = DecisionTreeClassifier(max_depth=max_depth, random_state=0).fit(X_train, y_train)
accuracy = model.score(X_valid, y_valid)
print(f"profondeur {max_depth} : exactitude {accuracy:.3f} sur la validation")

# solution : un run, dans l'expérience « 01_tracking_supervised ». Il garde l'étiquette `exercise`,
# qui vaut « 01-0 », le paramètre `max_depth`, la métrique `accuracy` et le modèle.
mlflow.set_experiment("/Shared/01_tracking_supervised")
with mlflow.start_run(run_name="arbre suivi"):
    mlflow.set_tag("exercise", "01-0")
    mlflow.log_param("max_depth", max_depth)
    mlflow.log_metric("accuracy", accuracy)
    mlflow.sklearn.log_model(model, name="tree", skops_trusted_types=["sklearn.tree._tree.Tree"])
# fin

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC Sept lignes, et l'essai se retrouve : expérience, run, étiquette, paramètre, métrique, modèle. Le
# MAGIC reste du script n'a pas changé, et l'exactitude non plus : 0.916.
