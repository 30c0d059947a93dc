# databricks: non (il modifie un clone Git de votre machine)
# %% [markdown]
# # Exercice 03-2 : une ligne hors commit
#
# **Question.** Dans un clone, une ligne de `diabetes.py` est modifiée, sans commit, et le projet
# s'exécute. Le run obtenu note un commit et des paramètres, comme les autres. Rejoué d'après eux,
# redonne-t-il la même RMSE ?
#
# Votre pronostic : et qu'est-ce qui, dans le run, aurait pu vous prévenir ?

# %% [markdown] tags=["local"]
# ```
# uv run 03_mlflow_project/exercises/ex_03_2_dirty.py
# uv run tools/check.py --exercise 03-2
# ```
#
# Vingt secondes. Votre dossier n'est pas touché : la ligne est changée dans un clone à part, effacé
# à la fin.

# %% tags=["local"]
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "local"))  # les modules de la leçon

# %%
import tempfile
from pathlib import Path

import git
import mlflow
from mlflow import MlflowClient

# %% tags=["local"]
from store import ROOT, open_store

open_store()

# %%
uri = f"{ROOT.as_uri()}/%2Egit#03_mlflow_project"  # comme 02_run_from_git.py
client = MlflowClient()

# %% [markdown]
# ## Modifier, exécuter
#
# Le clone est au dernier commit ; ce que vous y changez n'est dans aucun.

# %%
temporary = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
git.Repo(ROOT).clone(f"{temporary.name}/clone")
project = Path(temporary.name, "clone/03_mlflow_project")
code = (project / "diabetes.py").read_text(encoding="utf-8")
# Votre code ici : changez dans `code` une ligne qui compte pour ElasticNet, son alpha par exemple
(project / "diabetes.py").write_text(code, encoding="utf-8")

submitted = mlflow.projects.run(
    str(project),
    "train",
    parameters={"alpha": "0.42"},
    experiment_name="03_mlflow_project",
    env_manager="local",
)
client.set_tag(submitted.run_id, "exercise", "03-2")
run = client.get_run(submitted.run_id)

# %% [markdown]
# ## Rejouer
#
# Rien n'est pris ailleurs que dans le run : son commit, son point d'entrée, ses paramètres ; et le
# dépôt d'où vient le clone.

# %%
# Votre code ici : rejouez `run` depuis `uri`, à son commit ; étiquetez le nouveau run `exercise`, et
# `replay_of` : l'identifiant du premier
temporary.cleanup()
rmse, state = run.data.metrics["valid_rmse"], run.data.tags["git.dirty"]
print(f"Premier run : RMSE {rmse:.2f}, git.dirty {state}")

# %% tags=["local"]
print("Vérifiez : uv run tools/check.py --exercise 03-2")

# %% [markdown]
# ## Votre réponse
#
# Notez ici ce que vous avez trouvé, en nombres, et ce que cela change à votre pronostic.
