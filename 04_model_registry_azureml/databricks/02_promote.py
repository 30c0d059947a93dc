# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/02_promote.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Leçon 4, script 2 : promouvoir, ou pas
# MAGIC
# MAGIC **Question.** La forêt bat-elle assez l'arbre pour prendre sa place ? Et la régression logistique,
# MAGIC celle de la forêt ?
# MAGIC
# MAGIC Pronostiquez les deux verdicts : les exactitudes sont dans le registre depuis le script précédent.

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./holders

# COMMAND ----------

# MAGIC %run ./options

# COMMAND ----------

# MAGIC %run ./wines

# COMMAND ----------

import mlflow
from mlflow import MlflowClient, MlflowException

# COMMAND ----------

import shlex
from types import SimpleNamespace

dbutils.widgets.text("experiment", "/Shared/04_model_registry_azureml")
dbutils.widgets.text("model", "workspace.default.wine_cultivars")
dbutils.widgets.text("margin", "0.01")  # gain d'exactitude en deçà duquel on ne change rien
dbutils.widgets.text("candidates", "challenger outsider")  # leurs alias, dans l'ordre
dbutils.widgets.dropdown("rollback", "non", ["non", "oui"])  # rend @champion à la version qui le portait avant

if not dbutils.widgets.get("candidates").strip():
    raise SystemExit("Le réglage « candidates » est vide : remplissez-le en haut de la page, puis relancez.")
args = SimpleNamespace(
    experiment=short_text(dbutils.widgets.get("experiment")),
    model=short_text(dbutils.widgets.get("model")),
    margin=number(0, 1)(dbutils.widgets.get("margin")),
    candidates=[short_text(word) for word in shlex.split(dbutils.widgets.get("candidates"))],
    rollback=dbutils.widgets.get("rollback") == "oui",
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Un alias désigne, une étiquette raconte
# MAGIC
# MAGIC Le code qui sert demande `@champion`. Déplacer cet alias, c'est promouvoir, en un appel ; mais
# MAGIC MLflow oublie qui le portait. Ce script l'écrit donc : l'alias `@previous`, et une ligne
# MAGIC d'histoire, toujours en dernier. Un lancement tué entre les deux se reconnaît à ce que l'alias et
# MAGIC l'histoire ne disent pas la même version : le suivant écrit la ligne qui manque.

# COMMAND ----------

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

# COMMAND ----------

# MAGIC %md
# MAGIC ## Comparer, décider, écrire pourquoi
# MAGIC
# MAGIC Deux conditions, les mêmes pour tous : au moins `margin` d'exactitude en plus, et aucun cultivar
# MAGIC moins bien reconnu. La raison est écrite sur la version, que la réponse soit oui ou non.

# COMMAND ----------

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
        display(figure)
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

# COMMAND ----------

# MAGIC %md
# MAGIC ## Revenir en arrière
# MAGIC
# MAGIC Le même appel, dans l'autre sens. Après cela plus personne n'est avant le champion : `@previous`
# MAGIC s'en va.

# COMMAND ----------

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

# COMMAND ----------

print(f"@champion : version {champion}. Son histoire :")
for line in history_lines(client.get_registered_model(args.model).tags):
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
