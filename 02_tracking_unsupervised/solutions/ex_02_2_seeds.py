# %% [markdown]
# # Exercice 02-2, solution : une autre graine, un autre sommet
#
# **Question.** Dans la leçon, l'ARI est le plus haut à 11 groupes. Chaque K-Means y essayait dix
# départs (`n_init=10`) et gardait le meilleur. Avec un seul départ, et dix graines différentes, où
# est le sommet ?
#
# Votre pronostic : combien de graines le mettront au même endroit que la leçon ?

# %% [markdown] tags=["local"]
# ```
# uv run 02_tracking_unsupervised/solutions/ex_02_2_seeds.py
# uv run tools/check.py --exercise 02-2
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
from sklearn.cluster import KMeans

from digits import external_indices, load_images, pins

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %% [markdown]
# ## Une courbe par graine
#
# Une métrique peut avoir une histoire. Ici, le pas (`step`) n'est pas le temps, c'est le nombre de
# groupes : l'interface trace alors l'ARI en fonction de k, et superpose les graines.

# %%
X, y = load_images()
signature = infer_signature(X, np.zeros(len(X), dtype="int32"))
requirements = pins("scikit-learn", "skops")
# solution : dix graines, de 0 à 9
seeds = range(10)
# départ
# seeds = [0]
# fin

# solution : choisissez l'expérience « 02_tracking_unsupervised »
mlflow.set_experiment("02_tracking_unsupervised")
# fin
print("graine  sommet    ARI  ARI à k=11")
for seed in seeds:
    models = {k: KMeans(k, n_init=1, random_state=seed).fit(X) for k in range(8, 16)}
    scores = {k: external_indices(y, models[k].labels_)["ari"] for k in models}
    best = max(scores, key=scores.get)
    # solution : un run, avec l'étiquette `exercise`, qui vaut « 02-2 », les paramètres `seed`
    # et `n_clusters` (le sommet), la courbe (métrique `ari`, pas = k) et le modèle du sommet
    with mlflow.start_run(run_name=f"graine {seed}"):
        mlflow.set_tag("exercise", "02-2")
        mlflow.log_params({"seed": seed, "n_init": 1, "n_clusters": best})
        for k, score in scores.items():
            mlflow.log_metric("ari", score, step=k)
        mlflow.sklearn.log_model(
            models[best], name="kmeans", signature=signature, pip_requirements=requirements
        )
    # fin
    print(f"{seed:6}  {best:6}  {scores[best]:.3f}  {scores[11]:10.3f}")

# %% tags=["local"]
print("Vérifiez : uv run tools/check.py --exercise 02-2")

# %% [markdown]
# ## À retenir
#
# | sommet | graines |
# |---|---|
# | 12 groupes | 0, 3, 5, 6, 7, 8, 9 |
# | 13 groupes | 2, 4 |
# | 14 groupes | 1 |
#
# Aucune graine ne met le sommet là où la leçon l'a trouvé. À 12 groupes, l'ARI va de 0.589 à 0.753
# selon la graine. Donner une graine rend un nombre répétable, pas vrai.
