# jupyter: non (il prépare un dossier à envoyer, et montre le commit du moment)
# %% [markdown]
# # Leçon 4, script 9 : ce qui partirait chez Azure
#
# **Question.** Pour que deux versions du registre répondent chez Azure ML, que faut-il y envoyer,
# et qu'est-ce qui coûte de l'argent, même sans une seule requête ?
#
# Pronostiquez le nombre de ressources créées. Ce script n'envoie rien : il prépare, et il montre.
# Il ne faut pas de compte.

# %% [markdown] tags=["local"]
# ```
# uv run 04_model_registry_azureml/local/09_plan_azure.py
# ```
#
# Cinq secondes.

# %%
import json
import shutil
from pathlib import Path

import mlflow
from mlflow import MlflowClient

MODEL = "wine_cultivars"  # databricks: "workspace.default.wine_cultivars"
ENDPOINT = "04_model_registry_azureml/endpoint"  # databricks: "../endpoint"

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %% [markdown]
# ## Deux versions, sorties du registre
#
# `blue` sera la version d'avant (ou, si personne n'est avant le champion, le candidat), `green` le
# champion.

# %%
client = MlflowClient()
before = "previous" if "previous" in client.get_registered_model(MODEL).aliases else "challenger"
aliases = {"blue": before, "green": "champion"}

# %% [markdown]
# ## Un dossier par modèle, et des étiquettes qui disent d'où il vient
#
# Azure donnera à ces modèles ses propres numéros de version. Les étiquettes gardent les nôtres : la
# version du registre, le run, le commit. Le dossier `azure_upload` est à lire : c'est, avec
# `endpoint/`, tout ce qui partira.

# %%
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

# %% [markdown]
# ## Le service, décrit par des fichiers
#
# De `endpoint/green.yml`, cinq lignes comptent : le code, l'image, ses bibliothèques, la machine
# louée, et combien.

# %%
for line in Path(ENDPOINT, "green.yml").read_text(encoding="utf-8").splitlines():
    if line.strip().startswith(("scoring_script", "conda_file", "image", "instance_")):
        print(f"  {line.strip()}")
print("Partiraient : 2 modèles, 1 point de terminaison, 2 déploiements.")
print(
    "Chaque déploiement est une machine louée à l'heure, même sans requête, jusqu'à sa suppression."
)

# %% [markdown]
# ## À retenir
#
# Cinq ressources : 2 modèles, 1 point de terminaison, 2 déploiements. Le point de terminaison seul
# ne coûte rien ; un déploiement coûte tant qu'il existe, de l'ordre de 0.2 à 0.3 $ l'heure pour ce
# type de machine, au prix public de 2026, à vérifier pour votre région. Le registre reste le
# nôtre : sans les étiquettes `mlflow_version`, `mlflow_run_id` et `git_commit`, Azure ne
# connaîtrait que ses propres numéros.
