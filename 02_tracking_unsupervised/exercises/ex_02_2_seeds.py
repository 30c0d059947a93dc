# %% [markdown]
# # Exercice 02-2 : une autre graine, un autre sommet
#
# **Question.** Dans la leçon, l'ARI est le plus haut à 11 groupes. Chaque K-Means y essayait dix
# départs (`n_init=10`) et gardait le meilleur. Avec un seul départ, et dix graines différentes, où
# est le sommet ?
#
# Votre pronostic : combien de graines le mettront au même endroit que la leçon ?

# %% [markdown] tags=["local"]
# ```
# uv run 02_tracking_unsupervised/exercises/ex_02_2_seeds.py
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
# Votre code ici : dix graines, de 0 à 9
seeds = [0]

# Votre code ici : choisissez l'expérience « 02_tracking_unsupervised »
print("graine  sommet    ARI  ARI à k=11")
for seed in seeds:
    models = {k: KMeans(k, n_init=1, random_state=seed).fit(X) for k in range(8, 16)}
    scores = {k: external_indices(y, models[k].labels_)["ari"] for k in models}
    best = max(scores, key=scores.get)
    # Votre code ici : un run, avec l'étiquette `exercise`, qui vaut « 02-2 », les paramètres `seed`
    # et `n_clusters` (le sommet), la courbe (métrique `ari`, pas = k) et le modèle du sommet
    print(f"{seed:6}  {best:6}  {scores[best]:.3f}  {scores[11]:10.3f}")

# %% tags=["local"]
print("Vérifiez : uv run tools/check.py --exercise 02-2")

# %% [markdown]
# ## Votre réponse
#
# Notez ici ce que vous avez trouvé, en nombres, et ce que cela change à votre pronostic.
