# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis exercises/ex_01_2_threshold.py par tools/build.py. -->
# MAGIC # Exercice 01-2 : ne manquer aucune tumeur
# MAGIC
# MAGIC **Question.** Un SVM classe « maligne » toute tumeur dont le score est positif : il en manque 10
# MAGIC sur 170. Jusqu'où faut-il descendre ce seuil pour les trouver toutes, et que coûte-t-il de fausses
# MAGIC alertes sur 285 bénignes ?
# MAGIC
# MAGIC Votre pronostic : un seuil, et un nombre de fausses alertes. Au seuil 0, il y en a 3.

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

# MAGIC %run ../patients

# COMMAND ----------

import mlflow
import numpy as np
from mlflow.models import infer_signature
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

# COMMAND ----------

# MAGIC %md
# MAGIC ## Un score par tumeur
# MAGIC
# MAGIC Les 455 tumeurs hors test, en cinq parts, comme dans le balayage : chaque score vient d'un modèle
# MAGIC qui n'a pas vu la tumeur.

# COMMAND ----------

X, y = known_patients()
model = make_pipeline(StandardScaler(), SVC(gamma=0.03))
folds = StratifiedKFold(5, shuffle=True, random_state=0)
scores = cross_val_predict(model, X, y, cv=folds, method="decision_function")

# Votre code ici : le plus grand seuil qui trouve les 170 tumeurs malignes, d'après `scores` et `y`
threshold = 0.0  # celui de `predict`

# COMMAND ----------

predicted = (scores >= threshold).astype(float)
metrics = clinical_metrics(y, predicted, scores)
shown = f"sensibilité {metrics['sensitivity']:.3f}, spécificité {metrics['specificity']:.3f}"
print(f"seuil {threshold:.3f} : {shown}")

model.fit(X, y)  # le modèle que l'on garde apprend sur les 455 tumeurs

# Votre code ici : un run, dans l'expérience « 01_tracking_supervised » : l'étiquette `exercise`, qui vaut
# « 01-2 », le paramètre `threshold`, les métriques avec le préfixe `cv_`, et le modèle

# COMMAND ----------

# MAGIC %md
# MAGIC ## Votre réponse
# MAGIC
# MAGIC Notez ici ce que vous avez trouvé, en nombres, et ce que cela change à votre pronostic.
