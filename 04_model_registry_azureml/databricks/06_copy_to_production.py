# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/06_copy_to_production.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Leçon 4, script 6 : du développement à la production
# MAGIC
# MAGIC **Question.** L'équipe qui sert ne veut voir que des modèles approuvés : on copie le champion sous
# MAGIC un autre nom. Qu'est-ce qui est copié, et que devient la copie si l'original est renommé ou
# MAGIC supprimé ?
# MAGIC
# MAGIC Pronostiquez : fichiers, description, étiquettes, alias, lien vers le run. Lesquels suivent ?

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./options

# COMMAND ----------

# MAGIC %run ./wines

# COMMAND ----------

import io
from contextlib import redirect_stderr
from mlflow import MlflowClient, MlflowException

# COMMAND ----------

from types import SimpleNamespace

dbutils.widgets.text("model", "workspace.default.wine_cultivars")
dbutils.widgets.text("to", "workspace.default.wine_cultivars_new")

args = SimpleNamespace(
    model=short_text(dbutils.widgets.get("model")),
    to=short_text(dbutils.widgets.get("to")),
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Copier une version
# MAGIC
# MAGIC Un seul appel : `copy_model_version`, d'une adresse de modèle vers un nom, créé s'il manque.
# MAGIC L'appeler deux fois ferait deux versions égales : on regarde donc d'abord si celle-ci est déjà là.

# COMMAND ----------

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

# COMMAND ----------

# MAGIC %md
# MAGIC ## Ce qui est copié

# COMMAND ----------

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

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC La copie a la description, les étiquettes de la version et le lien vers le run ; ni les alias, ni
# MAGIC l'histoire, qui sont au nom. Ici les fichiers ne sont pas copiés : les deux versions renvoient au
# MAGIC même dossier. Unity Catalog, lui, les copie.
# MAGIC
# MAGIC La lignée tient par le run, pas par le nom : `source` est un texte, faux dès que l'original est
# MAGIC renommé ou supprimé.
