# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/search_runs.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Leçon 1, script 6 : retrouver, juger, prédire
# MAGIC
# MAGIC **Question.** Le meilleur couple du balayage trouvait 164 tumeurs malignes sur 170. Que vaut-il sur des patientes que
# MAGIC personne n'a encore regardées ?
# MAGIC
# MAGIC Pronostic : mieux, pareil, moins bien ? De combien de patientes ?

# COMMAND ----------

# MAGIC %pip install mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./patients

# COMMAND ----------

import tempfile
from pathlib import Path

import mlflow
from sklearn.metrics import confusion_matrix


def existing(text: str) -> str:
    """Le chemin complet : `open_store()` changera de dossier."""
    return str(Path(text).resolve())

# COMMAND ----------

from types import SimpleNamespace

dbutils.widgets.text("experiment", "/Shared/01_tracking_supervised")
dbutils.widgets.text("patients", "")  # un CSV de nouvelles patientes ; par défaut, dix lignes du test

args = SimpleNamespace(
    experiment=dbutils.widgets.get("experiment"),
    patients=existing(dbutils.widgets.get("patients")) if dbutils.widgets.get("patients") else None,
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Chercher
# MAGIC
# MAGIC Le filtre ressemble à du SQL, le résultat est un tableau pandas : `metrics.`, `params.`, `tags.` en préfixe. C'est aussi ce
# MAGIC que l'on tape dans la barre de recherche de l'interface.

# COMMAND ----------

mlflow.set_experiment(args.experiment)
runs = mlflow.search_runs(
    filter_string="metrics.cv_sensitivity > 0.9 AND metrics.cv_specificity > 0.95 AND attributes.status = 'FINISHED'",
    order_by=["metrics.cv_sensitivity DESC", "metrics.cv_specificity DESC"],
)
if runs.empty:
    raise SystemExit("Aucun run à comparer dans le magasin : lancez d'abord svm_sweep.py.")
best = runs.iloc[0]
uri = f"runs:/{best['run_id']}/svm"

# COMMAND ----------

# MAGIC %md
# MAGIC ## Juger, une fois
# MAGIC
# MAGIC Le test n'a servi ni à apprendre ni à choisir. On l'ouvre ici, et on enregistre ce qu'on y voit, quoi que ce soit.

# COMMAND ----------

_, X_test, y_test = load_patients()
model = mlflow.sklearn.load_model(uri)
columns = [column.name for column in mlflow.models.get_model_info(uri).signature.inputs]

if args.patients:
    newcomers = read_patients(args.patients, columns)
else:
    csv = Path(tempfile.mkdtemp()) / "new_patients.csv"
    X_test.head(10).to_csv(csv, index=False)
    newcomers = read_patients(csv, columns)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Prédire
# MAGIC
# MAGIC Les nouvelles patientes passent par pyfunc, qui vérifie la signature ; les prédictions vont dans le même run que le jugement.

# COMMAND ----------

with mlflow.start_run(run_name="jugement du meilleur svm") as run:
    mlflow.log_params({"judged_run_id": best["run_id"], "C": best["params.C"], "gamma": best["params.gamma"]})
    mlflow.set_tag("mlflow.note.content", "Le meilleur couple du balayage, jugé une seule fois sur les 114 tumeurs de test.")
    mlflow.log_input(mlflow.data.from_pandas(X_test.assign(malignant=y_test), name="breast_cancer_test", targets="malignant"), context="test")

    predicted = model.predict(X_test)
    metrics = clinical_metrics(y_test, predicted, risk(model, X_test))
    mlflow.log_metrics({f"test_{name}": value for name, value in metrics.items()})

    answers = newcomers.assign(malignant=mlflow.pyfunc.load_model(uri).predict(newcomers), risk=risk(model, newcomers))
    mlflow.log_text(answers.to_csv(index=False), "predictions.csv")

# COMMAND ----------

tn, fp, fn, tp = confusion_matrix(y_test, predicted, labels=[0.0, 1.0]).ravel()
print("Test : " + ", ".join(f"{name} {metrics[name]:.3f}" for name in ("sensitivity", "specificity", "accuracy")))
print(f"Modèle : {best['tags.mlflow.runName']}, sensibilité {best['metrics.cv_sensitivity']:.3f} en validation croisée, retenu parmi {len(runs)} runs")
print(f"{tp} tumeurs malignes trouvées sur {tp + fn}, fausses alertes : {fp} sur {fp + tn}")
print(f"Nouvelles patientes : {int(answers['malignant'].sum())} alertes sur {len(answers)}, dans predictions.csv du run")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC | jugé par | sensibilité | spécificité | exactitude |
# MAGIC |---|---|---|---|
# MAGIC | validation croisée | 0.965 | 0.979 | 0.974 |
# MAGIC | test | 0.881 | 0.986 | 0.947 |
# MAGIC
# MAGIC Sur le test, 37 tumeurs malignes sur 42 : le choix du meilleur de 35 couples a aussi retenu le plus chanceux, et une
# MAGIC patiente pèse ici 0.024. Voilà pourquoi le test ne s'ouvre qu'une fois, et pourquoi ce chiffre décevant est enregistré comme
# MAGIC les autres.
