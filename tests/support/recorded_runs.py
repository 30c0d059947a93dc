"""Ce qu'un magasin a reçu, sous une forme qui se compare d'un magasin à l'autre."""

import re

from mlflow import MlflowClient
from recording import recorded

WITHOUT_RUN = {"open_model", "annotate_runs", "copy_to_production", "plan_azure", "deploy_azure"}  # ils lisent, annotent ou copient


def depends_on_the_machine(metric: str) -> bool:
    """Une durée, un rapport de durées, un relevé du processeur ou du disque : jamais deux fois les mêmes."""
    return metric.endswith(("_seconds", "_ms", "cost_ratio")) or metric.startswith("system/")


def neutral(text: str) -> str:
    """Le même texte, où ce qui désigne un run, un modèle, un instant ou un dossier temporaire est devenu `*`."""
    return re.sub(r"[0-9a-f]{32}|/tmp\w{8}/|\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?", "*", text)


def described(run) -> tuple:
    """Un run : nom, statut, paramètres, métriques bit pour bit, sans celles de la machine."""
    parameters = sorted((name, neutral(value)) for name, value in run.data.params.items())
    metrics = sorted((name, value.hex()) for name, value in run.data.metrics.items() if not depends_on_the_machine(name))
    return neutral(run.info.run_name), run.info.status, parameters, metrics


def added(uri: str, known: set[str]) -> list:
    """Les runs d'un magasin ajoutés depuis le dernier appel, décrits et rangés."""
    client = MlflowClient(uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = [run for run in client.search_runs(experiments, max_results=50_000) if run.info.run_id not in known]
    known |= {run.info.run_id for run in found}
    return sorted(map(described, found))


def by_script(name: str, lesson: str) -> list:
    """Les runs que ce script a créés dans la séance enregistrée, décrits et rangés."""
    session = recorded(lesson)
    if name not in session.names():
        session = recorded(lesson, slow=True)
    return sorted(map(described, session.runs_of(name)))
