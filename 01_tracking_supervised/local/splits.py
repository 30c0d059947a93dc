# %% [markdown]
# # Découper les données
#
# Même fichier dans chaque leçon : un test y veille. Une part pour apprendre, une pour choisir, une
# pour juger à la fin.

# %%
from typing import NamedTuple

import pandas as pd
from sklearn.model_selection import train_test_split


class Split(NamedTuple):
    """`X_*` : un exemple par ligne, une mesure par colonne.

    `y_*` : ce qu'il faut prédire, dans le même ordre.

    `train` sert à apprendre, `valid` à choisir, `test` à juger ce qui a été choisi.
    """

    X_train: pd.DataFrame
    X_valid: pd.DataFrame
    X_test: pd.DataFrame
    y_train: pd.Series
    y_valid: pd.Series
    y_test: pd.Series


def split(
    X: pd.DataFrame,
    y: pd.Series,
    valid: float | int = 0.2,
    test: float | int = 0.2,
    seed: int = 0,
    stratify: bool = False,
) -> Split:
    """Découpe `X`, forme (n, d), et `y`, forme (n,) ; `valid` et `test` sont deux parts de 1, ou
    deux nombres de lignes.

    `valid=0` : pas de part pour choisir, `X_valid` et `y_valid` sont vides. `stratify` : chaque
    part garde les proportions des classes de `y`.
    """
    classes = y if stratify else None
    X_rest, X_test, y_rest, y_test = train_test_split(
        X, y, test_size=test, random_state=seed, stratify=classes
    )
    if not valid:
        return Split(X_rest, X_rest[:0], X_test, y_rest, y_rest[:0], y_test)
    # une part du tout, exprimée en part du reste
    share = valid / (1 - test) if isinstance(valid, float) else valid
    classes = y_rest if stratify else None
    X_train, X_valid, y_train, y_valid = train_test_split(
        X_rest, y_rest, test_size=share, random_state=seed, stratify=classes
    )
    return Split(X_train, X_valid, X_test, y_train, y_valid, y_test)
