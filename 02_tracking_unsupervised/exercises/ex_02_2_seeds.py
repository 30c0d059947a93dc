# %% [markdown]
# # Exercice 02-2 : une autre graine, un autre sommet
#
# **Question.** La leçon a trouvé le sommet de l'ARI à 11 groupes, avec dix départs par K-Means
# (`n_init=10`). Avec un seul départ, et dix graines différentes, où est le sommet ?
#
# Votre pronostic : combien de graines sur dix diront 11 ?

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
# Votre code ici : dix graines, de 0 à 9
seeds = [0]

mlflow.set_experiment("02_tracking_unsupervised")
for seed in seeds:
    with mlflow.start_run(run_name=f"graine {seed}"):
        mlflow.set_tag("exercise", "02-2")
        mlflow.log_params({"seed": seed, "n_init": 1})
        models = {k: KMeans(k, n_init=1, random_state=seed).fit(X) for k in range(8, 16)}
        scores = {k: external_indices(y, models[k].labels_)["ari"] for k in models}
        best = max(scores, key=scores.get)
        # Votre code ici : la courbe (métrique `ari`, pas = k), le sommet (paramètre `n_clusters`) et le
        # modèle du sommet
    print(
        f"graine {seed} : sommet à {best} groupes, ARI {scores[best]:.3f} ;"
        f" à 11 groupes, {scores[11]:.3f}"
    )

# %% tags=["local"]
print("Vérifiez : uv run tools/check.py --exercise 02-2")

# %% [markdown]
# ## Votre réponse
#
# Notez ici ce que vous avez trouvé, en nombres, et ce que cela change à votre pronostic.
