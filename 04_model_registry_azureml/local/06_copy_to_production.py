# %% [markdown]
# # Leçon 4, script 6 : du développement à la production
#
# **Question.** L'équipe qui sert ne veut voir que des modèles approuvés : on copie le champion sous
# un autre nom. Qu'est-ce qui est copié, et que devient la copie si l'original est renommé ou
# supprimé ?
#
# Pronostiquez : fichiers, description, étiquettes, alias, lien vers le run. Lesquels suivent ?

# %% [markdown] tags=["local"]
# ```
# uv run 04_model_registry_azureml/local/06_copy_to_production.py
# ```
#
# Cinq secondes.

# %%
import mlflow
from mlflow import MlflowClient

from wines import load_wines

MODEL = "wine_cultivars"  # databricks: "workspace.default.wine_cultivars"
NEW = "wine_cultivars_new"  # databricks: "workspace.default.wine_cultivars_new"

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %% [markdown]
# ## Copier une version
#
# Un seul appel : `copy_model_version`, d'une adresse de modèle vers un nom, créé s'il manque.
# L'appeler deux fois ferait deux versions égales : on regarde donc d'abord si celle-ci est déjà là.

# %%
client = MlflowClient()
champion = client.get_model_version_by_alias(MODEL, "champion")
there = client.search_model_versions(f"name = '{NEW}'")
copies = [version for version in there if version.run_id == champion.run_id]
if copies:
    copy = copies[0]
    print(
        f"La version {champion.version} de {MODEL} était déjà dans {NEW} : version {copy.version}."
    )
else:
    copy = client.copy_model_version(f"models:/{MODEL}@champion", NEW)
    print(f"{MODEL}, version {champion.version} -> {NEW}, version {copy.version}")
client.set_registered_model_alias(NEW, "champion", copy.version)

# %% [markdown]
# ## Ce qui est copié

# %%
files = [
    client.get_model_version_download_uri(each.name, each.version) for each in (champion, copy)
]
tags_kept = champion.tags.items() <= copy.tags.items()
print(f"  description : {'copiée' if champion.description == copy.description else 'perdue'}")
print(f"  étiquettes de la version : {'copiées' if tags_kept else 'perdues'}")
print(f"  lien vers le run : {'copié' if champion.run_id == copy.run_id else 'perdu'}")
print(f"  fichiers : {'les mêmes, au même endroit' if files[0] == files[1] else 'copiés'}")
print(f"  source : {copy.source}")

# %% [markdown] tags=["local"]
# ## Ce qui arrive à la copie quand l'original change
#
# Sur une copie jetable, que l'on copie, renomme et supprime : le registre oublie une entrée, le run
# et les fichiers restent. (Sur Databricks, ces gestes se font dans le catalogue.)

# %% tags=["local"]
draft, renamed, second = (f"{MODEL}_throwaway_{name}" for name in ("draft", "renamed", "copy"))
client.copy_model_version(f"models:/{MODEL}@champion", draft)
client.copy_model_version(f"models:/{draft}/1", second)
wine = load_wines().X_test.head(1)
for change in ("renommé", "supprimé"):
    if change == "renommé":
        client.rename_registered_model(draft, renamed)
    else:
        client.delete_registered_model(renamed)
    answer = mlflow.pyfunc.load_model(f"models:/{second}/1").predict(wine)[0]
    run = client.get_run(client.get_model_version(second, "1").run_id)
    print(f"Original {change} : la copie répond {answer}, et vient du run « {run.info.run_name} »")
print(f"mais sa source, {client.get_model_version(second, '1').source}, n'existe plus.")
client.delete_registered_model(second)

# %% [markdown]
# ## À retenir
#
# La copie a la description, les étiquettes de la version et le lien vers le run ; ni les alias, ni
# l'histoire, qui sont au nom. Ici les fichiers ne sont pas copiés : les deux versions renvoient au
# même dossier. Unity Catalog, lui, les copie.
#
# La lignée tient par le run, pas par le nom : `source` est un texte, faux dès que l'original est
# renommé ou supprimé.
