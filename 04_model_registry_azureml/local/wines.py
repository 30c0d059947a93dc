# %% [markdown]
# # Les vins : données, candidats et comparaison
#
# Ce que les scripts de la leçon partagent, et qui n'est pas MLflow. Données : *Wine Recognition*,
# M. Forina et coll., PARVUS, 1988, doi 10.24432/C5PC7J (licence CC BY 4.0), fournies avec
# scikit-learn : 178 vins d'une même région d'Italie, 13 mesures chimiques, et le cultivar (le
# cépage) dont chacun vient.

# %%
from datetime import UTC, datetime
from importlib import metadata
from typing import NamedTuple

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay, make_scorer, recall_score
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_predict, cross_validate
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

cultivars = ["cultivar_0", "cultivar_1", "cultivar_2"]
source_url = "https://archive.ics.uci.edu/dataset/109/wine"


# %%
class Wines(NamedTuple):
    """`X_*` : un vin par ligne, 13 mesures réelles ; `y_*` : son cultivar, l'un des `cultivars`."""

    X_train: pd.DataFrame  # pour apprendre et comparer
    X_test: pd.DataFrame  # des vins à classer, qui ne décident d'aucune promotion
    y_train: pd.Series
    y_test: pd.Series


def load_wines() -> Wines:
    """133 vins pour apprendre et comparer, 45 de test, en mêmes proportions de cultivars."""
    X, target = load_wine(return_X_y=True, as_frame=True)
    y = target.map(dict(enumerate(cultivars))).astype(object).rename("cultivar")
    return Wines(*train_test_split(X, y, test_size=0.25, random_state=0, stratify=y))


# %% [markdown]
# ## Les candidats
#
# Tout ce qui prépare les données est dans le `Pipeline` : appris après le découpage, enregistré
# avec le modèle.


# %%
def candidates(seed: int = 0) -> dict[str, Pipeline]:
    """Les trois candidats, non entraînés, par nom ; seule la régression demande une échelle."""
    return {
        "decision_tree": make_pipeline(DecisionTreeClassifier(random_state=seed)),
        "random_forest": make_pipeline(RandomForestClassifier(n_estimators=50, random_state=seed)),
        "logistic_regression": make_pipeline(
            StandardScaler(), LogisticRegression(max_iter=1000, random_state=seed)
        ),
    }


# skops ne recharge que des types déclarés ; celui-ci, que les arbres demandent, manque à sa liste.
trusted_types = ["sklearn.tree._tree.Tree"]

# Ce qu'il faut pour recharger un candidat et lui donner un tableau, aux versions installées ici ;
# MLflow y ajoute la sienne.
requirements = [
    f"{name}=={metadata.version(name)}" for name in ("scikit-learn", "skops", "pandas", "numpy")
]

# %% [markdown]
# ## La comparaison
#
# 133 vins, c'est peu : chaque modèle est jugé sur les mêmes 25 plis, cinq validations croisées à
# cinq plis, stratifiées.


# %%
def cross_validated(model: Pipeline, X: pd.DataFrame, y: pd.Series) -> dict[str, float]:
    """Moyennes sur 25 plis, entre 0 et 1 : `cv_accuracy`, et `cv_recall_<cultivar>` pour les trois.

    `model`, entraîné ou non, est cloné. Les plis sont toujours les mêmes, donc les valeurs aussi.
    """
    scoring = {"cv_accuracy": "accuracy"} | {
        f"cv_recall_{name}": make_scorer(recall_score, labels=[name], average="macro")
        for name in cultivars
    }
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=5, random_state=0)
    scores = cross_validate(model, X, y, scoring=scoring, cv=folds)
    return {name: float(scores[f"test_{name}"].mean()) for name in scoring}


class Verdict(NamedTuple):
    """La décision, sa raison en français, et le gain d'exactitude (entre -1 et 1)."""

    promoted: bool
    reason: str
    gain: float


def compare(champion: dict[str, float], challenger: dict[str, float], margin: float) -> Verdict:
    """Le candidat est promu s'il gagne au moins `margin` d'exactitude, aux arrondis des flottants
    près, et ne perd sur aucun cultivar ; les deux premiers viennent de `cross_validated`.
    """
    gain = challenger["cv_accuracy"] - champion["cv_accuracy"]
    recalls = {name: f"cv_recall_{name}" for name in cultivars}
    losses = [name for name, recall in recalls.items() if challenger[recall] < champion[recall]]
    reason = f"exactitude {gain:+.4f}, marge {margin:g}"
    if losses:
        reason += f" ; sensibilité en baisse sur {', '.join(losses)}"
    return Verdict(gain >= margin - 1e-12 and not losses, reason, gain)


def story(move: str, reason: str) -> tuple[str, str]:
    """L'étiquette, clé et valeur, qui raconte ce déplacement de `@champion` (« 1 -> 2 »)."""
    now = datetime.now(UTC)
    told = f"{now:%Y-%m-%d %H:%M:%S} UTC, @champion : {move}, {reason}"
    return f"history_{now:%Y%m%d_%H%M%S_%f}", told


# %% [markdown]
# ## Les figures


# %%
def confusion_figure(name: str, model: Pipeline, X: pd.DataFrame, y: pd.Series) -> plt.Figure:
    """Ce que `model` confond, en validation croisée à cinq plis."""
    figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
    guesses = cross_val_predict(model, X, y, cv=5)
    ConfusionMatrixDisplay.from_predictions(y, guesses, ax=axes, colorbar=False)
    axes.set(title=f"{name}, validation croisée", xlabel="cultivar prédit", ylabel="vrai cultivar")
    plt.close(figure)  # à la cellule qui la demande de l'afficher
    return figure


def recall_figure(scores: dict[str, dict[str, float]], title: str) -> plt.Figure:
    """La sensibilité de chaque cultivar ; `scores` : un nom -> ce que rend `cross_validated`."""
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for name, score in scores.items():
        recalls = [score[f"cv_recall_{cultivar}"] for cultivar in cultivars]
        axes.plot(recalls, cultivars, "o", label=name)
    axes.set(xlabel="sensibilité, moyenne de 25 plis", title=title)
    axes.legend()
    plt.close(figure)  # à la cellule qui la demande de l'afficher
    return figure
