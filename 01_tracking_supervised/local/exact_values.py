"""Les valeurs difficiles que `measure_tracking.py` écrit et relit, et ce que veut dire « égales au bit près »."""

import math
import sys

import numpy as np

LIMITS = {"paramètre": 6000, "étiquette": 8000}  # en caractères : au-delà, MLflow coupe


def hard_values(seed: int = 0) -> dict[str, list]:
    """Des milliers de valeurs, par nature : réels, entiers et textes que l'on enregistre rarement, mais que l'on enregistre.

    Les natures qui commencent par « paramètre » ou « étiquette » sont des textes, les autres des nombres.
    """
    rng = np.random.default_rng(seed)
    patterns = rng.integers(0, 2**64, 2100, dtype=np.uint64).view(float).tolist()
    values = {
        "réels de toute grandeur": [value for value in patterns if sys.float_info.min <= abs(value) < math.inf][:2000],
        "réels dénormalisés": rng.integers(1, 2**52, 200, dtype=np.uint64).view(float).tolist(),
        "zéro négatif": [-0.0],
        "entiers jusqu'à 2^53": rng.integers(-(2**53), 2**53, 500).tolist(),
        "entiers au-delà de 2^53": rng.integers(2**53 + 1, 2**62, 500).tolist(),
        "float32": rng.standard_normal(500).astype(np.float32).tolist(),
        "NaN": [math.nan],
        "infinis": [math.inf, -math.inf],
        "les 5000 pas d'une métrique": rng.standard_normal(5000).tolist(),
    }
    for kind, limit in LIMITS.items():
        values[f"{kind} : accents, emoji, retours"] = ["été 🌡️ à Nîmes\nsecond relevé", "\ttabulation", "naïveté", "日本語"]
        values[f"{kind} : vide"] = [""]
        values[f"{kind} : à la limite, {limit}"] = ["é" * limit]
        values[f"{kind} : un caractère de trop"] = ["é" * (limit + 1)]
    return values


def identical(sent, read) -> bool:
    """Égaux au bit près : même texte, ou même nombre et même signe (0.0 n'est pas -0.0), ou NaN tous les deux."""
    if isinstance(sent, str) or read is None:
        return sent == read
    return (sent != sent and read != read) or (sent == read and math.copysign(1, sent) == math.copysign(1, read))
