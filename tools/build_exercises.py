"""Les points de départ des exercices, `0X_*/exercises/*.py`, produits depuis les solutions,
`0X_*/solutions/*.py`.

    uv run tools/build_exercises.py            écrit ce qui a changé
    uv run tools/build_exercises.py --check    nomme ce qui n'est plus à jour, sans rien écrire (code 1)

Une solution s'écrit une fois ; ce qui est entre ses marques (`# solution : ...`, `# fin`) en est
retiré : voir `forms/exercises.py`. Écrire remplace ce qu'un lecteur aurait mis dans `exercises/` :
cette commande est pour qui modifie le cours.
"""

import argparse
import sys
from pathlib import Path

from forms.cells import Refused
from forms.exercises import starting_points

ROOT = Path(__file__).resolve().parents[1]


def main(root: Path = ROOT):
    parser = argparse.ArgumentParser(
        description="Produit les points de départ des exercices depuis leurs solutions."
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="ne rien écrire ; nommer ce qui n'est plus à jour, code 1",
    )
    args = parser.parse_args()
    try:
        made = starting_points(root)
    except Refused as refused:
        sys.exit(str(refused))
    stale = [
        path
        for path, content in made.items()
        if not path.exists() or path.read_bytes().replace(b"\r\n", b"\n") != content
    ]
    orphans = [path for path in root.glob("0?_*/exercises/ex_*.py") if path not in made]
    for path in sorted(stale + orphans):
        what = (
            "n'a plus de solution"
            if path in orphans
            else "n'est plus à jour"
            if args.check
            else "écrit"
        )
        print(f"{path.relative_to(root).as_posix()} {what}")
    if args.check:
        sys.exit(1 if stale or orphans else 0)
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(made[path])
    for path in orphans:
        path.unlink()
    print(
        f"{len(made)} points de départ : {len(stale)} écrits, {len(orphans)} effacés, les autres étaient à jour."
    )


if __name__ == "__main__":
    main()
