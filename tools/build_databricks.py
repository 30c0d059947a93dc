"""Les notebooks Databricks, produits depuis les scripts : `0X_*/databricks/**/*.py` et
`0X_*/0X_*.dbc`.

    uv run tools/build_databricks.py            écrit ce qui a changé
    uv run tools/build_databricks.py --check    nomme ce qui n'est plus à jour, sans rien écrire (code 1)

Un script de `0X_*/local/` est fait de cellules (`# %%`). Celles marquées `tags=["local"]` restent
locales, celle marquée `tags=["parameters"]` devient des widgets, un import d'un module voisin
devient un `%run`, une ligne `# databricks: CODE` devient CODE (après une instruction : la ligne
d'après). Les exercices et leurs solutions suivent les mêmes règles, chacun dans son dossier. Ce que
ces règles ne savent pas traduire est refusé, avec le fichier et la ligne : un notebook qui ferait
autre chose que son script serait pire qu'un notebook absent.
"""

import argparse
import io
import sys
import zipfile
from pathlib import Path

from forms.archive import write_archive
from forms.cells import Refused
from forms.notebook import notebooks
from forms.requirements import read_pins
from forms.source import to_source

ROOT = Path(__file__).resolve().parents[1]


def build(root: Path) -> dict[Path, bytes]:
    """Tout ce qui doit être produit : fichier -> contenu.

    Lève `Refused` si un script sort du contrat.
    """
    pins, made, reasons = read_pins(root), {}, []
    for lesson in sorted(path.parent for path in root.glob("0?_*/local")):
        try:
            contents = notebooks(lesson, pins)
        except Refused as refused:
            reasons.append(str(refused))
            continue
        if contents:
            made |= {
                lesson / "databricks" / f"{name}.py": to_source(cells).encode()
                for name, cells in contents.items()
            }
            made[lesson / f"{lesson.name}.dbc"] = write_archive(lesson.name, contents)
    if reasons:
        raise Refused("\n".join(reasons))
    return made


def same(path: Path, content: bytes) -> bool:
    """Les archives sont comparées décompressées : toutes les versions de zlib ne compriment pas de
    même.
    """
    if not path.exists():
        return False
    found = path.read_bytes()
    if path.suffix == ".dbc" and found != content and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(io.BytesIO(content)) as new:
            return old.namelist() == new.namelist() and all(
                old.read(name) == new.read(name) for name in new.namelist()
            )
    return found.replace(b"\r\n", b"\n") == content if path.suffix == ".py" else found == content


def main(root: Path = ROOT):
    parser = argparse.ArgumentParser(
        description="Produit les notebooks Databricks et les archives .dbc depuis les scripts."
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="ne rien écrire ; nommer ce qui n'est plus à jour, code 1",
    )
    args = parser.parse_args()
    try:
        made = build(root)
    except Refused as refused:
        sys.exit(str(refused))
    stale = [path for path, content in made.items() if not same(path, content)]
    orphans = [
        path
        for path in [*root.glob("0?_*/databricks/**/*.py"), *root.glob("0?_*/*.dbc")]
        if path not in made
    ]
    for path in sorted(stale + orphans):
        what = (
            "n'a plus de script"
            if path in orphans
            else "n'est plus à jour"
            if args.check
            else "écrit"
        )
        print(f"{path.relative_to(root).as_posix()} {what}")
    if args.check:
        sys.exit(1 if stale or orphans else 0)
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made[path])
    for path in orphans:
        path.unlink()
    print(
        f"{len(made)} fichiers : {len(stale)} écrits, {len(orphans)} effacés, les autres étaient à jour."
    )


if __name__ == "__main__":
    main()
