"""Le balayage que `09_resume_sweep.py` lance, tue, puis finit : douze couples (C, gamma).

Chaque run porte une étiquette `process`, la machine et le numéro du programme qui l'écrit. MLflow
n'en a pas : elle est de ce cours.
"""

import os
from itertools import product
from math import log10
from platform import node

import mlflow
from mlflow.models import infer_signature

from patients import cross_validated, known_patients, pins, svm, sweep_figure
from store import open_store

GRID = {"C": [1.0, 10.0, 100.0], "gamma": [0.001, 0.01, 0.03, 0.1]}
PROCESS = f"{node()} {os.getpid()}"


def run_couples(couples: list[tuple[float, float]]) -> None:
    """Juge chaque couple (C, gamma) dans un enfant du run ouvert, comme `05_svm_sweep.py`."""
    X, y = known_patients()
    signature, requirements = infer_signature(X, y.to_numpy()), pins()
    for C, gamma in couples:
        with mlflow.start_run(run_name=f"C={C:g} gamma={gamma:g}", nested=True):
            mlflow.set_tag("process", PROCESS)
            model = svm(C, gamma)
            mlflow.log_params({"C": C, "gamma": gamma, "log10_gamma": round(log10(gamma), 2)})
            mlflow.log_metrics(cross_validated(model, X, y))
            model.fit(X, y)
            mlflow.sklearn.log_model(
                model, name="svm", signature=signature, pip_requirements=requirements
            )


def summarize(parent_id: str) -> int:
    """Écrit dans le run ouvert ce que ses enfants finis ont donné ; renvoie leur nombre."""
    couples = mlflow.search_runs(
        filter_string=f"tags.mlflow.parentRunId = '{parent_id}' AND attributes.status = 'FINISHED'",
        order_by=["metrics.cv_cost ASC"],
    )
    mlflow.set_tag("best_run_id", couples["run_id"][0])
    mlflow.log_metric("best_cv_cost", couples["metrics.cv_cost"][0])
    mlflow.log_figure(sweep_figure(couples), "metric_against_parameter.png")
    return len(couples)


if __name__ == "__main__":
    open_store()
    mlflow.set_experiment("01_resume_sweep")
    with mlflow.start_run(run_name="svm balayage", tags={"process": PROCESS}) as parent:
        mlflow.log_dict(GRID, "grid.json")
        mlflow.log_params({"folds": 5, "seed": 0})
        run_couples(list(product(GRID["C"], GRID["gamma"])))
        summarize(parent.info.run_id)
