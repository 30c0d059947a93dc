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

# %% tags=["local"]
from store import open_store  # en premier : Ctrl-C se dit alors en une ligne

# %%
import argparse
import io
from contextlib import redirect_stderr

import mlflow
from mlflow import MlflowClient, MlflowException

from options import short_text
from wines import load_wines

# %% tags=["parameters"]
parser = argparse.ArgumentParser(
    description="Copie le champion sous un autre nom, celui de la production."
)
parser.add_argument(
    "--model", type=short_text, default="wine_cultivars"
)  # databricks: "workspace.default.wine_cultivars"
parser.add_argument(
    "--to", type=short_text, default="wine_cultivars_new"
)  # databricks: "workspace.default.wine_cultivars_new"
args = parser.parse_args()

# %% tags=["local"]
open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %% [markdown]
# ## Copier une version
#
# Un seul appel : `copy_model_version`, d'une adresse de modèle vers un nom, créé s'il manque.
# L'appeler deux fois ferait deux versions égales : on regarde donc d'abord si celle-ci est déjà là.

# %%
client = MlflowClient()
try:
    champion = client.get_model_version_by_alias(args.model, "champion")
except MlflowException:
    raise SystemExit(
        "Il n'y a pas de @champion. Lancez d'abord : uv run 04_model_registry_azureml/local/01_register_models.py"
    ) from None
copies = [
    each
    for each in client.search_model_versions(f"name = '{args.to}'")
    if each.run_id == champion.run_id
]
if copies:
    copy = copies[0]
    print(
        f"La version {champion.version} de {args.model} était déjà dans {args.to} : version {copy.version}."
    )
else:
    with redirect_stderr(io.StringIO()):  # MLflow annonce la copie en anglais
        copy = client.copy_model_version(f"models:/{args.model}@champion", args.to)
    print(f"{args.model}, version {champion.version} -> {args.to}, version {copy.version}")
client.set_registered_model_alias(args.to, "champion", copy.version)

# %% [markdown]
# ## Ce qui est copié

# %%
files = [
    client.get_model_version_download_uri(each.name, each.version) for each in (champion, copy)
]
original = client.get_model_version(args.model, champion.version)
print(f"  description : {'copiée' if original.description == copy.description else 'perdue'}")
print(
    f"  étiquettes de la version : {'copiées' if dict(original.tags).items() <= dict(copy.tags).items() else 'perdues'}"
)
print(f"  lien vers le run : {'copié' if original.run_id == copy.run_id else 'perdu'}")
print(f"  fichiers : {'les mêmes, au même endroit' if files[0] == files[1] else 'copiés'}")
print(f"  source : {copy.source}")

# %% [markdown] tags=["local"]
# ## Ce qui arrive à la copie quand l'original change
#
# Sur une copie à jeter, que l'on copie, renomme et supprime : le registre oublie une entrée, le run
# et les fichiers restent. (Sur Databricks, ces gestes se font dans le catalogue.)

# %% tags=["local"]
draft, renamed, second = (f"{args.model}_throwaway_{name}" for name in ("draft", "renamed", "copy"))
for left in client.search_registered_models():
    if left.name in (draft, renamed, second):  # un lancement interrompu l'a laissé
        client.delete_registered_model(left.name)
with redirect_stderr(io.StringIO()):
    client.copy_model_version(f"models:/{args.model}@champion", draft)
    client.copy_model_version(f"models:/{draft}/1", second)
wine = load_wines().X_test.head(1)
for change in ("renommé", "supprimé"):
    if change == "renommé":
        client.rename_registered_model(draft, renamed)
    else:
        client.delete_model_version(renamed, "1")
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
