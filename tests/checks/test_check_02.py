"""Les exercices de la leçon 2 : la bonne réponse, une autre, et ce que l'on dit aux réponses
fausses.
"""

from answers_02 import (
    IMAGES,
    alone,
    bic,
    by_lbfgs,
    checkpoints,
    indices,
    kmeans,
    learned,
    mixture,
    mixtures,
    mse,
    other_models,
    other_seeds,
    partition,
    seed_run,
    seeds,
    ten,
    unscaled,
    WINES,
)
from classroom import each
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsRegressor


def elevens(me):
    """La bonne réponse, puis douze balayages faux."""
    indices(me)
    for _ in range(12):
        indices(me, k_silhouette=5)


def neighbours(k: int) -> KNeighborsRegressor:
    return KNeighborsRegressor(k).fit(IMAGES.X_train, IMAGES.X_train)


RIGHT = {
    "02-0 juste": (
        mixtures,
        "le BIC est le plus bas pour 2 groupes (5608.3) ; les 5 modèles se rechargent",
    ),
    "02-0 étiquette sur tous": (lambda me: mixtures(me, tags="tous"),),
    "02-0 étiquette sur les enfants": (lambda me: mixtures(me, tags="enfants"),),
    "02-0 plus de groupes, un autre mot": (
        lambda me: mixtures(me, range(1, 8), param="n_clusters"),
        "les 7 modèles",
    ),
    "02-0 une autre covariance": (
        lambda me: mixtures(
            me, model=lambda k: mixture(k, "diag"), score=lambda k: bic(k, "diag"), k_bic=4
        ),
        "pour 4 groupes (5536.4)",
    ),
    "02-0 sans mise à l'échelle": (
        lambda me: mixtures(
            me,
            model=unscaled,
            score=lambda k: unscaled(k).bic(WINES),
            k_bic=min(range(1, 6), key=lambda k: unscaled(k).bic(WINES)),
        ),
    ),
    "02-0 k_bic en paramètre": (lambda me: mixtures(me, parent_params={"k_bic": 2}),),
    "02-0 faux avant, faux après": (
        lambda me: [mixtures(me, k_bic=3), mixtures(me), mixtures(me, k_bic=5)],
    ),
    "02-1 juste": (
        indices,
        "silhouette 9, davies-bouldin 13, calinski-harabasz 2 ; "
        "les vrais chiffres préfèrent 12 groupes (ARI 0.617",
    ),
    "02-1 SVD tronquée": (lambda me: indices(me, "svd", k_ari=9),),
    "02-1 étiquette sur tous": (lambda me: indices(me, tags="tous"),),
    "02-1 étiquette sur les enfants": (lambda me: indices(me, tags="enfants"),),
    "02-1 recommandations en paramètres": (lambda me: indices(me, as_params=True),),
    "02-1 douze faux après": (elevens,),
    "02-2 juste": (ten, "10 graines ; sommet de la courbe : k=12 (5 fois), k=13 (5 fois)"),
    "02-2 autrement": (other_seeds,),
    "02-2 un mauvais second essai": (
        lambda me: [ten(me), seed_run(me, 3, n_clusters=9), seed_run(me, 4, history={0: 0.6})],
        "10 graines",
    ),
    "02-2 le point de départ avant": (
        lambda me: [me.run("02-2", params={"n_init": 1}), ten(me), me.run("02-2")],
    ),
    "02-3 juste": (
        checkpoints,
        "le meilleur est à l'époque 79 : 0.0373 sur le test, contre 0.0439 au dernier (199)",
    ),
    "02-3 une époque de moins": (lambda me: checkpoints(me, epochs=(39, 79, 159, 199)),),
    "02-3 best_step en paramètre": (
        lambda me: checkpoints(me, best_step=None, params={"best_step": 79}),
    ),
    "02-3 compté depuis 1": (
        lambda me: other_models(me, {step + 1: model for step, model in learned().items()}),
        "le meilleur est à l'époque 80",
    ),
    "02-3 sans partial_fit": (lambda me: other_models(me, by_lbfgs()),),
}

WRONG = {
    "02-0 une autre expérience": (
        lambda me: mixtures(me, lesson="01_tracking_supervised"),
        "est dans l'expérience « 01_tracking_supervised »",
    ),
    "02-0 sans enfants": (
        lambda me: mixtures(me, ks=(), k_bic=2),
        "« mélanges » n'a pas de run enfant",
    ),
    "02-0 des runs à plat": (
        lambda me: mixtures(me, nested=False),
        "« k=5 » n'a pas de run enfant",
    ),
    "02-0 balayage court": (
        lambda me: mixtures(me, range(1, 4), k_bic=2),
        "de 1 à 5 ; il manque 4, 5.",
    ),
    "02-0 un enfant interrompu": (
        lambda me: mixtures(me, child_status={4: "FAILED"}),
        "« k=4 », enfant de « mélanges », n'est pas fini (FAILED)",
    ),
    "02-0 le parent interrompu": (
        lambda me: mixtures(me, tags="tous", status="RUNNING"),
        "le run « mélanges » n'est pas fini (RUNNING)",
    ),
    "02-0 sans paramètre": (
        lambda me: mixtures(me, param="graine"),
        "il manque le paramètre `n_components` au run « k=",
    ),
    "02-0 sans métrique": (lambda me: mixtures(me, score=None), "il manque la métrique `bic`"),
    "02-0 sans modèle": (lambda me: mixtures(me, model=None), "« k=1 » n'a pas de modèle"),
    "02-0 pas un mélange": (
        lambda me: mixtures(me, model=partition),
        "le modèle de « k=1 » est un KMeans, pas un mélange",
    ),
    "02-0 le dernier modèle": (
        lambda me: mixtures(me, model=lambda k: mixture(5)),
        "« k=1 » note 1 groupes, mais son modèle en a 5",
    ),
    "02-0 le mélange seul": (
        lambda me: mixtures(me, model=alone),
        "`bic` (5741.302) est celle du pipeline entier",
    ),
    "02-0 d'autres colonnes": (
        lambda me: mixtures(
            me, model=lambda k: GaussianMixture(k, random_state=0).fit(WINES.iloc[:, :3])
        ),
        "n'accepte pas les données de la leçon",
    ),
    "02-0 BIC inventé": (
        lambda me: mixtures(me, score=lambda k: 5000.0 + k),
        "la métrique `bic` vaut 5001, mais le modèle du même run donne 5741",
    ),
    "02-0 sans le nombre retenu": (
        lambda me: mixtures(me, k_bic=None),
        "il manque la métrique `k_bic` au run « mélanges »",
    ),
    "02-0 le pire": (lambda me: mixtures(me, k_bic=5), "`k_bic` vaut 5, le pire"),
    "02-0 la valeur": (
        lambda me: mixtures(me, k_bic=bic(2)),
        "`k_bic` vaut 5608, une valeur de l'indice",
    ),
    "02-0 les cépages": (
        lambda me: mixtures(me, k_bic=3),
        "`k_bic` vaut 3, mais d'après vos runs enfants c'est 2",
    ),
    "02-1 sur les pixels": (lambda me: indices(me, "pixels"), "K-Means voit 64 colonnes"),
    "02-1 six composantes": (lambda me: indices(me, "six"), "6 colonnes"),
    "02-1 balayage court": (lambda me: indices(me, upto=10), "il manque 11, 12, 13, 14, 15, etc."),
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
    "02-1 une valeur pour un nombre": (
        lambda me: indices(me, k_silhouette=0.05),
        "`k_silhouette` vaut 0.05, une valeur de l'indice",
    ),
    "02-1 un coude en valeur": (lambda me: indices(me, k_elbow=142.8), "`k_elbow` vaut 142.8"),
    "02-1 un enfant échoué": (
        lambda me: indices(me, stopped=7),
        "« k=7 », enfant de « k par indice », n'est pas fini (FAILED)",
    ),
    "02-2 une graine": (lambda me: seed_run(me, 0), "1 graine sur 10, en 1 run :"),
    "02-2 toujours la même": (
        lambda me: [seed_run(me, 0) for _ in range(10)],
        "1 graine sur 10, en 10 runs :",
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
    "02-2 aucune graine": (
        lambda me: [me.run("02-2", params={"n_init": 1})],
        "il manque le paramètre `seed`",
    ),
    "02-3 aucun": (lambda me: checkpoints(me, epochs=()), "0 point de reprise :"),
    "02-3 le dernier seul": (
        lambda me: checkpoints(me, epochs=(199,)),
        "1 point de reprise :",
    ),
    "02-3 sans époque": (lambda me: checkpoints(me, step=0), "`step=epoch`"),
    "02-3 sans métrique": (
        lambda me: checkpoints(me, noted=False),
        "de l'époque 199 n'a pas de métrique `valid_mse`",
    ),
    "02-3 sur l'apprentissage": (
        lambda me: checkpoints(me, part="train"),
        "à l'époque 199, `valid_mse` porte sur l'apprentissage",
    ),
    "02-3 sur le test": (
        lambda me: checkpoints(me, part="test"),
        "à l'époque 199, `valid_mse` porte sur le test",
    ),
    "02-3 inventée": (lambda me: checkpoints(me, factor=0.5), "mais le modèle gardé donne 0.0416"),
    "02-3 le dernier": (
        lambda me: checkpoints(me, best_step=199),
        "`best_step` vaut 199 ; d'après `valid_mse`, le meilleur est à l'époque 79",
    ),
    "02-3 échangées": (
        lambda me: checkpoints(me, test_mse_best=mse(199, "test"), test_mse_last=mse(79, "test")),
        "sont échangées",
    ),
    "02-3 validation": (
        lambda me: checkpoints(me, test_mse_best=mse(79)),
        "`test_mse_best` (0.036) porte sur la validation",
    ),
    "02-3 la validation apprise": (
        lambda me: other_models(me, learned("validation")),
        "moins sur les images de validation que sur celles de test : il a dû les apprendre",
    ),
    "02-3 un peu de validation apprise": (
        lambda me: other_models(me, learned("un peu")),
        "moins sur les images de validation",
    ),
    "02-3 le test appris": (
        lambda me: other_models(me, learned("test")),
        "moins sur les images de test que sur celles de validation",
    ),
    "02-3 trop d'images": (
        lambda me: other_models(me, {step: learned("toutes")[step] for step in (39, 79, 119, 159)}),
        "le dernier point de reprise (159) est encore le meilleur",
    ),
    "02-3 des voisins": (
        lambda me: other_models(me, {40 * k: neighbours(k) for k in (1, 2, 3, 4, 5)}),
        "est un KNeighborsRegressor, pas un réseau",
    ),
    "02-3 cinq fois le même": (
        lambda me: other_models(me, dict.fromkeys((39, 79, 119, 159, 199), learned()[79])),
        "le réseau de l'époque 79 n'a pas appris plus longtemps que le précédent",
    ),
}


@each(
    RIGHT, WRONG, {"02-1 le balayage de la leçon": (lambda me: indices(me, "pixels", number=None),)}
)
def test_answer(room, case):
    room.judged(*case)
