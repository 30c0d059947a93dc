"""Trois parts d'un tableau, comme les leçons les font : apprendre, choisir, juger."""

from collections import namedtuple

from sklearn.model_selection import train_test_split

Split = namedtuple("Split", "X_train X_valid X_test y_train y_valid y_test")


def split(X, y, seed: int = 0) -> Split:
    """60 %, 20 % et 20 % des lignes ; `X`, forme (n, d), `y`, forme (n,)."""
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, random_state=seed)
    X_train, X_valid, y_train, y_valid = train_test_split(X, y, test_size=0.25, random_state=seed)
    return Split(X_train, X_valid, X_test, y_train, y_valid, y_test)
