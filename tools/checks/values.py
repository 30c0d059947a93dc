"""Ce qui est noté, contre ce qui se recalcule : la valeur juste, ou la méprise que la valeur
trahit.
"""

import math

from checks.remarks import Remark

SYNONYMS = {
    "accuracy": ("valid_accuracy", "exactitude"),
    "sensitivity": (
        "recall",
        "valid_sensitivity",
        "valid_recall",
        "sensibilite",
        "sensibilité",
        "rappel",
    ),
    "cv_sensitivity": ("sensitivity", "cv_recall", "recall"),
    "cv_specificity": ("specificity",),
}


def metric(run, name: str) -> float:
    """La métrique `name` d'un run, ou un de ses synonymes. Lève `Remark` si elle manque."""
    for each in (name, *SYNONYMS.get(name, ())):
        if each in run.data.metrics:
            return run.data.metrics[each]
    raise Remark(f"il manque la métrique `{name}` au run « {run.info.run_name} ».")


def number(run, name: str) -> float:
    """Le paramètre `name` d'un run, en réel. Lève `Remark` s'il manque ou n'est pas un nombre."""
    text = run.data.params.get(name)
    if text is None:
        raise Remark(f"il manque le paramètre `{name}` au run « {run.info.run_name} ».")
    try:
        return float(text.strip("'\""))
    except ValueError:
        raise Remark(
            f"le paramètre `{name}` vaut « {text[:40]} », qui n'est pas un nombre."
        ) from None


def close(one: float, other: float) -> bool:
    """Égaux, aux derniers chiffres près : une autre machine arrondit autrement."""
    return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9) or (
        math.isnan(one) and math.isnan(other)
    )


def compare(run, name: str, truth: float, mistakes: dict[str, float] | None = None) -> float:
    """La métrique `name`, si elle vaut `truth`.

    Lève sinon `Remark` : celle des `mistakes` (remarque -> valeur) qu'elle trahit.
    """
    logged = metric(run, name)
    if close(logged, truth):
        return logged
    for remark, value in (mistakes or {}).items():
        if close(logged, value):
            raise Remark(f"le run est là, mais sa métrique `{name}` ({logged:.3f}) {remark}")
    raise Remark(
        f"la métrique `{name}` vaut {logged:.4g}, mais le modèle du même run donne {truth:.4g} : d'où vient-elle ?"
    )


def text_tag(tags: dict[str, str], name: str, where: str, least: int = 10) -> str:
    """L'étiquette `name`, qui doit dire quelque chose.

    Lève `Remark` si elle manque ou tient en moins de `least` caractères.
    """
    text = (tags.get(name) or "").strip()
    if not text:
        raise Remark(f"il manque l'étiquette `{name}` {where}.")
    if len(text) < least:
        raise Remark(
            f"l'étiquette `{name}` {where} dit « {text} » : dans six mois, personne n'en saura plus."
        )
    return text
