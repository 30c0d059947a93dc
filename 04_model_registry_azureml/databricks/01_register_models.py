# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/01_register_models.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Leçon 4, script 1 : inscrire des modèles au registre
# MAGIC
# MAGIC **Question.** Trois modèles entraînés, trois runs. Lequel est « le » modèle, et comment le dire
# MAGIC sans recopier un fichier ?
# MAGIC
# MAGIC Avant de lancer, pronostiquez : si l'on inscrit trois modèles sous le même nom, lequel reçoit-on
# MAGIC en demandant ce nom ?

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

import io
from contextlib import redirect_stderr

import matplotlib.pyplot as plt
import mlflow
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import cross_val_predict

# COMMAND ----------

from types import SimpleNamespace

dbutils.widgets.text("experiment", "/Shared/04_model_registry_azureml")
dbutils.widgets.text("model", "workspace.default.wine_cultivars")  # nom du modèle inscrit ; dans Unity Catalog, catalogue.schéma.nom, d'un schéma où vous pouvez écrire

args = SimpleNamespace(
    experiment=short_text(dbutils.widgets.get("experiment")),
    model=short_text(dbutils.widgets.get("model")),
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Un nom, des versions
# MAGIC
# MAGIC Chaque modèle est d'abord enregistré par un run, puis inscrit : le registre lui donne un numéro de
# MAGIC version, qui ne change plus. Ici, inscrire ne copie aucun fichier, la version renvoie à ceux du
# MAGIC run ; Unity Catalog, lui, les copie. Relancé, ce script ajoute trois versions aux précédentes.

# COMMAND ----------

wines = load_wines()
dataset = mlflow.data.from_pandas(
    wines.X_train.assign(cultivar=wines.y_train),
    source=source_url,
    name="wine_recognition_train",
    targets="cultivar",
)
client = MlflowClient()
mlflow.set_experiment(args.experiment)

versions = {}
for name, model in candidates().items():
    with mlflow.start_run(
        run_name=name, description=f"{name} sur 133 vins, jugé sur 25 plis de validation croisée."
    ):
        mlflow.log_input(dataset, context="training")
        mlflow.log_params(
            {
                "family": name,
                "seed": 0,
                **{key: str(value) for key, value in model[-1].get_params().items()},
            }
        )
        metrics = cross_validated(model, wines.X_train, wines.y_train)
        mlflow.log_metrics(metrics)
        figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
        guesses = cross_val_predict(model, wines.X_train, wines.y_train, cv=5)
        ConfusionMatrixDisplay.from_predictions(wines.y_train, guesses, ax=axes, colorbar=False)
        axes.set(
            title=f"{name}, validation croisée", xlabel="cultivar prédit", ylabel="vrai cultivar"
        )
        mlflow.log_figure(figure, "confusion_matrix.png")
        display(figure)
        plt.close(figure)
        model.fit(wines.X_train, wines.y_train)
        logged = mlflow.sklearn.log_model(
            model,
            name=name,
            signature=infer_signature(wines.X_train, wines.y_train),
            input_example=wines.X_train.head(3),
            pip_requirements=requirements,
            # au rechargement, aucun code ne s'exécute hors des types déclarés
            serialization_format="skops",
            skops_trusted_types=trusted_types,
        )
    with redirect_stderr(io.StringIO()):  # MLflow annonce chaque version en anglais
        version = mlflow.register_model(logged.model_uri, args.model, tags={"family": name}).version
    versions[name] = version
    print(f"version {version} : {name:<20} exactitude {metrics['cv_accuracy']:.3f}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## D'une version à son run
# MAGIC
# MAGIC Une version sait de quel run elle vient, `run_id` : sa description est tirée des métriques de ce
# MAGIC run. La boucle retrouve aussi une version qu'un lancement interrompu aurait laissée sans
# MAGIC description.

# COMMAND ----------

for version in client.search_model_versions(f"name = '{args.model}'"):
    if version.run_id and not version.description:
        run = client.get_run(version.run_id)
        if "cv_accuracy" in run.data.metrics:  # inscrite ici, et non à la main
            text = f"{run.info.run_name} : exactitude {run.data.metrics['cv_accuracy']:.3f} en validation croisée."
            client.update_model_version(args.model, version.version, text)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Les alias, et qui les porte
# MAGIC
# MAGIC Un *alias* est un nom qui se déplace d'une version à l'autre : la forêt devient `@challenger`, la
# MAGIC régression logistique `@outsider`. `@champion`, la version en service, n'est donné à l'arbre que
# MAGIC si personne ne l'a : seule une comparaison (02_promote.py) l'enlève à qui le porte.

# COMMAND ----------

client.update_registered_model(
    args.model, "Le cultivar d'un vin, d'après 13 mesures chimiques. En service : l'alias champion."
)
client.set_registered_model_alias(args.model, "challenger", versions["random_forest"])
client.set_registered_model_alias(args.model, "outsider", versions["logistic_regression"])
if "champion" in client.get_registered_model(args.model).aliases:
    print(
        "@champion était déjà donné : il reste où il est, les nouvelles versions sont candidates."
    )
else:
    client.set_registered_model_alias(args.model, "champion", versions["decision_tree"])

registered = client.get_registered_model(args.model)
print(
    "Alias : "
    + ", ".join(
        f"@{alias} version {version}" for alias, version in sorted(registered.aliases.items())
    )
)
# écrite en dernier : un lancement tué plus tôt n'a rien raconté
if not history_lines(registered.tags):
    key, line = history_entry(registered.aliases["champion"], "inscrit par register_models")
    client.set_registered_model_tag(args.model, key, line)

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
