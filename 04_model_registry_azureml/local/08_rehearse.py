# databricks: non (il bâtit des environnements avec uv, sur la machine du lecteur)
# %% [markdown]
# # Leçon 4, script 8 : la répétition générale
#
# **Question.** Le champion répond sur votre machine, où tout est installé. Répondra-t-il ailleurs,
# avec ses seules dépendances ?
#
# Pronostiquez ce qui arrive au même modèle, enregistré pour une petite image : `mlflow-skinny` au
# lieu de `mlflow`, et pas de `skops`.

# %% [markdown]
# ```
# uv run 04_model_registry_azureml/local/08_rehearse.py
# ```
#
# Une minute, et deux environnements à jeter, que uv bâtit avec les paquets de son cache ou du
# réseau.

# %%
import json
import re
import subprocess
import sys

import mlflow

from wines import load_wines, requirements, trusted_types

# %%
from store import ROOT, open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %% [markdown]
# ## Le même modèle, mal déclaré
#
# `mlflow-skinny` est un MLflow sans ses dépendances lourdes, celui des images que l'on veut
# petites. Il n'apporte pas skops, dont le modèle a besoin, et que `mlflow` entier apporte :
# l'oublier ne se voit pas ici, où skops est installé.

# %%
MODEL = "wine_cultivars"
champion = mlflow.MlflowClient().get_model_version_by_alias(MODEL, "champion").version
pipeline = mlflow.sklearn.load_model(f"models:/{MODEL}@champion")
kept = [line for line in requirements if not line.startswith("skops")]
mlflow.set_experiment("04_model_registry_azureml")
with mlflow.start_run(
    run_name="rehearsal",
    description="Le champion, avec mlflow-skinny au lieu de mlflow, et sans skops.",
):
    logged = mlflow.sklearn.log_model(
        pipeline,
        name="forgetful",
        pip_requirements=[f"mlflow-skinny=={mlflow.__version__}", *kept],
        serialization_format="skops",
        skops_trusted_types=trusted_types,
    )

# %% [markdown]
# ## Répéter
#
# `mlflow models predict` lit les dépendances du modèle, bâtit l'environnement, y lance la
# prédiction, et le jette. Ce que uv et le modèle racontent en chemin est gardé pour n'en dire que
# l'erreur, s'il y en a une.

# %%
models = {
    f"@champion, version {champion}": f"models:/{MODEL}@champion",
    "le même, mlflow-skinny et sans skops": logged.model_uri,
}
request = ROOT / "04_model_registry_azureml/endpoint/mlflow_request.json"  # les deux mêmes vins
wines = load_wines().X_test.head(2)
for name, model_uri in models.items():
    print(f"{name} : ici, {mlflow.pyfunc.load_model(model_uri).predict(wines).tolist()}")
    print("  avec ses seules dépendances, ", end="", flush=True)
    arguments = f"-m mlflow models predict -m {model_uri} -t json --env-manager uv -i".split()
    told = subprocess.run([sys.executable, *arguments, request], capture_output=True, text=True)
    if told.returncode == 0:
        print(json.loads(told.stdout)["predictions"])
    else:
        errors = re.findall(r"^\w*[Ee]rror: .*", told.stderr, re.MULTILINE)
        print(f"rien : {(errors or told.stderr.splitlines())[-1]}")

# %% [markdown]
# ## À retenir
#
# Sur votre machine, les deux modèles répondent de la même façon. Avec leurs seules dépendances, le
# second ne se charge pas : « No module named 'skops' ». La cure est dans `pip_requirements`, au
# moment d'enregistrer : un modèle inscrit ne se corrige pas, on inscrit la version suivante.
