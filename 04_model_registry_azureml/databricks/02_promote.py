# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/02_promote.py par tools/build.py. -->
# MAGIC # Leçon 4, script 2 : promouvoir, ou pas
# MAGIC
# MAGIC **Question.** La forêt bat-elle assez l'arbre pour prendre sa place ? Et la régression logistique,
# MAGIC celle de la forêt ?
# MAGIC
# MAGIC Pronostiquez les deux verdicts : les exactitudes sont dans le registre depuis le script précédent.

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

# COMMAND ----------

dbutils.widgets.dropdown("rollback", "non", ["non", "oui"])

from types import SimpleNamespace

args = SimpleNamespace(
    rollback=dbutils.widgets.get("rollback") == "oui",  # rend @champion au porteur précédent
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Un alias désigne, une étiquette raconte
# MAGIC
# MAGIC Le code qui sert demande `@champion`. Déplacer cet alias, c'est promouvoir, en un appel ; mais
# MAGIC MLflow oublie qui le portait. Ce script l'écrit donc : une ligne d'histoire, et l'alias
# MAGIC `@previous`. `@champion` ne bouge qu'après : un lancement arrêté plus tôt n'a rien changé à ce qui
# MAGIC est en service, et se relance.

# COMMAND ----------

dbutils.widgets.text("MODEL", "workspace.default.wine_cultivars")
MODEL = dbutils.widgets.get("MODEL")
CANDIDATES = ("challenger", "outsider")  # leurs alias, dans l'ordre
MARGIN = 0.01  # le gain d'exactitude en deçà duquel on ne change rien
client = mlflow.MlflowClient()
champion = client.get_model_version_by_alias(MODEL, "champion").version

# COMMAND ----------

# MAGIC %md
# MAGIC ## Comparer, décider, écrire pourquoi
# MAGIC
# MAGIC Deux conditions, les mêmes pour tous : au moins `MARGIN` d'exactitude en plus, et aucun cultivar
# MAGIC moins bien reconnu. La raison est écrite sur la version, que la réponse soit oui ou non.

# COMMAND ----------

X, _, y, _ = load_wines()  # les 133 vins d'apprentissage
dataset = mlflow.data.from_pandas(
    X.assign(cultivar=y), source=source_url, name="wine_recognition_train", targets="cultivar"
)
mlflow.set_experiment("/Shared/04_model_registry_azureml")
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
        display(figure)
    reason = f"contre la version {champion} : {verdict.reason}"
    client.set_model_version_tag(MODEL, rival, "decision", decision)
    client.set_model_version_tag(MODEL, rival, "reason", reason)
    print(f"@{alias}, {name} : {'promue' if verdict.promoted else 'refusée'} ({verdict.reason}).")
    if verdict.promoted:
        client.set_registered_model_tag(MODEL, *story(f"{champion} -> {rival}", verdict.reason))
        client.set_registered_model_alias(MODEL, "previous", champion)
        client.set_registered_model_alias(MODEL, "champion", rival)
        champion = rival

# COMMAND ----------

# MAGIC %md
# MAGIC ## Revenir en arrière
# MAGIC
# MAGIC Le même appel, dans l'autre sens. Après cela plus personne n'est avant le champion : `@previous`
# MAGIC s'en va.

# COMMAND ----------

if args.rollback:
    previous = client.get_model_version_by_alias(MODEL, "previous").version
    client.set_model_version_tag(MODEL, champion, "decision", "rolled back")
    client.set_registered_model_tag(MODEL, *story(f"{champion} -> {previous}", "retour en arrière"))
    client.set_registered_model_alias(MODEL, "champion", previous)
    client.delete_registered_model_alias(MODEL, "previous")
    champion = previous

# COMMAND ----------

print(f"@champion : version {champion}. Son histoire :")
for key, line in sorted(client.get_registered_model(MODEL).tags.items()):
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
# MAGIC La régression logistique gagne 0.0003 d'exactitude, et perd en sensibilité sur `cultivar_1` et
# MAGIC `cultivar_2`. Sur les 25 plis, elle bat la forêt 9 fois, est battue 10 fois, et l'égale 6 fois :
# MAGIC rien ne dit qu'elle soit meilleure.
# MAGIC
# MAGIC Les anciennes étapes (*stages*) du registre sont dépréciées depuis MLflow 2.9 ; elles répondent
# MAGIC encore, avec un avertissement. Elles se disent avec des alias et des étiquettes :
# MAGIC - `Staging` : un alias, `@challenger` ;
# MAGIC - `Production` : un alias, `@champion`, que le code qui sert demande par son nom ;
# MAGIC - `Archived` : rien, ou une étiquette ; ici `@previous` et `decision`, qui disent en plus
# MAGIC   pourquoi.
