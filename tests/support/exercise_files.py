"""Les fichiers des exercices, et ce que leurs solutions disent sans l'écrire à l'écran."""

from checks.catalog import EXERCISES
from digits import external_indices, load_images
from sklearn.cluster import KMeans
from sklearn.datasets import load_wine
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def path_of(number: str, folder: str) -> str:
    """`01-1`, `solutions` -> le chemin du script, depuis la racine."""
    (exercise,) = [each for each in EXERCISES if each.number == number]
    return exercise.start.removeprefix("uv run ").replace("/exercises/", f"/{folder}/")


def wine_ari(k: int) -> float:
    """02-0 : l'ARI, avec les trois cépages, du mélange de `k` groupes."""
    X, cultivar = load_wine(return_X_y=True, as_frame=True)
    model = make_pipeline(StandardScaler(), GaussianMixture(k, random_state=0)).fit(X)
    return external_indices(cultivar, model.predict(X))["ari"]


def at_12_groups() -> list[float]:
    """02-2 : l'ARI de 12 groupes, graine par graine."""
    X, y = load_images()
    models = (KMeans(12, n_init=1, random_state=seed).fit(X) for seed in range(10))
    return [external_indices(y, model.labels_)["ari"] for model in models]
