# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/06_copy_to_production.py par tools/build.py. -->
# MAGIC # Leçon 4, script 6 : du développement à la production
# MAGIC
# MAGIC **Question.** L'équipe qui sert ne veut voir que des modèles approuvés : on copie le champion sous
# MAGIC un autre nom. Qu'est-ce qui est copié, et que devient la copie si l'original est renommé ou
# MAGIC supprimé ?
# MAGIC
# MAGIC Pronostiquez : fichiers, description, étiquettes, alias, lien vers le run. Lesquels suivent ?

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

# MAGIC %run ./wines

# COMMAND ----------

from mlflow import MlflowClient

dbutils.widgets.text("MODEL", "workspace.default.wine_cultivars")
MODEL = dbutils.widgets.get("MODEL")
dbutils.widgets.text("NEW", "workspace.default.wine_cultivars_new")
NEW = dbutils.widgets.get("NEW")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Copier une version
# MAGIC
# MAGIC Un seul appel : `copy_model_version`, d'une adresse de modèle vers un nom, créé s'il manque.
# MAGIC L'appeler deux fois ferait deux versions égales : on regarde donc d'abord si celle-ci est déjà là.

# COMMAND ----------

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

# COMMAND ----------

# MAGIC %md
# MAGIC ## Ce qui est copié

# COMMAND ----------

files = [
    client.get_model_version_download_uri(each.name, each.version) for each in (champion, copy)
]
tags_kept = champion.tags.items() <= copy.tags.items()
print(f"  description : {'copiée' if champion.description == copy.description else 'perdue'}")
print(f"  étiquettes de la version : {'copiées' if tags_kept else 'perdues'}")
print(f"  lien vers le run : {'copié' if champion.run_id == copy.run_id else 'perdu'}")
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
