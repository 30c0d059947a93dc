"""Ce que le serveur d'Azure ML appelle : `init` une fois par processus, `run` à chaque requête.

Requête : `{"input_data": {"columns": [...], "index": [...], "data": [[...]]}}`, où `index` est
facultatif. Réponse 200 : `{"predictions": [...], "model_id": "m-..."}`, qui dit quel modèle a
répondu. Réponse 400 : `{"message": "..."}`, pour tout corps arrivé jusqu'ici que le modèle ne peut
servir, clés JSON en double comprises.
"""

import json
import os
from pathlib import Path

import mlflow
import pandas as pd
from azureml_inference_server_http.api.aml_response import AMLResponse


def init():
    global model, columns
    folder = next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("MLmodel")).parent
    model = mlflow.pyfunc.load_model(str(folder))
    columns = model.metadata.get_input_schema().input_names()


def no_duplicates(pairs: list[tuple[str, object]]) -> dict:
    """Un objet JSON ; d'une clé écrite deux fois, json ne garderait que la dernière."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError("clé en double")
    return dict(pairs)


def is_number(value: object) -> bool:
    """Les arbres comptent en float32, jusqu'à 3.4e38 ; la comparaison écarte aussi NaN."""
    return type(value) in (int, float) and abs(value) <= 1e30


def read_table(text: str) -> pd.DataFrame:
    """Les vins de la requête, colonnes dans l'ordre du modèle.

    Lève `ValueError`, en une phrase, si elle est mauvaise.
    """
    try:
        table = json.loads(text, object_pairs_hook=no_duplicates)["input_data"]
        given, rows = table["columns"], table["data"]
    except (ValueError, RecursionError):
        raise ValueError(
            "Le corps n'est pas du JSON lisible, de type application/json, sans clé en double."
        ) from None
    except (KeyError, TypeError):
        raise ValueError('Il faut {"input_data": {"columns": [...], "data": [[...]]}}.') from None
    named = isinstance(given, list) and all(isinstance(name, str) for name in given)
    if not named or sorted(given) != sorted(columns):
        raise ValueError(f"Les colonnes attendues, chacune une fois : {', '.join(columns)}.")
    if not isinstance(rows, list) or not rows:
        raise ValueError("Il faut au moins une ligne, une liste de nombres.")
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(given) or not all(map(is_number, row)):
            raise ValueError(f"Ligne {number} : il faut {len(given)} nombres, de 1e30 au plus.")
    return pd.DataFrame(rows, columns=given)[columns].astype(float)


def run(data: str) -> AMLResponse:
    try:
        wines = read_table(data)
    except ValueError as error:
        return AMLResponse({"message": str(error)}, 400, json_str=True)
    return AMLResponse(
        {"predictions": model.predict(wines).tolist(), "model_id": model.metadata.model_id},
        200,
        json_str=True,
    )
