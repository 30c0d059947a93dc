# %% [markdown]
# # Leçon 4, script 5 : la barrière de MLflow, à côté de notre validation croisée
#
# **Question.** MLflow sait évaluer un modèle et refuser celui qui ne passe pas des seuils. Avec les
# 45 vins du test, décide-t-il comme 02_promote.py, qui ne les regarde pas ?
#
# Pronostiquez, pour la forêt puis pour la régression logistique : un seuil d'exactitude de 0.95 les
# laisse-t-il passer ? Et un seuil qui demande au moins 0.01 de mieux que la version d'avant ?

# %% [markdown] tags=["local"]
# ```
# uv run 04_model_registry_azureml/local/05_gate.py
# ```
#
# Trente secondes.

# %% tags=["local"]
from store import open_store  # en premier : Ctrl-C se dit alors en une ligne

# %%
import argparse

import mlflow
import pandas as pd
from mlflow import MlflowClient, MlflowException
from mlflow.models import MetricThreshold
from mlflow.models.evaluation.validation import ModelValidationFailedException

from options import short_text
from splits import split
from wines import candidates, compare, cross_validated, load_wines

# %% tags=["parameters"]
parser = argparse.ArgumentParser(
    description="Évalue trois versions sur les vins de test, et compare deux règles de promotion."
)
parser.add_argument(
    "--experiment", type=short_text, default="04_model_registry_azureml"
)  # databricks: "/Shared/04_model_registry_azureml"
parser.add_argument(
    "--model", type=short_text, default="wine_cultivars"
)  # databricks: "workspace.default.wine_cultivars"
args = parser.parse_args()

# %% tags=["local"]
open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %% [markdown]
# ## Évaluer sur le test
#
# `mlflow.models.evaluate` prédit, compte, et enregistre huit métriques dans un run, avec quatre
# figures et un tableau.

# %%
client = MlflowClient()
try:
    aliases = client.get_registered_model(args.model).aliases
    # arbre, forêt, régression
    versions = [
        aliases.get("previous", aliases["champion"]),
        aliases["challenger"],
        aliases["outsider"],
    ]
except (MlflowException, KeyError):
    raise SystemExit(
        "Il manque un alias. Lancez d'abord : uv run 04_model_registry_azureml/local/01_register_models.py"
    ) from None
wines = load_wines()
test = wines.X_test.assign(cultivar=wines.y_test)

mlflow.set_experiment(args.experiment)
results, scores = {}, {}
for version in versions:
    with mlflow.start_run(
        run_name=f"gate version {version}", description="Évaluation sur les 45 vins de test."
    ):
        # l'explication demande SHAP, et la leçon ne s'en sert pas
        config = {"log_model_explainability": False}
        uri = f"models:/{args.model}/{version}"
        results[version] = mlflow.models.evaluate(
            uri, test, targets="cultivar", model_type="classifier", evaluator_config=config
        )
    scores[version] = cross_validated(mlflow.sklearn.load_model(uri), wines.X_train, wines.y_train)
    on_test, on_folds = results[version].metrics["accuracy_score"], scores[version]["cv_accuracy"]
    print(f"version {version} : {on_test:.3f} sur le test, {on_folds:.3f} sur 25 plis")

# %% [markdown]
# ## Deux barrières, et notre règle
#
# `validate_evaluation_results` ne rend rien si les seuils sont tenus ; il lève une exception, qui
# dit pourquoi, sinon.

# %%
alone = {"accuracy_score": MetricThreshold(threshold=0.95, greater_is_better=True)}
better = {
    "accuracy_score": MetricThreshold(
        threshold=0.95, min_absolute_change=0.01, greater_is_better=True
    )
}
for before, version in zip(versions, versions[1:], strict=False):
    decided = []
    for thresholds, baseline in ((alone, None), (better, results[before])):
        try:
            mlflow.validate_evaluation_results(thresholds, results[version], baseline)
            decided.append("oui")
        except ModelValidationFailedException as error:
            decided.append("non")
            print(f"  MLflow refuse la version {version} : {error.message}")
    decided.append("oui" if compare(scores[before], scores[version], 0.01).promoted else "non")
    print(
        f"version {version} contre {before} : seuil seul, {decided[0]} ; mieux que l'ancienne, {decided[1]} ; 25 plis, {decided[2]}"
    )

# %% [markdown]
# ## Et si le hasard avait mis d'autres vins dans le test ?
#
# La seule règle « au moins 0.01 de mieux », sans le seuil de 0.95, sur 50 autres découpages en 133
# et 45 vins : combien de fois dirait-elle oui ?

# %%
X, y = pd.concat([wines.X_train, wines.X_test]), pd.concat([wines.y_train, wines.y_test])
accepted = {"random_forest": 0, "logistic_regression": 0}
print("Sur 50 autres découpages, oui à la forêt : ", end="", flush=True)
for seed in range(1, 51):
    other = split(X, y, valid=0, test=45, seed=seed, stratify=True)
    right = {}
    for name, model in candidates().items():
        right[name] = (
            model.fit(other.X_train, other.y_train).predict(other.X_test) == other.y_test
        ).sum()
    accepted["random_forest"] += right["random_forest"] - right["decision_tree"] >= 0.01 * 45
    accepted["logistic_regression"] += (
        right["logistic_regression"] - right["random_forest"] >= 0.01 * 45
    )
print(
    f"{accepted['random_forest']} fois ; à la régression : {accepted['logistic_regression']} fois."
)

# %% [markdown]
# ## À retenir
#
# | | seuil de 0.95 | 0.01 de mieux que l'ancienne | 25 plis |
# |---|---|---|---|
# | forêt contre arbre | oui | oui | oui |
# | régression contre forêt | oui | non | non |
#
# Un seuil seul laisse passer la régression : il ne compare à personne. Avec la comparaison, les
# deux règles s'accordent ici, mais sur 45 vins un seul vin vaut 0.022, plus que la marge : pour la
# régression, la réponse dépend du tirage du test, oui 17 fois sur 50. Pour la forêt, elle n'en
# dépend pas : 50 fois sur 50. Notre règle, elle, ne touche pas au test, qui reste un jugement
# indépendant.
