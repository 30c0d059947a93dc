# %% [markdown]
# # Leçon 4, script 2 : promouvoir, ou pas
#
# **Question.** La forêt bat-elle assez l'arbre pour prendre sa place ? Et la régression logistique,
# celle de la forêt ?
#
# Pronostiquez les deux verdicts : les exactitudes sont dans le registre depuis le script précédent.

# %% [markdown] tags=["local"]
# ```
# uv run 04_model_registry_azureml/local/02_promote.py
# uv run 04_model_registry_azureml/local/02_promote.py --rollback
# ```
#
# Quinze secondes ; moins pour `--rollback`, qui rend `@champion` au porteur précédent. Relancez
# ensuite sans option.

# %%
import argparse

import mlflow

from wines import compare, cross_validated, load_wines, recall_figure, source_url, story

# %% tags=["parameters"]
parser = argparse.ArgumentParser(description="Promeut ceux des candidats qui battent le champion.")
parser.add_argument("--rollback", action="store_true", help="rend @champion au porteur précédent")
args = parser.parse_args()

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %% [markdown]
# ## Un alias désigne, une étiquette raconte
#
# Le code qui sert demande `@champion`. Déplacer cet alias, c'est promouvoir, en un appel ; mais
# MLflow oublie qui le portait. Ce script l'écrit donc : une ligne d'histoire, et l'alias
# `@previous`. `@champion` ne bouge qu'après : un lancement arrêté plus tôt n'a rien changé à ce qui
# est en service, et se relance.

# %%
MODEL = "wine_cultivars"  # databricks: "workspace.default.wine_cultivars"
CANDIDATES = ("challenger", "outsider")  # leurs alias, dans l'ordre
MARGIN = 0.01  # le gain d'exactitude en deçà duquel on ne change rien
client = mlflow.MlflowClient()
champion = client.get_model_version_by_alias(MODEL, "champion").version

# %% [markdown]
# ## Comparer, décider, écrire pourquoi
#
# Deux conditions, les mêmes pour tous : au moins `MARGIN` d'exactitude en plus, et aucun cultivar
# moins bien reconnu. La raison est écrite sur la version, que la réponse soit oui ou non.

# %%
X, _, y, _ = load_wines()  # les 133 vins d'apprentissage
dataset = mlflow.data.from_pandas(
    X.assign(cultivar=y), source=source_url, name="wine_recognition_train", targets="cultivar"
)
mlflow.set_experiment("04_model_registry_azureml")
for alias in () if args.rollback else CANDIDATES:
    rival = client.get_model_version_by_alias(MODEL, alias).version
    if rival == champion:
        print(f"@{alias}, version {rival} : déjà champion.")
        continue
    name = f"version {rival} contre {champion}"
    with mlflow.start_run(run_name=name, description="Promotion : voir `decision`."):
        mlflow.log_input(dataset)
        scores = {}
        for role, version in {"champion": champion, "candidate": rival}.items():
            pipeline = mlflow.sklearn.load_model(f"models:/{MODEL}/{version}")
            scores[role] = cross_validated(pipeline, X, y)
            mlflow.log_metrics({f"{role}_{key}": value for key, value in scores[role].items()})
        verdict = compare(scores["champion"], scores["candidate"], MARGIN)
        decision = "promoted" if verdict.promoted else "refused"
        mlflow.log_params({"champion": champion, "candidate": rival, "margin": MARGIN})
        mlflow.log_metric("cv_accuracy_gain", verdict.gain)
        mlflow.set_tags({"decision": decision, "reason": verdict.reason})
        figure = recall_figure(scores, f"{decision} : gain d'exactitude {verdict.gain:+.4f}")
        mlflow.log_figure(figure, "recall_by_cultivar.png")
        # databricks: display(figure)
    reason = f"contre la version {champion} : {verdict.reason}"
    client.set_model_version_tag(MODEL, rival, "decision", decision)
    client.set_model_version_tag(MODEL, rival, "reason", reason)
    print(f"@{alias}, {name} : {'promue' if verdict.promoted else 'refusée'} ({verdict.reason}).")
    if verdict.promoted:
        client.set_registered_model_tag(MODEL, *story(f"{champion} -> {rival}", verdict.reason))
        client.set_registered_model_alias(MODEL, "previous", champion)
        client.set_registered_model_alias(MODEL, "champion", rival)
        champion = rival

# %% [markdown]
# ## Revenir en arrière
#
# Le même appel, dans l'autre sens. Après cela plus personne n'est avant le champion : `@previous`
# s'en va.

# %%
if args.rollback:
    previous = client.get_model_version_by_alias(MODEL, "previous").version
    client.set_model_version_tag(MODEL, champion, "decision", "rolled back")
    client.set_registered_model_tag(MODEL, *story(f"{champion} -> {previous}", "retour en arrière"))
    client.set_registered_model_alias(MODEL, "champion", previous)
    client.delete_registered_model_alias(MODEL, "previous")
    champion = previous

# %%
print(f"@champion : version {champion}. Son histoire :")
for key, line in sorted(client.get_registered_model(MODEL).tags.items()):
    if key.startswith("history_"):
        print(f"  {line}")

# %% tags=["local"]
print("Ensuite : uv run 04_model_registry_azureml/local/03_serve.py")

# %% [markdown]
# ## À retenir
#
# | comparaison | exactitude du champion | du candidat | gain | verdict |
# |---|---|---|---|---|
# | forêt contre arbre | 0.900 | 0.967 | +0.0664 | promue |
# | régression logistique contre forêt | 0.967 | 0.967 | +0.0003 | refusée |
#
# La régression logistique gagne 0.0003 d'exactitude, et perd en sensibilité sur `cultivar_1` et
# `cultivar_2`. Sur les 25 plis, elle bat la forêt 9 fois, est battue 10 fois, et l'égale 6 fois :
# rien ne dit qu'elle soit meilleure.
#
# Les anciennes étapes (*stages*) du registre sont dépréciées depuis MLflow 2.9 ; elles répondent
# encore, avec un avertissement. Elles se disent avec des alias et des étiquettes :
# - `Staging` : un alias, `@challenger` ;
# - `Production` : un alias, `@champion`, que le code qui sert demande par son nom ;
# - `Archived` : rien, ou une étiquette ; ici `@previous` et `decision`, qui disent en plus
#   pourquoi.
