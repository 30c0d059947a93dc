# %% [markdown]
# # Leçon 1, script 5 : sept classifieurs côte à côte
#
# **Question.** Sur 114 tumeurs de validation, lequel de sept classifieurs manque le moins de
# tumeurs malignes ?
#
# Classez d'avance : régression logistique, k plus proches voisins, arbre de décision, forêt
# aléatoire, Bayes naïf, SVM, réseau de neurones.

# %% [markdown] tags=["local"]
# ```
# uv run 01_tracking_supervised/local/05_compare_models.py
# ```
#
# Trente secondes, surtout celles du réseau : ouvrez son run dans l'interface pendant qu'il apprend,
# la perte se dessine.
#
# Avec votre tableau : `--csv fichier.csv --target colonne`, et au besoin `--positive valeur` et
# `--drop colonne autre_colonne`.

# %% tags=["local"]
from store import open_store  # en premier : Ctrl-C se dit alors en une ligne

# %%
import argparse
import time
from datetime import datetime
from pathlib import Path

import matplotlib.pyplot as plt
import mlflow
from mlflow.models import infer_signature
from rich.console import Console
from rich.progress import track
from sklearn.metrics import ConfusionMatrixDisplay

from options import existing_file, short_text
from patients import (
    classifiers,
    clinical_metrics,
    import_keras,
    load_patients,
    load_table,
    pins,
    risk,
    trusted_types,
)

# %% tags=["parameters"]
parser = argparse.ArgumentParser(
    description="Compare sept classifieurs sur les patientes, ou sur votre tableau."
)
parser.add_argument(
    "--experiment", type=short_text, default="01_tracking_supervised"
)  # databricks: "/Shared/01_tracking_supervised"
parser.add_argument("--csv", type=existing_file, help="votre tableau, à la place des patientes")
parser.add_argument("--target", type=short_text, help="la colonne à prédire (deux valeurs)")
parser.add_argument(
    "--positive", type=short_text, help="la valeur à détecter ; par défaut, la plus rare"
)
parser.add_argument(
    "--drop",
    type=short_text,
    nargs="*",
    default=[],
    help="colonnes à écarter, un identifiant par exemple",
)
args = parser.parse_args()

# %% tags=["local"]
if bool(args.csv) != bool(args.target):
    raise SystemExit("--csv et --target vont ensemble.")
open_store()

# %%
data, subject = load_patients(), "breast_cancer"
if args.csv:
    data, reading = load_table(args.csv, args.target, args.positive, args.drop)
    subject = Path(args.csv).stem
    print(reading)
models = classifiers(data.X_train)
target = data.y_train.name

# %% [markdown]
# ## Autolog, là où il aide
#
# Un réseau apprend par époques, des passages sur les données : il faut le suivre pendant qu'il
# apprend. *Autolog*, l'enregistrement automatique, n'est activé que pour Keras : il y enregistre la
# perte à chaque époque. Le reste est coupé : il écrirait le réseau à chaque époque qui améliore la
# validation, et les sept modèles sont enregistrés de la même façon, par nous.

# %%
try:
    import_keras()
    mlflow.tensorflow.autolog(log_models=False, log_datasets=False, checkpoint=False)
except ImportError:
    del models["neural_network"]
    print("TensorFlow n'est pas installé : six classifieurs, sans le réseau de neurones.")
code_paths = None

# %% tags=["local"]
import patients
import splits
import tables

# le réseau est une classe de patients.py, qui lit les deux autres
code_paths = [patients.__file__, splits.__file__, tables.__file__]

# %% [markdown]
# ## Des runs de même forme
#
# Mêmes noms de paramètres et de métriques partout : c'est ce qui rend les runs comparables dans
# l'interface.

# %%
mlflow.set_experiment(args.experiment)
comparison = f"{subject} {datetime.now():%Y-%m-%d %H:%M:%S}"
train = mlflow.data.from_pandas(
    data.X_train.assign(**{target: data.y_train}), name=f"{subject}_train", targets=target
)

ranking = []
for name, model in track(
    models.items(), "Classifieurs", console=Console(stderr=True), transient=True
):
    with mlflow.start_run(run_name=f"{name} {subject}"):
        mlflow.set_tag("comparison", comparison)
        mlflow.set_tag(
            "mlflow.note.content", f"{name}, jugé sur les {len(data.X_valid)} lignes de validation."
        )
        mlflow.log_input(train, context="training")
        mlflow.log_params({"model": name, "data": subject, "target": target})

        start = time.perf_counter()
        model.fit(data.X_train, data.y_train)
        mlflow.log_metric("fit_seconds", time.perf_counter() - start)

        predicted = model.predict(data.X_valid)
        metrics = clinical_metrics(data.y_valid, predicted, risk(model, data.X_valid))
        mlflow.log_metrics(metrics)
        matrix = ConfusionMatrixDisplay.from_predictions(data.y_valid, predicted, cmap="Blues")
        matrix.ax_.set(xlabel="prédiction", ylabel="vérité", title=name)
        mlflow.log_figure(matrix.figure_, "confusion_matrix.png")
        # databricks: display(matrix.figure_)
        plt.close(matrix.figure_)

        neural = name == "neural_network"
        mlflow.sklearn.log_model(
            model,
            name=name,
            signature=infer_signature(data.X_valid, predicted),
            input_example=data.X_valid.head(3),
            pip_requirements=pins("tensorflow") if neural else pins(),
            skops_trusted_types=trusted_types,
            code_paths=code_paths if neural else None,
        )
        ranking.append((metrics["sensitivity"], metrics["specificity"], metrics["accuracy"], name))

# %%
print(
    f"En tête : {max(ranking)[-1]}, jugé sur {len(data.X_valid)} lignes de validation, dont {int(data.y_valid.sum())} positives"
)
print(f"{'':22}sensibilité  spécificité  exactitude")
for sensitivity, specificity, accuracy, name in sorted(ranking, reverse=True):
    print(f"{name:22}{sensitivity:11.3f}{specificity:13.3f}{accuracy:12.3f}")

# %% tags=["local"]
print(
    f"Dans l'interface, pour ne voir que ces {len(ranking)} runs : tags.comparison = '{comparison}'"
)
print("Ensuite : uv run 01_tracking_supervised/local/06_search_runs.py")

# %% [markdown]
# ## À retenir
#
# | classifieur | sensibilité | spécificité | exactitude |
# |---|---|---|---|
# | neural_network | 1.000 | 1.000 | 1.000 |
# | logistic_regression | 1.000 | 0.986 | 0.991 |
# | svm_rbf | 0.953 | 1.000 | 0.982 |
# | k_nearest_neighbors | 0.930 | 1.000 | 0.974 |
# | random_forest | 0.930 | 0.972 | 0.956 |
# | naive_bayes | 0.884 | 0.972 | 0.939 |
# | decision_tree | 0.814 | 0.972 | 0.912 |
#
# Sans faute ne veut pas dire infaillible : une tumeur maligne de plus ou de moins fait bouger la
# sensibilité de 0.023, et les trois premiers font 0, 1 et 2 erreurs sur 114. Le test, lui, n'a pas
# été ouvert.
#
# Autolog laissé à ses réglages d'origine écrit le réseau sur disque 50 fois, car chaque époque
# améliore ici la validation : l'apprentissage en est bien plus long.
