# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/05_gate.py par tools/build.py. -->
# MAGIC # Leçon 4, script 5 : la barrière de MLflow, à côté de notre validation croisée
# MAGIC
# MAGIC **Question.** MLflow sait évaluer un modèle et refuser celui qui ne passe pas des seuils. Avec les
# MAGIC 45 vins du test, décide-t-il comme 02_promote.py, qui ne les regarde pas ?
# MAGIC
# MAGIC Pronostiquez, pour la forêt puis pour la régression logistique : un seuil d'exactitude de 0.95 les
# MAGIC laisse-t-il passer ? Et un seuil qui demande au moins 0.01 de mieux que la version d'avant ?

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

# MAGIC %run ./wines

# COMMAND ----------

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.models import MetricThreshold
from mlflow.models.evaluation.validation import ModelValidationFailedException
from sklearn.model_selection import train_test_split

dbutils.widgets.text("MODEL", "workspace.default.wine_cultivars")
MODEL = dbutils.widgets.get("MODEL")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Évaluer sur le test
# MAGIC
# MAGIC `mlflow.models.evaluate` prédit, compte, et enregistre huit métriques dans un run, avec quatre
# MAGIC figures et un tableau.

# COMMAND ----------

aliases = MlflowClient().get_registered_model(MODEL).aliases
tree = aliases.get("previous", aliases["champion"])  # champion encore, si rien n'a été promu
versions = [tree, aliases["challenger"], aliases["outsider"]]
wines = load_wines()
test = wines.X_test.assign(cultivar=wines.y_test)

mlflow.set_experiment("/Shared/04_model_registry_azureml")
config = {"log_model_explainability": False}  # SHAP, dont la leçon ne se sert pas
results, scores = {}, {}
for version in versions:
    uri = f"models:/{MODEL}/{version}"
    with mlflow.start_run(
        run_name=f"gate version {version}", description="Évaluation sur les 45 vins de test."
    ):
        results[version] = mlflow.models.evaluate(
            uri, test, targets="cultivar", model_type="classifier", evaluator_config=config
        )
    scores[version] = cross_validated(mlflow.sklearn.load_model(uri), wines.X_train, wines.y_train)
    on_test, on_folds = results[version].metrics["accuracy_score"], scores[version]["cv_accuracy"]
    print(f"version {version} : {on_test:.3f} sur le test, {on_folds:.3f} sur 25 plis")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Deux barrières, et notre règle
# MAGIC
# MAGIC `validate_evaluation_results` ne rend rien si les seuils sont tenus ; il lève une exception, qui
# MAGIC dit pourquoi, sinon. Notre règle est celle de 02_promote.py : 0.01 d'exactitude en plus sur les
# MAGIC 25 plis, et aucun cultivar moins bien reconnu.

# COMMAND ----------

alone = MetricThreshold(threshold=0.95, greater_is_better=True)
better = MetricThreshold(threshold=0.95, min_absolute_change=0.01, greater_is_better=True)
for before, version in zip(versions, versions[1:], strict=False):
    decided = []
    for rule, baseline in ((alone, None), (better, results[before])):
        try:
            mlflow.validate_evaluation_results({"accuracy_score": rule}, results[version], baseline)
            decided.append("oui")
        except ModelValidationFailedException as error:
            decided.append("non")
            print(f"  MLflow refuse la version {version} : {error.message}")
    decided.append("oui" if compare(scores[before], scores[version], 0.01).promoted else "non")
    print(
        f"version {version} contre {before} : seuil seul, {decided[0]} ;"
        f" mieux que l'ancienne, {decided[1]} ; 25 plis, {decided[2]}"
    )

# COMMAND ----------

# MAGIC %md
# MAGIC ## Et si le hasard avait mis d'autres vins dans le test ?
# MAGIC
# MAGIC La seule règle « au moins 0.01 de mieux », sans le seuil de 0.95, sur 50 autres découpages en 133
# MAGIC et 45 vins : combien de fois dirait-elle oui ?

# COMMAND ----------

X, y = pd.concat([wines.X_train, wines.X_test]), pd.concat([wines.y_train, wines.y_test])
accepted = {"random_forest": 0, "logistic_regression": 0}
for seed in range(1, 51):
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=45, random_state=seed, stratify=y
    )
    right = {
        name: (model.fit(X_train, y_train).predict(X_test) == y_test).sum()
        for name, model in candidates().items()
    }
    forest, regression = right["random_forest"], right["logistic_regression"]
    accepted["random_forest"] += forest - right["decision_tree"] >= 0.01 * 45
    accepted["logistic_regression"] += regression - forest >= 0.01 * 45
print(
    f"Sur 50 autres découpages, oui à la forêt : {accepted['random_forest']} fois ;"
    f" à la régression : {accepted['logistic_regression']} fois."
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC | | seuil de 0.95 | 0.01 de mieux que l'ancienne | 25 plis |
# MAGIC |---|---|---|---|
# MAGIC | forêt contre arbre | oui | oui | oui |
# MAGIC | régression contre forêt | oui | non | non |
# MAGIC
# MAGIC Un seuil seul laisse passer la régression : il ne compare à personne. Avec la comparaison, les
# MAGIC deux règles s'accordent ici, mais sur 45 vins un seul vin vaut 0.022, plus que la marge : pour la
# MAGIC régression, la réponse dépend du tirage du test, oui 17 fois sur 50. Pour la forêt, elle n'en
# MAGIC dépend pas : 50 fois sur 50. Notre règle, elle, ne touche pas au test, qui reste un jugement
# MAGIC indépendant.
