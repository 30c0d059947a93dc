# %% [markdown]
# # Exercice 02-1, solution : quatre indices d'accord ont-ils raison ?
#
# **Question.** Dans la leçon, K-Means a groupé des pixels. Donnez-lui huit composantes (ACP) au
# lieu des 64 pixels : que recommande chaque indice, et que préfèrent les vrais chiffres ?
#
# | ce qui choisit, sur les pixels | groupes |
# |---|---|
# | coude, silhouette, Davies-Bouldin | 9 |
# | Calinski-Harabasz | 2 |
#
# Votre pronostic : cinq nombres de groupes, celui des vrais chiffres compris.

# %% [markdown] tags=["local"]
# ```
# uv run 02_tracking_unsupervised/solutions/ex_02_1_indices.py
# uv run tools/check.py --exercise 02-1
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
import pandas as pd
from mlflow.models import infer_signature
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from digits import elbow, external_indices, internal_indices, load_images, pins

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %% [markdown]
# ## Un parent, un enfant par nombre de groupes
#
# L'ACP entre dans le pipeline, donc dans le modèle. Les indices se mesurent là où K-Means mesure
# ses distances : sur `seen`.

# %%
X, y = load_images()
signature = infer_signature(X, np.zeros(len(X), dtype="int32"))
requirements = pins("scikit-learn", "skops")  # sinon, MLflow les cherche à chaque modèle
rows = []

mlflow.set_experiment("02_tracking_unsupervised")
with mlflow.start_run(run_name="k par indice") as parent:
    mlflow.set_tag("exercise", "02-1")
    mlflow.log_params({"k_min": 2, "k_max": 20, "n_init": 10, "seed": 0})
    for k in range(2, 21):
        kmeans = KMeans(k, n_init=10, random_state=0)
        # solution : le pipeline qui passe les images par une ACP de huit composantes, de
        # graine 0, avant K-Means ; puis ce que K-Means en voit
        model = make_pipeline(PCA(8, random_state=0), kmeans).fit(X)
        seen = model[:-1].transform(X)
        # départ
        # model = make_pipeline(kmeans).fit(X)
        # seen = X  # les pixels
        # fin
        metrics = internal_indices(seen, kmeans) | external_indices(y, kmeans.labels_)
        rows.append({"k": k, **metrics})
        # solution : un run enfant, avec le paramètre `n_clusters`, le modèle (`signature=` et
        # `pip_requirements=`), et ses métriques, reliées au modèle par `model_id=`
        with mlflow.start_run(run_name=f"k={k}", nested=True):
            mlflow.log_params({"n_clusters": k, "n_init": 10, "seed": 0})
            logged = mlflow.sklearn.log_model(
                model, name="kmeans", signature=signature, pip_requirements=requirements
            )
            mlflow.log_metrics(metrics, model_id=logged.model_id)
        # fin

# %% [markdown]
# ## Ce que chacun recommande
#
# Certains indices doivent être élevés, d'autres bas ; l'inertie, elle, descend toujours : on
# cherche son coude.

# %%
table = pd.DataFrame(rows).set_index("k")
# solution : quatre recommandations de plus : `k_elbow`, `k_davies_bouldin`,
# `k_calinski_harabasz` et `k_ari`
chosen = {
    "k_elbow": elbow(table.index.tolist(), table.inertia.tolist()),
    "k_silhouette": int(table.silhouette.idxmax()),
    "k_davies_bouldin": int(table.davies_bouldin.idxmin()),
    "k_calinski_harabasz": int(table.calinski_harabasz.idxmax()),
    "k_ari": int(table.ari.idxmax()),
}
# départ
# chosen = {"k_silhouette": int(table.silhouette.idxmax())}
# fin
for name, k in chosen.items():
    print(f"{name} : {k} groupes, ARI {table.ari[k]:.3f}")

# solution : rouvrez le run parent (`run_id=`), et donnez-lui ces recommandations en métriques
with mlflow.start_run(run_id=parent.info.run_id):
    mlflow.log_metrics(chosen)
# fin

# %% tags=["local"]
print("Vérifiez : uv run tools/check.py --exercise 02-1")

# %% [markdown]
# ## À retenir
#
# | ce qui choisit | groupes | ARI |
# |---|---|---|
# | coude de l'inertie | 9 | 0.587 |
# | silhouette | 9 | 0.587 |
# | Davies-Bouldin | 9 | 0.587 |
# | Calinski-Harabasz | 9 | 0.587 |
# | ARI, qui voit les classes | 12 | 0.649 |
#
# Les quatre indices sont unanimes, et les vrais chiffres préfèrent un autre partage. L'accord de
# plusieurs indices n'est pas une preuve : aucun ne voit les classes.
