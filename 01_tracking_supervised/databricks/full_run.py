# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/full_run.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Leçon 1, script 2 : un run que l'on retrouve
# MAGIC
# MAGIC **Question.** Dans six mois, que faudra-t-il avoir gardé pour comprendre cet essai et se resservir de son modèle ?
# MAGIC
# MAGIC Faites votre liste avant de lire la suite : le script précédent gardait un paramètre, sept métriques et une étiquette.

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./patients

# COMMAND ----------

import tempfile
import time
from importlib.metadata import version

import matplotlib.pyplot as plt
import mlflow
from mlflow.models import infer_signature
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

# COMMAND ----------

from types import SimpleNamespace

dbutils.widgets.text("experiment", "/Shared/01_tracking_supervised")

args = SimpleNamespace(
    experiment=dbutils.widgets.get("experiment"),
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Ce que MLflow saura du modèle
# MAGIC
# MAGIC La *signature* dit ce qui entre et ce qui sort. Les *exigences* disent quelles bibliothèques il faut pour le relire ;
# MAGIC les vôtres, aux versions d'aujourd'hui.

# COMMAND ----------

patients, _, _ = load_patients()
model = make_pipeline(StandardScaler(), SVC(gamma=0.03))
model.fit(patients.X_train, patients.y_train)
predicted = model.predict(patients.X_valid)

signature = infer_signature(patients.X_valid, predicted)
requirements = [f"{name}=={version(name)}" for name in ("mlflow", "scikit-learn", "skops", "pandas", "numpy")]

# COMMAND ----------

# MAGIC %md
# MAGIC ## Le run
# MAGIC
# MAGIC Six enregistrements, un par question : avec quelles données ? quels réglages ? pour quel résultat ? lequel voit-on d'un
# MAGIC coup d'œil ? avec quel modèle ? et pourquoi cet essai ?

# COMMAND ----------

mlflow.set_experiment(args.experiment)
with mlflow.start_run(run_name="svm complet") as run:
    data = patients.X_train.assign(malignant=patients.y_train)
    mlflow.log_input(mlflow.data.from_pandas(data, name="breast_cancer_train", targets="malignant"), context="training")
    mlflow.log_params({"model": "svm_rbf", "gamma": 0.03, "C": 1.0, "seed": 0})
    mlflow.log_metrics(clinical_metrics(patients.y_valid, predicted, risk(model, patients.X_valid)))

    figure, ax = plt.subplots(figsize=(5, 4), layout="constrained")
    ConfusionMatrixDisplay.from_predictions(patients.y_valid, predicted, display_labels=["bénigne", "maligne"], cmap="Blues", ax=ax)
    ax.set(xlabel="prédiction", ylabel="vérité", title="114 tumeurs de validation")
    mlflow.log_figure(figure, "confusion_matrix.png")
    plt.close(figure)

    logged = mlflow.sklearn.log_model(
        model, name="svm", signature=signature, input_example=patients.X_valid.head(3), pip_requirements=requirements
    )

    mlflow.set_tag("mlflow.note.content", "SVM à noyau RBF, réglages du premier script ; référence pour toute la leçon.")
display(figure)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Ce que coûte de laisser deviner
# MAGIC
# MAGIC Sans `pip_requirements`, MLflow relit le modèle dans un second Python, et note tout ce qu'il y voit importé.

# COMMAND ----------

seconds, noted = {}, {}
with tempfile.TemporaryDirectory() as folder:
    for choice, asked in (("données", requirements), ("devinées", None)):
        start = time.perf_counter()
        mlflow.sklearn.save_model(model, f"{folder}/{choice}", signature=signature, pip_requirements=asked)
        seconds[choice] = time.perf_counter() - start
        with open(f"{folder}/{choice}/requirements.txt") as lines:
            noted[choice] = [line.partition("==")[0] for line in lines.read().split()]

# COMMAND ----------

metrics = mlflow.get_run(run.info.run_id).data.metrics
print(", ".join(f"{name} {metrics[name]:.3f}" for name in ("accuracy", "sensitivity", "specificity", "roc_auc")))
print(f"Modèle enregistré : {logged.model_uri}")
for choice in noted:
    print(f"Exigences {choice} en {seconds[choice]:.2f} s : {', '.join(noted[choice])}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC Ce run garde 4 paramètres, 8 métriques, un jeu de données, une figure, un modèle et une description. La validation compte
# MAGIC 43 tumeurs malignes : le modèle en trouve 41, sans fausse alerte. La sensibilité, 0.953, tient donc à 2 patientes.
# MAGIC
# MAGIC Donner les exigences est au moins dix fois plus rapide que les laisser deviner. Et MLflow devine trop : il note tout ce qui
# MAGIC s'est trouvé importé, y compris `rich`, qui dessine les barres de progression de ce cours.

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [open_model]($./open_model)
