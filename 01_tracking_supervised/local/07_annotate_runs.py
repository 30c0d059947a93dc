# %% [markdown]
# # Leçon 1, script 7 : annoter après coup, et retrouver
#
# **Question.** Un run est fini depuis un mois, et vous venez de le relire. Que peut-on encore y
# changer ?
#
# Pronostic, pour chacun : une étiquette, la description, une métrique de plus, un paramètre mal
# noté.

# %% [markdown] tags=["local"]
# ```
# uv run 01_tracking_supervised/local/07_annotate_runs.py
# ```
#
# Cinq secondes, après `05_compare_models.py`, dont il relit les runs.

# %%
import sys

import mlflow

from patients import load_patients

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %%
experiment = mlflow.set_experiment("01_tracking_supervised")
last = mlflow.search_runs(
    filter_string="tags.comparison LIKE 'breast_cancer %' AND attributes.status = 'FINISHED'",
    max_results=1,
)
if last.empty:
    first = "uv run 01_tracking_supervised/local/05_compare_models.py"
    sys.exit(f"Pas encore de runs à relire. Lancez d'abord : {first}")
comparison = f"tags.comparison = '{last['tags.comparison'][0]}'"
client = mlflow.MlflowClient()

# %% [markdown]
# ## Relire
#
# Un critère manquait : combien de tumeurs malignes chaque classifieur manque-t-il ? Rien à
# réentraîner, la sensibilité est dans le magasin. La conclusion est une annotation : une étiquette,
# qui se cherche, et la description, qui se lit.

# %%
malignant = int(load_patients().y_valid.sum())
for run in mlflow.search_runs(filter_string=comparison, output_format="list"):
    missed = round(malignant * (1 - run.data.metrics["sensitivity"]))
    verdict = "retenu" if missed == 0 else "écarté"
    client.log_metric(run.info.run_id, "missed", missed)
    client.set_tag(run.info.run_id, "review", verdict)
    description = run.data.tags["mlflow.note.content"].partition("\n\n")[0]
    description += f"\n\nRelu : {missed} tumeurs malignes manquées."
    client.set_tag(run.info.run_id, "mlflow.note.content", description)
    mlflow.set_logged_model_tags(run.outputs.model_outputs[0].model_id, {"review": verdict})

# %% [markdown]
# ## Ce qui ne change plus
#
# Un paramètre dit ce qui a été fait : MLflow refuse de le réécrire.

# %%
try:
    client.log_param(last["run_id"][0], "model", "un autre nom")
except mlflow.MlflowException as error:
    print(f"Paramètre : refusé. {str(error).partition(' for run')[0]}")
status = client.get_run(last["run_id"][0]).info.status
print(f"Étiquette, description, métrique de plus : acceptées ; le run est toujours {status}")

# %% [markdown]
# ## Retrouver
#
# Par l'étiquette, par un mot de la description, par la métrique, ou du côté des modèles : quatre
# portes vers les mêmes classifieurs.

# %%
searches = {
    "par l'étiquette": "tags.review = 'retenu'",
    "par la description": "tags.mlflow.note.content LIKE '%Relu : 0 tumeurs%'",
    "par la métrique": "metrics.missed = 0",
}
for title, filter_string in searches.items():
    found = mlflow.search_runs(
        filter_string=f"{comparison} AND {filter_string}", output_format="list"
    )
    print(f"Retrouvés {title} : {', '.join(sorted(run.data.params['model'] for run in found))}")
models = mlflow.search_logged_models(
    [experiment.experiment_id], "tags.review = 'retenu'", output_format="list"
)
print(f"Modèles annotés « retenu » : {', '.join(sorted({model.name for model in models}))}")

# %% tags=["local"]
print("Ensuite : uv run 02_tracking_unsupervised/local/01_kmeans_sweep.py")

# %% [markdown]
# ## À retenir
#
# | dans un run fini | |
# |---|---|
# | étiquette, description | se changent |
# | métrique | s'ajoute |
# | paramètre | ne se réécrit pas |
#
# Relire, c'est écrire dans le magasin ce que l'on en a conclu. Une étiquette posée aujourd'hui se
# cherche demain : deux classifieurs retenus, cinq écartés, sans rien réentraîner.
