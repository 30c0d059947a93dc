"""Le notebook Databricks d'un script : ses cellules, du Python ou une magie (`%md`, `%pip`,
`%run`), et le format `.py` qu'un dossier Git de Databricks reconnaît.
"""

import ast
from pathlib import Path

from course import SCRIPTS
from forms.arguments import databricks_cell, read_arguments
from forms.cells import Cell, Refused, Script, read_lesson
from forms.contract import check, check_collisions, sibling_imports
from forms.kept import kept_code, kept_markdown, useful_names
from forms.requirements import requirements

FORM = "databricks"
# ont leurs notebooks dans un dossier à eux, à côté des modules de la leçon
APART = ("exercises", "solutions")
FIRST_LINE = "# Databricks notebook source"
SEPARATOR = "\n\n# COMMAND ----------\n\n"
NO_AUTOLOG = """import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes"""


def notebooks(lesson: Path, pins: dict[str, str]) -> dict[str, list[str]]:
    """nom -> cellules, pour chaque script de la leçon qui a un notebook.

    Un exercice se nomme avec son dossier : `exercises/ex_01_1_scaler`. Lève `Refused`, toutes
    raisons réunies.
    """
    siblings, found, reasons = read_lesson(lesson), {}, []
    apart = {
        f"{folder}/{name}": script
        for folder in APART
        for name, script in read_lesson(lesson, folder).items()
    }
    for name, script in (siblings | apart).items():
        try:
            if script.has(FORM):
                found[name] = notebook(script, siblings, pins)
        except Refused as refused:
            reasons.append(str(refused))
    if reasons:
        raise Refused("\n".join(dict.fromkeys(reasons)))
    return found


def notebook(script: Script, siblings: dict[str, Script], pins: dict[str, str]) -> list[str]:
    check(script, siblings)
    check_collisions(script, siblings)
    arguments = read_arguments(script.parameters())
    options = {argument.name for argument in arguments}
    useful = useful_names(script, script.code()) | {argument.type for argument in arguments}
    folder, done = script.path.parent.name, set()
    note = f"<!-- Généré depuis {folder}/{script.path.name} par tools/build.py. -->"
    cells = [f"%md\n{note}\n{kept_markdown(script.cells[0], options)}"]
    if not is_module(script, siblings) and (needed := requirements(script, siblings, pins)):
        cells.append(f"%pip install {' '.join(needed)}\ndbutils.library.restartPython()")
        if pins.get("mlflow") in needed and ".autolog(" not in "".join(
            cell.text for cell in script.code()
        ):
            cells.append(NO_AUTOLOG)
    for cell in script.cells[1:]:
        if cell.tag == "parameters":
            cells.append(databricks_cell(arguments))
        elif cell.kind == "markdown" and not cell.tag:
            cells.append(f"%md\n{kept_markdown(cell, options)}")
        elif not cell.tag:
            nodes = [node for node in cell.tree.body if isinstance(node, ast.ImportFrom)]
            modules = {node.module: None for node in nodes if node.module in siblings}
            here = ".." if folder in APART else "."
            cells += [f"%run {here}/{module}" for module in modules if module not in done]
            done |= modules.keys()
            cells += filter(None, [code(cell, useful, siblings)])
    if following := next_notebook(script, siblings):
        cells.append(f"%md\n**Ensuite** : [{following}]($./{following})")
    return cells


def is_module(script: Script, siblings: dict[str, Script]) -> bool:
    """Si un autre notebook l'exécute par `%run` : installer effacerait ses variables à lui."""
    others = [each for each in siblings.values() if each.has(FORM)]
    return any(script.name in sibling_imports(other, siblings) for other in others)


def code(cell: Cell, useful: set[str], siblings: dict[str, Script]) -> str:
    for number, line in enumerate(cell.lines, start=1):
        if line.startswith(("# COMMAND ----------", "# MAGIC", "# DBTITLE")):
            raise cell.refused(
                number, "cette ligne a un sens pour Databricks : écrivez-la autrement"
            )
    return kept_code(cell, useful, without=siblings.keys(), there=True)


def next_notebook(script: Script, siblings: dict[str, Script]) -> str | None:
    """Le notebook suivant du tronc commun de la leçon."""
    order = [each.stem for each in SCRIPTS if each.core and each.lesson == script.lesson]
    following = order[order.index(script.name) + 1 :] if script.name in order else []
    return next((name for name in following if name in siblings and siblings[name].has(FORM)), None)


def to_source(cells: list[str]) -> str:
    return f"{FIRST_LINE}\n{SEPARATOR.join(map(written, cells))}\n"


def written(cell: str) -> str:
    if not cell.startswith("%"):
        return cell
    return "\n".join(f"# MAGIC {line}".rstrip() for line in cell.split("\n"))
