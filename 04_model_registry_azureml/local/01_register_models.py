# %% [markdown]
# # Leçon 4, script 1 : inscrire des modèles au registre
#
# **Question.** Trois modèles entraînés, trois runs. Lequel est « le » modèle, et comment le dire
# sans recopier un fichier ?
#
# Avant de lancer, pronostiquez : si l'on inscrit trois modèles sous le même nom, lequel reçoit-on
# en demandant ce nom ?

# %% [markdown] tags=["local"]
# ```
# uv run 04_model_registry_azureml/local/01_register_models.py
# ```
#
# Dix secondes.

# %% tags=["local"]
from store import open_store  # en premier : Ctrl-C se dit alors en une ligne

# %%
import argparse
import io
from contextlib import redirect_stderr

import matplotlib.pyplot as plt
import mlflow
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import cross_val_predict

from holders import history_entry, history_lines
from options import short_text
from wines import candidates, cross_validated, load_wines, requirements, source_url, trusted_types

# %% tags=["parameters"]
parser = argparse.ArgumentParser(
    description="Entraîne trois modèles et les inscrit au registre sous un même nom."
)
parser.add_argument(
    "--experiment", type=short_text, default="04_model_registry_azureml"
)  # databricks: "/Shared/04_model_registry_azureml"
parser.add_argument(
    "--model",
    type=short_text,
    default="wine_cultivars",  # databricks: "workspace.default.wine_cultivars"
    help="nom du modèle inscrit ; dans Unity Catalog, catalogue.schéma.nom, d'un schéma où vous pouvez écrire",
)
args = parser.parse_args()

# %% tags=["local"]
open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %% [markdown]
# ## Un nom, des versions
#
# Chaque modèle est d'abord enregistré par un run, puis inscrit : le registre lui donne un numéro de
# version, qui ne change plus. Ici, inscrire ne copie aucun fichier, la version renvoie à ceux du
# run ; Unity Catalog, lui, les copie. Relancé, ce script ajoute trois versions aux précédentes.

# %%
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
        # databricks: display(figure)
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

# %% [markdown]
# ## D'une version à son run
#
# Une version sait de quel run elle vient, `run_id` : sa description est tirée des métriques de ce
# run. La boucle retrouve aussi une version qu'un lancement interrompu aurait laissée sans
# description.

# %%
for version in client.search_model_versions(f"name = '{args.model}'"):
    if version.run_id and not version.description:
        run = client.get_run(version.run_id)
        if "cv_accuracy" in run.data.metrics:  # inscrite ici, et non à la main
            text = f"{run.info.run_name} : exactitude {run.data.metrics['cv_accuracy']:.3f} en validation croisée."
            client.update_model_version(args.model, version.version, text)

# %% [markdown]
# ## Les alias, et qui les porte
#
# Un *alias* est un nom qui se déplace d'une version à l'autre : la forêt devient `@challenger`, la
# régression logistique `@outsider`. `@champion`, la version en service, n'est donné à l'arbre que
# si personne ne l'a : seule une comparaison (02_promote.py) l'enlève à qui le porte.

# %%
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

# %% [markdown] tags=["local"]
# ## Renommer, supprimer
#
# Sur un nom à jeter : supprimer une version, ou le nom entier, ne touche ni le run ni le modèle
# enregistré. L'entrée du registre, elle, ne revient pas. (Sur Databricks, ces gestes se font dans
# le catalogue.)

# %% tags=["local"]
draft, renamed = f"{args.model}_draft", f"{args.model}_renamed"
for left in client.search_registered_models(f"name LIKE '{args.model}_%'"):
    if left.name in (draft, renamed):  # un lancement interrompu l'a laissé
        client.delete_registered_model(left.name)
client.create_registered_model(draft)
for name in ("decision_tree", "random_forest"):
    client.create_model_version(draft, f"models:/{args.model}/{versions[name]}")
client.rename_registered_model(draft, renamed)
client.delete_model_version(renamed, "1")
remaining = client.search_model_versions(f"name = '{renamed}'")
client.delete_registered_model(renamed)
print(
    f"{renamed} : version 1 supprimée, reste la {remaining[0].version} ; puis le nom entier, supprimé aussi."
)

# %% tags=["local"]
print(
    "À voir : uv run mlflow ui, puis http://127.0.0.1:5000/#/models?workflowType=machine_learning"
)
print("Ensuite : uv run 04_model_registry_azureml/local/02_promote.py")

# %% [markdown]
# ## À retenir
#
# | version | modèle | alias | exactitude |
# |---|---|---|---|
# | 1 | decision_tree | champion | 0.900 |
# | 2 | random_forest | challenger | 0.967 |
# | 3 | logistic_regression | outsider | 0.967 |
#
# Demander un nom sans version ni alias n'a pas de réponse : `models:/wine_cultivars` est refusé ;
# `models:/wine_cultivars/latest` répond, mais par la dernière inscrite. `@champion` désigne
# aujourd'hui l'arbre, le moins bon des trois : le registre dit qui est en service, pas qui est le
# meilleur.
