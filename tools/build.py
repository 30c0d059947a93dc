"""Tout ce qui est produit depuis les scripts : exercices, notebooks Databricks et Jupyter, archives
`.dbc`, glossaire.

    uv run tools/build.py                                 écrit ce qui a changé
    uv run tools/build.py --check                         le nomme, sans rien écrire (code 1)
    uv run --group jupyter tools/build.py --execute       refait les sorties des notebooks Jupyter
    uv run --group jupyter tools/build.py --execute --lesson 01

Un script de `0X_*/local/` est fait de cellules (`# %%`). Celles marquées `tags=["local"]` restent
locales, celle marquée `tags=["parameters"]` devient des widgets, un import d'un module voisin
devient un `%run`, une ligne `# databricks: CODE` devient CODE, une expérience va sous `/Shared/`,
et autolog, que les runtimes ML activent d'eux-mêmes, est coupé sauf là où le script l'appelle.
Ce que ces règles ne savent pas traduire est refusé, avec le fichier et la ligne : un notebook qui
ferait autre chose que son script serait pire qu'un notebook absent.

Les notebooks Jupyter s'exécutent dans une copie du cours, dans l'ordre de lecture, avec un magasin
à elle ; les identifiants, les dates et les durées y deviennent `…`.
"""

import argparse
import io
import json
import sys
import tempfile
import zipfile
from pathlib import Path

from course import LESSONS
from forms import glossary
from forms.archive import write_archive
from forms.cells import Refused
from forms.exercises import starting_points
from forms.jupyter import Notebook, document, to_json
from forms.jupyter import notebooks as jupyter_notebooks
from forms.notebook import notebooks, to_source
from forms.requirements import read_pins

ROOT = Path(__file__).resolve().parents[1]
GENERATED = ("exercises/ex_*.py", "databricks/**/*.py", "*.dbc", "jupyter/*.ipynb")


def lesson_files(lesson: Path, pins: dict[str, str]) -> dict[Path, bytes]:
    """Ce qu'une leçon donne pour Databricks : fichier -> contenu. Lève `Refused`."""
    contents = notebooks(lesson, pins)
    made = {
        lesson / "databricks" / f"{name}.py": to_source(cells).encode()
        for name, cells in contents.items()
    }
    return made | (
        {lesson / f"{lesson.name}.dbc": write_archive(lesson.name, contents)} if made else {}
    )


def same(path: Path, content: bytes) -> bool:
    """Les archives sont comparées décompressées : toutes les versions de zlib ne compriment pas de
    même.
    """
    if not path.exists():
        return False
    found = path.read_bytes()
    if path.suffix == ".dbc" and found != content and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(io.BytesIO(content)) as new:
            names = new.namelist()
            return old.namelist() == names and all(
                old.read(name) == new.read(name) for name in names
            )
    return found.replace(b"\r\n", b"\n") == content if path.suffix == ".py" else found == content


def read(path: Path) -> dict:
    """Un notebook Jupyter déjà écrit, ses textes en un seul morceau ; ou un notebook vide."""

    def joined(value):
        if isinstance(value, dict):
            return {name: joined(each) for name, each in value.items()}
        if isinstance(value, list):
            texts = all(isinstance(each, str) for each in value)
            return "".join(value) if value and texts else [joined(each) for each in value]
        return value

    text = path.read_text(encoding="utf-8") if path.exists() else '{"cells": [], "metadata": {}}'
    return joined(json.loads(text))


def outputs_of(written: dict) -> list[list[dict]]:
    return [cell["outputs"] or [] for cell in written["cells"] if cell["cell_type"] == "code"]


def wrong(notebook: Notebook) -> str | None:
    """Ce qui ne va plus dans le notebook écrit, ou None."""
    written = read(notebook.path)
    if [(cell["cell_type"], cell["source"]) for cell in written["cells"]] != notebook.cells:
        return "n'est plus à jour"
    return None if written["metadata"]["cours"]["sources"] == notebook.sources else "est à exécuter"


def kept(notebook: Notebook) -> bytes:
    """Le notebook récrit ; ses sorties restent si rien de ce dont elles dépendent n'a changé."""
    written = read(notebook.path)
    outputs = outputs_of(written)
    same = written["metadata"].get("cours", {}).get("sources") == notebook.sources
    same &= len(outputs) == sum(kind == "code" for kind, _ in notebook.cells)
    return to_json(document(notebook, outputs if same else None)).encode()


def execute(chosen: list[Notebook], root: Path):
    """Refait toutes les sorties ; une figure inchangée à l'œil garde ses octets."""
    from forms.execution import copy_course
    from forms.execution import execute as executed
    from forms.outputs import Unstable, steady

    with tempfile.TemporaryDirectory() as folder:
        course, settings = Path(folder).resolve() / "cours", Path(folder) / "ipython"
        try:
            for notebook, new in executed(chosen, root, copy_course(root, course), settings):
                old, name = (
                    outputs_of(read(notebook.path)),
                    notebook.path.relative_to(root).as_posix(),
                )
                if wrong(notebook) is None and texts(old) != texts(new):
                    raise Unstable(f"{name} : son texte change alors que rien n'a changé")
                if len(old) == len(new):
                    new = [steady(after, before) for after, before in zip(new, old, strict=True)]
                write({notebook.path: to_json(document(notebook, new)).encode()})
                print(f"{name} exécuté", flush=True)
        except Unstable as reason:
            sys.exit(str(reason))


def texts(outputs: list[list[dict]]) -> list[list]:
    """Ce que chaque cellule écrit, figures à part."""
    return [
        [each.get("text", each.get("data", {}).get("text/plain")) for each in cell]
        for cell in outputs
    ]


def write(made: dict[Path, bytes]):
    for path, content in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def main(root: Path = ROOT):
    parser = argparse.ArgumentParser(description="Produit tout ce qui vient des scripts.")
    parser.add_argument("--check", action="store_true", help="nommer ce qui n'est plus à jour")
    parser.add_argument("--execute", action="store_true", help="refaire les sorties des notebooks")
    parser.add_argument("--lesson", choices=[name[:2] for name in LESSONS], help="une seule leçon")
    args = parser.parse_args()
    lessons = [root / name for name in LESSONS if args.lesson in (None, name[:2])]
    pins, made, chosen, reasons = read_pins(root), {}, [], []
    try:
        points = {
            path: text for path, text in starting_points(root).items() if path.parents[1] in lessons
        }
        stale = {path: text for path, text in points.items() if not same(path, text)}
        if not args.check:
            write(stale)  # leurs notebooks se lisent dans ces fichiers
    except Refused as refused:
        sys.exit(str(refused))
    for lesson in lessons:
        try:
            made |= lesson_files(lesson, pins)
            chosen += jupyter_notebooks(lesson, pins)
        except Refused as refused:
            reasons.append(str(refused))
    if reasons:
        sys.exit("\n".join(reasons))
    if args.lesson is None:
        try:
            made[root / "GLOSSAIRE.md"] = glossary.build(root).encode()
        except ValueError as lost:
            sys.exit(f"tools/glossary.txt : {lost}")
    stale |= {path: content for path, content in made.items() if not same(path, content)}
    told = {path: "n'est plus à jour" if args.check else "écrit" for path in stale}
    told |= {each.path: reason for each in chosen if (reason := wrong(each))}
    known = {*points, *made, *(each.path for each in chosen)}
    found = {path for lesson in lessons for pattern in GENERATED for path in lesson.glob(pattern)}
    orphans = found - known
    told |= {path: "n'a plus de script" for path in orphans}
    for path, what in sorted(told.items()):
        print(f"{path.relative_to(root).as_posix()} {what}")
    if args.check:
        sys.exit(1 if told else 0)
    write(stale)
    for path in orphans:
        path.unlink()
    if args.execute:
        execute(chosen, root)
    else:
        write({each.path: kept(each) for each in chosen if wrong(each)})


if __name__ == "__main__":
    main()
