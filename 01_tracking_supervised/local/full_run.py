# %% [markdown]
# # Leçon 1, script 2 : un run que l'on retrouve
#
# **Question.** Dans six mois, que faudra-t-il avoir gardé pour comprendre cet essai et se resservir de son modèle ?
#
# Faites votre liste avant de lire la suite : le script précédent gardait un paramètre, sept métriques et une étiquette.

# %% [markdown] tags=["local"]
# ```
# uv run 01_tracking_supervised/local/full_run.py
# ```
#
# Dix secondes, dont près de la moitié pour une expérience que vous ne referez pas : laisser MLflow deviner.

# %%
import argparse
import tempfile
import time
from importlib.metadata import version

import matplotlib.pyplot as plt
import mlflow
from mlflow.models import infer_signature
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from patients import clinical_metrics, load_patients, risk

# %% tags=["parameters"]
parser = argparse.ArgumentParser(description="Entraîne un SVM et enregistre tout ce qui rend le run utile plus tard.")
parser.add_argument("--experiment", default="01_tracking_supervised")  # databricks: "/Shared/01_tracking_supervised"
args = parser.parse_args()

# %% tags=["local"]
from store import open_store

open_store()

# %% [markdown]
# ## Ce que MLflow saura du modèle
#
# La *signature* dit ce qui entre et ce qui sort. Les *exigences* disent quelles bibliothèques il faut pour le relire ;
# les vôtres, aux versions d'aujourd'hui.

# %%
patients, _, _ = load_patients()
model = make_pipeline(StandardScaler(), SVC(gamma=0.03))
model.fit(patients.X_train, patients.y_train)
predicted = model.predict(patients.X_valid)

signature = infer_signature(patients.X_valid, predicted)
requirements = [f"{name}=={version(name)}" for name in ("mlflow", "scikit-learn", "skops", "pandas", "numpy")]

# %% [markdown]
# ## Le run
#
# Six enregistrements, un par question : avec quelles données ? quels réglages ? pour quel résultat ? lequel voit-on d'un
# coup d'œil ? avec quel modèle ? et pourquoi cet essai ?

# %%
mlflow.set_experiment(args.experiment)
with mlflow.start_run(run_name="svm complet") as run:
    data = patients.X_train.assign(malignant=patients.y_train)
    mlflow.log_input(mlflow.data.from_pandas(data, name="breast_cancer_train", targets="malignant"), context="training")
    mlflow.log_params({"model": "svm_rbf", "gamma": 0.03, "C": 1.0, "seed": 0})
    mlflow.log_metrics(clinical_metrics(patients.y_valid, predicted, risk(model, patients.X_valid)))

    figure, ax = plt.subplots(figsize=(5, 4), layout="constrained")
    ConfusionMatrixDisplay.from_predictions(patients.y_valid, predicted, display_labels=["bénigne", "maligne"], cmap="Blues", ax=ax)
    ax.set(xlabel="prédiction", ylabel="vérité", title="114 tumeurs de validation")
    mlflow.log_figure(figure, "confusion_matrix.png")
    plt.close(figure)

    logged = mlflow.sklearn.log_model(
        model, name="svm", signature=signature, input_example=patients.X_valid.head(3), pip_requirements=requirements
    )

    mlflow.set_tag("mlflow.note.content", "SVM à noyau RBF, réglages du premier script ; référence pour toute la leçon.")
# databricks: display(figure)

# %% [markdown]
# ## Ce que coûte de laisser deviner
#
# Sans `pip_requirements`, MLflow relit le modèle dans un second Python, et note tout ce qu'il y voit importé.

# %%
seconds, noted = {}, {}
with tempfile.TemporaryDirectory() as folder:
    for choice, asked in (("données", requirements), ("devinées", None)):
        start = time.perf_counter()
        mlflow.sklearn.save_model(model, f"{folder}/{choice}", signature=signature, pip_requirements=asked)
        seconds[choice] = time.perf_counter() - start
        with open(f"{folder}/{choice}/requirements.txt") as lines:
            noted[choice] = [line.partition("==")[0] for line in lines.read().split()]

# %%
metrics = mlflow.get_run(run.info.run_id).data.metrics
print(", ".join(f"{name} {metrics[name]:.3f}" for name in ("accuracy", "sensitivity", "specificity", "roc_auc")))
print(f"Modèle enregistré : {logged.model_uri}")
for choice in noted:
    print(f"Exigences {choice} en {seconds[choice]:.2f} s : {', '.join(noted[choice])}")

# %% tags=["local"]
print("Ensuite : uv run 01_tracking_supervised/local/open_model.py")

# %% [markdown]
# ## À retenir
#
# Ce run garde 4 paramètres, 8 métriques, un jeu de données, une figure, un modèle et une description. La validation compte
# 43 tumeurs malignes : le modèle en trouve 41, sans fausse alerte. La sensibilité, 0.953, tient donc à 2 patientes.
#
# Donner les exigences est au moins dix fois plus rapide que les laisser deviner. Et MLflow devine trop : il note tout ce qui
# s'est trouvé importé, y compris `rich`, qui dessine les barres de progression de ce cours.
