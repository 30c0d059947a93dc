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
import json
import subprocess
import tempfile
from pathlib import Path

import mlflow
import pandas as pd
import yaml

# %%
from store import ROOT, open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %%
environment = ROOT / "03_mlflow_project/python_env.yaml"
pins = yaml.safe_load(environment.read_text(encoding="utf-8"))["dependencies"]

experiment = mlflow.set_experiment("03_mlflow_project")
models = mlflow.search_logged_models(
    [experiment.experiment_id],
    order_by=[{"field_name": "creation_time", "ascending": False}],
    output_format="list",
)
latest = {model.name: model for model in reversed(models)}  # le dernier enregistré de chaque nom
if "follow_up" not in latest:
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
(folder / "pyproject.toml").write_text(
    f"""[project]
name = "diabetes"
version = "1"
requires-python = ">=3.11,<3.14"
dependencies = {json.dumps(pins)}
""",
    encoding="utf-8",
)
subprocess.run(["uv", "lock", "--quiet"], cwd=folder, check=True)

# %% [markdown]
# ## Quatre listes
#
# Sans `pip_requirements`, MLflow charge le modèle dans un autre processus et note ce qui s'y
# importe. `uv_project_path` est propre aux modèles `pyfunc` : MLflow y lit `uv.lock` par
# `uv export`, et range le verrou avec le modèle.

# %%
code = mlflow.artifacts.download_artifacts(latest["follow_up"].model_uri)
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
        "donnée par train.py": latest["model"],
        "devinée par MLflow": mlflow.pyfunc.log_model(name="guessed", **settings),
        "python_env.yaml": mlflow.pyfunc.log_model(
            name="pinned", pip_requirements=pins, **settings
        ),
        "uv_project_path": mlflow.pyfunc.log_model(
            name="locked", uv_project_path=folder, **settings
        ),
    }


# %%
def versions(lines: list[str]) -> set[str]:
    """`numpy==2.4.6`, de chaque ligne, qui dit peut-être aussi pour quelles machines."""
    return {line.partition(";")[0].strip() for line in lines}


wanted = versions(pins)
for name, model in recorded.items():
    kept = Path(mlflow.artifacts.download_artifacts(model.model_uri))
    said = versions((kept / "requirements.txt").read_text(encoding="utf-8").splitlines())
    remarks = [f"et {other}" for other in sorted(said - wanted)]
    if (kept / "uv.lock").exists():
        hashes = (kept / "uv.lock").read_text(encoding="utf-8").count("sha256:")
        remarks.append(f"{hashes} empreintes")
    counted = f"{len(said & wanted):2} versions du projet sur {len(wanted)}"
    print(f"{name:20} " + ", ".join([counted, *remarks]))

# %% [markdown]
# ## À retenir
#
# `train.py` donne 5 versions sur 58, MLflow en devine 4, et ajoute `mlflow`, que le projet n'a
# pas : reconstruit plus tard, le modèle prendrait pour les autres celles du jour. Le fichier du
# projet les dit toutes ; le verrou y ajoute l'empreinte de chaque fichier.
