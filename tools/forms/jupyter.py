"""Le notebook Jupyter d'un script : les mêmes cellules, locales comprises ; les modules s'importent
de `../local`.
"""

import ast
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from course import SCRIPTS, after, spoken
from course import Script as Planned
from forms.arguments import jupyter_cell, read_arguments
from forms.cells import Refused, Script, read_lesson
from forms.contract import check
from forms.kept import kept_code, kept_markdown, useful_names
from forms.requirements import requirements

FORM = "jupyter"
# un lien en tient lieu
NEXT = re.compile(r'^ *print\(f?"[^"]*Ensuite : uv run [^"]*"\)\n?', re.MULTILINE)
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


@dataclass
class Notebook:
    script: Path
    cells: list[tuple[str, str]]  # ("markdown" ou "code", texte)
    sources: str  # l'empreinte de tout ce dont dépendent ses sorties

    @property
    def path(self) -> Path:
        return self.script.parents[1] / "jupyter" / f"{self.script.stem}.ipynb"


def notebooks(lesson: Path, pins: dict[str, str]) -> list[Notebook]:
    """Les notebooks d'une leçon, dans l'ordre de lecture.

    Lève `Refused`, toutes raisons réunies.
    """
    siblings, found, reasons = read_lesson(lesson), [], []
    planned = [
        each
        for each in SCRIPTS
        if each.lesson == lesson.name and each.stem in siblings and siblings[each.stem].has(FORM)
    ]
    for each in planned:
        script, following = siblings[each.stem], after(each)
        try:
            check(script, siblings)
            cells = notebook_cells(script, each, following if following in planned else None)
            found.append(Notebook(script.path, cells, fingerprint(script, siblings, pins)))
        except Refused as refused:
            reasons.append(str(refused))
    if reasons:
        raise Refused("\n".join(dict.fromkeys(reasons)))
    return found


def notebook_cells(
    script: Script, planned: Planned, following: Planned | None
) -> list[tuple[str, str]]:
    arguments = read_arguments(script.parameters())
    options = {argument.name for argument in arguments}
    useful = useful_names(script, [cell for cell in script.cells if cell.tag != "parameters"])
    note = f"<!-- Généré depuis local/{script.path.name} par tools/build.py. -->"
    cells = [("markdown", f"{kept_markdown(script.cells[0], options)}\n\n{note}")]
    cells += [("markdown", how_to_open(script, planned)), ("code", first_code(script))]
    for cell in script.cells[1:]:
        if cell.tag == "parameters":
            cells.append(("code", jupyter_cell(arguments)))
        elif cell.kind == "code":
            text = kept_code(cell, useful)
            cells.append(("code", quiet(NEXT.sub("", text).strip("\n") if cell.tag else text)))
        elif not cell.tag:
            cells.append(("markdown", kept_markdown(cell, options)))
    if following:
        cells.append(("markdown", f"**Ensuite** : [{following.stem}]({following.stem}.ipynb)"))
    return [(kind, text) for kind, text in cells if text]


def quiet(text: str) -> str:
    """Le code, suivi de `;` quand Jupyter afficherait la valeur de sa dernière ligne, que le script
    n'affiche pas.
    """
    body = ast.parse(text).body
    shown = body and isinstance(body[-1], ast.Expr)
    if not shown or ast.unparse(body[-1]).startswith(("print(", "display(", "open_store(")):
        return text
    lines = text.split("\n")
    line = lines[body[-1].end_lineno - 1].encode()
    end = body[-1].end_col_offset  # en octets
    lines[body[-1].end_lineno - 1] = (line[:end] + b";" + line[end:]).decode()
    return "\n".join(lines)


def how_to_open(script: Script, planned: Planned) -> str:
    """Ce qui tient lieu de la commande à taper."""
    groups = " ".join(f"--group {group}" for group in (FORM, *planned.groups))
    path = f"{script.lesson}/jupyter/{script.name}.ipynb"
    pictures = sorted((script.path.parents[1] / "Images").glob(f"*{planned.name}*.png"))
    page = f"../Images/{pictures[0].name}" if pictures else "../README.md"
    return (
        f"Pour l'ouvrir, à la racine du dépôt : `uv run {groups} jupyter lab {path}`, ou VS Code.\n"
        f"{spoken(planned.seconds)}. Ses runs vont dans le magasin du dépôt. Pour les voir, dans un"
        " terminal : `uv run mlflow ui`, puis"
        f" http://127.0.0.1:5000 ([ce que la page montre]({page}))."
    )


def first_code(script: Script) -> str:
    """Les modules de la leçon, et le nom que MLflow note avec chaque run, comme le commit."""
    names = {name for cell in script.cells for name in cell.names.read}
    notebook = f"{script.lesson}/jupyter/{script.name}.ipynb"
    lines = [
        "%cd -q ../local",
        f'import store, sys; sys.argv[0] = f"{{store.ROOT}}/{notebook}"',
    ]
    if "__file__" in names:
        lines.append(f'__file__ = f"{{store.ROOT}}/{script.lesson}/local/{script.path.name}"')
    return "\n".join(lines)


def fingerprint(script: Script, siblings: dict[str, Script], pins: dict[str, str]) -> str:
    """Ce dont dépendent les sorties : le code du script et de ce qu'il importe, les versions.

    Ni le texte ni les commentaires.
    """
    lesson, todo, seen = script.path.parents[1], [script.path], {}
    while todo:
        path = todo.pop()
        seen[path.relative_to(lesson).as_posix()] = code_lines(path)
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        names = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
        for name in names & siblings.keys():
            if f"local/{name}.py" not in seen:
                todo.append(siblings[name].path)
    for path in [*lesson.glob("*.py"), *lesson.glob("MLproject")]:  # le projet de la leçon 3
        seen[path.name] = code_lines(path)
    described = [sorted(seen.items()), requirements(script, siblings, pins)]
    return hashlib.sha256(json.dumps(described, ensure_ascii=False).encode()).hexdigest()


def code_lines(path: Path) -> list[str]:
    lines = [line.rstrip() for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line and not line.lstrip().startswith("#")]


def document(notebook: Notebook, outputs: list[list[dict]] | None = None) -> dict:
    """Le notebook au format 4.5 ; `outputs` : les sorties de chaque cellule de code."""
    remaining, count, cells = iter(outputs or []), 0, []
    for number, (kind, text) in enumerate(notebook.cells, start=1):
        cell = {"cell_type": kind, "id": f"cellule-{number}", "metadata": {}, "source": text}
        if kind == "code":
            count += 1
            done = outputs is not None
            cell |= {"execution_count": count if done else None}
            cell |= {"outputs": next(remaining) if done else []}
        cells.append(cell)
    metadata = {"cours": {"sources": notebook.sources if outputs is not None else ""}, **METADATA}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def to_json(node: dict) -> str:
    """Le texte d'un notebook, ses textes coupés en lignes comme Jupyter les écrit."""

    def cut(value, key=""):
        if isinstance(value, dict):
            return {name: cut(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [cut(each) for each in value]
        many = key in ("source", "text", "text/plain", "text/html")
        return value.splitlines(keepends=True) if many and isinstance(value, str) else value

    return json.dumps(cut(node), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
