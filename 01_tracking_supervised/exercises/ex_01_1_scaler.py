# %% [markdown]
# # Exercice 01-1 : sans mise à l'échelle
#
# **Question.** Retirez la mise à l'échelle d'un SVM (`gamma = 0.03`) : que deviennent l'exactitude
# et la sensibilité ? Puis, toujours sans elle, quel `gamma` rend au moins 0.90 de sensibilité ?
#
# Votre pronostic : les 30 mesures vont du millième au millier, et le noyau RBF du SVM compare des
# distances.

# %% [markdown] tags=["local"]
# ```
# uv run 01_tracking_supervised/exercises/ex_01_1_scaler.py
# uv run tools/check.py --exercise 01-1
# ```
#
# Vingt secondes.

# %% tags=["local"]
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "local"))  # les modules de la leçon

# %%
import mlflow
from mlflow.models import infer_signature
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from patients import clinical_metrics, load_patients

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %% [markdown]
# ## Les modèles
#
# Le premier est celui du cours. Ajoutez les vôtres au dictionnaire : un nom de run, un modèle non
# entraîné.

# %%
models = {
    "svm mis à l'échelle": make_pipeline(StandardScaler(), SVC(gamma=0.03)),
    # Votre code ici : le même SVM sans StandardScaler ; puis un autre sans StandardScaler, avec le gamma
    # que vous trouverez
}

# %% [markdown]
# ## Un run par modèle
#
# L'étiquette `exercise` dit à quelle question un run répond. Le modèle est gardé : c'est lui qui
# prouve les métriques.

# %%
data = load_patients()

# Votre code ici : choisissez l'expérience « 01_tracking_supervised »
for name, model in models.items():
    model.fit(data.X_train, data.y_train)
    predicted = model.predict(data.X_valid)
    metrics = clinical_metrics(data.y_valid, predicted)
    # Votre code ici : un run nommé `name` : l'étiquette `exercise`, qui vaut « 01-1 », le paramètre
    # `gamma`, les métriques, et le modèle avec sa signature
    seen = clinical_metrics(data.y_train, model.predict(data.X_train))
    shown = f"exactitude {metrics['accuracy']:.3f}, sensibilité {metrics['sensitivity']:.3f}"
    print(f"{name} : {shown} (sur les tumeurs apprises : {seen['sensitivity']:.3f})")

# %% tags=["local"]
print("Vérifiez : uv run tools/check.py --exercise 01-1")

# %% [markdown]
# ## Votre réponse
#
# Notez ici ce que vous avez trouvé, en nombres, et ce que cela change à votre pronostic.
