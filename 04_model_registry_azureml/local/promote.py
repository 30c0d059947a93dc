# %% [markdown]
# # Leçon 4, script 2 : promouvoir, ou pas
#
# **Question.** La forêt bat-elle assez l'arbre pour prendre sa place ? Et la régression logistique, celle de la forêt ?
#
# Pronostiquez les deux verdicts : les exactitudes sont dans le registre depuis le script précédent.

# %% [markdown] tags=["local"]
# ```
# uv run 04_model_registry_azureml/local/promote.py
# uv run 04_model_registry_azureml/local/promote.py --rollback
# ```
#
# Quinze secondes ; cinq pour `--rollback`, qui rend `@champion` au porteur précédent. Relancez ensuite sans option.

# %%
import argparse
from datetime import UTC, datetime

import matplotlib.pyplot as plt
import mlflow
from mlflow import MlflowClient
from sklearn.metrics import accuracy_score

from wines import compare, cross_validated, cultivars, load_wines, source_url, version_of


def margin(text: str) -> float:
    """Un nombre entre 0 et 1, sinon l'erreur d'argparse."""
    if 0 <= (value := float(text)) <= 1:
        return value
    raise argparse.ArgumentTypeError(f"{text} n'est pas entre 0 et 1")


# %% tags=["parameters"]
parser = argparse.ArgumentParser(description="Compare des candidats au champion, et déplace l'alias s'il y a lieu.")
parser.add_argument("--experiment", default="04_model_registry_azureml")  # databricks: "/Shared/04_model_registry_azureml"
parser.add_argument("--model", default="wine_cultivars")  # databricks: "main.default.wine_cultivars"
parser.add_argument("--margin", type=margin, default=0.01, help="gain d'exactitude en deçà duquel on ne change rien")
parser.add_argument("--candidates", nargs="+", default=["challenger", "outsider"], help="alias des candidats, dans l'ordre")
parser.add_argument("--rollback", action="store_true", help="rend @champion à la version qui le portait avant")
args = parser.parse_args()

# %% tags=["local"]
from store import open_store

open_store()

# %% [markdown]
# ## Un alias se déplace, le registre n'en garde pas trace
#
# MLflow oublie l'ancien porteur d'un alias. Ce qu'il faut pouvoir relire est donc écrit à chaque déplacement : `@previous`
# sur l'ancien porteur, et une étiquette `history_<date>` sur le nom.

# %%
client = MlflowClient()
champion = version_of(client, args.model, "champion")


def move_champion(version: str, reason: str) -> None:
    """Donne `@champion` à `version` et écrit l'histoire sur le modèle inscrit."""
    now = datetime.now(UTC)
    line = f"{now:%Y-%m-%d %H:%M:%S} UTC, @champion : {champion.version} -> {version}, {reason}"
    client.set_registered_model_tag(args.model, f"history_{now:%Y%m%d_%H%M%S_%f}", line)
    client.set_registered_model_alias(args.model, "champion", version)


# %% [markdown]
# ## Comparer, décider, écrire pourquoi
#
# Deux conditions, fixées avant de voir les résultats : au moins `--margin` d'exactitude en plus, et aucun cultivar moins
# bien reconnu. La raison est écrite sur la version, que la réponse soit oui ou non.

# %%
wines = load_wines()
mlflow.set_experiment(args.experiment)
for alias in [] if args.rollback else args.candidates:
    candidate = version_of(client, args.model, alias)
    if candidate.version == champion.version:
        print(f"@{alias}, version {candidate.version} : déjà champion.")
        continue
    with mlflow.start_run(run_name=f"version {candidate.version} contre {champion.version}", description="Promotion : voir `decision`."):
        scores = {}
        for role, version in {"champion": champion, "candidate": candidate}.items():
            pipeline = mlflow.sklearn.load_model(f"models:/{args.model}/{version.version}")
            scores[role] = cross_validated(pipeline, wines.X_train, wines.y_train)
            mlflow.log_metrics({f"{role}_{name}": value for name, value in scores[role].items()})
        verdict = compare(scores["champion"], scores["candidate"], args.margin)
        decision = "promoted" if verdict.promoted else "refused"
        mlflow.log_params({"champion": champion.version, "candidate": candidate.version, "margin": args.margin})
        mlflow.log_metric("cv_accuracy_gain", verdict.gain)
        mlflow.set_tags({"decision": decision, "reason": verdict.reason})
        wines_frame = wines.X_train.assign(cultivar=wines.y_train)
        mlflow.log_input(mlflow.data.from_pandas(wines_frame, source=source_url, name="wine_recognition_train", targets="cultivar"))
        figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
        for role, score in scores.items():
            axes.plot([score[f"cv_recall_{name}"] for name in cultivars], cultivars, "o", label=role)
        axes.set(xlabel="sensibilité, moyenne de 25 plis", title=f"{decision} : gain d'exactitude {verdict.gain:+.4f}")
        axes.legend()
        mlflow.log_figure(figure, "recall_by_cultivar.png")
        # databricks: display(figure)
        plt.close(figure)
    client.set_model_version_tag(args.model, candidate.version, "decision", decision)
    client.set_model_version_tag(args.model, candidate.version, "reason", f"contre la version {champion.version} : {verdict.reason}")
    print(f"@{alias}, version {candidate.version} contre {champion.version} : {'promue' if verdict.promoted else 'refusée'} ({verdict.reason}).")
    if verdict.promoted:
        move_champion(candidate.version, verdict.reason)
        client.set_registered_model_alias(args.model, "previous", champion.version)
        champion = candidate

# %%
if args.rollback:
    previous = version_of(client, args.model, "previous")
    move_champion(previous.version, "retour en arrière")
    client.delete_registered_model_alias(args.model, "previous")
    client.set_model_version_tag(args.model, champion.version, "decision", "rolled back")
    champion = previous

# %% [markdown]
# ## Le jeu de test, pour le seul modèle retenu

# %%
if not args.rollback:
    retained = mlflow.pyfunc.load_model(f"models:/{args.model}@champion")
    right = accuracy_score(wines.y_test, retained.predict(wines.X_test), normalize=False)
    print(f"Jeu de test : {right:.0f} vins sur {len(wines.y_test)}.")
print(f"@champion : version {champion.version}. Son histoire :")
for key, line in sorted(client.get_registered_model(args.model).tags.items()):
    if key.startswith("history_"):
        print(f"  {line}")

# %% tags=["local"]
print("Ensuite : uv run 04_model_registry_azureml/local/serve.py")

# %% [markdown]
# ## À retenir
#
# | comparaison | exactitude du champion | du candidat | gain | verdict |
# |---|---|---|---|---|
# | forêt contre arbre | 0.900 | 0.967 | +0.0664 | promue |
# | régression logistique contre forêt | 0.967 | 0.967 | +0.0003 | refusée |
#
# Un candidat meilleur de 0.0003 n'est pas meilleur : il se trompe davantage sur deux cultivars, et 133 vins ne permettent
# pas d'en dire plus. Les 45 vins du test, tous reconnus, ne départageraient personne.
#
# Les anciennes étapes (*stages*) du registre, supprimées de l'usage, se disent avec des alias et des étiquettes :
# - `Staging` : un alias, `@challenger` ;
# - `Production` : un alias, `@champion`, que le code qui sert demande par son nom ;
# - `Archived` : rien, ou une étiquette ; ici `@previous` et `decision`, qui disent en plus pourquoi.
