# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/09_plan_azure.py par tools/build.py. -->
# MAGIC # Leçon 4, script 9 : ce qui partirait chez Azure
# MAGIC
# MAGIC **Question.** Pour que deux versions du registre répondent chez Azure ML, que faut-il y envoyer,
# MAGIC et qu'est-ce qui coûte de l'argent, même sans une seule requête ?
# MAGIC
# MAGIC Pronostiquez le nombre de ressources créées. Ce script n'envoie rien : il prépare, et il montre.
# MAGIC Il ne faut pas de compte.

# COMMAND ----------

# MAGIC %pip install mlflow==3.17.2
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

import json
import shutil
from pathlib import Path

import mlflow
from mlflow import MlflowClient

dbutils.widgets.text("MODEL", "workspace.default.wine_cultivars")
MODEL = dbutils.widgets.get("MODEL")
dbutils.widgets.text("ENDPOINT", "../endpoint")
ENDPOINT = dbutils.widgets.get("ENDPOINT")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Deux versions, sorties du registre
# MAGIC
# MAGIC `blue` sera la version d'avant (ou, si personne n'est avant le champion, le candidat), `green` le
# MAGIC champion.

# COMMAND ----------

client = MlflowClient()
before = "previous" if "previous" in client.get_registered_model(MODEL).aliases else "challenger"
aliases = {"blue": before, "green": "champion"}

# COMMAND ----------

# MAGIC %md
# MAGIC ## Un dossier par modèle, et des étiquettes qui disent d'où il vient
# MAGIC
# MAGIC Azure donnera à ces modèles ses propres numéros de version. Les étiquettes gardent les nôtres : la
# MAGIC version du registre, le run, le commit. Le dossier `azure_upload` est à lire : c'est, avec
# MAGIC `endpoint/`, tout ce qui partira.

# COMMAND ----------

upload = Path("azure_upload")
for name, alias in aliases.items():
    version = client.get_model_version_by_alias(MODEL, alias).version
    shutil.rmtree(upload / name, ignore_errors=True)  # celui d'un lancement précédent
    folder = mlflow.artifacts.download_artifacts(
        f"models:/{MODEL}/{version}", dst_path=str(upload / name)
    )
    run = client.get_run(mlflow.models.get_model_info(folder).run_id)
    commit = run.data.tags.get("mlflow.source.git.commit", "inconnu")
    tags = {"mlflow_version": str(version), "mlflow_run_id": run.info.run_id, "git_commit": commit}
    described = {
        "name": MODEL.split(".")[-1],
        "type": "mlflow_model",
        "path": name,
        "tags": tags,
    }
    # du JSON est du YAML
    (upload / f"{name}.yml").write_text(json.dumps(described, indent=2), encoding="utf-8")
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    print(f"{name} : @{alias}, version {version}, {len(files)} fichiers, commit {commit[:7]}")
(upload / ".gitignore").write_text("*\n", encoding="utf-8")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Le service, décrit par des fichiers
# MAGIC
# MAGIC De `endpoint/green.yml`, cinq lignes comptent : le code, l'image, ses bibliothèques, la machine
# MAGIC louée, et combien.

# COMMAND ----------

for line in Path(ENDPOINT, "green.yml").read_text(encoding="utf-8").splitlines():
    if line.strip().startswith(("scoring_script", "conda_file", "image", "instance_")):
        print(f"  {line.strip()}")
print("Partiraient : 2 modèles, 1 point de terminaison, 2 déploiements.")
print(
    "Chaque déploiement est une machine louée à l'heure, même sans requête, jusqu'à sa suppression."
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC Cinq ressources : 2 modèles, 1 point de terminaison, 2 déploiements. Le point de terminaison seul
# MAGIC ne coûte rien ; un déploiement coûte tant qu'il existe, de l'ordre de 0.2 à 0.3 $ l'heure pour ce
# MAGIC type de machine, au prix public de 2026, à vérifier pour votre région. Le registre reste le
# MAGIC nôtre : sans les étiquettes `mlflow_version`, `mlflow_run_id` et `git_commit`, Azure ne
# MAGIC connaîtrait que ses propres numéros.
