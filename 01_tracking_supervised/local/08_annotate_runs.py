# %% [markdown]
# # Leçon 1, script 8 : annoter après coup, et retrouver
#
# **Question.** Un run est fini depuis un mois, et vous venez de le relire. Que peut-on encore y
# changer ? Pronostic, pour chacun : une étiquette, la description, une métrique de plus, un
# paramètre mal noté.

# %% [markdown] tags=["local"]
# ```
# uv run 01_tracking_supervised/local/08_annotate_runs.py
# ```
#
# Cinq secondes, après `06_compare_models.py`, dont il relit les runs.

# %%
import sys

import mlflow

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %%
mlflow.set_experiment("01_tracking_supervised")
last = mlflow.search_runs(
    filter_string="tags.comparison LIKE 'breast_cancer %' AND attributes.status = 'FINISHED'",
    max_results=1,
)
if last.empty:
    first = "uv run 01_tracking_supervised/local/06_compare_models.py"
    sys.exit(f"Pas encore de runs à relire. Lancez d'abord : {first}")
comparison = f"tags.comparison = '{last['tags.comparison'][0]}'"

# %% [markdown]
# ## Relire
#
# Combien de tumeurs malignes chaque classifieur manque-t-il, sur les 43 de la validation ? Rien à
# réentraîner, la sensibilité est dans le magasin. La conclusion est une annotation : « retenu » si
# le coût ne dépasse pas 20, dans une étiquette et dans la description.
#
# `mlflow.log_metric` écrit dans le run ouvert ; `MlflowClient`, dans un run que l'on désigne, sans
# l'ouvrir.

# %%
MALIGNANT = 43  # tumeurs malignes de la validation
client = mlflow.MlflowClient()
for run in mlflow.search_runs(filter_string=comparison, output_format="list"):
    missed = round(MALIGNANT * (1 - run.data.metrics["sensitivity"]))
    verdict = "retenu" if run.data.metrics["cost"] <= 20 else "écarté"
    client.log_metric(run.info.run_id, "missed", missed)
    client.set_tag(run.info.run_id, "review", verdict)
    note = f"{run.data.params['model']}. Relu : {verdict}, {missed} tumeurs malignes manquées."
    client.set_tag(run.info.run_id, "mlflow.note.content", note)  # la description

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
# On retrouve un run par l'étiquette, par un mot de la description ou par la métrique.

# %%
searches = {
    "par l'étiquette": "tags.review = 'retenu'",
    "par la description": "tags.mlflow.note.content LIKE '%Relu : retenu%'",
    "par la métrique": "metrics.missed <= 2",
}
for title, condition in searches.items():
    found = mlflow.search_runs(filter_string=f"{comparison} AND {condition}")
    print(f"Retrouvés {title} : {', '.join(sorted(found['params.model']))}")

# %% tags=["local"]
print("Ensuite : uv run 02_tracking_unsupervised/local/01_kmeans_sweep.py")
print("Pour aller plus loin : 01_tracking_supervised/PLUS_LOIN.md")

# %% [markdown]
# ## À retenir
#
# Dans un run fini, l'étiquette et la description se changent, une métrique s'ajoute, un paramètre
# ne se réécrit pas. Relire, c'est écrire dans le magasin ce que l'on en a conclu : trois
# classifieurs retenus, quatre écartés, sans rien réentraîner.
