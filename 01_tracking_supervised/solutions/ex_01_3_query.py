# %% [markdown]
# # Exercice 01-3, solution : retrouver un run par une question
#
# **Question.** Votre service n'accepte qu'une fausse alerte sur 285 tumeurs bénignes. Combien des
# 35 couples du dernier balayage tiennent cette contrainte, et lequel d'entre eux trouve le plus de
# tumeurs malignes ?
#
# Votre pronostic : le meilleur couple du balayage en fait-il partie ?

# %% [markdown] tags=["local"]
# ```
# uv run 01_tracking_supervised/solutions/ex_01_3_query.py
# uv run tools/check.py --exercise 01-3
# ```
#
# Cinq secondes, après `05_svm_sweep.py`.

# %% tags=["local"]
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "local"))  # les modules de la leçon

# %%
import mlflow

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %% [markdown]
# ## Une seule réponse
#
# Si vous avez déjà étiqueté un run, l'étiquette lui est reprise : une question, une réponse.

# %%
client = mlflow.MlflowClient()
mlflow.set_experiment("01_tracking_supervised")
finished = "attributes.run_name = 'svm balayage' AND attributes.status = 'FINISHED'"
if mlflow.search_runs(filter_string=finished, max_results=1).empty:
    first = "uv run 01_tracking_supervised/local/05_svm_sweep.py"
    raise SystemExit(f"Pas encore de balayage fini dans le magasin. Lancez d'abord : {first}")
for run in mlflow.search_runs(filter_string="tags.exercise = '01-3'", output_format="list"):
    client.delete_tag(run.info.run_id, "exercise")

# %% [markdown]
# ## Chercher, puis annoter
#
# Un run terminé reçoit encore des étiquettes ; sa description en est une, `mlflow.note.content`.

# %%
# solution : `found`, les enfants du dernier balayage fini qui n'ont qu'une fausse alerte au plus,
# le plus sensible en tête
sweep = mlflow.search_runs(filter_string=finished, max_results=1)
found = mlflow.search_runs(
    filter_string=f"tags.mlflow.parentRunId = '{sweep['run_id'][0]}'"
    " AND metrics.cv_specificity > 0.996",
    order_by=["metrics.cv_sensitivity DESC"],
)
# départ
# found = mlflow.search_runs(filter_string="metrics.cv_specificity > 0")
# fin
best = found.iloc[0]
shown = f"sensibilité {best['metrics.cv_sensitivity']:.3f}"
shown += f", spécificité {best['metrics.cv_specificity']:.4f}"
print(f"{len(found)} couples trouvés ; en tête, {best['tags.mlflow.runName']} : {shown}")

# solution : sur ce run, l'étiquette `exercise`, qui vaut « 01-3 », l'étiquette `candidates`
# (combien de couples tiennent la contrainte) et une description qui dit pourquoi lui
client.set_tag(best["run_id"], "exercise", "01-3")
client.set_tag(best["run_id"], "candidates", len(found))
reason = "Une fausse alerte au plus sur 285 ; parmi ces couples, le plus sensible."
client.set_tag(best["run_id"], "mlflow.note.content", reason)
# fin

# %% tags=["local"]
print("Vérifiez : uv run tools/check.py --exercise 01-3")

# %% [markdown]
# ## À retenir
#
# 8 couples sur 35 tiennent la contrainte. Le plus sensible est `C = 1`, `gamma = 0.003` :
# sensibilité 0.906, soit 154 tumeurs malignes sur 170, pour une seule fausse alerte. Le plus
# sensible du balayage entier en trouve 164, avec 6 fausses alertes : il ne sert à rien à qui n'en
# accepte qu'une.
#
# Rien n'a été réentraîné : la question est venue après les essais.
