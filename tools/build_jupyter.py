"""Les notebooks Jupyter, produits depuis les scripts, avec les sorties d'une vraie exécution :
`0X_*/jupyter/*.ipynb`.

    uv run tools/build_jupyter.py --check                     nomme ce qui n'est plus à jour, sans rien exécuter (code 1)
    uv run --group jupyter tools/build_jupyter.py             récrit le texte qui a changé ; garde les sorties encore vraies
    uv run --group jupyter tools/build_jupyter.py --execute   refait les sorties ; `--lesson 01` : d'une leçon

L'exécution a lieu dans une copie du cours, dans l'ordre de lecture, avec un magasin à elle. Une
cellule qui échoue ou qui avertit l'arrête. Les identifiants, les dates et les durées y deviennent
`…` : exécuter encore ne change rien au texte.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from course import LESSONS
from forms.cells import Refused
from forms.jupyter import Notebook, notebooks
from forms.requirements import read_pins

ROOT = Path(__file__).resolve().parents[1]


def read(path: Path) -> dict:
    """Un notebook déjà écrit, ou un notebook vide."""
    return (
        json.loads(path.read_text(encoding="utf-8"))
        if path.exists()
        else {"cells": [], "metadata": {}}
    )


def cells_of(written: dict) -> list[tuple[str, str]]:
    return [(cell["cell_type"], "".join(cell["source"])) for cell in written["cells"]]


def code_outputs(written: dict) -> list[list[dict]]:
    """Les sorties de chaque cellule de code, leurs textes en un seul morceau."""

    def joined(value):
        if isinstance(value, dict):
            return {name: joined(each) for name, each in value.items()}
        return "".join(value) if isinstance(value, list) else value

    return [
        [joined(output) for output in cell["outputs"]]
        for cell in written["cells"]
        if cell["cell_type"] == "code"
    ]


def texts(outputs: list[list[dict]]) -> list[list]:
    """Ce que chaque cellule écrit, figures à part."""
    return [
        [output.get("text", output.get("data", {}).get("text/plain")) for output in cell]
        for cell in outputs
    ]


def wrong(notebook: Notebook) -> str | None:
    """Ce qui ne va plus dans le notebook écrit, ou None."""
    written = read(notebook.path)
    if cells_of(written) != notebook.cells:
        return "n'est plus à jour"
    return None if written["metadata"]["cours"]["sources"] == notebook.sources else "est à exécuter"


def write(notebook: Notebook, outputs: list[list[dict]] | None) -> bool:
    """Écrit le notebook, et dit si un octet a changé."""
    import nbformat
    from forms.execution import document

    node = document(notebook, outputs)
    nbformat.validate(node)
    content = (nbformat.writes(node, ensure_ascii=False) + "\n").encode()
    if notebook.path.exists() and notebook.path.read_bytes() == content:
        return False
    notebook.path.parent.mkdir(exist_ok=True)
    notebook.path.write_bytes(content)
    return True


def rewrite(chosen: list[Notebook], root: Path):
    """Récrit les cellules qui ont changé ; les sorties restent si rien de ce dont elles dépendent
    n'a changé.
    """
    for notebook in filter(wrong, chosen):
        written = read(notebook.path)
        outputs = code_outputs(written)
        same = written["metadata"].get("cours", {}).get("sources") == notebook.sources
        same &= len(outputs) == sum(kind == "code" for kind, _ in notebook.cells)
        write(notebook, outputs if same else None)
        print(
            f"{notebook.path.relative_to(root).as_posix()} {'récrit' if same else 'écrit, à exécuter (--execute)'}"
        )


def execute(chosen: list[Notebook], root: Path):
    """Refait toutes les sorties ; une figure inchangée à l'œil garde ses octets."""
    from forms.execution import copy_course
    from forms.execution import execute as executed
    from forms.outputs import Unstable, steady
    from rich.console import Console
    from rich.progress import track

    with tempfile.TemporaryDirectory() as folder:
        course, settings = (
            copy_course(root, Path(folder).resolve() / "cours"),
            Path(folder) / "ipython",
        )
        console = Console(stderr=True)
        done = executed(chosen, root, course, settings)
        for notebook, outputs in track(
            done, "Notebooks", total=len(chosen), console=console, transient=True
        ):
            name = notebook.path.relative_to(root).as_posix()
            before = code_outputs(read(notebook.path))
            if wrong(notebook) is None and texts(before) != texts(outputs):
                raise Unstable(
                    f"{name} : son texte change alors que rien n'a changé (effacez ce notebook pour accepter le nouveau)"
                )
            if len(before) == len(outputs):
                outputs = [steady(new, old) for new, old in zip(outputs, before, strict=True)]
            changed = write(notebook, outputs)
            print(f"{name} {'exécuté' if changed else 'exécuté, rien ne change'}", flush=True)


def main(root: Path = ROOT):
    parser = argparse.ArgumentParser(
        description="Produit les notebooks Jupyter depuis les scripts."
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="ne rien écrire ni exécuter ; nommer ce qui n'est plus à jour, code 1",
    )
    parser.add_argument(
        "--execute", action="store_true", help="refaire les sorties, dans une copie du cours"
    )
    parser.add_argument(
        "--lesson", choices=[lesson[:2] for lesson in LESSONS], help="une seule leçon"
    )
    args = parser.parse_args()

    pins, chosen, reasons = read_pins(root), [], []
    for lesson in [lesson for lesson in LESSONS if args.lesson in (None, lesson[:2])]:
        try:
            chosen += notebooks(root / lesson, pins)
        except Refused as refused:
            reasons.append(str(refused))
    if reasons:
        sys.exit("\n".join(reasons))
    expected = {notebook.path for notebook in chosen}
    orphans = [
        path
        for path in root.glob(f"{args.lesson or '0?'}_*/jupyter/*.ipynb")
        if path not in expected
    ]
    if args.check:
        lines = [(notebook.path, reason) for notebook in chosen if (reason := wrong(notebook))]
        for path, reason in sorted([*lines, *((path, "n'a plus de script") for path in orphans)]):
            print(f"{path.relative_to(root).as_posix()} {reason}")
        sys.exit(1 if lines or orphans else 0)
    for path in orphans:
        path.unlink()
    if args.execute:
        from forms.outputs import Unstable

        try:
            execute(chosen, root)
        except Unstable as reason:
            sys.exit(str(reason))
    else:
        rewrite(chosen, root)


if __name__ == "__main__":
    main()
