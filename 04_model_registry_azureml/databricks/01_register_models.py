# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/01_register_models.py par tools/build.py. -->
# MAGIC # Leçon 4, script 1 : inscrire des modèles au registre
# MAGIC
# MAGIC **Question.** Trois modèles entraînés, trois runs. Lequel est « le » modèle, et comment le dire
# MAGIC sans recopier un fichier ?
# MAGIC
# MAGIC Avant de lancer, pronostiquez : si l'on inscrit trois modèles sous le même nom, lequel reçoit-on
# MAGIC en demandant ce nom ?

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

# MAGIC %md
# MAGIC ## Un nom, des versions
# MAGIC
# MAGIC Chaque modèle est d'abord enregistré par un run, puis inscrit : le registre lui donne un numéro de
# MAGIC version, qui ne change plus. Ici, inscrire ne copie aucun fichier, la version renvoie à ceux du
# MAGIC run (`run_id`) ; Unity Catalog, lui, les copie. Une version a ses étiquettes et sa description.
# MAGIC Relancé, ce script ajoute trois versions aux précédentes.

# COMMAND ----------

dbutils.widgets.text("MODEL", "workspace.default.wine_cultivars")
MODEL = dbutils.widgets.get("MODEL")
client = mlflow.MlflowClient()
mlflow.set_experiment("/Shared/04_model_registry_azureml")

X, _, y, _ = load_wines()  # les 133 vins d'apprentissage
table = X.assign(cultivar=y)
data = mlflow.data.from_pandas(table, source_url, name="wine_recognition_train", targets="cultivar")
versions = {}
for name, model in candidates().items():
    told = f"{name} sur 133 vins, jugé sur 25 plis de validation croisée."
    with mlflow.start_run(run_name=name, description=told):
        mlflow.log_input(data, context="training")
        mlflow.log_params({"family": name, "seed": 0, **model[-1].get_params()})
        metrics = cross_validated(model, X, y)
        mlflow.log_metrics(metrics)
        figure = confusion_figure(name, model, X, y)
        mlflow.log_figure(figure, "confusion_matrix.png")
        display(figure)
        logged = mlflow.sklearn.log_model(
            model.fit(X, y),
            name=name,
            signature=mlflow.models.infer_signature(X, y),
            input_example=X.head(3),
            pip_requirements=requirements,
            # au rechargement, aucun code ne s'exécute hors des types déclarés
            serialization_format="skops",
            skops_trusted_types=trusted_types,
        )
    versions[name] = mlflow.register_model(logged.model_uri, MODEL, tags={"family": name}).version
    score = f"exactitude {metrics['cv_accuracy']:.3f}"
    client.update_model_version(MODEL, versions[name], f"{name} : {score} en validation croisée.")
    print(f"version {versions[name]} : {name:<20} {score}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Les alias, et qui les porte
# MAGIC
# MAGIC Un *alias* est un nom qui se déplace d'une version à l'autre : la forêt devient `@challenger`, la
# MAGIC régression logistique `@outsider`. `@champion`, la version en service, n'est donné à l'arbre que
# MAGIC si personne ne l'a : seule une comparaison (02_promote.py) l'enlève à qui le porte.

# COMMAND ----------

use = "Le cultivar d'un vin, d'après 13 mesures chimiques. En service : l'alias champion."
client.update_registered_model(MODEL, use)
client.set_registered_model_alias(MODEL, "challenger", versions["random_forest"])
client.set_registered_model_alias(MODEL, "outsider", versions["logistic_regression"])
if "champion" in client.get_registered_model(MODEL).aliases:
    print("@champion était déjà donné : il y reste, les nouvelles versions sont candidates.")
else:
    # raconter d'abord, déplacer ensuite : arrêté entre les deux, ce script se relance
    tree = versions["decision_tree"]
    client.set_registered_model_tag(MODEL, *story(tree, "inscrit par register_models"))
    client.set_registered_model_alias(MODEL, "champion", tree)

aliases = client.get_registered_model(MODEL).aliases
print("Alias :", ", ".join(f"@{alias} version {aliases[alias]}" for alias in sorted(aliases)))

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC | version | modèle | alias | exactitude |
# MAGIC |---|---|---|---|
# MAGIC | 1 | decision_tree | champion | 0.900 |
# MAGIC | 2 | random_forest | challenger | 0.967 |
# MAGIC | 3 | logistic_regression | outsider | 0.967 |
# MAGIC
# MAGIC Demander un nom sans version ni alias n'a pas de réponse : `models:/wine_cultivars` est refusé ;
# MAGIC `models:/wine_cultivars/latest` répond, mais par la dernière inscrite. `@champion` désigne
# MAGIC aujourd'hui l'arbre, le moins bon des trois : le registre dit qui est en service, pas qui est le
# MAGIC meilleur.

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [02_promote]($./02_promote)
