# %% [markdown]
# # Leçon 1, script 6 : retrouver, juger, prédire
#
# **Question.** Le meilleur couple du balayage trouvait 164 tumeurs malignes sur 170. Que vaut-il sur des patientes que
# personne n'a encore regardées ?
#
# Pronostic : mieux, pareil, moins bien ? De combien de patientes ?

# %% [markdown] tags=["local"]
# ```
# uv run 01_tracking_supervised/local/search_runs.py
# ```
#
# Six secondes, après `svm_sweep.py`. Pour vos propres patientes : `--patients fichier.csv`, avec les mêmes colonnes.

# %%
import argparse
import tempfile
from pathlib import Path

import mlflow
from sklearn.metrics import confusion_matrix

from patients import clinical_metrics, load_patients, read_patients, risk


def existing(text: str) -> str:
    """Le chemin complet : `open_store()` changera de dossier."""
    return str(Path(text).resolve())


# %% tags=["parameters"]
parser = argparse.ArgumentParser(description="Cherche le meilleur run, juge son modèle sur le test, prédit de nouvelles patientes.")
parser.add_argument("--experiment", default="01_tracking_supervised")  # databricks: "/Shared/01_tracking_supervised"
parser.add_argument("--patients", type=existing, help="un CSV de nouvelles patientes ; par défaut, dix lignes du test")
args = parser.parse_args()

# %% tags=["local"]
from store import open_store

open_store()

# %% [markdown]
# ## Chercher
#
# Le filtre ressemble à du SQL, le résultat est un tableau pandas : `metrics.`, `params.`, `tags.` en préfixe. C'est aussi ce
# que l'on tape dans la barre de recherche de l'interface.

# %%
mlflow.set_experiment(args.experiment)
runs = mlflow.search_runs(
    filter_string="metrics.cv_sensitivity > 0.9 AND metrics.cv_specificity > 0.95 AND attributes.status = 'FINISHED'",
    order_by=["metrics.cv_sensitivity DESC", "metrics.cv_specificity DESC"],
)
if runs.empty:
    raise SystemExit("Aucun run à comparer dans le magasin : lancez d'abord svm_sweep.py.")
best = runs.iloc[0]
uri = f"runs:/{best['run_id']}/svm"

# %% [markdown]
# ## Juger, une fois
#
# Le test n'a servi ni à apprendre ni à choisir. On l'ouvre ici, et on enregistre ce qu'on y voit, quoi que ce soit.

# %%
_, X_test, y_test = load_patients()
model = mlflow.sklearn.load_model(uri)
columns = [column.name for column in mlflow.models.get_model_info(uri).signature.inputs]

if args.patients:
    newcomers = read_patients(args.patients, columns)
else:
    csv = Path(tempfile.mkdtemp()) / "new_patients.csv"
    X_test.head(10).to_csv(csv, index=False)
    newcomers = read_patients(csv, columns)

# %% [markdown]
# ## Prédire
#
# Les nouvelles patientes passent par pyfunc, qui vérifie la signature ; les prédictions vont dans le même run que le jugement.

# %%
with mlflow.start_run(run_name="jugement du meilleur svm") as run:
    mlflow.log_params({"judged_run_id": best["run_id"], "C": best["params.C"], "gamma": best["params.gamma"]})
    mlflow.set_tag("mlflow.note.content", "Le meilleur couple du balayage, jugé une seule fois sur les 114 tumeurs de test.")
    mlflow.log_input(mlflow.data.from_pandas(X_test.assign(malignant=y_test), name="breast_cancer_test", targets="malignant"), context="test")

    predicted = model.predict(X_test)
    metrics = clinical_metrics(y_test, predicted, risk(model, X_test))
    mlflow.log_metrics({f"test_{name}": value for name, value in metrics.items()})

    answers = newcomers.assign(malignant=mlflow.pyfunc.load_model(uri).predict(newcomers), risk=risk(model, newcomers))
    mlflow.log_text(answers.to_csv(index=False), "predictions.csv")

# %%
tn, fp, fn, tp = confusion_matrix(y_test, predicted, labels=[0.0, 1.0]).ravel()
print("Test : " + ", ".join(f"{name} {metrics[name]:.3f}" for name in ("sensitivity", "specificity", "accuracy")))
print(f"Modèle : {best['tags.mlflow.runName']}, sensibilité {best['metrics.cv_sensitivity']:.3f} en validation croisée, retenu parmi {len(runs)} runs")
print(f"{tp} tumeurs malignes trouvées sur {tp + fn}, fausses alertes : {fp} sur {fp + tn}")
print(f"Nouvelles patientes : {int(answers['malignant'].sum())} alertes sur {len(answers)}, dans predictions.csv du run")

# %% tags=["local"]
print("Ensuite : uv run 01_tracking_supervised/local/measure_tracking.py")

# %% [markdown]
# ## À retenir
#
# | jugé par | sensibilité | spécificité | exactitude |
# |---|---|---|---|
# | validation croisée | 0.965 | 0.979 | 0.974 |
# | test | 0.881 | 0.986 | 0.947 |
#
# Sur le test, 37 tumeurs malignes sur 42 : le choix du meilleur de 35 couples a aussi retenu le plus chanceux, et une
# patiente pèse ici 0.024. Voilà pourquoi le test ne s'ouvre qu'une fois, et pourquoi ce chiffre décevant est enregistré comme
# les autres.
