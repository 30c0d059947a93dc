"""Les exercices de la leçon 2 : la bonne réponse, une autre, et ce que l'on dit aux réponses
fausses.
"""

from copy import deepcopy
from functools import cache

from classroom import each
from digits import elbow, load_images, split_images
from mlflow.entities import LoggedModelOutput
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.metrics import adjusted_rand_score, mean_squared_error, silhouette_score
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline

LESSON = "02_tracking_unsupervised"
X, Y = load_images()
IMAGES = split_images(X, Y)


@cache
def kmeans(k: int, seed=0, n_init=1) -> KMeans:
    return KMeans(k, n_init=n_init, random_state=seed).fit(X)


# --- 02-1 : check.py n'y recalcule que deux modèles, le meilleur pour la silhouette et pour l'ARI ;
# le reste peut s'inventer


@cache
def grouped(k: int, kind="acp"):
    reducers = {
        "acp": [PCA(8, random_state=0)],
        "svd": [TruncatedSVD(8, random_state=0)],
        "six": [PCA(6, random_state=0)],
        "pixels": [],
    }
    return make_pipeline(*reducers[kind], KMeans(k, n_init=1, random_state=0)).fit(X)


@cache
def measured(k: int, kind="acp", pixels=False) -> dict[str, float]:
    """Ce que note le run de `k` groupes ; `pixels` : la silhouette mesurée sur les pixels."""
    found = {
        "inertia": 1000 / k,
        "silhouette": 0.05,
        "davies_bouldin": 1 + abs(k - 13),
        "calinski_harabasz": 900 - 10 * k,
        "ari": 0.1,
    }
    if k in (9, 12):
        model = grouped(k, kind)
        seen = X if pixels or kind == "pixels" else model[:-1].transform(X)
        found["ari"] = float(adjusted_rand_score(Y, model.predict(X)))
        found["silhouette"] = float(silhouette_score(seen, model.predict(X)))
    return found


def indices(
    me,
    kind="acp",
    *,
    upto=20,
    models=True,
    factor=1.0,
    pixels=False,
    number="02-1",
    only=None,
    **chosen,
):
    """Un parent et ses enfants ; `factor` : ce qui multiplie chaque silhouette ; `only` : tout ce
    que dit le parent.
    """
    best = {"k_elbow": elbow([*range(2, 21)], [1000 / k for k in range(2, 21)])}
    best |= {"k_silhouette": 9, "k_davies_bouldin": 13, "k_calinski_harabasz": 2, "k_ari": 12}
    parent = me.run(number, lesson=LESSON, metrics=only or best | chosen)
    for k in range(2, upto + 1):
        metrics = measured(k, kind, pixels)
        metrics = metrics | {"silhouette": metrics["silhouette"] * factor}
        model = grouped(k, kind) if k in (9, 12) and models else None
        me.run(
            lesson=LESSON,
            name=f"k={k}",
            parent=parent,
            params={"n_clusters": k},
            metrics=metrics,
            model=model,
        )


# --- 02-2 : de chaque courbe, seul le sommet est recalculé


def curve(seed: int) -> dict[int, float]:
    return {k: 0.5 for k in range(8, 16)} | {
        top(seed): float(adjusted_rand_score(Y, kmeans(top(seed), seed).labels_))
    }


def top(seed: int) -> int:
    return 12 + seed % 2


def seed_run(me, seed, history=None, model="sommet", wrap=False, number="02-2", **params):
    model = kmeans(top(seed), seed) if model == "sommet" else model
    me.run(
        number,
        lesson=LESSON,
        name=f"graine {seed}",
        params={"seed": seed, "n_init": 1, "n_clusters": top(seed)} | params,
        history=("ari", history or curve(seed)),
        model=make_pipeline(model) if wrap else model,
    )


def seeds(me, **first):
    """Dix graines ; `first` est à la graine 0 : check.py la regarde d'abord, les autres n'ont pas
    besoin de modèle.
    """
    for seed in range(1, 10):
        seed_run(me, seed, model=None)
    seed_run(me, 0, **first)


def other_seeds(me):
    """D'autres graines, un modèle dans un pipeline, et des courbes plus longues."""
    for seed in range(10, 0, -1):
        seed_run(me, seed, history={7: 0.4, **curve(seed), 16: 0.5}, wrap=seed == 10)


# --- 02-3


@cache
def learned() -> dict[int, MLPRegressor]:
    """Le réseau de l'exercice, toutes les 40 époques."""
    few, kept = IMAGES.X_train.head(60), {}
    network = MLPRegressor(
        hidden_layer_sizes=(64, 16, 64), learning_rate_init=0.005, batch_size=20, random_state=0
    )
    for epoch in range(1, 201):
        network.partial_fit(few, few)
        if epoch % 40 == 0:
            kept[epoch] = deepcopy(network)
    return kept


@cache
def mse(epoch: int, part="valid") -> float:
    images = IMAGES.X_train.head(60) if part == "train" else getattr(IMAGES, f"X_{part}")
    return mean_squared_error(images, learned()[epoch].predict(images))


def checkpoints(
    me,
    epochs=(40, 80, 120, 160, 200),
    part="valid",
    step=None,
    noted=True,
    factor=1.0,
    number="02-3",
    **metrics,
):
    """Un run et ses points de reprise.

    `part` : où `valid_mse` se mesure ; `metrics` : ce que le run dit autrement que juste.
    """
    right = {"best_step": 80, "test_mse_best": mse(80, "test"), "test_mse_last": mse(200, "test")}
    run_id = me.run(number, lesson=LESSON, metrics=right | metrics)
    for epoch in epochs:
        at = epoch if step is None else step
        # check.py lit d'abord le dernier : lui seul est faux
        told = (epoch, part, noted, factor) if epoch == 200 else epoch
        if told in me.models:
            me.client.log_outputs(run_id, [LoggedModelOutput(me.models[told], at)])
            continue
        me.models[told] = me.log(run_id, learned()[epoch], at, own=True)
        if noted or epoch < 200:
            value = factor * mse(epoch, part) if epoch == 200 else mse(epoch)
            me.client.log_metric(run_id, "valid_mse", value, step=epoch, model_id=me.models[told])


RIGHT = {
    "02-1 juste": (
        indices,
        "silhouette 9, davies-bouldin 13, calinski-harabasz 2 ; "
        "les vrais chiffres préfèrent 12 groupes (ARI 0.617",
    ),
    "02-1 SVD tronquée": (lambda me: indices(me, "svd", k_ari=9),),
    "02-2 juste": (
        lambda me: [seed_run(me, seed) for seed in range(10)],
        "sur 10 graines, le sommet est 5 fois à 12, 5 fois à 13 groupes",
    ),
    "02-2 autrement": (other_seeds,),
    "02-3 juste": (
        checkpoints,
        "le meilleur est à l'époque 80 : 0.0373 sur le test, contre 0.0439 au dernier (200)",
    ),
    "02-3 une époque de moins": (lambda me: checkpoints(me, epochs=(40, 80, 160, 200)),),
}

WRONG = {
    "02-1 sur les pixels": (lambda me: indices(me, "pixels"), "K-Means voit 64 colonnes"),
    "02-1 six composantes": (lambda me: indices(me, "six"), "6 colonnes"),
    "02-1 balayage court": (lambda me: indices(me, upto=10), "il manque 11, 12, 13, 14, 15..."),
    "02-1 sans recommandation": (
        lambda me: indices(me, only={"autre": 1}),
        "il manque la métrique `k_elbow`",
    ),
    "02-1 le mauvais sens": (
        lambda me: indices(me, k_davies_bouldin=2),
        "`k_davies_bouldin` vaut 2, le pire",
    ),
    "02-1 l'ARI choisit": (
        lambda me: indices(me, k_silhouette=12),
        "`k_silhouette` vaut 12, ce que préfère l'ARI",
    ),
    "02-1 au hasard": (
        lambda me: indices(me, k_calinski_harabasz=7),
        "`k_calinski_harabasz` vaut 7, mais",
    ),
    "02-1 silhouette inventée": (
        lambda me: indices(me, factor=1.1),
        "la métrique `silhouette` vaut",
    ),
    "02-1 sans modèle": (lambda me: indices(me, models=False), "n'a pas de modèle"),
    "02-1 silhouette des pixels": (
        lambda me: indices(me, pixels=True),
        "se mesure ici sur les pixels",
    ),
    "02-2 une graine": (lambda me: seed_run(me, 0), "1 graine sur 10 (1 runs)"),
    "02-2 toujours la même": (
        lambda me: [seed_run(me, 0) for _ in range(10)],
        "1 graine sur 10 (10 runs)",
    ),
    "02-2 tout au pas 0": (lambda me: seeds(me, history={0: 0.65}), "le vôtre : [0]"),
    "02-2 courbe trouée": (
        lambda me: seeds(me, history={8: 0.5, 9: 0.6, 10: 0.61, 12: 0.65}),
        "graine 0 : l'historique de `ari`",
    ),
    "02-2 pas le sommet": (
        lambda me: seeds(me, n_clusters=10),
        "`n_clusters` vaut 10, mais la courbe a son sommet à 12",
    ),
    "02-2 le dernier modèle": (
        lambda me: seeds(me, model=kmeans(15)),
        "le modèle gardé a 15 groupes, 1 départ(s), graine 0 ; il faut 12 groupes",
    ),
    "02-2 dix départs": (
        lambda me: seeds(me, model=kmeans(12, n_init=10)),
        "12 groupes, 10 départ(s), graine 0",
    ),
    "02-2 graine non passée": (
        lambda me: seeds(me, model=kmeans(12, seed=5)),
        "1 départ(s), graine 5 ; il faut",
    ),
    "02-3 aucun": (lambda me: checkpoints(me, epochs=()), "0 points de reprise"),
    "02-3 le dernier seul": (
        lambda me: checkpoints(me, epochs=(200,)),
        "1 points de reprise",
    ),
    "02-3 sans époque": (lambda me: checkpoints(me, step=0), "`step=epoch`"),
    "02-3 sans métrique": (
        lambda me: checkpoints(me, noted=False),
        "de l'époque 200 n'a pas de métrique `valid_mse`",
    ),
    "02-3 sur l'apprentissage": (
        lambda me: checkpoints(me, part="train"),
        "à l'époque 200, `valid_mse` porte sur l'apprentissage",
    ),
    "02-3 sur le test": (
        lambda me: checkpoints(me, part="test"),
        "à l'époque 200, `valid_mse` porte sur le test",
    ),
    "02-3 inventée": (lambda me: checkpoints(me, factor=0.5), "mais le modèle gardé donne 0.0416"),
    "02-3 le dernier": (
        lambda me: checkpoints(me, best_step=200),
        "`best_step` vaut 200 ; d'après `valid_mse`, le meilleur est à l'époque 80",
    ),
    "02-3 échangées": (
        lambda me: checkpoints(me, test_mse_best=mse(200, "test"), test_mse_last=mse(80, "test")),
        "sont échangées",
    ),
    "02-3 validation": (
        lambda me: checkpoints(me, test_mse_best=mse(80)),
        "`test_mse_best` (0.036) porte sur la validation",
    ),
}


@each(
    RIGHT, WRONG, {"02-1 le balayage de la leçon": (lambda me: indices(me, "pixels", number=None),)}
)
def test_answer(room, case):
    room.judged(*case)
