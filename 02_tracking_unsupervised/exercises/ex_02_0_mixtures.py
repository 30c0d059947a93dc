# %% [markdown]
# # Exercice 02-0 : suivre un balayage qui ne l'est pas
#
# **Question.** Voici un script de scikit-learn, sans MLflow ni rien du cours : il partage 178 vins
# en groupes, par un mélange de lois normales. Que faut-il y ajouter pour que chaque essai se
# retrouve, avec son modèle, et que le magasin dise lequel garder ?
#
# Plus son BIC (*Bayesian information criterion*) est bas, meilleur est le mélange : il récompense
# la vraisemblance, et pénalise chaque paramètre de plus. Les vins viennent de trois cépages : votre
# pronostic, combien de groupes gardera-t-il ?

# %% [markdown] tags=["local"]
# ```
# uv run 02_tracking_unsupervised/exercises/ex_02_0_mixtures.py
# uv run tools/check.py --exercise 02-0
# ```
#
# Quarante-cinq secondes. Tapez la commande à la racine du dépôt, où est le magasin du cours.

# %%
# Votre code ici : importez MLflow
from sklearn.datasets import load_wine
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X = load_wine(as_frame=True).data  # 178 vins, 13 mesures

models, bic = {}, {}
for k in range(1, 6):
    models[k] = make_pipeline(StandardScaler(), GaussianMixture(k, random_state=0)).fit(X)
    bic[k] = models[k][-1].bic(models[k][:-1].transform(X))
    print(f"groupes : {k}, BIC : {bic[k]:.1f}")

# Votre code ici : un run parent, dans l'expérience « 02_tracking_unsupervised », avec l'étiquette
# `exercise`, qui vaut « 02-0 ». Dans ce parent, un run enfant par nombre de groupes, qui garde le
# paramètre `n_components`, la métrique `bic` et le modèle. Retrouvez ensuite le meilleur enfant par
# `mlflow.search_runs`, et donnez au parent la métrique `k_bic` : le nombre de groupes à garder.

# %% tags=["local"]
print("Vérifiez : uv run tools/check.py --exercise 02-0")

# %% [markdown]
# ## Votre réponse
#
# Notez ici ce que vous avez trouvé, en nombres, et ce que cela change à votre pronostic.
