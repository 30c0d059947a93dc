# %% [markdown]
# # Exercice 01-2 : ne manquer aucune tumeur
#
# **Question.** Un SVM classe « maligne » toute tumeur dont le score est positif : il en manque 10
# sur 170. Jusqu'où faut-il descendre ce seuil pour les trouver toutes, et que coûte-t-il de fausses
# alertes sur 285 bénignes ?
#
# Votre pronostic : un seuil, et un nombre de fausses alertes. Au seuil 0, il y en a 3.

# %% [markdown] tags=["local"]
# ```
# uv run 01_tracking_supervised/exercises/ex_01_2_threshold.py
# uv run tools/check.py --exercise 01-2
# ```
#
# Dix secondes.

# %% tags=["local"]
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "local"))  # les modules de la leçon

# %%
import mlflow
import numpy as np
from mlflow.models import infer_signature
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from patients import clinical_metrics, known_patients

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %% [markdown]
# ## Un score par tumeur
#
# Les 455 tumeurs hors test, en cinq parts, comme dans le balayage : chaque score vient d'un modèle
# qui n'a pas vu la tumeur.

# %%
X, y = known_patients()
model = make_pipeline(StandardScaler(), SVC(gamma=0.03))
folds = StratifiedKFold(5, shuffle=True, random_state=0)
scores = cross_val_predict(model, X, y, cv=folds, method="decision_function")

# Votre code ici : le plus grand seuil qui trouve les 170 tumeurs malignes, d'après `scores` et `y`
threshold = 0.0  # celui de `predict`

# %%
predicted = (scores >= threshold).astype(float)
metrics = clinical_metrics(y, predicted, scores)
shown = f"sensibilité {metrics['sensitivity']:.3f}, spécificité {metrics['specificity']:.3f}"
print(f"seuil {threshold:.3f} : {shown}")

model.fit(X, y)  # le modèle que l'on garde apprend sur les 455 tumeurs

# Votre code ici : un run, dans l'expérience « 01_tracking_supervised » : l'étiquette `exercise`, qui vaut
# « 01-2 », le paramètre `threshold`, les métriques avec le préfixe `cv_`, et le modèle

# %% tags=["local"]
print("Vérifiez : uv run tools/check.py --exercise 01-2")

# %% [markdown]
# ## Votre réponse
#
# Notez ici ce que vous avez trouvé, en nombres, et ce que cela change à votre pronostic.
