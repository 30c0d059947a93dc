# %% [markdown]
# # Exercice 03-3 : un classement à une graine près ?
#
# **Question.** Dans la leçon, le réseau (`ann`) est battu par ElasticNet de 0.75. Relancez-le avec
# les graines 0 à 4 : de combien sa RMSE bouge-t-elle, et combien de graines battent ElasticNet ?
#
# Votre pronostic : l'écart entre la meilleure et la pire graine, et un nombre de victoires sur
# cinq.

# %% [markdown] tags=["local"]
# ```
# uv run 03_mlflow_project/exercises/ex_03_3_seeds.py
# uv run tools/check.py --exercise 03-3
# ```
#
# Une minute : six runs du projet.

# %% tags=["local"]
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "local"))  # les modules de la leçon

# %%
from pathlib import Path

import mlflow

# %% tags=["local"]
from store import ROOT, open_store

open_store()

# %%
project = Path.cwd().parents[1]  # sur Databricks, un notebook s'exécute dans son dossier

# %% tags=["local"]
project = ROOT / "03_mlflow_project"

# %% [markdown]
# ## Un parent qui résume ses enfants
#
# Lancé pendant qu'un run est ouvert, un run de projet en est l'enfant : le parent porte la réponse,
# les enfants la prouvent.

# %%
# Votre code ici : une variante par graine, de 0 à 4, en plus d'ElasticNet
variants = [{"model": "elastic_net"}, {"model": "ann", "seed": "0"}]

mlflow.set_experiment("03_mlflow_project")
with mlflow.start_run(
    run_name="réseau, graine par graine", description="Cinq graines du réseau, et ElasticNet."
) as parent:
    mlflow.set_tag("exercise", "03-3")
    for parameters in variants:
        mlflow.projects.run(
            str(project),
            "train",
            parameters=parameters,
            run_name=" ".join(parameters.values()),
            env_manager="local",
        )

    children = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    runs = mlflow.search_runs(filter_string=children, output_format="list")
    networks = [run.data.metrics["valid_rmse"] for run in runs if run.data.params["model"] == "ann"]
    [linear] = [
        run.data.metrics["valid_rmse"] for run in runs if run.data.params["model"] == "elastic_net"
    ]
    # Votre code ici : sur le parent, `spread` (la pire RMSE du réseau moins la meilleure) et `wins`
    # (combien de graines battent ElasticNet)
    print(
        f"ElasticNet {linear:.2f} ; réseau, {len(networks)} graines :"
        f" de {min(networks):.2f} à {max(networks):.2f}"
    )

# %% tags=["local"]
print("Vérifiez : uv run tools/check.py --exercise 03-3")

# %% [markdown]
# ## Votre réponse
#
# Notez ici ce que vous avez trouvé, en nombres, et ce que cela change à votre pronostic.
