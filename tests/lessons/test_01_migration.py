"""Leçon 1, « MLflow 2, MLflow 3 » : chaque ligne du tableau du README, exécutée : le code ancien,
puis celui d'aujourd'hui.
"""

import logging
import re
import warnings

import mlflow
import pandas as pd
import pytest
from lesson_01 import README
from sklearn.metrics import mean_squared_error, root_mean_squared_error
from texts import tables

from patients import load_patients, svm

OLD, MEANWHILE, NEW = "code ancien", "ce qu'il fait aujourd'hui", "code d'aujourd'hui"
ROWS = [
    {title: cell.strip("`") for title, cell in row.items()} for row in tables(README) if OLD in row
]
PROJECT = "name: essai\nentry_points:\n  main:\n    command: python -c 'print(1)'\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Un magasin jetable, un modèle appris et inscrit, un projet : ce dont les lignes du tableau
    parlent.
    """
    folder = tmp_path_factory.mktemp("migration")
    (folder / "projet").mkdir()
    (folder / "projet/MLproject").write_text(PROJECT)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        # `caplog` entend ce que MLflow dit
        patch.setattr(logging.getLogger("mlflow"), "propagate", True)
        # deviner prend trois secondes
        patch.setattr(mlflow.models, "infer_pip_requirements", lambda *_, **__: ["scikit-learn"])
        mlflow.set_tracking_uri("sqlite:///mlflow.db")
        mlflow.set_experiment("migration")
        data, client = load_patients(), mlflow.MlflowClient()
        model = svm(1.0, 0.03).fit(data.X_train, data.y_train)
        with mlflow.start_run() as run:
            mlflow.sklearn.log_model(
                model, name="svm", pip_requirements=["scikit-learn"], registered_model_name="svm"
            )
        client.set_registered_model_alias("svm", "champion", 1)
        with warnings.catch_warnings(action="ignore"):
            client.transition_model_version_stage("svm", 1, "Production")
        table = pd.DataFrame({"y": data.y_valid.to_numpy(), "p": model.predict(data.X_valid)})
        errors = {
            "mean_squared_error": mean_squared_error,
            "root_mean_squared_error": root_mean_squared_error,
        }
        yield {
            "mlflow": mlflow,
            "client": client,
            "model": model,
            "run": run,
            "table": table,
            **errors,
        }


def done(world: dict, source: str, caplog) -> str:
    """Exécute une ligne ; renvoie ce qui a été dit : avertissements et journal, ou l'erreur."""
    caplog.clear()
    with (
        warnings.catch_warnings(record=True) as caught,
        caplog.at_level(logging.WARNING, logger="mlflow"),
    ):
        warnings.simplefilter("always")
        exec(source, world)
    return "\n".join([*(str(warning.message) for warning in caught), *caplog.messages])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[OLD][:40])
def test_old_code_does_what_the_table_says_and_todays_code_is_not_deprecated(world, row, caplog):
    quoted = re.search("« (.+) »", row[MEANWHILE])
    if row[MEANWHILE].startswith("marche"):
        said = done(world, row[OLD], caplog)
    else:
        with pytest.raises(
            (AttributeError, TypeError, ImportError, mlflow.MlflowException)
        ) as refused:
            done(world, row[OLD], caplog)
        said = str(refused.value)
    assert (quoted[1] if quoted else "") in said
    said = done(world, row[NEW], caplog)  # pandas y a ses propres avertissements
    ours = [
        line for line in said.splitlines() if "mlflow" in line.lower() or "artifact_path" in line
    ]
    assert not [line for line in ours if "deprecated" in line]


def test_both_columns_mean_the_same(world):
    """Là où l'ancien marche encore ou n'a changé que de nom : la même réponse."""
    assert len(ROWS) >= 10
    assert root_mean_squared_error([1.0], [3.0]) == mean_squared_error([1.0], [3.0]) ** 0.5 == 2.0
    one = mlflow.sklearn.load_model("models:/svm@champion").predict(load_patients().X_valid)
    assert (one == world["model"].predict(load_patients().X_valid)).all()
