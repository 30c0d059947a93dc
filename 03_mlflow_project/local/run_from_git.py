# databricks: non (le dépôt par défaut est le clone de votre machine ; là-bas, un dossier Git tient ce rôle)
# %% [markdown]
# # Leçon 3, script 2 : le même projet, depuis Git
#
# **Question.** Vous modifiez `train.py` sans l'enregistrer dans Git, puis lancez ce script. Quel code s'exécute :
# celui que vous avez sous les yeux, ou celui du dernier commit ?

# %% [markdown] tags=["local"]
# ```
# uv run 03_mlflow_project/local/run_from_git.py
# ```
#
# Vingt secondes. Ensuite, depuis n'importe quel dépôt : `--uri https://...#sous-dossier`, et `--version` pour une branche,
# une étiquette (*tag*) ou un commit entier.

# %%
import argparse
import os
import re
import tempfile
from pathlib import Path

import mlflow
from git.exc import GitCommandError

from launch import captured, clone_uri, git, reason
from store import open_store



def git_uri(text: str) -> str:
    """Une URI que Git clone, même quand c'est celle d'un dossier d'ici."""
    address, _, inside = text.partition("#")
    folder = Path(address.removeprefix("file://"))
    if not folder.is_dir():
        return text
    if (folder / inside).is_dir():
        return clone_uri(folder / inside)
    return f"{clone_uri(folder)}#{inside}"  # un dépôt nu n'a pas de dossiers à lui


# %% tags=["parameters"]
parser = argparse.ArgumentParser(description="Exécute un projet depuis un dépôt Git.")
parser.add_argument("--experiment", default="03_mlflow_project")
parser.add_argument("--uri", type=git_uri, help="https://...#sous-dossier ; par défaut, le clone où vous êtes")
parser.add_argument("--version", help="branche, étiquette ou commit entier ; par défaut, le dernier commit")
parser.add_argument("--entry-point", default="main", help="le point d'entrée du projet")
args = parser.parse_args()

# %%
open_store()  # mlflow.db et mlruns/, à la racine du dépôt
uri, version = args.uri, args.version
if uri is None:
    project = Path(__file__).resolve().parents[1]
    uri = clone_uri(project)
    version = version or git(project, "rev-parse", "HEAD")
    if git(project, "status", "--porcelain", "."):
        print("Votre dossier a des modifications hors commit : elles ne seront pas exécutées.")

# %% [markdown]
# ## Cloner, puis exécuter
#
# MLflow clone le dépôt dans un dossier temporaire, se place à la version demandée, lit `MLproject` dans le sous-dossier
# qui suit `#`, et lance le point d'entrée.

# %%
os.environ["GIT_TERMINAL_PROMPT"] = "0"  # un dépôt privé ou absent : une erreur, pas une question
try:
    with captured(Path(tempfile.mkdtemp(), "projet.txt")):
        submitted = mlflow.projects.run(
            uri, args.entry_point, version=version, experiment_name=args.experiment, env_manager="local"
        )
except (SystemExit, GitCommandError) as error:  # GitCommandError : le dépôt ne répond pas
    if re.fullmatch("[0-9a-f]{4,39}", version or ""):
        raise SystemExit(f"{version} n'est ni une branche ni une étiquette ; un commit se donne en entier, ses 40 caractères.") from None
    raise SystemExit(f"{uri}, version {version or 'par défaut'}, ne s'exécute pas : {reason(error)}") from None

# %% [markdown]
# ## Ce que MLflow a noté
#
# De quoi refaire le run : d'où vient le code, à quel commit, par quel point d'entrée, avec quels paramètres.

# %%
run = mlflow.get_run(submitted.run_id)
print("Métriques : " + ", ".join(f"{name} {value:.2f}" for name, value in sorted(run.data.metrics.items())))
print("De quoi refaire ce run :")
for name in ("mlflow.source.name", "mlflow.source.git.commit", "mlflow.source.git.repoURL", "mlflow.project.entryPoint", "git.dirty"):
    print(f"  {name} = {run.data.tags.get(name, '(absente)')}")

# %% tags=["local"]
print("Ensuite : uv run 03_mlflow_project/local/predict_new.py")

# %% [markdown]
# ## À retenir
#
# C'est le dernier commit qui s'exécute, jamais vos retouches : `git.dirty` vaut toujours `false` ici. Un run lancé d'un dossier
# note lui aussi le commit, mais exécute le dossier tel qu'il est ; MLflow n'en dit rien, et seule notre étiquette `git.dirty` le trahit.
