"""Ce que le serveur d'Azure ML appelle : `init` une fois par processus, `run` à chaque requête.

Requête : `{"input_data": {"columns": [...], "index": [...], "data": [[...]]}}`, où `index` est
facultatif. Réponse 200 : `{"predictions": [...], "model_id": "m-..."}`, qui dit quel modèle a
répondu. Réponse 400 : `{"message": "..."}`, pour tout corps arrivé jusqu'ici que le modèle ne peut
servir, clés JSON en double comprises.

Ce qui n'arrive pas jusqu'ici est l'affaire du serveur d'Azure : il répond 500 à un envoi par
morceaux (*chunked*) mal formé ; du type « formulaire », celui de `curl -d`, il ne nous passe pas le
corps (ajoutez `-H 'Content-Type: application/json'`) ; et un client qui n'achève pas sa requête
occupe son seul processus : les autres attendent.
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
    """Un objet JSON ; lève `ValueError` si une clé y est deux fois : json n'en garderait que la
    dernière, sans un mot.
    """
    if len(dict(pairs)) < len(pairs):
        raise ValueError("clé en double")
    return dict(pairs)


def read_table(text: str) -> pd.DataFrame:
    """Les vins de la requête, colonnes dans l'ordre du modèle.

    Lève `ValueError`, en une phrase, si elle est mauvaise.
    """
    try:
        body = json.loads(text, object_pairs_hook=no_duplicates)
    except (ValueError, RecursionError):
        raise ValueError(
            "Le corps n'est pas du JSON lisible, de type application/json, sans clé en double."
        ) from None
    table = body.get("input_data") if isinstance(body, dict) else None
    if (
        not isinstance(table, dict)
        or not isinstance(table.get("data"), list)
        or not isinstance(table.get("columns"), list)
    ):
        raise ValueError('Il faut {"input_data": {"columns": [...], "data": [[...]]}}.')
    given, rows = table["columns"], table["data"]
    if not all(isinstance(name, str) for name in given) or sorted(given) != sorted(columns):
        raise ValueError(f"Les colonnes attendues, chacune une fois : {', '.join(columns)}.")
    if not rows:
        raise ValueError("Il faut au moins une ligne.")
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(given):
            raise ValueError(f"Ligne {number} : il faut une liste de {len(given)} nombres.")
        for name, value in zip(given, row, strict=True):
            # Les arbres comptent en float32, qui s'arrête à 3.4e38. La comparaison écarte aussi NaN
            # et les entiers démesurés.
            if (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or not abs(value) <= 1e30
            ):
                raise ValueError(
                    f"Ligne {number}, colonne {name} : il faut un nombre fini, au plus 1e30."
                )
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
