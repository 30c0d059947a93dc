# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis solutions/ex_01_1_scaler.py par tools/build.py. -->
# MAGIC # Exercice 01-1, solution : sans mise à l'échelle
# MAGIC
# MAGIC **Question.** Retirez la mise à l'échelle d'un SVM (`gamma = 0.03`) : que deviennent l'exactitude
# MAGIC et la sensibilité ? Puis, toujours sans elle, quel `gamma` rend au moins 0.90 de sensibilité ?
# MAGIC
# MAGIC Votre pronostic : les 30 mesures vont du millième au millier, et le noyau RBF du SVM compare des
# MAGIC distances.

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
from mlflow.models import infer_signature
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

# COMMAND ----------

# MAGIC %md
# MAGIC ## Les modèles
# MAGIC
# MAGIC Le premier est celui du cours. Ajoutez les vôtres au dictionnaire : un nom de run, un modèle non
# MAGIC entraîné.

# COMMAND ----------

models = {
    "svm mis à l'échelle": make_pipeline(StandardScaler(), SVC(gamma=0.03)),
    # solution : le même SVM sans StandardScaler ; puis un autre sans StandardScaler, avec le gamma
    # que vous trouverez
    "svm brut gamma=0.03": make_pipeline(SVC(gamma=0.03)),
    "svm brut gamma=0.001": make_pipeline(SVC(gamma=0.001)),
    # fin
}

# COMMAND ----------

# MAGIC %md
# MAGIC ## Un run par modèle
# MAGIC
# MAGIC L'étiquette `exercise` dit à quelle question un run répond. Le modèle est gardé : c'est lui qui
# MAGIC prouve les métriques.

# COMMAND ----------

data = load_patients()

# solution : choisissez l'expérience « 01_tracking_supervised »
mlflow.set_experiment("/Shared/01_tracking_supervised")
# fin
for name, model in models.items():
    model.fit(data.X_train, data.y_train)
    predicted = model.predict(data.X_valid)
    metrics = clinical_metrics(data.y_valid, predicted)
    # solution : un run nommé `name` : l'étiquette `exercise`, qui vaut « 01-1 », le paramètre
    # `gamma`, les métriques, et le modèle avec sa signature
    with mlflow.start_run(run_name=name):
        mlflow.set_tag("exercise", "01-1")
        mlflow.log_param("gamma", model[-1].gamma)
        mlflow.log_metrics(metrics)
        signature = infer_signature(data.X_valid, predicted)
        mlflow.sklearn.log_model(model, name="svm", signature=signature)
    # fin
    seen = clinical_metrics(data.y_train, model.predict(data.X_train))
    shown = f"exactitude {metrics['accuracy']:.3f}, sensibilité {metrics['sensitivity']:.3f}"
    print(f"{name} : {shown} (sur les tumeurs apprises : {seen['sensitivity']:.3f})")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC | modèle | exactitude | sensibilité | sensibilité sur les tumeurs apprises |
# MAGIC |---|---|---|---|
# MAGIC | mis à l'échelle, `gamma = 0.03` | 0.982 | 0.953 | 0.961 |
# MAGIC | brut, `gamma = 0.03` | 0.623 | 0.000 | 1.000 |
# MAGIC | brut, `gamma = 0.001` | 0.947 | 0.930 | 0.953 |
# MAGIC
# MAGIC Sans mise à l'échelle, l'exactitude de 0.623 est celle de qui répond toujours « bénigne ». Sur les
# MAGIC tumeurs apprises, ce même modèle les trouve toutes : il les sait par cœur. Diviser `gamma` par 30
# MAGIC lui rend 0.930, moins qu'avec la mise à l'échelle.
