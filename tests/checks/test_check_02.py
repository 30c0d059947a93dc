"""Les exercices de la leçon 2 : la bonne réponse, une autre, et ce que l'on dit aux réponses fausses."""

from copy import deepcopy
from functools import cache

import mlflow
import pytest
from classroom import Classroom
from digits import elbow, external_indices, load_images, split_images
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.metrics import adjusted_rand_score, calinski_harabasz_score, davies_bouldin_score, mean_squared_error, silhouette_score
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline

LESSON = "02_tracking_unsupervised"
X, Y = load_images()
IMAGES = split_images(X, Y)


@pytest.fixture(scope="module")
def room(tmp_path_factory) -> Classroom:
    return Classroom(tmp_path_factory.mktemp("classe"))


@pytest.fixture(autouse=True)
def opened(room):
    room.open()


# --- 02-1


@cache
def sweep(kind: str = "acp") -> dict[int, tuple]:
    """k -> (modèle, indices), de 2 à 20 groupes, un seul départ : plus rapide, et tout aussi juste.

    La silhouette, lente, n'est mesurée qu'à 9 groupes et au sommet de l'ARI ; ailleurs, elle est inventée (l'exercice dit qu'on le peut).
    """
    reducer = {"acp": PCA(8, random_state=0), "svd": TruncatedSVD(8, random_state=0), "six": PCA(6, random_state=0)}.get(kind)
    found = {}
    for k in range(2, 21):
        kmeans = KMeans(k, n_init=1, random_state=0)
        model = (make_pipeline(reducer, kmeans) if reducer else make_pipeline(kmeans)).fit(X)
        seen, groups = model[:-1].transform(X) if reducer else X, model[-1].labels_
        indices = {
            "inertia": float(model[-1].inertia_),
            "silhouette": 0.05,
            "davies_bouldin": float(davies_bouldin_score(seen, groups)),
            "calinski_harabasz": float(calinski_harabasz_score(seen, groups)),
            "ari": float(adjusted_rand_score(Y, groups)),
        }
        found[k] = model, indices
    for k in {9, max(found, key=lambda each: found[each][1]["ari"])}:
        model, indices = found[k]
        indices["silhouette"] = float(silhouette_score(model[:-1].transform(X) if reducer else X, model[-1].labels_))
    return found


def best(found: dict) -> dict[str, int]:
    ks = list(found)
    return {
        "k_elbow": elbow(ks, [found[k][1]["inertia"] for k in ks]),
        "k_silhouette": max(ks, key=lambda k: found[k][1]["silhouette"]),
        "k_davies_bouldin": min(ks, key=lambda k: found[k][1]["davies_bouldin"]),
        "k_calinski_harabasz": max(ks, key=lambda k: found[k][1]["calinski_harabasz"]),
        "k_ari": max(ks, key=lambda k: found[k][1]["ari"]),
    }


def hand_in(room, user, kind="acp", chosen=None, upto=20, models=True, change=None, number="02-1"):
    """Un parent et ses enfants ; `change(k, indices)` retouche ce que chaque enfant note."""
    found = sweep(kind)
    proof = {best(found)["k_silhouette"], best(found)["k_ari"]} if models else set()
    parent = room.run(user, number, lesson=LESSON, metrics=best(found) if chosen is None else chosen)
    for k in range(2, upto + 1):
        model, metrics = found[k]
        metrics = change(k, dict(metrics)) if change else metrics
        given = {"params": {"n_clusters": k}, "metrics": metrics, "model": model if k in proof else None}
        room.run(user, lesson=LESSON, name=f"k={k}", parent=parent, **given)


@pytest.mark.slow
def test_indices_right(room):
    hand_in(room, "juste")
    found, chosen = room.verdict("02-1", "juste"), best(sweep())
    assert found.state == "fait", found
    assert f"silhouette {chosen['k_silhouette']}, " in found.text
    assert f"les vrais chiffres préfèrent {chosen['k_ari']} groupes (ARI {sweep()[chosen['k_ari']][1]['ari']:.3f} contre" in found.text


@pytest.mark.slow
def test_indices_other_ways(room):
    hand_in(room, "SVD tronquée", "svd")
    assert room.verdict("02-1", "SVD tronquée").state == "fait"
    hand_in(room, "sans étiquette", number=None)
    assert room.verdict("02-1", "sans étiquette").state == "fait"


@pytest.mark.slow
def test_the_sweep_of_the_lesson_is_not_taken_for_an_answer(room):
    hand_in(room, "leçon", "pixels", number=None)
    assert room.verdict("02-1", "leçon").state == "à faire"


def worst(room, user):
    found = sweep()
    hand_in(room, user, chosen=best(found) | {"k_davies_bouldin": max(found, key=lambda k: found[k][1]["davies_bouldin"])})


INDICES = {
    "sur les pixels": (lambda room, user: hand_in(room, user, "pixels"), "K-Means voit les 64 pixels : l'ACP manque au modèle"),
    "six composantes": (lambda room, user: hand_in(room, user, "six"), "K-Means voit 6 colonnes : il en faut huit"),
    "balayage court": (
        lambda room, user: hand_in(room, user, upto=10, models=False),
        "un run enfant chacun ; il manque 11, 12, 13, 14, 15...",
    ),
    "sans recommandation": (lambda room, user: hand_in(room, user, chosen={"autre": 1.0}), "il manque la métrique `k_elbow`"),
    "le mauvais sens": (worst, "le pire : cet indice doit être bas"),
    "l'ARI choisit": (
        lambda room, user: hand_in(room, user, chosen=best(sweep()) | {"k_silhouette": best(sweep())["k_ari"]}),
        "ce que préfère l'ARI : un indice n'a pas à voir les vrais chiffres",
    ),
    "au hasard": (
        lambda room, user: hand_in(room, user, chosen=best(sweep()) | {"k_calinski_harabasz": 7}),
        "`k_calinski_harabasz` vaut 7, mais d'après vos runs enfants c'est",
    ),
    "silhouette inventée": (
        lambda room, user: hand_in(room, user, change=lambda k, found: found | {"silhouette": found["silhouette"] * 1.1}),
        "la métrique `silhouette` vaut",
    ),
    "sans modèle": (lambda room, user: hand_in(room, user, models=False), "n'a pas de modèle : sans lui, rien ne se recalcule"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", INDICES)
def test_indices_wrong(room, name):
    answer, said = INDICES[name]
    answer(room, name)
    assert said in room.remark("02-1", name)


@pytest.mark.slow
def test_indices_silhouette_measured_on_pixels(room):
    found = sweep()
    k = best(found)["k_silhouette"]
    wrong = float(silhouette_score(X, found[k][0].predict(X)))
    hand_in(room, "sur la carte", change=lambda each, metrics: metrics | {"silhouette": wrong if each == k else 0.0})
    assert "se mesure ici sur les pixels ; K-Means, lui, voit huit composantes" in room.remark("02-1", "sur la carte")


# --- 02-2


@cache
def by_seed(seed: int) -> tuple[dict[int, KMeans], dict[int, float]]:
    models = {k: KMeans(k, n_init=1, random_state=seed).fit(X) for k in range(8, 16)}
    return models, {k: external_indices(Y, models[k].labels_)["ari"] for k in models}


def seed_run(room, user, seed, params=None, curve=None, model="sommet", number="02-2"):
    models, scores = by_seed(seed)
    top = max(scores, key=scores.get)
    given = {"seed": seed, "n_init": 1, "n_clusters": top} | (params or {})
    room.run(
        user, number, lesson=LESSON, name=f"graine {seed}", params=given, history=("ari", scores if curve is None else curve),
        model=models[top] if model == "sommet" else model,
    )  # fmt: skip


def all_seeds(room, user, first=None, **options):
    """Dix graines ; la graine 0 reçoit `first` : c'est elle que check.py regarde d'abord, les autres n'ont pas besoin de modèle."""
    for seed in range(1, 10):
        seed_run(room, user, seed, model=None, **options)
    seed_run(room, user, 0, **(first or {}), **options)


@pytest.fixture(scope="module")
def ten_seeds(room):
    room.open()
    for seed in range(10):
        seed_run(room, "juste", seed)


@pytest.mark.slow
def test_seeds_right(room, ten_seeds):
    tops = [max(by_seed(seed)[1], key=by_seed(seed)[1].get) for seed in range(10)]
    found = room.verdict("02-2", "juste")
    assert found.state == "fait", found
    assert found.text == "sur 10 graines, le sommet est " + ", ".join(f"{tops.count(k)} fois à {k}" for k in sorted(set(tops))) + " groupes"


@pytest.mark.slow
def test_seeds_other_way(room):
    """D'autres graines, sans étiquette, un modèle dans un pipeline, et une courbe plus longue."""
    for seed in range(10, 20):
        models, scores = by_seed(seed)
        top = max(scores, key=scores.get)
        seed_run(room, "autrement", seed, curve={7: 0.4, **scores, 16: 0.5}, model=make_pipeline(models[top]), number=None)
    assert room.verdict("02-2", "autrement").state == "fait"


SEEDS = {
    "une graine": (lambda room, user: seed_run(room, user, 0), "1 graine sur 10 : une seule ne dit rien du hasard"),
    "toujours la même": (
        lambda room, user: [seed_run(room, user, 0, model=None) for _ in range(10)],
        "1 graine sur 10 (10 runs, mais la même graine revient)",
    ),
    "tout au pas 0": (lambda room, user: all_seeds(room, user, {"curve": {0: 0.65}}), "tous au pas 0 : donnez `step=k`"),
    "courbe trouée": (
        lambda room, user: all_seeds(room, user, {"curve": {8: 0.5, 9: 0.6, 10: 0.61, 12: 0.65}}),
        "graine 0 : l'historique de `ari` va de 8 à 15 groupes, un par pas ; le vôtre est sans le pas 11",
    ),
    "pas le sommet": (
        lambda room, user: all_seeds(room, user, {"params": {"n_clusters": 10}}),
        "`n_clusters` vaut 10, mais la courbe a son sommet à 12",
    ),
    "le dernier modèle": (
        lambda room, user: all_seeds(room, user, {"model": by_seed(0)[0][15]}),
        "le modèle gardé a 15 groupes, le sommet est à 12 : gardez celui du sommet",
    ),
    "dix départs": (
        lambda room, user: all_seeds(room, user, {"model": KMeans(12, n_init=10, random_state=0).fit(X)}),
        "garde le meilleur de 10 départs ; l'exercice en veut un seul",
    ),
    "graine non passée": (
        lambda room, user: all_seeds(room, user, {"model": KMeans(12, n_init=1, random_state=5).fit(X)}),
        "le paramètre dit graine 0, le modèle a la graine 5 : est-elle bien passée à KMeans ?",
    ),
    "courbe inventée": (
        lambda room, user: all_seeds(room, user, {"curve": {k: 0.9 if k == 12 else 0.5 for k in range(8, 16)}}),
        "la courbe dit 0.900 à 12 groupes, le modèle gardé 0.650",
    ),
    "sans modèle": (lambda room, user: all_seeds(room, user, {"model": None}), "n'a pas de modèle"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SEEDS)
def test_seeds_wrong(room, name):
    answer, said = SEEDS[name]
    answer(room, f"graine : {name}")
    assert said in room.remark("02-2", f"graine : {name}")


# --- 02-3


@cache
def learned() -> dict[int, MLPRegressor]:
    """Le réseau de l'exercice, toutes les 40 époques."""
    few, kept = IMAGES.X_train.head(60), {}
    network = MLPRegressor(hidden_layer_sizes=(64, 16, 64), learning_rate_init=0.005, batch_size=20, random_state=0)
    for epoch in range(1, 201):
        network.partial_fit(few, few)
        if epoch % 40 == 0:
            kept[epoch] = deepcopy(network)
    return kept


def mse(epoch: int, part="valid") -> float:
    images = IMAGES.X_train.head(60) if part == "train" else getattr(IMAGES, f"X_{part}")
    return mean_squared_error(images, learned()[epoch].predict(images))


def checkpoints(room, user, epochs=(40, 80, 120, 160, 200), part="valid", step=None, noted=True, factor=1.0, number="02-3", **metrics):
    """Un run et ses points de reprise. `part` : où `valid_mse` se mesure ; `metrics` : ce que le run dit autrement que juste."""
    right = {"best_step": 80, "test_mse_best": mse(80, "test"), "test_mse_last": mse(200, "test")}
    run_id = room.run(user, number, lesson=LESSON, metrics={**right, **metrics})
    mlflow.set_experiment(experiment_id=room.client.get_run(run_id).info.experiment_id)  # un autre test a pu en choisir une
    with mlflow.start_run(run_id=run_id):
        for epoch in epochs:
            logged = room.log(learned()[epoch], name="checkpoint", step=epoch if step is None else step)
            if noted:
                mlflow.log_metric("valid_mse", factor * mse(epoch, part), step=epoch, model_id=logged.model_id)


def test_checkpoints_right(room):
    checkpoints(room, "juste")
    found = room.verdict("02-3", "juste")
    assert (found.state, found.text) == ("fait", "le meilleur est à l'époque 80 : 0.0373 sur le test, contre 0.0439 au dernier (200)")


@pytest.mark.slow
def test_checkpoints_other_way(room):
    """Sans étiquette ni `model_id`, que MLflow devine ; une époque de moins."""
    checkpoints(room, "autrement", epochs=(40, 80, 160, 200), number=None)
    assert room.verdict("02-3", "autrement").state == "fait"


CHECKPOINTS = {
    "aucun": ({"epochs": ()}, "aucun point de reprise : il faut un modèle toutes les 40 époques"),
    "le dernier seul": ({"epochs": (200,)}, "1 point(s) de reprise seulement"),
    "sans époque": ({"step": 0}, "n'ont pas chacun leur époque : donnez `step=epoch`"),
    "sans métrique": ({"noted": False}, "de l'époque 200 n'a pas de métrique `valid_mse`"),
    "sur l'apprentissage": ({"part": "train"}, "à l'époque 200, `valid_mse` porte sur l'apprentissage : mesurez sur X_valid"),
    "sur le test": ({"part": "test"}, "à l'époque 200, `valid_mse` porte sur le test : il ne s'ouvre qu'à la fin"),
    "inventée": ({"factor": 0.5}, "mais le modèle gardé donne 0.0416"),
    "le dernier": ({"best_step": 200}, "`best_step` vaut 200, le dernier ; d'après `valid_mse`, le meilleur est à l'époque 80"),
    "erreur inventée": ({"test_mse_best": 0.01}, "la métrique `test_mse_best` vaut 0.01, mais le modèle du même run donne 0.03733"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoints_wrong(room, name):
    options, said = CHECKPOINTS[name]
    checkpoints(room, f"époque : {name}", **options)
    assert said in room.remark("02-3", f"époque : {name}")


@pytest.mark.slow
def test_checkpoints_swapped_or_measured_on_validation(room):
    checkpoints(room, "échangées", test_mse_best=mse(200, "test"), test_mse_last=mse(80, "test"))
    assert "et celle du dernier point de reprise sont échangées" in room.remark("02-3", "échangées")
    checkpoints(room, "validation", test_mse_best=mse(80))
    assert "`test_mse_best` (0.036) porte sur la validation" in room.remark("02-3", "validation")
