"""Les listes d'images, `Images/images.json` et `0X_*/Images/images.json` : ce que
tools/make_images.py doit faire.

Chaque entrée a un nom (`name`) et dit d'où l'image vient. Deux sortes :

1. `"figure": {"experiment", "run_name", "artifact"}` : une figure qu'un script a enregistrée,
   copiée du magasin.
2. `"page": "#/experiments/{experiment:NOM}/runs"` : une vue de l'interface. `{experiment:NOM}`,
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

`needs` : ce qui doit avoir tourné, dans l'ordre. Un script, par son nom sans numéro
(`"full_run"`), ou une commande, `"mlflow run 03_mlflow_project ..."`.

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
        """Ce qui doit avoir tourné, chaque commande en mots, les scripts par leur chemin.

        Lève `StopIteration` si un script n'existe pas.
        """
        told = [shlex.split(each) for each in self.entry.get("needs", [])]
        return [
            (first if first == "mlflow" else course.named(first).path, *others)
            for first, *others in told
        ]


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
