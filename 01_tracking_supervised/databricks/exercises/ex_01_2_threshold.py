# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis exercises/ex_01_2_threshold.py par tools/build.py. -->
# MAGIC # Exercice 01-2 : ne manquer aucune tumeur
# MAGIC
# MAGIC **Question.** Un SVM classe « maligne » toute tumeur dont la distance à la frontière est
# MAGIC positive : il en manque 10 sur 170. Jusqu'où faut-il descendre ce seuil pour les trouver toutes,
# MAGIC et que coûte-t-il de fausses alertes sur 285 bénignes ?
# MAGIC
# MAGIC Votre pronostic : un seuil, et un nombre de fausses alertes. Au seuil 0, il y en a 3.

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ../patients

# COMMAND ----------

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

# COMMAND ----------

# MAGIC %md
# MAGIC ## Une distance par tumeur
# MAGIC
# MAGIC Les 455 tumeurs hors test, en cinq parts, comme dans le balayage : chaque distance vient d'un
# MAGIC modèle qui n'a pas vu la tumeur.

# COMMAND ----------

data = load_patients()
X, y = pd.concat([data.X_train, data.X_valid]), pd.concat([data.y_train, data.y_valid])
model = make_pipeline(StandardScaler(), SVC(gamma=0.03))
folds = StratifiedKFold(5, shuffle=True, random_state=0)
distance = cross_val_predict(model, X, y, cv=folds, method="decision_function")

# Votre code ici : le plus grand seuil qui trouve les 170 tumeurs malignes, d'après `distance` et `y`
threshold = 0.0  # celui de `predict`

# COMMAND ----------

predicted = (distance >= threshold).astype(float)
metrics = clinical_metrics(y, predicted, distance)

mlflow.set_experiment("/Shared/01_tracking_supervised")
with mlflow.start_run(run_name=f"seuil {threshold:.3f}"):
    mlflow.set_tag("exercise", "01-2")
    mlflow.log_params({"C": 1.0, "gamma": 0.03, "folds": 5, "seed": 0})
    # Votre code ici : le seuil, parmi les paramètres, et les métriques, avec le préfixe `cv_` du balayage
    model.fit(X, y)
    signature = infer_signature(X, y.to_numpy())
    mlflow.sklearn.log_model(
        model,
        name="svm",
        signature=signature,
        pip_requirements=pins(),
        serialization_format="skops",
    )

shown = f"sensibilité {metrics['sensitivity']:.3f}, spécificité {metrics['specificity']:.3f}"
print(f"seuil {threshold:.3f} : {shown}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Votre réponse
# MAGIC
# MAGIC Notez ici ce que vous avez trouvé, en nombres, et ce que cela change à votre pronostic.
