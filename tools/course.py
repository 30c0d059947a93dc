"""Le plan du cours : les scripts dans l'ordre de lecture, et la durée que chacun annonce.

Tout le reste lit cette liste.
"""

from typing import NamedTuple


# les besoins que satisfait un groupe facultatif de pyproject.toml
GROUPS = ("spark", "azure", "team")


class Script(NamedTuple):
    """`seconds` : la durée annoncée, environnement prêt.

    `needs` : ce qu'il faut en plus (voir `run_course.missing`).
    """

    lesson: str
    name: str
    seconds: int
    needs: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Depuis la racine du dépôt : `01_tracking_supervised/local/first_run.py`."""
        return f"{self.lesson}/local/{self.name}.py"

    @property
    def number(self) -> str:
        """Sa place dans sa leçon, comme son titre la dit : « Leçon 1, script 2 »."""
        place = [each.name for each in SCRIPTS if each.lesson == self.lesson].index(self.name) + 1
        return f"Leçon {int(self.lesson[:2])}, script {place}"

    @property
    def command(self) -> str:
        """Ce qu'il faut taper, à la racine : `uv run --group azure 04_.../local/deploy_azure.py`."""
        return " ".join(["uv run", *(f"--group {group}" for group in self.groups), self.path])

    @property
    def groups(self) -> list[str]:
        return [need for need in self.needs if need in GROUPS]


SCRIPTS = (
    Script("01_tracking_supervised", "first_run", 5),
    Script("01_tracking_supervised", "full_run", 10),
    Script("01_tracking_supervised", "open_model", 5),
    Script("01_tracking_supervised", "svm_sweep", 15),
    Script("01_tracking_supervised", "resume_sweep", 20),
    Script("01_tracking_supervised", "compare_models", 30),
    Script("01_tracking_supervised", "search_runs", 5),
    Script("01_tracking_supervised", "rich_run", 10),
    Script("01_tracking_supervised", "annotate_runs", 5),
    Script("01_tracking_supervised", "delete_restore", 20),
    Script("01_tracking_supervised", "store_life", 30),
    Script("01_tracking_supervised", "measure_tracking", 20),
    Script("01_tracking_supervised", "svm_sweep_spark", 60, ("spark", "java")),
    Script("02_tracking_unsupervised", "kmeans_sweep", 10),
    Script("02_tracking_unsupervised", "autoencoder", 20, ("tensorflow",)),
    Script("02_tracking_unsupervised", "checkpoints", 20, ("tensorflow",)),
    Script("02_tracking_unsupervised", "compare_representations", 30, ("tensorflow",)),
    Script("02_tracking_unsupervised", "system_metrics", 45, ("tensorflow",)),
    Script("02_tracking_unsupervised", "measure_storage", 30),
    Script("02_tracking_unsupervised", "team_server", 20, ("team", "server")),
    Script("02_tracking_unsupervised", "move_store", 15, ("team", "server")),
    Script("02_tracking_unsupervised", "measure_server", 240, ("team",)),
    Script("03_mlflow_project", "run_project", 20),
    Script("03_mlflow_project", "run_from_git", 20, ("git",)),
    Script("03_mlflow_project", "predict_new", 15),
    Script("03_mlflow_project", "model_from_code", 10),
    Script("03_mlflow_project", "locked_environment", 15, ("uv",)),
    Script("03_mlflow_project", "measure_reproducibility", 120, ("git",)),
    Script("04_model_registry_azureml", "register_models", 10),
    Script("04_model_registry_azureml", "promote", 15),
    Script("04_model_registry_azureml", "gate", 30),
    Script("04_model_registry_azureml", "copy_to_production", 5),
    Script("04_model_registry_azureml", "webhook", 30),
    Script("04_model_registry_azureml", "serve", 30),
    Script("04_model_registry_azureml", "rehearse", 60, ("uv",)),
    Script("04_model_registry_azureml", "deploy_local", 30, ("uv",)),
    Script("04_model_registry_azureml", "plan_azure", 5),
    Script("04_model_registry_azureml", "deploy_azure", 10, ("azure",)),
    Script("04_model_registry_azureml", "measure_traceability", 30, ("git",)),
    Script("04_model_registry_azureml", "measure_history", 5),
    Script("04_model_registry_azureml", "measure_transparency", 5),
)

LESSONS = tuple(dict.fromkeys(script.lesson for script in SCRIPTS))

SPOKEN = {
    5: "Cinq secondes", 10: "Dix secondes", 15: "Quinze secondes", 20: "Vingt secondes", 30: "Trente secondes",
    45: "Quarante-cinq secondes", 60: "Une minute", 90: "Une minute et demie", 120: "Deux minutes", 180: "Trois minutes",
    240: "Quatre minutes",
}  # fmt: skip


def spoken(seconds: int) -> str:
    """La durée telle que l'en-tête d'un script la dit : 20 -> « Vingt secondes ».

    Lève `KeyError` hors de `SPOKEN`.
    """
    return SPOKEN[seconds]


def after(script: Script) -> Script | None:
    """Le script suivant, ou None après le dernier."""
    position = SCRIPTS.index(script) + 1
    return SCRIPTS[position] if position < len(SCRIPTS) else None
