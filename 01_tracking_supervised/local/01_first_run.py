# %% [markdown]
# # Leçon 1, script 1 : un premier run
#
# **Question.** Un SVM (*support vector machine*) trace une frontière entre les tumeurs malignes
# et les bénignes. Plus son réglage `gamma` est grand, plus la frontière suit chaque cas de près.
# Lequel de ces quatre `gamma` faut-il garder ?
#
# **Le critère** de toute la leçon se dit avant le premier chiffre. Une tumeur maligne manquée est
# plus grave qu'une fausse alerte : nous la comptons dix fois. Le coût (`cost`) d'un modèle est
# 10 × manquées + fausses alertes, et le plus petit l'emporte. Notez votre pronostic.

# %% [markdown] tags=["local"]
# ```
# uv run 01_tracking_supervised/local/01_first_run.py
# ```
#
# Cinq secondes.

# %%
import mlflow
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from patients import clinical_metrics, load_patients

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %% [markdown]
# ## Un run = un essai
#
# Une *expérience* regroupe des *runs*. Ce qui est enregistré dans le bloc `with` appartient au
# même run : ce que l'on a réglé (paramètres), ce que l'on a obtenu (métriques), ce qui servira à
# le retrouver (étiquettes).

# %%
data = load_patients()
experiment = mlflow.set_experiment("01_tracking_supervised")

for gamma in (0.0001, 0.03, 0.3, 1):
    with mlflow.start_run(run_name=f"svm gamma={gamma:g}"):
        model = make_pipeline(StandardScaler(), SVC(gamma=gamma))
        model.fit(data.X_train, data.y_train)
        scores = model.decision_function(data.X_valid)
        metrics = clinical_metrics(data.y_valid, model.predict(data.X_valid), scores)
        mlflow.log_param("gamma", gamma)
        mlflow.log_metrics(metrics)
        mlflow.set_tag("question", "coût selon gamma")
    shown = ", ".join(f"{name} {metrics[name]:.3f}" for name in ("accuracy", "sensitivity"))
    print(f"gamma {gamma:<6g} : cost {metrics['cost']:3.0f}, {shown}")

# %% tags=["local"]
page = f"experiments/{experiment.experiment_id}/runs?workflowType=machine_learning"
print(f"À voir : uv run mlflow ui, puis http://127.0.0.1:5000/#/{page}")
print("Ensuite : uv run 01_tracking_supervised/local/02_autolog.py")

# %% [markdown]
# ## À retenir
#
# `gamma = 0.3` coûte le moins, 12 : une tumeur manquée sur 43, et deux fausses alertes. `0.03` en
# manque deux, sans fausse alerte, et coûte 20. Le critère est annoncé, on s'y tient : la suite
# garde 0.3.
#
# À `gamma = 1`, l'exactitude de 0.623 cache qu'aucune tumeur maligne n'est trouvée. L'exactitude
# seule ne suffit pas.
