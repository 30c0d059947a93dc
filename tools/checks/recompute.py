"""Ce qui se recalcule d'un modèle, une seule fois par réglage : trente apprenants au même SVM ne
coûtent qu'une validation croisée.
"""

from functools import cache

from checks.models import predict

_known: dict = {}


def once(model, measure: str, compute):
    """Le résultat de `compute`, gardé pour les estimateurs que `clone` rendrait égaux : même
    classe, mêmes réglages.
    """
    key = f"{measure} {type(model).__name__} {model.get_params()}"
    if key not in _known:
        _known[key] = compute()
    return _known[key]


@cache
def patients():
    """Le découpage de la leçon 1, et les 455 tumeurs hors test : `(données, X, y)`."""
    import pandas as pd
    from patients import load_patients

    data = load_patients()
    X, y = pd.concat([data.X_train, data.X_valid]), pd.concat([data.y_train, data.y_valid])
    return data, X, y


@cache
def tumours():
    """Le découpage de l'exercice 01-0 : `(X_train, X_valid, y_train, y_valid)`."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    return train_test_split(X, y, stratify=y, random_state=0)


def cross_scores(model, method: str):
    """Le score de chacune des 455 tumeurs, forme (n,), par la validation croisée du balayage.

    `model` est cloné.
    """
    from sklearn import model_selection
    from sklearn.base import clone

    _, X, y = patients()
    folds = model_selection.StratifiedKFold(5, shuffle=True, random_state=0)
    asked = {"cv": folds, "method": method}
    score = once(
        model, method, lambda: model_selection.cross_val_predict(clone(model), X, y, **asked)
    )
    return score if score.ndim == 1 else score[:, 1]


@cache
def digits():
    """Les images, `X` et `y`, et leur découpage : `(X, y, données)`."""
    from digits import load_images, split_images

    X, y = load_images()
    return X, y, split_images(X, y)


@cache
def progressions() -> list[float]:
    """La progression des 89 patients de validation de la leçon 3, triée."""
    from sklearn.datasets import load_diabetes
    from sklearn.model_selection import train_test_split

    rest, _ = train_test_split(load_diabetes().target, test_size=0.2, random_state=0)
    return sorted(train_test_split(rest, test_size=0.25, random_state=0)[1])


@cache
def wines():
    """Les vins de la leçon 4."""
    from wines import load_wines

    return load_wines()


def wine_scores(model) -> dict[str, float]:
    """L'exactitude et les sensibilités d'un modèle de la leçon 4, sur ses 25 plis.

    `model` est cloné.
    """
    from wines import cross_validated

    data = wines()
    return once(model, "wines", lambda: cross_validated(model, data.X_train, data.y_train))


def wine_answers(model) -> list[str]:
    """Les réponses d'un modèle aux 45 vins de test."""
    return list(predict(model, wines().X_test))
