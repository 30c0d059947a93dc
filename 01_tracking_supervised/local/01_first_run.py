# %% [markdown]
# # Leçon 1, script 1 : un premier run
#
# **Question.** Un SVM (*support vector machine*) trace une frontière entre les tumeurs malignes et
# les bénignes. Quel `gamma` lui fait trouver le plus de tumeurs malignes ?
#
# Plus `gamma` est grand, plus la frontière épouse chaque cas. Avant chaque essai, notez votre
# pronostic ; MLflow se souviendra du reste.

# %% [markdown] tags=["local"]
# ```
# uv run 01_tracking_supervised/local/01_first_run.py --gamma 0.03
# ```
#
# Cinq secondes. Essayez aussi 0.0001, 0.3 et 1, puis, dans un second terminal, `uv run mlflow ui`.

# %% tags=["local"]
from store import open_store  # en premier : Ctrl-C se dit alors en une ligne

import os

from errors import without_password

# %%
import argparse

import mlflow
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from options import number, short_text
from patients import clinical_metrics, load_patients

# %% tags=["parameters"]
parser = argparse.ArgumentParser(description="Entraîne un SVM et garde la trace de l'essai.")
parser.add_argument(
    "--experiment", type=short_text, default="01_tracking_supervised"
)  # databricks: "/Shared/01_tracking_supervised"
parser.add_argument(
    "--gamma",
    type=number(1e-6, 100),
    default=0.03,
    help="plus gamma est grand, plus la frontière épouse chaque cas",
)
args = parser.parse_args()

# %% tags=["local"]
elsewhere = bool(os.environ.get("MLFLOW_TRACKING_URI"))  # par exemple le serveur d'une équipe
uri = open_store()  # sinon, mlflow.db et mlruns/, à la racine du dépôt

# %% [markdown]
# ## Un run = un essai
#
# Une *expérience* MLflow regroupe des *runs*. Tout ce qui est enregistré dans le bloc `with`
# appartient au même run : ce que l'on a réglé (paramètres), ce que l'on a obtenu (métriques), ce
# que l'on veut retrouver (étiquettes).

# %%
data = load_patients()
model = make_pipeline(StandardScaler(), SVC(gamma=args.gamma))

mlflow.set_experiment(args.experiment)
with mlflow.start_run(run_name=f"svm gamma={args.gamma:g}") as run:
    mlflow.log_param("gamma", args.gamma)
    model.fit(data.X_train, data.y_train)
    metrics = clinical_metrics(data.y_valid, model.predict(data.X_valid))
    mlflow.log_metrics(metrics)
    mlflow.set_tag("question", "sensibilité selon gamma")

# %%
shown = ("accuracy", "sensitivity", "specificity")
print(f"gamma {args.gamma:g} : " + ", ".join(f"{name} {metrics[name]:.3f}" for name in shown))

# %% tags=["local"]
page = (
    f"/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}?workflowType=machine_learning"
)
if uri.startswith("http"):
    print(f"Le run est sur le serveur : {without_password(uri)}{page}")
else:
    option = f' --backend-store-uri "{uri}"' if elsewhere else ""
    print(
        f"Le run est dans le magasin. Pour le voir, dans un second terminal : uv run mlflow ui{option}, puis"
    )
    print(f"http://127.0.0.1:5000{page}")
print("Ensuite : uv run 01_tracking_supervised/local/02_full_run.py")

# %% [markdown]
# ## À retenir
#
# | gamma | exactitude | sensibilité | spécificité |
# |---|---|---|---|
# | 0.0001 | 0.772 | 0.395 | 1.000 |
# | 0.03 | 0.982 | 0.953 | 1.000 |
# | 0.3 | 0.974 | 0.977 | 0.972 |
# | 1 | 0.623 | 0.000 | 1.000 |
#
# C'est 0.3 qui trouve le plus de tumeurs malignes : 42 sur 43, au prix de 2 fausses alertes. 0.03
# en trouve 41, sans aucune fausse alerte. Une patiente d'écart ne tranche pas : la suite garde
# 0.03, et le balayage (`04_svm_sweep.py`) reprendra la question.
#
# À `gamma = 1`, l'exactitude de 0.623 cache tout : aucune tumeur maligne n'est trouvée. Une
# métrique seule ne suffit pas.
