"""Les listes d'images, `Images/images.json` et `0X_*/Images/images.json` : ce que
tools/make_images.py doit faire.

Chaque entrée a un nom (`name`) et dit d'où l'image vient. Trois sortes :

1. `"drawn_by": "draw_components"` : un module de tools/, dont la fonction `draw(chemin)` l'écrit.
2. `"figure": {"experiment", "run_name", "artifact"}` : une figure qu'un script a enregistrée,
   copiée du magasin.
3. `"page": "#/experiments/{experiment:NOM}/runs"` : une vue de l'interface. `{experiment:NOM}`,
   `{run:EXPÉRIENCE/NOM}` et `{model:EXPÉRIENCE/NOM}` deviennent les identifiants (du plus récent de
   ce nom). Avec elle :
   - `steps` : les clics numérotés du README, mot pour mot ; `clicks` : les mêmes, pour le
     navigateur (voir plus bas) ;
   - `shows` : ce qui doit être à l'écran à la fin, une liste de textes (ou de cibles) ; sinon
     l'image est refusée ;
   - `counts` : `{"sélecteur css": n}`, au moins n éléments de cette sorte (les points d'un nuage) ;
   - `mark` : une liste de cibles, encadrées de rouge et numérotées ;
   - `crop` : `[x, y, largeur, hauteur]` en pixels de la fenêtre, ou une liste de cibles que l'image
     doit contenir ;
   - `"before_step_one": true` : dans un navigateur qui ne sait rien encore (sinon : *Model
     training* choisi, Assistant fermé) ;
   - `window` : la taille de la fenêtre, `[1280, 800]` sans autre précision.

`needs` : ce qui doit avoir tourné, dans l'ordre. Un script de la leçon, par son nom
(`"promote --rollback"`) ; d'une autre leçon, par son chemin ; ou une commande,
`"mlflow run 03_mlflow_project ..."`.

Une cible : `{"text": "exactement"}` (ou ce texte seul), `{"contains": ...}`,
`{"role": "button", "name": ...}`, `{"label": ...}`, `{"placeholder": ...}`, `{"css": ...}` ; et
`"nth": 1` (la deuxième visible), `"exact": true`, `"within": cible`. Un clic : une cible, et au
plus l'un de `"fill": "texte"`, `"press": "Enter"`, `"hover": true`, `"wait": true`,
`"scroll": true`, `"drag": [dx, dy]` ; avec `"optional": true`, on s'en passe si la cible n'est pas
là au bout de trois secondes.
"""

import json
import shlex
from pathlib import Path
from typing import NamedTuple

import course

ROOT = Path(__file__).resolve().parents[1]


class Picture(NamedTuple):
    """Une entrée de images.json : le dossier de la liste, et l'entrée telle quelle."""

    folder: str
    entry: dict

    @property
    def name(self) -> str:
        return self.entry["name"]

    @property
    def path(self) -> str:
        """Depuis la racine du dépôt."""
        return f"{self.folder}/{self.name}"

    @property
    def commands(self) -> list[tuple[str, ...]]:
        """Ce qui doit avoir tourné, chaque commande en mots, les scripts par leur chemin."""
        lesson = self.folder.removesuffix("/Images").removesuffix("Images")
        return [complete(shlex.split(each), lesson) for each in self.entry.get("needs", [])]


def complete(words: list[str], lesson: str) -> tuple[str, ...]:
    """`["promote", "--rollback"]` -> `("04_.../local/02_promote.py", "--rollback")` ; une commande
    `mlflow` reste telle quelle.
    """
    first, *others = words
    if first != "mlflow" and "/" not in first:
        first = f"{lesson}/local/{first}.py"
    if first != "mlflow" and not (ROOT / first).is_file():
        raise SystemExit(f"images.json demande {first}, qui n'existe pas.")
    return (first, *others)


def pictures() -> list[Picture]:
    """Toutes les images que les listes demandent, la racine d'abord."""
    found = []
    for folder in ("Images", *(f"{lesson}/Images" for lesson in course.LESSONS)):
        path = ROOT / folder / "images.json"
        if path.is_file():
            found += [
                Picture(folder, entry) for entry in json.loads(path.read_text(encoding="utf-8"))
            ]
    return found


def lesson_of(picture: Picture) -> str:
    """La leçon d'une image, telle que `--lesson` la nomme : `01`, ou `00` à la racine."""
    return picture.folder[:2] if picture.folder[0] == "0" else "00"


def position(picture: Picture) -> int:
    """Le rang, dans le cours, du dernier script que l'image demande."""
    paths = [script.path for script in course.SCRIPTS]
    return max(
        (paths.index(script) for script, *_ in picture.commands if script in paths), default=-1
    )
