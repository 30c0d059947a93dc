"""Ce que les runs d'un magasin disent d'eux-mêmes."""

import mlflow
import pandas as pd
from mlflow import MlflowClient, MlflowException
from mlflow.entities import Run

COLUMNS = ("description", "data set", "commit", "author", "signature")


def transparency(client: MlflowClient) -> pd.DataFrame:
    """Une ligne par expérience qui a des runs, et une pour toutes ; `runs`, puis une part entre 0 et 1 par colonne de `COLUMNS`.

    `signature` ne compte que les runs qui ont un modèle ; NaN s'il n'y en a aucun.
    """
    rows = []
    for experiment in client.search_experiments():
        token = None
        while token != "":
            page = client.search_runs([experiment.experiment_id], max_results=1000, page_token=token)
            rows += [{"experiment": experiment.name, **declares(run)} for run in page]
            token = page.token or ""
    table = pd.DataFrame(rows, columns=["experiment", *COLUMNS]).astype(dict.fromkeys(COLUMNS, float))
    shares = pd.concat([table, table.assign(experiment="toutes")]).groupby("experiment", sort=False)
    return shares.mean().assign(runs=shares.size())[["runs", *COLUMNS]]


def declares(run: Run) -> dict[str, float | None]:
    """1.0 ou 0.0 pour chaque colonne de `COLUMNS` ; None pour la signature d'un run sans modèle."""
    tags, models = run.data.tags, run.outputs.model_outputs if run.outputs else []
    return {
        "description": float(bool(tags.get("mlflow.note.content"))),
        "data set": float(bool(run.inputs and run.inputs.dataset_inputs)),
        "commit": float(bool(tags.get("mlflow.source.git.commit"))),
        "author": float(bool(tags.get("mlflow.user"))),
        "signature": float(all(map(signed, {each.model_id for each in models}))) if models else None,
    }


def signed(model_id: str) -> bool:
    """Vrai si le modèle a une signature ; faux aussi si ses fichiers ne sont plus là."""
    try:
        return mlflow.models.get_model_info(f"models:/{model_id}").signature is not None
    except (MlflowException, OSError):
        return False
