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
from store import open_store  # en premier : Ctrl-C se dit alors en une ligne

# %%
import argparse
import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow import MlflowClient, MlflowException
from mlflow.utils.process import ShellCommandException

from options import short_text
from servers import last_error, written_to
from wines import load_wines, requirements, trusted_types

# %% tags=["parameters"]
parser = argparse.ArgumentParser(
    description="Fait répondre le champion dans un environnement bâti de ses seules dépendances."
)
parser.add_argument("--experiment", type=short_text, default="04_model_registry_azureml")
parser.add_argument(
    "--model", type=short_text, default="wine_cultivars", help="nom du modèle inscrit"
)
args = parser.parse_args()

# %%
open_store()  # mlflow.db et mlruns/, à la racine du dépôt
client = MlflowClient()
try:
    champion = client.get_model_version_by_alias(args.model, "champion").version
except MlflowException:
    raise SystemExit(
        "Il n'y a pas de @champion. Lancez d'abord : uv run 04_model_registry_azureml/local/01_register_models.py"
    ) from None
if shutil.which("uv") is None:
    raise SystemExit(
        "uv est introuvable, et bâtit ici les environnements : voir https://docs.astral.sh/uv/."
    )
wines = load_wines().X_test.head(2)

# %% [markdown]
# ## Le même modèle, mal déclaré
#
# `mlflow-skinny` est un MLflow sans ses dépendances lourdes, celui des images que l'on veut
# petites. Il n'apporte pas skops, dont le modèle a besoin, et que `mlflow` entier apporte :
# l'oublier ne se voit pas ici, où skops est installé.

# %%
pipeline = mlflow.sklearn.load_model(f"models:/{args.model}/{champion}")
forgetful = [
    f"mlflow-skinny=={mlflow.__version__}",
    *(line for line in requirements if not line.startswith("skops")),
]
mlflow.set_experiment(args.experiment)
with mlflow.start_run(
    run_name="rehearsal",
    description="Le champion, avec mlflow-skinny au lieu de mlflow, et sans skops.",
):
    logged = mlflow.sklearn.log_model(
        pipeline,
        name="forgetful",
        pip_requirements=forgetful,
        serialization_format="skops",
        skops_trusted_types=trusted_types,
    )

# %% [markdown]
# ## Répéter
#
# `mlflow.models.predict` lit les dépendances du modèle, bâtit l'environnement, y lance la
# prédiction, et le jette.

# %%
models = {
    f"@champion, version {champion}": f"models:/{args.model}/{champion}",
    "le même, mlflow-skinny et sans skops": logged.model_uri,
}
for name, model_uri in models.items():
    print(f"{name} : ici, {mlflow.pyfunc.load_model(model_uri).predict(wines).tolist()}")
    print("  avec ses seules dépendances, ", end="", flush=True)
    with TemporaryDirectory() as folder:
        answer, journal = Path(folder, "answer.json"), Path(folder, "journal.txt")
        try:
            with written_to(journal):  # uv et le modèle y écrivent, au lieu du terminal
                mlflow.models.predict(
                    model_uri, input_data=wines, env_manager="uv", output_path=str(answer)
                )
            print(json.loads(answer.read_text())["predictions"])
        except ShellCommandException:
            raise SystemExit(
                f"uv n'a pas bâti l'environnement ({last_error(journal)}) : il lui faut le réseau, ou son cache."
            ) from None
        except MlflowException:
            print(f"rien : {last_error(journal)}")

# %%

# %% [markdown]
# ## À retenir
#
# Sur votre machine, les deux modèles répondent de la même façon. Avec leurs seules dépendances, le
# second ne se charge pas : « No module named 'skops' ». La cure est dans `pip_requirements`, au
# moment d'enregistrer : un modèle inscrit ne se corrige pas, on inscrit la version suivante.
