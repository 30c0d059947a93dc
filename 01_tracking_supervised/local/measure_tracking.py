"""Ce que `13_measure_tracking.py` écrit et relit : des valeurs difficiles, et ce que veut dire
« égales au bit près ». Lancé comme un programme, il écrit une métrique pas à pas.
"""

import math
import sys

import mlflow
import numpy as np

LIMITS = {"paramètre": 6000, "étiquette": 8000}  # en caractères : au-delà, MLflow coupe


def hard_numbers(seed: int = 0) -> dict[str, list[float]]:
    """Des nombres difficiles à garder intacts, rangés par nature ; chacun devient une métrique."""
    rng = np.random.default_rng(seed)
    patterns = rng.integers(0, 2**64, 2100, dtype=np.uint64).view(float).tolist()
    return {
        "réels de toute grandeur": [
            value for value in patterns if sys.float_info.min <= abs(value) < math.inf
        ][:2000],
        "réels dénormalisés": rng.integers(1, 2**52, 200, dtype=np.uint64).view(float).tolist(),
        "zéro négatif": [-0.0],
        "entiers jusqu'à 2^53": rng.integers(-(2**53), 2**53, 500).tolist(),
        "entiers au-delà de 2^53": rng.integers(2**53 + 1, 2**62, 500).tolist(),
        "float32": rng.standard_normal(500).astype(np.float32).tolist(),
        "NaN": [math.nan],
        "infinis": [math.inf, -math.inf],
    }


def long_history(seed: int = 1) -> list[float]:
    """Les 5000 valeurs d'une seule métrique, une par pas."""
    return np.random.default_rng(seed).standard_normal(5000).tolist()


def hard_texts(written: str) -> dict[str, list[str]]:
    """Des textes autour des limites, par nature.

    `written` : « paramètre » ou « étiquette », dont la limite diffère.
    """
    limit = LIMITS[written]
    return {
        f"{written} : accents, emoji, retours": [
            "été 🌡️ à Nîmes\nsecond relevé",
            "\ttabulation",
            "naïveté",
            "日本語",
        ],
        f"{written} : vide": [""],
        f"{written} : à la limite, {limit}": ["é" * limit],
        f"{written} : un caractère de trop": ["é" * (limit + 1)],
    }


def identical(sent, read) -> bool:
    """Égaux au bit près : même texte, ou même nombre et même signe (0.0 n'est pas -0.0), ou NaN
    tous les deux.
    """
    if isinstance(sent, str) or read is None:
        return sent == read
    if math.isnan(sent):
        return math.isnan(read)
    return sent == read and math.copysign(1, sent) == math.copysign(1, read)


def compare(kind: str, sent: list, read: list) -> dict:
    """Ce qu'une nature a donné : combien de valeurs écrites, combien relues au bit près, et la
    première qui a changé.
    """
    changed = [pair for pair in zip(sent, read, strict=True) if not identical(*pair)]
    example = ""
    if changed:
        before, after = changed[0]
        if isinstance(before, str):
            before, after = f"{len(before)} caractères", len(after)
        example = f"{before} -> {after}"
    return {
        "kind": kind,
        "written": len(sent),
        "exact": len(sent) - len(changed),
        "example": example,
    }


if __name__ == "__main__":  # measure_tracking.py MAGASIN NOM : « tué » écrit sans fin
    uri, kind = sys.argv[1:]
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("exactitude")
    with mlflow.start_run(run_name=kind):
        for step in range(10**9 if kind == "tué" else 100):
            mlflow.log_metric("value", step / 7, step=step)
            print(step, flush=True)
            if kind == "erreur" and step == 49:
                sys.exit(1)
