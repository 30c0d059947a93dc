# databricks: non (le verrou est celui que uv pose sur votre machine)
# %% [markdown]
# # Leçon 3, script 5 : l'environnement que le modèle emporte
#
# **Question.** `python_env.yaml` fige les 58 bibliothèques du projet, celles que ses scripts
# importent et celles qu'elles demandent à leur tour. Combien de ces 58 versions le modèle, une fois
# enregistré, dit-il encore ?
#
# Notez votre pronostic pour quatre façons : les dépendances que `train.py` donne, celles que MLflow
# devine, celles du fichier du projet, et le verrou de uv (`uv.lock`).

# %% [markdown]
# ```
# uv run 03_mlflow_project/local/05_locked_environment.py
# ```
#
# Quinze secondes, après `04_model_from_code.py`, dont il reprend le modèle.

# %%
from store import open_store  # en premier : Ctrl-C se dit alors en une ligne

# %%
import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import mlflow
import pandas as pd
import yaml

from options import short_text

# %% tags=["parameters"]
parser = argparse.ArgumentParser(
    description="Enregistre un modèle avec trois listes de dépendances, et les compare au projet."
)
parser.add_argument("--experiment", type=short_text, default="03_mlflow_project")
args = parser.parse_args()

# %%
open_store()  # mlflow.db et mlruns/, à la racine du dépôt
project = Path(__file__).resolve().parents[1]
pins = yaml.safe_load((project / "python_env.yaml").read_text(encoding="utf-8"))["dependencies"]

experiment = mlflow.set_experiment(args.experiment)
latest = [{"field_name": "creation_time", "ascending": False}]
models = mlflow.search_logged_models(
    [experiment.experiment_id], order_by=latest, output_format="list"
)
trained = [model for model in models if model.name == "model"]
from_code = [model for model in models if model.name == "follow_up"]
if not trained or not from_code:
    raise SystemExit(
        "Il manque un modèle. Lancez d'abord : uv run 03_mlflow_project/local/04_model_from_code.py"
    )

# %% [markdown]
# ## Un verrou
#
# `uv lock` écrit dans `uv.lock` chaque version et l'empreinte de chaque fichier à télécharger. Le
# projet n'en a pas : on le pose dans un dossier temporaire, à partir des mêmes versions.

# %%
folder = Path(tempfile.mkdtemp())
head = '[project]\nname = "diabetes"\nversion = "1"\nrequires-python = ">=3.11,<3.14"\n'
(folder / "pyproject.toml").write_text(
    f"{head}dependencies = {json.dumps(pins)}\n", encoding="utf-8"
)
if not shutil.which("uv"):
    raise SystemExit("Il faut uv : https://docs.astral.sh/uv/")
locked = subprocess.run(
    ["uv", "lock"], cwd=folder, capture_output=True, text=True, encoding="utf-8"
)
if locked.returncode:  # sans réseau
    raise SystemExit(f"uv ne pose pas de verrou : {locked.stderr.splitlines()[-1]}")

# %% [markdown]
# ## Quatre listes
#
# Sans `pip_requirements`, MLflow charge le modèle dans un autre processus et note ce qui s'y
# importe. `uv_project_path` est propre aux modèles `pyfunc` : MLflow y lit `uv.lock` par
# `uv export`, et range le verrou avec le modèle.

# %%
code = mlflow.artifacts.download_artifacts(from_code[0].model_uri)
settings = {
    "python_model": f"{code}/follow_up_model.py",
    "artifacts": {"coefficients": f"{code}/artifacts/coefficients.json"},
    "model_config": {"threshold": 200},
    "input_example": pd.read_json(f"{code}/input_example.json", orient="split").astype(float),
}
with mlflow.start_run(
    run_name="environnement", description="Le même modèle, avec trois listes de dépendances."
):
    recorded = {
        "donnée par train.py": trained[0],
        "devinée par MLflow": mlflow.pyfunc.log_model(name="guessed", **settings),
        "python_env.yaml": mlflow.pyfunc.log_model(
            name="pinned", pip_requirements=pins, **settings
        ),
        "uv_project_path": mlflow.pyfunc.log_model(
            name="locked", uv_project_path=folder, **settings
        ),
    }


# %%
def version_of(line: str) -> str:
    """`numpy==2.4.6`, d'une ligne qui dit peut-être aussi pour quelles machines."""
    return line.partition(";")[0].strip()


wanted = {version_of(pin) for pin in pins}
for name, model in recorded.items():
    kept = Path(mlflow.artifacts.download_artifacts(model.model_uri))
    said = {
        version_of(line)
        for line in (kept / "requirements.txt").read_text(encoding="utf-8").splitlines()
    }
    lock = kept / "uv.lock"
    hashes = (
        f", {lock.read_text(encoding='utf-8').count('sha256:')} empreintes" if lock.exists() else ""
    )
    others = f", et {', '.join(sorted(said - wanted))}" if said - wanted else ""
    print(f"{name:20} {len(said & wanted):2} versions du projet sur {len(wanted)}{others}{hashes}")

# %%

# %% [markdown]
# ## À retenir
#
# `train.py` donne 5 versions sur 58, MLflow en devine 4, et ajoute `mlflow`, que le projet n'a
# pas : reconstruit plus tard, le modèle prendrait pour les autres celles du jour. Le fichier du
# projet les dit toutes ; le verrou y ajoute l'empreinte de chaque fichier.
