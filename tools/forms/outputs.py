"""Les sorties d'un notebook exécuté, rendues stables : ce qui change à chaque fois devient `…`,
comme dans les README.
"""

import base64
import re
from io import BytesIO

WIDTH = 800  # pixels, pour toutes les figures
HEAVIEST = 150_000  # octets d'une image
TOLERANCE = 1.0  # écart moyen, sur 255, entre deux dessins de la même figure

CHANGING = [
    (re.compile(r"experiments/\d+"), "experiments/…"),
    (
        re.compile(
            r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|(?<![0-9a-f])([0-9a-f]{40}|[0-9a-f]{32})(?![0-9a-f])"
        ),
        "…",
    ),
    (re.compile(r"/tmp/\w+"), "…"),
    (re.compile(r"\b\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?"), "…"),
    (re.compile(r"\b\d+([.,]\d+)? ?(?=(ms|s|secondes?|min|minutes?)\b)"), "… "),
]


class Unstable(Exception):
    """Une cellule avertit, échoue, ou montre ce qui ne se garde pas."""


def masked(text: str, root: str) -> str:
    """`text`, où ce qui désigne une machine, un run, un instant ou une durée devient `…`."""
    text = text.replace(root, "…")
    for pattern, shown in CHANGING:
        text = pattern.sub(shown, text)
    return text


def kept(outputs: list[dict], root: str) -> list[dict]:
    """Les sorties d'une cellule, à garder.

    Lève `Unstable` si elle a écrit sur la sortie d'erreur, ou une image trop lourde.
    """
    found = []
    for output in outputs:
        if output["output_type"] == "stream":
            if output["name"] != "stdout":
                if told := unexpected(output["text"]):
                    raise Unstable(f"la cellule avertit :\n{told}")
                continue
            if found and found[-1]["output_type"] == "stream":
                found[-1]["text"] += output["text"]
            else:
                found.append({"output_type": "stream", "name": "stdout", "text": output["text"]})
        else:
            found += shown(output)
    for output in found:
        if output["output_type"] == "stream":
            output["text"] = masked(output["text"], root)
        else:
            for kind in output["data"].keys() & {"text/plain", "text/html"}:
                output["data"][kind] = masked(output["data"][kind], root)
    return found


# MLflow et TensorFlow parlent d'eux-mêmes : une barre, une information, le chargement de CUDA ; les
# avertissements que causent, exprès, autolog et model_from_code ; ce que disent uv, quand il bâtit
# un environnement, et Spark, quand il démarre
OWN = re.compile(
    r"\s*$|.*(\d+%\||\d+it \[| INFO (mlflow|alembic)|tensorflow|cuda|computation_placer|absl"
    r"|rebuild TensorFlow|oneDNN| WARNING mlflow\.pyfunc: Passing a Python object as "
    r"| WARNING mlflow\.sklearn: Saving scikit-learn models in the pickle )"
    r"|Successfully registered model|(Created|Copied) version '|Registered model '"
    r"|Using C?Python \d|Creating virtual environment at: |Activate with: source "
    r"|(Resolved|Prepared|Installed) \d+ packages? in |Bytecode compiled \d+ files? in "
    r"|(Downloading|Downloaded) \S+| \+ \S+=="
    r"|.*PySpark does not yet fully support pandas|  require_minimum_pandas_version"
    r"|WARNING: Using incubator modules: jdk|Using Spark's default log4j profile: "
    r"|[\d/]{8} [\d:]{8} WARN (Utils|NativeCodeLoader): |\[Stage \d+:"
    r"|Setting default log level to |To adjust logging level use ",
    re.IGNORECASE,
)


def unexpected(text: str) -> str:
    """Ce que la sortie d'erreur dit d'autre que les lignes de MLflow et de TensorFlow."""
    return "\n".join(line for line in re.split(r"[\r\n]+", text) if not OWN.match(line))


def shown(output: dict) -> list[dict]:
    """Une figure ou un tableau affiché ; rien pour une barre de progression, qui ne vit que le
    temps de l'exécution.
    """
    data = {
        kind: output["data"][kind]
        for kind in ("image/png", "text/html", "text/plain")
        if kind in output["data"]
    }
    metadata = {}
    if "image/png" in data:
        data, metadata = (
            {"image/png": data["image/png"].strip()},
            {"image/png": {"alt": output["metadata"]["image/png"]["alt"]}},
        )
        if (weight := len(base64.b64decode(data["image/png"]))) > HEAVIEST:
            raise Unstable(f"une image pèse {weight // 1000} ko, plus de {HEAVIEST // 1000}")
    elif (
        "application/vnd.jupyter.widget-view+json" in output["data"]
        or not data.get("text/plain", "").strip()
    ):
        return []
    return [{"output_type": "display_data", "data": data, "metadata": metadata}]


def steady(new: list[dict], old: list[dict]) -> list[dict]:
    """Les sorties `new`, où une figure que rien ne distingue de l'ancienne reste l'ancienne, à
    l'octet près.
    """
    if len(new) != len(old):
        return new
    return [
        before if same_picture(after, before) else after
        for after, before in zip(new, old, strict=True)
    ]


def same_picture(one: dict, other: dict) -> bool:
    import numpy as np
    from PIL import Image

    if not ("image/png" in one.get("data", {}) and "image/png" in other.get("data", {})):
        return False
    pixels = [
        np.asarray(
            Image.open(BytesIO(base64.b64decode(each["data"]["image/png"]))).convert("RGB"),
            dtype=float,
        )
        for each in (one, other)
    ]
    return pixels[0].shape == pixels[1].shape and np.abs(pixels[0] - pixels[1]).mean() <= TOLERANCE
