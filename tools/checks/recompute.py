"""Ce qui se recalcule d'un modèle, une seule fois par réglage : trente apprenants au même SVM ne
coûtent qu'une validation croisée.
"""

from checks.models import predict

_known: dict = {}


def once(key: tuple, compute):
    """Le résultat de `compute`, gardé pour la prochaine fois que `key` se présente."""
    if key not in _known:
        _known[key] = compute()
    return _known[key]


def settings(model) -> str:
    """De quoi reconnaître deux estimateurs que `clone` rendrait égaux : les classes et tous les
    réglages.
    """
    parts = {"": model, **model.get_params(deep=True)}
    return repr(
        sorted(
            (name, type(each).__qualname__ if hasattr(each, "get_params") else repr(each))
            for name, each in parts.items()
        )
    )


def patients():
    """Le découpage de la leçon 1, et les 455 tumeurs hors test : `(Split, X, y)`."""
    import pandas as pd
    from patients import load_patients

    def load():
        data = load_patients()
        return (
            data,
            pd.concat([data.X_train, data.X_valid]),
            pd.concat([data.y_train, data.y_valid]),
        )

    return once(("patients",), load)


def cross_scores(model, method: str):
    """Le score de chacune des 455 tumeurs, forme (n,), par la validation croisée du balayage.

    `model` est cloné.
    """
    from sklearn.base import clone
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    _, X, y = patients()
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    score = once(
        (method, settings(model)),
        lambda: cross_val_predict(clone(model), X, y, cv=folds, method=method),
    )
    return score if score.ndim == 1 else score[:, 1]


def digits():
    """Les images, `X` et `y`, et leur découpage : `(X, y, Split)`."""
    from digits import load_images, split_images

    def load():
        X, y = load_images()
        return X, y, split_images(X, y)

    return once(("digits",), load)


def silhouette(X, groups) -> float:
    """La silhouette d'un partage."""
    import numpy as np
    from sklearn.metrics import silhouette_score

    X = np.asarray(X)
    return once(
        ("silhouette", X.tobytes(), groups.tobytes()), lambda: float(silhouette_score(X, groups))
    )


def wines():
    """Les vins de la leçon 4."""
    from wines import load_wines

    return once(("wines",), load_wines)


def wine_scores(model) -> dict[str, float]:
    """L'exactitude et les sensibilités d'un modèle de la leçon 4, sur ses 25 plis.

    `model` est cloné.
    """
    from wines import cross_validated

    return once(
        ("wines", settings(model)), lambda: cross_validated(model, wines().X_train, wines().y_train)
    )


def wine_answers(model) -> list[str]:
    """Les réponses d'un modèle aux 45 vins de test."""
    return list(predict(model, wines().X_test))
