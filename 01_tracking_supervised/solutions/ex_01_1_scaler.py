# %% [markdown]
# # Exercice 01-1, solution : sans mise à l'échelle
#
# **Question.** Retirez la mise à l'échelle d'un SVM (`gamma = 0.03`) : que deviennent l'exactitude
# et la sensibilité ? Puis, toujours sans elle, quel `gamma` rend au moins 0.90 de sensibilité ?
#
# Votre pronostic : les 30 mesures vont du millième au millier, et le noyau RBF du SVM compare des
# distances.

# %% [markdown] tags=["local"]
# ```
# uv run 01_tracking_supervised/solutions/ex_01_1_scaler.py
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
    # solution : le même SVM sans StandardScaler ; puis un autre sans StandardScaler, avec le gamma
    # que vous trouverez
    "svm brut gamma=0.03": make_pipeline(SVC(gamma=0.03)),
    "svm brut gamma=0.001": make_pipeline(SVC(gamma=0.001)),
    # fin
}

# %% [markdown]
# ## Un run par modèle
#
# L'étiquette `exercise` dit à quelle question un run répond. Le modèle est gardé : c'est lui qui
# prouve les métriques.

# %%
data = load_patients()

# solution : choisissez l'expérience « 01_tracking_supervised »
mlflow.set_experiment("01_tracking_supervised")
# fin
for name, model in models.items():
    model.fit(data.X_train, data.y_train)
    predicted = model.predict(data.X_valid)
    metrics = clinical_metrics(data.y_valid, predicted)
    # solution : un run nommé `name` : l'étiquette `exercise`, qui vaut « 01-1 », le paramètre
    # `gamma`, les métriques, et le modèle avec sa signature
    with mlflow.start_run(run_name=name):
        mlflow.set_tag("exercise", "01-1")
        mlflow.log_param("gamma", model[-1].gamma)
        mlflow.log_metrics(metrics)
        signature = infer_signature(data.X_valid, predicted)
        mlflow.sklearn.log_model(model, name="svm", signature=signature)
    # fin
    seen = clinical_metrics(data.y_train, model.predict(data.X_train))
    shown = f"exactitude {metrics['accuracy']:.3f}, sensibilité {metrics['sensitivity']:.3f}"
    print(f"{name} : {shown} (sur les tumeurs apprises : {seen['sensitivity']:.3f})")

# %% tags=["local"]
print("Vérifiez : uv run tools/check.py --exercise 01-1")

# %% [markdown]
# ## À retenir
#
# | modèle | exactitude | sensibilité | sensibilité sur les tumeurs apprises |
# |---|---|---|---|
# | mis à l'échelle, `gamma = 0.03` | 0.982 | 0.953 | 0.961 |
# | brut, `gamma = 0.03` | 0.623 | 0.000 | 1.000 |
# | brut, `gamma = 0.001` | 0.947 | 0.930 | 0.953 |
#
# Sans mise à l'échelle, l'exactitude de 0.623 est celle de qui répond toujours « bénigne ». Sur les
# tumeurs apprises, ce même modèle les trouve toutes : il les sait par cœur. Diviser `gamma` par 30
# lui rend 0.930, moins qu'avec la mise à l'échelle.
