# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/promote.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Leçon 4, script 2 : promouvoir, ou pas
# MAGIC
# MAGIC **Question.** La forêt bat-elle assez l'arbre pour prendre sa place ? Et la régression logistique, celle de la forêt ?
# MAGIC
# MAGIC Pronostiquez les deux verdicts : les exactitudes sont dans le registre depuis le script précédent.

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./wines

# COMMAND ----------

import argparse
from datetime import UTC, datetime

import matplotlib.pyplot as plt
import mlflow
from mlflow import MlflowClient
from sklearn.metrics import accuracy_score


def margin(text: str) -> float:
    """Un nombre entre 0 et 1, sinon l'erreur d'argparse."""
    if 0 <= (value := float(text)) <= 1:
        return value
    raise argparse.ArgumentTypeError(f"{text} n'est pas entre 0 et 1")

# COMMAND ----------

import shlex
from types import SimpleNamespace

dbutils.widgets.text("experiment", "/Shared/04_model_registry_azureml")
dbutils.widgets.text("model", "main.default.wine_cultivars")
dbutils.widgets.text("margin", "0.01")  # gain d'exactitude en deçà duquel on ne change rien
dbutils.widgets.text("candidates", "challenger outsider")  # alias des candidats, dans l'ordre
dbutils.widgets.dropdown("rollback", "non", ["non", "oui"])  # rend @champion à la version qui le portait avant

if not dbutils.widgets.get("candidates").strip():
    raise SystemExit("Le réglage « candidates » est vide : remplissez-le en haut de la page, puis relancez.")
args = SimpleNamespace(
    experiment=dbutils.widgets.get("experiment"),
    model=dbutils.widgets.get("model"),
    margin=margin(dbutils.widgets.get("margin")),
    candidates=shlex.split(dbutils.widgets.get("candidates")),
    rollback=dbutils.widgets.get("rollback") == "oui",
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Un alias se déplace, le registre n'en garde pas trace
# MAGIC
# MAGIC MLflow oublie l'ancien porteur d'un alias. Ce qu'il faut pouvoir relire est donc écrit à chaque déplacement : `@previous`
# MAGIC sur l'ancien porteur, et une étiquette `history_<date>` sur le nom.

# COMMAND ----------

client = MlflowClient()
champion = version_of(client, args.model, "champion")


def move_champion(version: str, reason: str) -> None:
    """Donne `@champion` à `version` et écrit l'histoire sur le modèle inscrit."""
    now = datetime.now(UTC)
    line = f"{now:%Y-%m-%d %H:%M:%S} UTC, @champion : {champion.version} -> {version}, {reason}"
    client.set_registered_model_tag(args.model, f"history_{now:%Y%m%d_%H%M%S_%f}", line)
    client.set_registered_model_alias(args.model, "champion", version)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Comparer, décider, écrire pourquoi
# MAGIC
# MAGIC Deux conditions, fixées avant de voir les résultats : au moins `margin` d'exactitude en plus, et aucun cultivar moins
# MAGIC bien reconnu. La raison est écrite sur la version, que la réponse soit oui ou non.

# COMMAND ----------

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
        display(figure)
        plt.close(figure)
    client.set_model_version_tag(args.model, candidate.version, "decision", decision)
    client.set_model_version_tag(args.model, candidate.version, "reason", f"contre la version {champion.version} : {verdict.reason}")
    print(f"@{alias}, version {candidate.version} contre {champion.version} : {'promue' if verdict.promoted else 'refusée'} ({verdict.reason}).")
    if verdict.promoted:
        move_champion(candidate.version, verdict.reason)
        client.set_registered_model_alias(args.model, "previous", champion.version)
        champion = candidate

# COMMAND ----------

if args.rollback:
    previous = version_of(client, args.model, "previous")
    move_champion(previous.version, "retour en arrière")
    client.delete_registered_model_alias(args.model, "previous")
    client.set_model_version_tag(args.model, champion.version, "decision", "rolled back")
    champion = previous

# COMMAND ----------

# MAGIC %md
# MAGIC ## Le jeu de test, pour le seul modèle retenu

# COMMAND ----------

if not args.rollback:
    retained = mlflow.pyfunc.load_model(f"models:/{args.model}@champion")
    right = accuracy_score(wines.y_test, retained.predict(wines.X_test), normalize=False)
    print(f"Jeu de test : {right:.0f} vins sur {len(wines.y_test)}.")
print(f"@champion : version {champion.version}. Son histoire :")
for key, line in sorted(client.get_registered_model(args.model).tags.items()):
    if key.startswith("history_"):
        print(f"  {line}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC | comparaison | exactitude du champion | du candidat | gain | verdict |
# MAGIC |---|---|---|---|---|
# MAGIC | forêt contre arbre | 0.900 | 0.967 | +0.0664 | promue |
# MAGIC | régression logistique contre forêt | 0.967 | 0.967 | +0.0003 | refusée |
# MAGIC
# MAGIC Un candidat meilleur de 0.0003 n'est pas meilleur : il se trompe davantage sur deux cultivars, et 133 vins ne permettent
# MAGIC pas d'en dire plus. Les 45 vins du test, tous reconnus, ne départageraient personne.
# MAGIC
# MAGIC Les anciennes étapes (*stages*) du registre, supprimées de l'usage, se disent avec des alias et des étiquettes :
# MAGIC - `Staging` : un alias, `@challenger` ;
# MAGIC - `Production` : un alias, `@champion`, que le code qui sert demande par son nom ;
# MAGIC - `Archived` : rien, ou une étiquette ; ici `@previous` et `decision`, qui disent en plus pourquoi.
