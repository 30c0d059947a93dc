# %% [markdown]
# # Leçon 1, script 4 : ouvrir un modèle
#
# **Question.** Un modèle enregistré par MLflow, est-ce un fichier, un dossier, ou un objet Python ?
# Pronostic : que répondra-t-il si l'on oublie une colonne ? Et si un nombre arrive sous forme de
# texte ?

# %% [markdown] tags=["local"]
# ```
# uv run 01_tracking_supervised/local/04_open_model.py
# ```
#
# Cinq secondes, après `03_full_run.py`, dont il ouvre le modèle.

# %%
import sys
from pathlib import Path

import mlflow

from patients import load_patients

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %% [markdown]
# ## Une adresse, un dossier
#
# Le script précédent avait l'adresse du modèle sous la main : `logged.model_uri`, ce que rend
# `log_model`. Un autre programme la demande au magasin, qui cherche dans l'expérience choisie par
# `set_experiment`, le modèle le plus récent d'abord.

# %%
mlflow.set_experiment("01_tracking_supervised")
found = mlflow.search_logged_models(filter_string="name = 'svm_complet'", output_format="list")
if not found:
    first = "uv run 01_tracking_supervised/local/03_full_run.py"
    sys.exit(f"Pas encore de modèle à ouvrir. Lancez d'abord : {first}")
logged = found[0]
folder = Path(mlflow.artifacts.download_artifacts(logged.model_uri))
files = ", ".join(sorted(path.name for path in folder.iterdir()))
print(f"{logged.model_uri} est un dossier : {files}")

# %% [markdown]
# ## Deux saveurs, une seule prédiction
#
# Une *saveur* (*flavor*) est une manière d'ouvrir le modèle. `sklearn` rend l'objet d'origine ;
# `python_function` (pyfunc) rend un objet qui ne sait que prédire, le même pour toutes les
# bibliothèques : c'est lui que les services utilisent.

# %%
X = load_patients().X_valid
pipeline = mlflow.sklearn.load_model(logged.model_uri)
function = mlflow.pyfunc.load_model(logged.model_uri)
usual = pipeline.predict(X)
equal = (usual == function.predict(X)).sum()
names = f"{type(pipeline).__name__} et {type(function).__name__}"
print(f"{names} : {equal} prédictions égales sur {len(X)}")

# %% [markdown]
# ## La signature refuse
#
# Avant de prédire, pyfunc compare les données à la signature : trente nombres, chacun par son nom.
# scikit-learn, lui, convertit le texte sans rien dire.

# %%
columns = function.metadata.signature.inputs.inputs
print(f"Signature : {len(columns)} colonnes, {columns[0]} en tête")
damaged = {
    "une colonne oubliée": X.drop(columns="mean radius"),
    "un nombre devenu texte": X.astype({"mean radius": str}),
    "les colonnes à l'envers": X[X.columns[::-1]],
}
for damage, table in damaged.items():
    answers = []
    for flavor in (pipeline, function):
        try:
            answers.append(f"prédit ({(flavor.predict(table) == usual).sum()} réponses inchangées)")
        except (mlflow.MlflowException, ValueError):
            answers.append("refuse")
    print(f"{damage} : scikit-learn {answers[0]} ; pyfunc {answers[1]}")

# %% tags=["local"]
print("Ensuite : uv run 01_tracking_supervised/local/05_svm_sweep.py")

# %% [markdown]
# ## À retenir
#
# Un modèle MLflow est un dossier, que deux saveurs ouvrent. La signature rend pyfunc plus souple
# sur l'ordre des colonnes, qu'il retrouve par leur nom, et plus sévère sur leur type. Servez par
# pyfunc, explorez par scikit-learn.
