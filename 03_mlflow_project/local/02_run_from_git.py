# databricks: non (le dépôt par défaut est le clone de votre machine ; là-bas, un dossier Git tient ce rôle)
# %% [markdown]
# # Leçon 3, script 2 : le même projet, depuis Git
#
# **Question.** Vous modifiez `train.py` sans l'enregistrer dans Git, puis lancez ce script. Quel
# code s'exécute : celui que vous avez sous les yeux, ou celui du dernier commit ?

# %% [markdown]
# ```
# uv run 03_mlflow_project/local/02_run_from_git.py
# ```
#
# Vingt secondes. Ensuite, depuis n'importe quel dépôt : `--uri https://...#sous-dossier`, et
# `--version` pour une branche, un *tag* Git ou un commit entier.

# %%
from store import open_store  # en premier : Ctrl-C se dit alors en une ligne

# %%
import argparse
import os
from pathlib import Path

import mlflow
from git.exc import GitCommandError
from mlflow.exceptions import MlflowException

from launch import clone_uri, git, git_uri, reason
from options import short_text

# %% tags=["parameters"]
parser = argparse.ArgumentParser(description="Exécute un projet depuis un dépôt Git.")
parser.add_argument("--experiment", type=short_text, default="03_mlflow_project")
parser.add_argument(
    "--uri", type=git_uri, help="https://...#sous-dossier ; par défaut, le clone où vous êtes"
)
parser.add_argument(
    "--version",
    type=short_text,
    help="branche, tag Git ou commit entier ; par défaut, le dernier commit",
)
parser.add_argument(
    "--entry-point", type=short_text, default="main", help="le point d'entrée du projet"
)
args = parser.parse_args()

# %%
open_store()  # mlflow.db et mlruns/, à la racine du dépôt
project = Path(__file__).resolve().parents[1]
uri = args.uri or clone_uri(project)
version = args.version
if not args.uri:
    version = version or git(project, "rev-parse", "HEAD")
    if git(project, "status", "--porcelain", "."):
        print(
            "Votre dossier a des modifications hors commit : elles ne seront pas exécutées.",
            flush=True,
        )

# %% [markdown]
# ## Cloner, puis exécuter
#
# MLflow clone le dépôt dans un dossier temporaire, se place à la version demandée, lit `MLproject`
# dans le sous-dossier qui suit `#`, et lance le point d'entrée.

# %%
os.environ["GIT_TERMINAL_PROMPT"] = "0"  # un dépôt privé ou absent : une erreur, pas une question
try:
    submitted = mlflow.projects.run(
        uri, args.entry_point, version=version, experiment_name=args.experiment, env_manager="local"
    )
except (MlflowException, GitCommandError, OSError) as error:
    hint = (
        " (--version veut une branche, un tag Git, ou les 40 caractères d'un commit)"
        if args.version
        else ""
    )
    raise SystemExit(f"{uri} ne s'exécute pas : {reason(error)}{hint}") from None

# %% [markdown]
# ## Ce que MLflow a noté
#
# De quoi refaire le run : d'où vient le code, à quel commit, par quel point d'entrée, avec quels
# paramètres.

# %%
run = mlflow.get_run(submitted.run_id)
print(
    "Métriques : "
    + ", ".join(f"{name} {value:.2f}" for name, value in sorted(run.data.metrics.items()))
)
print("De quoi refaire ce run :")
for name in (
    "mlflow.source.name",
    "mlflow.source.git.commit",
    "mlflow.source.git.repoURL",
    "mlflow.project.entryPoint",
    "git.dirty",
):
    print(f"  {name} = {run.data.tags.get(name, '(absente)')}")

# %%
print("Ensuite : uv run 03_mlflow_project/local/03_predict_new.py")

# %% [markdown]
# ## À retenir
#
# C'est le dernier commit qui s'exécute, jamais vos retouches : `git.dirty` vaut toujours `false`
# ici. Un run lancé d'un dossier note lui aussi le commit, mais exécute le dossier tel qu'il est ;
# MLflow n'en dit rien, et seule notre étiquette `git.dirty` le trahit.
