"""Le plan du cours : les scripts, dans l'ordre que disent leurs noms, et la durée qu'ils annoncent.

L'ordre est celui des fichiers (`01_first_run.py`, `02_autolog.py`, ...), le tronc commun d'abord.
Tout le reste lit cette liste ; `tools/renumber.py` insère un script ou en change l'ordre.
"""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
# les besoins que satisfait un groupe facultatif de pyproject.toml
GROUPS = ("spark", "azure", "team")

# leçon -> combien de scripts sont du tronc commun ; les suivants peuvent attendre (PLUS_LOIN.md)
CORE = {
    "01_tracking_supervised": 8,
    "02_tracking_unsupervised": 4,
    "03_mlflow_project": 3,
    "04_model_registry_azureml": 4,
}
LESSONS = tuple(CORE)

# script -> sa durée annoncée, en secondes, et ce qu'il lui faut en plus (voir `run_course.missing`)
PLAN: dict[str, tuple] = {
    "first_run": (5,),
    "autolog": (15,),
    "full_run": (20,),
    "open_model": (5,),
    "svm_sweep": (15,),
    "compare_models": (15,),
    "search_runs": (5,),
    "annotate_runs": (5,),
    "rich_run": (10,),
    "resume_sweep": (20,),
    "delete_restore": (20,),
    "store_life": (30,),
    "measure_tracking": (20,),
    "svm_sweep_spark": (60, "spark", "java"),
    "kmeans_sweep": (10,),
    "autoencoder": (20, "tensorflow"),
    "checkpoints": (20, "tensorflow"),
    "compare_representations": (45, "tensorflow"),
    "system_metrics": (45, "tensorflow"),
    "measure_storage": (30,),
    "team_server": (20, "team", "server"),
    "accounts": (5, "team", "server"),
    "move_store": (15, "team", "server"),
    "measure_server": (240, "team"),
    "run_project": (20,),
    "run_from_git": (20, "git"),
    "predict_new": (15,),
    "model_from_code": (10,),
    "locked_environment": (15, "uv"),
    "measure_reproducibility": (120, "git", "uv"),
    "register_models": (10,),
    "promote": (15,),
    "serve": (30,),
    "deploy_local": (30, "uv"),
    "gate": (30,),
    "copy_to_production": (5,),
    "webhook": (30,),
    "rehearse": (60, "uv"),
    "plan_azure": (5,),
    "deploy_azure": (10, "azure"),
    "measure_traceability": (30, "git"),
    "measure_history": (5,),
    "measure_transparency": (5,),
}

SPOKEN = {
    5: "Cinq secondes", 10: "Dix secondes", 15: "Quinze secondes", 20: "Vingt secondes",
    30: "Trente secondes", 45: "Quarante-cinq secondes", 60: "Une minute",
    90: "Une minute et demie", 120: "Deux minutes", 180: "Trois minutes", 240: "Quatre minutes",
}  # fmt: skip


def bare(stem: str) -> str:
    """Un nom de fichier sans son numéro : `02_full_run` -> `full_run`."""
    return re.sub(r"^\d\d_", "", stem)


class Script(NamedTuple):
    """Un script : `path`, depuis la racine du dépôt, et ce que `PLAN` en dit."""

    path: str
    seconds: int
    needs: tuple[str, ...] = ()

    @property
    def lesson(self) -> str:
        return self.path.split("/")[0]

    @property
    def stem(self) -> str:
        """Le nom de son fichier : `02_full_run`."""
        return Path(self.path).stem

    @property
    def name(self) -> str:
        """Son nom, sans le numéro : `full_run`."""
        return bare(self.stem)

    @property
    def core(self) -> bool:
        """S'il est du tronc commun de sa leçon."""
        return "/local/" in self.path and int(self.stem[:2]) <= CORE[self.lesson]

    @property
    def number(self) -> str:
        """Sa place, comme son titre : « Leçon 1, script 2 », « Leçon 2, équipe, script 1 »."""
        room = "" if "/local/" in self.path else "équipe, "
        return f"Leçon {int(self.lesson[:2])}, {room}script {int(self.stem[:2])}"

    @property
    def command(self) -> str:
        """Ce qu'il faut taper, à la racine : `uv run --group azure 04_.../10_deploy_azure.py`."""
        return " ".join(["uv run", *(f"--group {group}" for group in self.groups), self.path])

    @property
    def groups(self) -> list[str]:
        return [need for need in self.needs if need in GROUPS]


def read(root: Path = ROOT) -> tuple[Script, ...]:
    """Les scripts de `root`, dans l'ordre de lecture ; ceux de `local/` avant ceux de `team/`.

    Lève `SystemExit`, en une ligne, si un script n'est pas dans `PLAN`.
    """
    paths = [
        path for room in ("local", "team") for path in root.glob(f"0?_*/{room}/[0-9][0-9]_*.py")
    ]
    unknown = [path.name for path in paths if bare(path.stem) not in PLAN]
    if unknown:
        raise SystemExit(f"Sans durée dans PLAN, de tools/course.py : {', '.join(sorted(unknown))}")
    paths.sort(key=lambda path: (path.parts[-3], path.parts[-2], path.name))
    planned = [(path, *PLAN[bare(path.stem)]) for path in paths]
    return tuple(
        Script(path.relative_to(root).as_posix(), seconds, tuple(needs))
        for path, seconds, *needs in planned
    )


SCRIPTS = read()


def named(name: str) -> Script:
    """Le script de ce nom, sans numéro. Lève `StopIteration` s'il n'existe pas."""
    return next(script for script in SCRIPTS if script.name == name)


def spoken(seconds: int) -> str:
    """La durée telle que l'en-tête d'un script la dit : 20 -> « Vingt secondes ».

    Lève `KeyError` hors de `SPOKEN`.
    """
    return SPOKEN[seconds]


def after(script: Script) -> Script | None:
    """Le script du tronc commun qui vient ensuite, dans cette leçon ou la prochaine.

    None après le dernier du cours, et après un script qui peut attendre.
    """
    core = [each for each in SCRIPTS if each.core]
    following = core[core.index(script) + 1 :] if script in core else []
    return following[0] if following else None
