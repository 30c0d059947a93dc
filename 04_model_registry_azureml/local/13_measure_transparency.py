# databricks: non (il lit tout le magasin ; là-bas, il contient aussi les expériences des autres)
# %% [markdown]
# # Leçon 4, script 13 : vos runs disent-ils ce qu'ils sont ?
#
# **Question.** Parmi tous les runs de votre magasin, combien ont une description, un jeu de
# données, un commit, un auteur ? Et parmi ceux qui ont produit un modèle, combien l'ont fait avec
# une signature ?
#
# Pronostiquez ce qui manque le plus souvent.

# %% [markdown]
# ```
# uv run 04_model_registry_azureml/local/13_measure_transparency.py
# ```
#
# Cinq secondes.

# %%
import sys

import mlflow
import pandas as pd
from mlflow import MlflowClient, MlflowException

from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %% [markdown]
# ## Lire tout le magasin
#
# `search_runs` rend les runs de toutes les expériences ; chacun dit ce qu'il a reçu (`inputs`) et
# produit (`outputs`).


# %%
def signed(model_id: str) -> bool:
    """Vrai si le modèle a une signature ; faux aussi si ses fichiers ne sont plus là."""
    try:
        return mlflow.models.get_model_info(f"models:/{model_id}").signature is not None
    except (MlflowException, OSError):
        return False


names = {each.experiment_id: each.name for each in MlflowClient().search_experiments()}
rows = []
for run in mlflow.search_runs(search_all_experiments=True, output_format="list"):
    tags, models = run.data.tags, run.outputs.model_outputs
    row = {"expérience": names[run.info.experiment_id]}
    row["description"] = "mlflow.note.content" in tags
    row["jeu de données"] = len(run.inputs.dataset_inputs) > 0
    row["commit"] = "mlflow.source.git.commit" in tags
    row["auteur"] = "mlflow.user" in tags
    # sans modèle, sans objet
    row["signature"] = all(signed(each.model_id) for each in models) if models else None
    rows.append(row)
if not rows:
    sys.exit(
        "Aucun run dans le magasin. Lancez d'abord :"
        " uv run 04_model_registry_azureml/local/01_register_models.py"
    )

# %% [markdown]
# ## La part des runs qui disent chaque chose

# %%
table = pd.DataFrame(rows).set_index("expérience").astype(float)
shares = table.groupby(level=0).mean()
shares.loc["toutes"] = table.mean()
print((100 * shares).to_string(float_format=lambda share: f"{share:.0f} %", na_rep="-"))

english = {
    "description": "description",
    "jeu de données": "data_set",
    "commit": "commit",
    "auteur": "author",
    "signature": "signature",
}
mlflow.set_experiment("measurements")
with mlflow.start_run(
    run_name="transparency",
    description="Leçon 4 : la part des runs qui ont chaque chose, entre 0 et 1.",
):
    mlflow.log_param("runs", len(rows))
    mlflow.log_metrics(
        {
            f"transparency_{english[name]}": share
            for name, share in shares.loc["toutes"].dropna().items()
        }
    )

# %% [markdown]
# ## À retenir
#
# Les chiffres sont ceux de votre magasin. L'auteur et le commit, MLflow les note sans qu'on le lui
# demande, le second dès que le script est dans un dépôt Git ; la description, le jeu de données et
# la signature n'y sont que si le script les donne.
