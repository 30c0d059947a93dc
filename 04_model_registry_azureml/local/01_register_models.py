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

# %%
import mlflow

from wines import candidates, confusion_figure, cross_validated, load_wines, story
from wines import requirements, source_url, trusted_types

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %% [markdown]
# ## Un nom, des versions
#
# Chaque modèle est d'abord enregistré par un run, puis inscrit : le registre lui donne un numéro de
# version, qui ne change plus. Ici, inscrire ne copie aucun fichier, la version renvoie à ceux du
# run (`run_id`) ; Unity Catalog, lui, les copie. Une version a ses étiquettes et sa description.
# Relancé, ce script ajoute trois versions aux précédentes.

# %%
MODEL = "wine_cultivars"  # databricks: "workspace.default.wine_cultivars"
client = mlflow.MlflowClient()
mlflow.set_experiment("04_model_registry_azureml")

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
        # databricks: display(figure)
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

# %% [markdown]
# ## Les alias, et qui les porte
#
# Un *alias* est un nom qui se déplace d'une version à l'autre : la forêt devient `@challenger`, la
# régression logistique `@outsider`. `@champion`, la version en service, n'est donné à l'arbre que
# si personne ne l'a : seule une comparaison (02_promote.py) l'enlève à qui le porte.

# %%
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

# %% [markdown] tags=["local"]
# ## Renommer, supprimer
#
# Sur un nom à jeter : supprimer une version, ou le nom entier, ne touche ni le run ni le modèle
# enregistré. L'entrée du registre, elle, ne revient pas. (Sur Databricks, ces gestes se font dans
# le catalogue.)

# %% tags=["local"]
draft, renamed = f"{MODEL}_draft", f"{MODEL}_renamed"
# d'un lancement interrompu, il en reste peut-être un
for left in {draft, renamed} & {each.name for each in client.search_registered_models()}:
    client.delete_registered_model(left)
client.create_registered_model(draft)
for name in ("decision_tree", "random_forest"):
    client.create_model_version(draft, f"models:/{MODEL}/{versions[name]}")
client.rename_registered_model(draft, renamed)
client.delete_model_version(renamed, "1")
left = client.search_model_versions(f"name = '{renamed}'")[0].version
client.delete_registered_model(renamed)
print(f"{renamed} : version 1 supprimée, reste la {left} ; puis le nom entier, supprimé aussi.")

# %% tags=["local"]
page = "http://127.0.0.1:5000/#/models?workflowType=machine_learning"
print(f"À voir : uv run mlflow ui, puis {page}")
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
