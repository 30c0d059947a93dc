"""Ce qui est noté, contre ce qui se recalcule : la valeur juste, ou la méprise que la valeur
trahit.
"""

import math

from checks.remarks import Remark, require

SYNONYMS = {  # d'autres mots pour la même métrique
    "accuracy": "valid_accuracy exactitude",
    "sensitivity": "recall valid_sensitivity valid_recall sensibilité rappel",
    "cv_sensitivity": "sensitivity cv_recall recall",
    "cv_specificity": "specificity",
}


def metric(run, name: str) -> float:
    """La métrique `name` d'un run, ou un de ses synonymes. Lève `Remark` si elle manque."""
    for each in (name, *SYNONYMS.get(name, "").split()):
        if each in run.data.metrics:
            return run.data.metrics[each]
    raise Remark(f"il manque la métrique `{name}` au run « {run.info.run_name} ».")


def param(run, name: str, default: str = "") -> str:
    """Le paramètre `name` d'un run, sans les guillemets qu'un projet peut y laisser."""
    return run.data.params.get(name, default).strip("'\"")


def number(run, name: str) -> float:
    """Le paramètre `name` d'un run, en réel. Lève `Remark` s'il manque ou n'est pas un nombre."""
    text = param(run, name)
    require(text, f"il manque le paramètre `{name}` au run « {run.info.run_name} ».")
    try:
        return float(text)
    except ValueError:
        raise Remark(f"le paramètre `{name}` vaut « {text} », qui n'est pas un nombre.") from None


def close(one: float, other: float) -> bool:
    """Égaux, aux derniers chiffres près : une autre machine arrondit autrement."""
    return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)


def compare(run, name: str, truth: float, mistakes: dict[str, float] | None = None) -> float:
    """La métrique `name`, si elle vaut `truth`.

    Lève sinon `Remark` : celle des `mistakes` (remarque -> valeur) qu'elle trahit.
    """
    logged = metric(run, name)
    if close(logged, truth):
        return logged
    for remark, value in (mistakes or {}).items():
        require(
            not close(logged, value),
            f"le run est là, mais sa métrique `{name}` ({logged:.3f}) {remark}",
        )
    raise Remark(
        f"la métrique `{name}` vaut {logged:.4g}, mais le modèle du même run donne {truth:.4g} :"
        " d'où vient-elle ?"
    )


def text_tag(tags: dict[str, str], name: str, where: str, least: int = 10) -> str:
    """L'étiquette `name`, qui doit dire quelque chose.

    Lève `Remark` si elle manque ou tient en moins de `least` caractères.
    """
    text = (tags.get(name) or "").strip()
    require(text, f"il manque l'étiquette `{name}` {where}.")
    require(len(text) >= least, f"l'étiquette `{name}` {where} dit « {text} » : c'est trop peu.")
    return text
