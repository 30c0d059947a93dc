"""Ce qu'un magasin a reçu, sous une forme qui se compare d'un magasin à l'autre."""

import re

from mlflow import MlflowClient
from recording import recorded

from course import Script

# ils lisent, annotent ou copient
WITHOUT_RUN = {"open_model", "annotate_runs", "copy_to_production", "plan_azure", "deploy_azure"}


def depends_on_the_machine(metric: str) -> bool:
    """Une durée, un rapport de durées, un relevé du processeur ou du disque : jamais deux fois les
    mêmes.
    """
    timed = ("_seconds", "_ms", "_time", "cost_ratio")
    return metric.endswith(timed) or metric.startswith("system/")


def neutral(text: str) -> str:
    """Le même texte, où ce qui désigne un run, un modèle, un instant ou un dossier temporaire est
    devenu `*`.
    """
    return re.sub(r"[0-9a-f]{32}|/tmp\w{8}/|\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?", "*", text)


def described(run) -> tuple:
    """Un run : nom, statut, paramètres, métriques bit pour bit, sans celles de la machine."""
    parameters = sorted((name, neutral(value)) for name, value in run.data.params.items())
    metrics = sorted(
        (name, value.hex())
        for name, value in run.data.metrics.items()
        if not depends_on_the_machine(name)
    )
    # autolog tire au hasard le nom des enfants d'une grille
    name = "*" if "mlflow.autologging" in run.data.tags else neutral(run.info.run_name)
    return name, run.info.status, parameters, metrics


def appeared(uri: str, known: set[str]) -> list[str]:
    """Les runs d'un magasin apparus depuis le dernier appel."""
    client = MlflowClient(uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = [
        run.info.run_id
        for run in client.search_runs(experiments, max_results=50_000)
        if run.info.run_id not in known
    ]
    known.update(found)
    return found


def described_runs(uri: str, run_ids: list[str]) -> list[tuple]:
    return sorted(described(MlflowClient(uri).get_run(run_id)) for run_id in run_ids)


def check_against_scripts(uri: str, made: dict[Script, list[str]]) -> None:
    """Les runs que ces scripts, sous une autre forme, ont créés dans `uri` sont ceux de la séance
    enregistrée, bit pour bit.
    """
    for script, run_ids in made.items():
        session = recorded(script.lesson)
        if script.name not in session.names():
            session = recorded(script.lesson, slow=True)
        here, there = (
            sorted(map(described, session.runs_of(script.name))),
            described_runs(uri, run_ids),
        )
        assert there == here, (
            f"{script.name}, par son script :\n{here}\net sous cette forme :\n{there}"
        )
        assert bool(there) == (script.name not in WITHOUT_RUN), script.name
