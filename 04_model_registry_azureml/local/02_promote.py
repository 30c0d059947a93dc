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

# %% tags=["local"]
from store import open_store  # en premier : Ctrl-C se dit alors en une ligne

# %%
import argparse

import mlflow
from mlflow import MlflowClient, MlflowException

from holders import history_entry, history_lines, recorded_champion
from options import number, short_text
from wines import compare, cross_validated, load_wines, recall_figure, source_url

# %% tags=["parameters"]
parser = argparse.ArgumentParser(
    description="Compare des candidats au champion, et déplace l'alias s'il y a lieu."
)
parser.add_argument(
    "--experiment", type=short_text, default="04_model_registry_azureml"
)  # databricks: "/Shared/04_model_registry_azureml"
parser.add_argument(
    "--model", type=short_text, default="wine_cultivars"
)  # databricks: "workspace.default.wine_cultivars"
parser.add_argument(
    "--margin",
    type=number(0, 1),
    default=0.01,
    help="gain d'exactitude en deçà duquel on ne change rien",
)
parser.add_argument(
    "--candidates",
    type=short_text,
    nargs="+",
    default=["challenger", "outsider"],
    help="leurs alias, dans l'ordre",
)
parser.add_argument(
    "--rollback", action="store_true", help="rend @champion à la version qui le portait avant"
)
args = parser.parse_args()

# %% tags=["local"]
open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %% [markdown]
# ## Un alias désigne, une étiquette raconte
#
# Le code qui sert demande `@champion`. Déplacer cet alias, c'est promouvoir, en un appel ; mais
# MLflow oublie qui le portait. Ce script l'écrit donc : l'alias `@previous`, et une ligne
# d'histoire, toujours en dernier. Un lancement tué entre les deux se reconnaît à ce que l'alias et
# l'histoire ne disent pas la même version : le suivant écrit la ligne qui manque.

# %%
client = MlflowClient()
try:
    champion = client.get_model_version_by_alias(args.model, "champion").version
    rivals = {
        alias: client.get_model_version_by_alias(args.model, alias).version
        for alias in args.candidates
    }
except MlflowException:
    raise SystemExit(
        "Il manque un alias. Lancez d'abord : uv run 04_model_registry_azureml/local/01_register_models.py"
    ) from None

registered = client.get_registered_model(args.model)
previous = registered.aliases.get("previous")
recorded = recorded_champion(registered.tags) or str(champion)
interrupted = recorded != str(champion)
if interrupted:
    if previous == champion:  # un retour en arrière, tué avant de retirer @previous
        client.delete_registered_model_alias(args.model, "previous")
    key, line = history_entry(f"{recorded} -> {champion}", "fin d'un lancement interrompu")
    client.set_registered_model_tag(args.model, key, line)

# %% [markdown]
# ## Comparer, décider, écrire pourquoi
#
# Deux conditions, les mêmes pour tous : au moins `--margin` d'exactitude en plus, et aucun cultivar
# moins bien reconnu. La raison est écrite sur la version, que la réponse soit oui ou non.

# %%
wines = load_wines()
table = wines.X_train.assign(cultivar=wines.y_train)
dataset = mlflow.data.from_pandas(
    table, source=source_url, name="wine_recognition_train", targets="cultivar"
)
mlflow.set_experiment(args.experiment)
for alias, rival in rivals.items():
    if args.rollback:
        continue  # rien à comparer
    if rival == champion:
        print(f"@{alias}, version {rival} : déjà champion.")
        continue
    print(f"@{alias}, version {rival} contre {champion} : ", end="", flush=True)
    with mlflow.start_run(
        run_name=f"version {rival} contre {champion}", description="Promotion : voir `decision`."
    ):
        mlflow.log_input(dataset)
        scores = {}
        for role, version in {"champion": champion, "candidate": rival}.items():
            pipeline = mlflow.sklearn.load_model(f"models:/{args.model}/{version}")
            scores[role] = cross_validated(pipeline, wines.X_train, wines.y_train)
            mlflow.log_metrics({f"{role}_{name}": value for name, value in scores[role].items()})
        verdict = compare(scores["champion"], scores["candidate"], args.margin)
        decision = "promoted" if verdict.promoted else "refused"
        mlflow.log_params({"champion": champion, "candidate": rival, "margin": args.margin})
        mlflow.log_metric("cv_accuracy_gain", verdict.gain)
        mlflow.set_tags({"decision": decision, "reason": verdict.reason})
        figure = recall_figure(scores, f"{decision} : gain d'exactitude {verdict.gain:+.4f}")
        mlflow.log_figure(figure, "recall_by_cultivar.png")
        # databricks: display(figure)
    client.set_model_version_tag(args.model, rival, "decision", decision)
    client.set_model_version_tag(
        args.model, rival, "reason", f"contre la version {champion} : {verdict.reason}"
    )
    print(f"{'promue' if verdict.promoted else 'refusée'} ({verdict.reason}).")
    if verdict.promoted:
        client.set_registered_model_alias(args.model, "previous", champion)
        client.set_registered_model_alias(args.model, "champion", rival)
        key, line = history_entry(f"{champion} -> {rival}", verdict.reason)
        client.set_registered_model_tag(args.model, key, line)
        champion = rival

# %% [markdown]
# ## Revenir en arrière
#
# Le même appel, dans l'autre sens. Après cela plus personne n'est avant le champion : `@previous`
# s'en va.

# %%
if args.rollback and previous not in (None, champion):
    client.set_model_version_tag(args.model, champion, "decision", "rolled back")
    client.set_registered_model_alias(args.model, "champion", previous)
    client.delete_registered_model_alias(args.model, "previous")
    key, line = history_entry(f"{champion} -> {previous}", "retour en arrière")
    client.set_registered_model_tag(args.model, key, line)
    champion = previous
elif args.rollback and not interrupted:
    raise SystemExit(
        f"Personne n'a été @champion avant la version {champion} : rien à rendre. Pour promouvoir, relancez sans --rollback."
    )

# %%
print(f"@champion : version {champion}. Son histoire :")
for line in history_lines(client.get_registered_model(args.model).tags):
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
