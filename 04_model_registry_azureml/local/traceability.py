"""Pour 11_measure_traceability.py : les maillons, leur figure, le code d'un commit rejoué."""

import os
import runpy
import shutil
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from matplotlib.figure import Figure

# Les maillons d'une prédiction à son origine, et leur nom en français.
LINKS = {
    "model": "modèle",
    "version": "version",
    "run": "run",
    "commit": "commit",
    "data": "données",
    "parameters": "paramètres",
    "metrics": "métriques",
    "environment": "environnement",
    "author": "auteur",
    "time": "dates",
}
DAMAGES = {
    "changed_answer": "une réponse changée",
    "false_time": "une heure fausse",
    "one_value_changed": "un vin changé",
    "dirty_tree": "du code hors commit",
    "no_run": "pas de run",
}


def git(code: Path, *arguments: str) -> str | None:
    """La sortie d'une commande git lancée dans le dossier `code`, ou None si elle échoue."""
    ended = subprocess.run(
        ["git", *arguments], cwd=code, capture_output=True, encoding="utf-8", check=False
    )
    return ended.stdout if ended.returncode == 0 else None


def commit_time(code: Path, commit: str) -> int | None:
    """L'heure du commit, en millisecondes, ou None s'il n'est pas dans le dépôt de `code`."""
    seconds = git(code, "show", "-s", "--format=%ct", commit)
    return int(seconds) * 1000 if seconds else None


@cache
def replayed_metrics(code: Path, commit: str) -> dict[str, dict[str, float]]:
    """Les métriques de chaque candidat, recalculées avec le wines.py de ce commit ; vide s'il n'y
    est pas.

    Égales au bit près à celles d'un run, elles disent que c'était bien ce code.
    """
    text = git(code, "show", f"{commit}:./wines.py")
    if text is None:
        return {}
    with TemporaryDirectory() as folder:
        Path(folder, "wines.py").write_text(text, encoding="utf-8")
        then = runpy.run_path(f"{folder}/wines.py")
    data = then["load_wines"]()
    return {
        name: then["cross_validated"](model, data.X_train, data.y_train)
        for name, model in then["candidates"]().items()
    }


def installed(requirements: Path) -> bool:
    """Vrai si chaque ligne `nom==version` de ce fichier est installée ici, à cette version."""
    here = {f"{each.name}=={each.version}" for each in metadata.distributions()}
    return set(requirements.read_text(encoding="utf-8").split()) <= here


def register_without_commit(folder: Path, store: str) -> Path:
    """Copie la leçon dans un dépôt Git neuf, sous `folder`, en fait un commit, réduit les forêts de
    wines.py à 5 arbres SANS commit, et lance 01_register_models.py, dans le magasin `store`.

    Renvoie le dossier de la copie. Lève `CalledProcessError` si une commande échoue.
    """
    code = folder / "lesson" / "local"
    shutil.copytree(Path(__file__).parent, code, ignore=shutil.ignore_patterns("__pycache__"))
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@localhost"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "propre"]):
        subprocess.run([*git, *command], cwd=code, check=True)
    wines = code / "wines.py"
    text = wines.read_text(encoding="utf-8").replace("n_estimators=50", "n_estimators=5")
    wines.write_text(text, encoding="utf-8")
    register = [sys.executable, str(code / "01_register_models.py")]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": store}
    subprocess.run(register, cwd=folder, env=environment, check=True, capture_output=True)
    return code


def links_figure(rows: dict[str, dict[str, float]]) -> Figure:
    """Une ligne par entrée de `rows` (la part de chaque maillon, entre 0 et 1), une colonne par
    maillon de `LINKS`.
    """
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.add_subplot()
    shares = [[float(share) for share in row.values()] for row in rows.values()]
    axes.imshow(shares, cmap="RdYlGn", vmin=-0.3, vmax=1.3, aspect="auto")
    for line, row in enumerate(shares):
        for column, share in enumerate(row):
            text = f"{100 * share:.0f} %" if line == 0 else "oui" if share else "non"
            axes.text(column, line, text, ha="center", va="center")
    axes.set(xticks=range(len(LINKS)), yticks=range(len(rows)), yticklabels=list(rows))
    axes.set_xticklabels(LINKS.values(), rotation=45, ha="right")
    axes.set_title("Maillons retrouvés et vrais")
    return figure
