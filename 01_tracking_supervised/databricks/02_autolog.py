# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/02_autolog.py par tools/build.py. -->
# MAGIC # Leçon 1, script 2 : laisser MLflow écrire seul
# MAGIC
# MAGIC **Question.** Une seule ligne, `mlflow.sklearn.autolog()`, et MLflow enregistre de lui-même ce que
# MAGIC fait scikit-learn. Qu'aura-t-il noté du SVM de `gamma = 0.3` ?
# MAGIC
# MAGIC La validation donne une exactitude de 0.974. Pronostic : quelles exactitudes aura-t-il notées ?

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./patients

# COMMAND ----------

import mlflow
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

# COMMAND ----------

# MAGIC %md
# MAGIC ## Une ligne suffit
# MAGIC
# MAGIC Après `autolog()`, chaque `fit` de scikit-learn est enregistré. Le bloc `with` ne sert ici qu'à
# MAGIC donner un nom au run ; sans lui, `fit` ouvrirait et fermerait le sien.

# COMMAND ----------

data = load_patients()
X_valid, y_valid = data.X_valid, data.y_valid

mlflow.set_experiment("/Shared/01_tracking_supervised")
mlflow.sklearn.autolog()
with mlflow.start_run(run_name="svm autolog") as run:
    model = make_pipeline(StandardScaler(), SVC(gamma=0.3))
    model.fit(data.X_train, data.y_train)
    model.score(X_valid, y_valid)  # autolog l'ajoute au run, sous le nom de la variable

# COMMAND ----------

written = mlflow.get_run(run.info.run_id)
print(
    f"{len(written.data.params)} paramètres, dont svc__gamma = {written.data.params['svc__gamma']}"
)
for name, value in sorted(written.data.metrics.items()):
    print(f"  {name:26} {value:.3f}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Une grille, sans écrire de boucle
# MAGIC
# MAGIC Un `GridSearchCV` devient un run parent, et ses réglages des runs enfants. `log_models=False`, car
# MAGIC garder la grille elle-même prend dix secondes de plus.

# COMMAND ----------

mlflow.sklearn.autolog(log_models=False)
grid = GridSearchCV(
    make_pipeline(StandardScaler(), SVC()),
    {"svc__gamma": [0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3]},
    scoring=make_scorer(cost, greater_is_better=False),
    cv=5,
)
with mlflow.start_run(run_name="grille autolog") as parent:
    grid.fit(data.X_train, data.y_train)
mlflow.sklearn.autolog(disable=True)

children = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
print(f"Grille : {len(grid.cv_results_['params'])} réglages, {len(children)} runs enfants")
print(f"Le meilleur : gamma = {grid.best_params_['svc__gamma']}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC Les métriques `training_...` sont celles des données d'apprentissage. Elles valent 1.000, quand la
# MAGIC validation donne 0.974. Autolog ne connaît que ce que l'on donne à `fit`, puis à `score`.
# MAGIC
# MAGIC De la grille, il garde les cinq meilleurs essais sur sept, sous des noms tirés au hasard ; les
# MAGIC sept sont dans l'artefact `cv_results.csv`. Il écrit les modèles au format pickle, seule fois de
# MAGIC la leçon. Nous écrirons donc à la main ce que nous voulons retrouver : un nom, les métriques de la
# MAGIC validation, le coût.

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [03_full_run]($./03_full_run)
