"""Ce qui se vérifie sans MLflow : le code d'un commit, rejoué ; les bibliothèques installées ; et
la figure des maillons.
"""

import json
import shutil
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from matplotlib.figure import Figure
from packaging.requirements import Requirement

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

# Dans un processus à part, avec les modules du commit : les mêmes métriques, au bit près, disent
# que c'était ce code.
REPLAY = """
import json, sys
sys.path.insert(0, sys.argv[1])
from wines import candidates, cross_validated, load_wines
wines = load_wines()
print(json.dumps({name: cross_validated(model, wines.X_train, wines.y_train) for name, model in candidates().items()}))
"""


def git(repository: Path, *arguments: str) -> str | None:
    """La sortie d'une commande git dans `repository`, ou None si elle échoue.

    Lève `SystemExit`, en une ligne, si git manque.
    """
    if shutil.which("git") is None:
        raise SystemExit(
            "git est introuvable : cette mesure en a besoin, voir https://git-scm.com."
        )
    ended = subprocess.run(
        ["git", "-C", str(repository), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    return ended.stdout if ended.returncode == 0 else None


def commit_time(repository: Path, commit: str) -> int | None:
    """L'heure du commit, en millisecondes, ou None s'il n'est pas dans le dépôt."""
    seconds = (
        git(repository, "show", "-s", "--format=%ct", f"{commit}^{{commit}}") if commit else None
    )
    return int(seconds) * 1000 if seconds else None


@cache
def replayed_metrics(repository: Path, commit: str) -> dict[str, dict[str, float]]:
    """Les métriques de chaque candidat, recalculées avec wines.py et splits.py de ce commit ; vide
    si ce n'est pas possible.
    """
    found = (git(repository, "ls-tree", "-r", "--name-only", commit) or "").splitlines()
    folder = next(
        (PurePosixPath(name).parent for name in found if name.endswith("local/wines.py")), None
    )
    if folder is None:
        return {}
    with TemporaryDirectory() as code:
        for name in ("wines.py", "splits.py"):
            text = git(repository, "show", f"{commit}:{folder / name}")
            if text is not None:
                Path(code, name).write_text(text, encoding="utf-8")
        ended = subprocess.run(
            [sys.executable, "-c", REPLAY, code], capture_output=True, text=True, check=False
        )
    return json.loads(ended.stdout) if ended.returncode == 0 else {}


def all_installed(requirements: str) -> bool:
    """Vrai si chaque ligne de `requirements` (le texte d'un requirements.txt) est installée ici, à
    la version demandée.
    """
    asked = [Requirement(line) for line in requirements.splitlines()]
    try:
        return bool(asked) and all(version(each.name) in each.specifier for each in asked)
    except PackageNotFoundError:
        return False


def broken(found: dict[str, bool]) -> str:
    """Le nom français des maillons de `found` qui ne tiennent pas, ou « aucun »."""
    return ", ".join(LINKS[link] for link, holds in found.items() if not holds) or "aucun"


def in_order(dates: list[int | None]) -> bool:
    """Vrai si aucune date ne manque et qu'elles se suivent."""
    return None not in dates and dates == sorted(dates)


def links_figure(rows: dict[str, dict[str, float]]) -> Figure:
    """Une ligne par entrée de `rows` (la part de chaque maillon, entre 0 et 1), une colonne par
    maillon de `LINKS`.
    """
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(
        [[float(share) for share in row.values()] for row in rows.values()],
        cmap="RdYlGn",
        vmin=-0.3,
        vmax=1.3,
        aspect="auto",
    )
    for line, row in enumerate(rows.values()):
        for column, share in enumerate(row.values()):
            axes.text(
                column,
                line,
                f"{100 * share:.0f} %" if line == 0 else "oui" if share else "non",
                ha="center",
                va="center",
            )
    axes.set(
        xticks=range(len(LINKS)),
        yticks=range(len(rows)),
        yticklabels=list(rows),
        title="Maillons retrouvés et vrais",
    )
    axes.set_xticklabels(LINKS.values(), rotation=45, ha="right")
    return figure
