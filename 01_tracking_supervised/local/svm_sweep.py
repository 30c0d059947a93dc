# %% [markdown]
# # Leçon 1, script 4 : un balayage
#
# **Question.** Où se trouve le meilleur couple (`C`, `gamma`) d'un SVM, et la meilleure exactitude désigne-t-elle le même
# couple que la meilleure sensibilité ?
#
# Trente-cinq couples : notez le vôtre. Et que restera-t-il si le courant est coupé au vingtième ?

# %% [markdown] tags=["local"]
# ```
# uv run 01_tracking_supervised/local/svm_sweep.py
# ```
#
# Vingt secondes. Interrompez-le (Ctrl-C, ou fermez la fenêtre), puis relancez : il reprend où il en était.

# %%
import argparse
from importlib.metadata import version
from itertools import product

import matplotlib.pyplot as plt
import mlflow
import pandas as pd
from mlflow.models import infer_signature
from rich.console import Console
from rich.progress import track
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from patients import clinical_metrics, load_patients


def positive(text: str) -> float:
    """Un nombre entre 1e-6 et 1e6, sinon l'erreur d'argparse."""
    if 1e-6 <= (value := float(text)) <= 1e6:
        return value
    raise argparse.ArgumentTypeError(f"{text} n'est pas entre 1e-6 et 1e6")


# %% tags=["parameters"]
parser = argparse.ArgumentParser(description="Un run parent, et un run enfant par couple (C, gamma).")
parser.add_argument("--experiment", default="01_tracking_supervised")  # databricks: "/Shared/01_tracking_supervised"
parser.add_argument("--C", type=positive, nargs="+", default=[0.1, 1.0, 10.0, 100.0, 1000.0], help="tolérance aux erreurs")
parser.add_argument("--gamma", type=positive, nargs="+", default=[0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3], help="portée")
args = parser.parse_args()

# %% tags=["local"]
from filelock import FileLock, Timeout
from store import ROOT, open_store

open_store()
lock = FileLock(ROOT / ".svm_sweep.lock")
try:
    lock.acquire(timeout=0)  # un seul balayage à la fois : un run RUNNING est donc un run abandonné
except Timeout:
    raise SystemExit("Un balayage est déjà en cours : attendez sa fin.") from None

# %% [markdown]
# ## Reprendre au lieu de refaire
#
# Une étiquette du parent dit quelle grille il parcourt : une recherche le retrouve. Un programme tué laisse ses runs RUNNING
# pour toujours ; on les marque KILLED, ce qu'ils sont. Les enfants finis ne sont pas refaits.

# %%
grid = list(product(sorted(set(args.C)), sorted(set(args.gamma))))
grid_tag = f"C {sorted(set(args.C))} gamma {sorted(set(args.gamma))}"

experiment = mlflow.set_experiment(args.experiment)
unfinished_parent = f"tags.grid = '{grid_tag}' AND attributes.status != 'FINISHED'"
unfinished = mlflow.search_runs([experiment.experiment_id], unfinished_parent, output_format="list")
parent_id = unfinished[0].info.run_id if unfinished else None

done = set()
children_of = f"tags.`mlflow.parentRunId` = '{parent_id}'"
for child in mlflow.search_runs([experiment.experiment_id], children_of, output_format="list") if parent_id else []:
    if child.info.status == "RUNNING":
        mlflow.MlflowClient().set_terminated(child.info.run_id, "KILLED")
    elif child.info.status == "FINISHED":
        done.add((float(child.data.params["C"]), float(child.data.params["gamma"])))
left = [point for point in grid if point not in done]

# %% [markdown]
# ## Un parent, un enfant par couple
#
# Chaque couple est jugé par validation croisée en cinq parts sur les 455 tumeurs hors test. Ce qui est commun va au parent.

# %%
patients, _, _ = load_patients()
X, y = pd.concat([patients.X_train, patients.X_valid]), pd.concat([patients.y_train, patients.y_valid])
folds = StratifiedKFold(5, shuffle=True, random_state=0)
signature = infer_signature(X, y.to_numpy())
requirements = [f"{library}=={version(library)}" for library in ("mlflow", "scikit-learn", "skops", "pandas", "numpy")]

with mlflow.start_run(run_id=parent_id, run_name="svm balayage") as parent:
    mlflow.set_tags({"grid": grid_tag, "mlflow.note.content": "SVM RBF : chaque couple (C, gamma) jugé par validation croisée."})
    mlflow.log_params({"points": len(grid), "folds": 5, "seed": 0})
    mlflow.log_input(mlflow.data.from_pandas(X.assign(malignant=y), name="breast_cancer_cv", targets="malignant"), context="training")

    for C, gamma in track(left, "SVM", console=Console(stderr=True), transient=True):
        with mlflow.start_run(run_name=f"C={C:g} gamma={gamma:g}", nested=True):
            mlflow.log_params({"C": C, "gamma": gamma})
            model = make_pipeline(StandardScaler(), SVC(C=C, gamma=gamma))
            distance = cross_val_predict(model, X, y, cv=folds, method="decision_function")
            metrics = clinical_metrics(y, (distance > 0).astype(float), distance)
            mlflow.log_metrics({f"cv_{metric}": value for metric, value in metrics.items()})
            model.fit(X, y)
            mlflow.sklearn.log_model(model, name="svm", signature=signature, input_example=X.head(3), pip_requirements=requirements)

# %% [markdown]
# ## Le parent résume
#
# Tout est relu dans le magasin : peu importe en combien de fois le balayage s'est fait.

# %%
finished = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}' AND attributes.status = 'FINISHED'"
points = mlflow.search_runs([experiment.experiment_id], finished).astype({"params.C": float, "params.gamma": float})
best = points.sort_values(["metrics.cv_sensitivity", "metrics.cv_specificity"]).iloc[-1]
accurate = points.sort_values(["metrics.cv_accuracy", "metrics.cv_sensitivity"]).iloc[-1]

figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
for ax, metric, title in zip(axes, ("sensitivity", "accuracy"), ("sensibilité", "exactitude"), strict=True):
    for C, line in points.sort_values("params.gamma").groupby("params.C"):
        ax.plot(line["params.gamma"], line[f"metrics.cv_{metric}"], marker="o", label=f"C = {C:g}")
    ax.set(xscale="log", xlabel="gamma", title=f"{title} (validation croisée)", ylim=(0.5, 1))
axes[0].legend()
# databricks: display(figure)
with mlflow.start_run(run_id=parent.info.run_id):
    mlflow.log_figure(figure, "metric_against_parameter.png")
    mlflow.set_tag("best_run_id", best["run_id"])
    mlflow.log_metric("best_cv_sensitivity", best["metrics.cv_sensitivity"])
plt.close(figure)

for title, row in (("Meilleure sensibilité", best), ("Meilleure exactitude", accurate)):
    scores = (f"{metric} {row[f'metrics.cv_{metric}']:.3f}" for metric in ("sensitivity", "specificity", "accuracy"))
    print(f"{title} : C={row['params.C']:g} gamma={row['params.gamma']:g} ({', '.join(scores)})")
print(f"{len(points)} couples, dont {len(done)} déjà faits")

# %% tags=["local"]
print("Ensuite : uv run 01_tracking_supervised/local/compare_models.py")

# %% [markdown]
# ## À retenir
#
# | ce que l'on veut | C | gamma | sensibilité | spécificité | exactitude |
# |---|---|---|---|---|---|
# | la meilleure sensibilité | 1000 | 0.001 | 0.965 | 0.979 | 0.974 |
# | la meilleure exactitude | 100 | 0.003 | 0.959 | 0.989 | 0.978 |
#
# Les deux critères ne désignent pas le même couple, et l'écart est d'une patiente : 164 tumeurs malignes trouvées sur 170,
# contre 163. Un balayage où chaque point est un run permet de changer de critère après coup, sans rien réentraîner.
