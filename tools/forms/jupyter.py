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
from forms.arguments import Argument, read_arguments
from forms.cells import Refused, Script, read_lesson
from forms.contract import check
from forms.kept import kept_code, kept_markdown, useful_names
from forms.requirements import requirements

FORM = "jupyter"
PATHS = {"existing_file", "full_path", "new_folder"}  # les `type=` d'un chemin
# un lien en tient lieu
NEXT = re.compile(r'^ *print\(f?"[^"]*Ensuite : uv run [^"]*"\)\n?', re.MULTILINE)


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
        if "/local/" in each.path
        and each.lesson == lesson.name
        and each.stem in siblings
        and siblings[each.stem].has(FORM)
    ]
    for each in planned:
        script = siblings[each.stem]
        try:
            check(script, siblings)
            cells = notebook_cells(script, each, next_core(each, planned))
            found.append(Notebook(script.path, cells, fingerprint(script, siblings, pins)))
        except Refused as refused:
            reasons.append(str(refused))
    if reasons:
        raise Refused("\n".join(dict.fromkeys(reasons)))
    return found


def next_core(script: Planned, notebooks: list[Planned]) -> Planned | None:
    """Le notebook du tronc commun qui suit, dans la même leçon."""
    following = after(script)
    return following if following in notebooks else None


def notebook_cells(
    script: Script, planned: Planned, following: Planned | None
) -> list[tuple[str, str]]:
    arguments = read_arguments(script.parameters()) if script.parameters() else []
    options = {argument.name for argument in arguments}
    useful = useful_names(script, [cell for cell in script.cells if cell.tag != "parameters"])
    note = f"<!-- Généré depuis local/{script.path.name} par tools/build_jupyter.py : modifiez le script, pas ce notebook. -->"
    cells = [("markdown", f"{kept_markdown(script.cells[0], options)}\n\n{note}")]
    cells.append(("markdown", how_to_open(script, planned, arguments)))
    cells.append(("code", first_code(script)))
    for cell in script.cells[1:]:
        if cell.tag == "parameters":
            cells.append(("code", parameters(arguments)))
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
    if (
        not body
        or not isinstance(body[-1], ast.Expr)
        or ast.unparse(body[-1]).startswith(("print(", "display("))
    ):
        return text
    lines = text.split("\n")
    line = lines[body[-1].end_lineno - 1].encode()
    end = body[-1].end_col_offset  # en octets
    lines[body[-1].end_lineno - 1] = (line[:end] + b";" + line[end:]).decode()
    return "\n".join(lines)


def how_to_open(script: Script, planned: Planned, arguments: list[Argument]) -> str:
    """Ce qui tient lieu de la commande à taper."""
    groups = " ".join(f"--group {group}" for group in (FORM, *planned.groups))
    lines = [
        f"Pour l'ouvrir, à la racine du dépôt : `uv run {groups} jupyter lab {script.lesson}/jupyter/{script.name}.ipynb`, ou VS Code.",
        f"{spoken(planned.seconds)}. Pour d'autres réglages, changez la cellule `args`, puis *Run All Cells*.",
    ]
    if any(argument.function in PATHS for argument in arguments):
        lines.append("Un fichier se désigne par son chemin depuis la racine du dépôt.")
    pictures = sorted((script.path.parents[1] / "Images").glob(f"*{planned.name}*.png"))
    page = f"../Images/{pictures[0].name}" if pictures else "../README.md"
    lines.append(
        "Ses runs vont dans le magasin du dépôt. Pour les voir, dans un terminal : `uv run mlflow ui`, puis"
        f" http://127.0.0.1:5000 ([ce que la page montre]({page}))."
    )
    return "\n".join(lines)


def first_code(script: Script) -> str:
    """La cellule qui trouve le cours, d'où que le notebook soit ouvert."""
    names = {name for cell in script.cells if cell.kind == "code" for name in cell.names.read}
    shows = any(
        code.startswith("display(") for cell in script.code() for _, code in cell.marks().values()
    )
    return "\n".join(
        [
            *(["%matplotlib inline", ""] if shows else []),
            "import sys",
            "import warnings",
            "from pathlib import Path",
            "",
            f'found = [folder / "{script.lesson}" for folder in (Path.cwd(), *Path.cwd().parents)]',
            'found = [folder for folder in found if (folder / "local/store.py").is_file()]',
            "if not found:",
            '    raise SystemExit("Ce notebook s\'ouvre dans un clone du cours : il en utilise les modules.")',
            'sys.path.insert(0, str(found[0] / "local"))',
            f'sys.argv[0] = str(found[0] / "jupyter/{script.name}.ipynb")  # MLflow note avec chaque run ce nom, et le commit',
            *(
                [f'__file__ = str(found[0] / "local/{script.path.name}")']
                if "__file__" in names
                else []
            ),
            'warnings.filterwarnings("ignore", ".*ipywidgets")  # sans ce paquet, il ne manque que les barres de progression',
        ]
    )


def parameters(arguments: list[Argument]) -> str:
    """Les options, une par ligne : les mêmes noms et les mêmes valeurs que dans le script."""
    lines = ["from types import SimpleNamespace", "", "args = SimpleNamespace("]
    for argument in arguments:
        value = False if argument.flag else argument.default
        comment = f"  # {argument.help}" if argument.help else ""
        lines.append(f"    {argument.name}={written(value)},{comment}")
    return "\n".join([*lines, ")"])


def written(value) -> str:
    """Un littéral Python, les textes entre guillemets doubles."""
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def fingerprint(script: Script, siblings: dict[str, Script], pins: dict[str, str]) -> str:
    """Ce dont dépendent les sorties : le code du script et de ce qu'il importe, les versions.

    Ni le texte ni les commentaires.
    """
    lesson, todo, seen = script.path.parents[1], [script.path], {}
    while todo:
        path = todo.pop()
        seen[path.relative_to(lesson).as_posix()] = code_lines(path)
        imports = [
            node
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        names = {
            name
            for node in imports
            for name in (getattr(node, "module", None), *(alias.name for alias in node.names))
        }
        todo += [
            siblings[name].path
            for name in names & siblings.keys()
            if f"local/{name}.py" not in seen
        ]
    for path in [*lesson.glob("*.py"), *lesson.glob("MLproject")]:  # le projet de la leçon 3
        seen[path.name] = code_lines(path)
    described = json.dumps(
        [sorted(seen.items()), requirements(script, siblings, pins)], ensure_ascii=False
    )
    return hashlib.sha256(described.encode()).hexdigest()


def code_lines(path: Path) -> list[str]:
    lines = [line.rstrip() for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line and not line.lstrip().startswith("#")]
