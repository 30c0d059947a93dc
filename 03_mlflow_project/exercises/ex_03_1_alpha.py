# %% [markdown]
# # Exercice 03-1 : jusqu'à quel alpha battre la forêt ?
#
# **Question.** ElasticNet avec `alpha` 0.42, 1 et 5 : lesquels battent la moyenne (RMSE 79.04) ?
# Lesquels battent la forêt ? Puis trouvez, à 0.1 près, l'`alpha` à partir duquel la forêt gagne.
#
# Votre pronostic : trois oui ou non pour la forêt, et un nombre.

# %% [markdown] tags=["local"]
# ```
# uv run 03_mlflow_project/exercises/ex_03_1_alpha.py
# uv run tools/check.py --exercise 03-1
# ```
#
# Une minute : chaque essai est un run du projet, dans son processus.

# %% tags=["local"]
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "local"))  # les modules de la leçon

# %%
from pathlib import Path

import mlflow
from mlflow import MlflowClient

# %% tags=["local"]
from store import ROOT, open_store

open_store()

# %%
project = Path.cwd().parents[1]  # sur Databricks, un notebook s'exécute dans son dossier

# %% tags=["local"]
project = ROOT / "03_mlflow_project"

# %% [markdown]
# ## Un essai = un run du projet
#
# `mlflow.projects.run` attend la fin et donne l'identifiant du run ; le client y ajoute une
# étiquette et relit la métrique.

# %%
client = MlflowClient()


def train(**parameters: str) -> float:
    """La RMSE de validation d'un run du point d'entrée `train`."""
    submitted = mlflow.projects.run(
        str(project),
        "train",
        parameters=parameters,
        experiment_name="03_mlflow_project",
        env_manager="local",
    )
    client.set_tag(submitted.run_id, "exercise", "03-1")
    return client.get_run(submitted.run_id).data.metrics["valid_rmse"]


# %%
forest = train(model="random_forest")
for alpha in ("0.42", "1", "5"):
    rmse = train(alpha=alpha)
    print(f"alpha {alpha} : RMSE {rmse:.2f}, la forêt {forest:.2f}, la moyenne 79.04", flush=True)

# Votre code ici : d'autres essais, jusqu'à deux alphas distants de 0.1 au plus, l'un qui bat la forêt,
# l'autre non

# %% tags=["local"]
print("Vérifiez : uv run tools/check.py --exercise 03-1")

# %% [markdown]
# ## Votre réponse
#
# Notez ici ce que vous avez trouvé, en nombres, et ce que cela change à votre pronostic.
