# databricks: non (le dépôt par défaut est le clone de votre machine ; là-bas, un dossier Git)
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
import argparse

import git
import mlflow

# %% tags=["parameters"]
parser = argparse.ArgumentParser(description="Exécute un projet depuis un dépôt Git.")
parser.add_argument("--uri", help="https://...#sous-dossier ; par défaut, le clone où vous êtes")
parser.add_argument(
    "--version", help="branche, tag Git ou commit entier ; par défaut, le dernier commit"
)
args = parser.parse_args()

# %%
from store import ROOT, open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %%
uri, version = args.uri, args.version
if not uri:
    # MLflow exécute sur place une adresse dont le chemin existe, et ne décode pas celle-ci ; Git
    # la décode, et clone `.git`.
    uri = f"{ROOT.as_uri()}/%2Egit#03_mlflow_project"
    clone = git.Repo(ROOT)
    version = version or clone.head.commit.hexsha
    if clone.is_dirty(untracked_files=True, path="03_mlflow_project"):
        print(
            "Votre dossier a des modifications hors commit : elles ne seront pas exécutées.",
            flush=True,
        )

# %% [markdown]
# ## Cloner, puis exécuter
#
# MLflow clone le dépôt dans un dossier temporaire, se place à la version demandée, lit `MLproject`
# dans le sous-dossier qui suit `#`, et lance le point d'entrée, ici `main`.

# %%
submitted = mlflow.projects.run(
    uri, version=version, experiment_name="03_mlflow_project", env_manager="local"
)

# %% [markdown]
# ## Ce que MLflow a noté
#
# De quoi refaire le run : d'où vient le code, à quel commit, par quel point d'entrée, avec quels
# paramètres.

# %%
run = mlflow.get_run(submitted.run_id)
metrics = sorted(run.data.metrics.items())
print("Métriques : " + ", ".join(f"{name} {value:.2f}" for name, value in metrics))
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
