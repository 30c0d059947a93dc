"""Lire un script : ses cellules, leurs noms, leurs marques `# databricks: CODE`."""

import ast
import io
import re
import tokenize
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from course import LESSONS
from forms.names import Names, scan, symbols

MARK = "# databricks:"
# Une expérience y a un dossier : le nom d'une leçon, ou de ce que le cours mesure
EXPERIMENTS = {*LESSONS, "measurements"}
NAMES_EXPERIMENT = ("set_experiment", "get_experiment_by_name")
HEADER = re.compile(
    r'# %%(?: \[(?P<markdown>markdown)\])?(?: tags=\["(?P<tag>local|parameters)"\])?'
)
FORMS = ("# databricks:", "# jupyter:")
LEFT_OUT = re.compile(r"# (?P<form>databricks|jupyter): non \((?P<reason>.+)\)")


class Refused(Exception):
    """Le script sort du contrat : `fichier:ligne : raison`, une ligne par raison."""


def where(path: Path, line: int) -> str:
    return f"{'/'.join(path.parts[-3:])}:{line}"


@dataclass
class Cell:
    path: Path
    line: int  # de son en-tête `# %%`
    kind: str  # "markdown" ou "code"
    tag: str | None  # "local", "parameters" ou rien
    lines: list[str]

    def __post_init__(self):
        while self.lines and not self.lines[-1].strip():
            self.lines.pop()
        self.text = "\n".join(self.lines)
        self.tree, self.names = ast.Module([], []), Names()
        if self.kind == "code":
            try:
                self.tree = ast.parse(self.text)
            except SyntaxError as error:
                raise self.refused(
                    error.lineno or 1, f"ce n'est pas du Python ({error.msg})"
                ) from None
            self.table = symbols(self.text, self.path)
            scan(self.table, self.names, later=False)

    def refused(self, place: int | ast.AST, reason: str) -> Refused:
        """`place` : un nœud de la cellule, ou une ligne comptée depuis son en-tête."""
        offset = place if isinstance(place, int) else place.lineno
        return Refused(f"{where(self.path, self.line + offset)} : {reason}")

    def only_imports(self, name: str) -> bool:
        """Si `name` n'est, au niveau du script, lié que par un import."""
        symbol = self.table.lookup(name) if name in self.names.bound else None
        return symbol is not None and symbol.is_imported()

    def line_of(self, name: str) -> int:
        found = (
            node.lineno
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Name) and node.id == name
        )
        return min(found, default=1)

    def experiments(self) -> list[ast.Constant]:
        """Les noms d'expériences : `set_experiment("x")`, `experiment_names=["x"]`."""
        found = []
        for call in (node for node in ast.walk(self.tree) if isinstance(node, ast.Call)):
            places = [
                each.value
                for each in call.keywords
                if each.arg and each.arg[:15] == "experiment_name"
            ]
            if ast.unparse(call.func).endswith(NAMES_EXPERIMENT):
                places += call.args[:1]
            for place in places:
                found += [each for each in ast.walk(place) if isinstance(each, ast.Constant)]
        return [each for each in found if isinstance(each.value, str)]

    def marks(self) -> dict[int, tuple[bool, str]]:
        """Les commentaires `# databricks:` : ligne -> (seul sur sa ligne, ce qui suit)."""
        if MARK not in self.text:
            return {}
        found = {}
        for token in tokenize.generate_tokens(io.StringIO(self.text + "\n").readline):
            if token.type == tokenize.COMMENT and token.string.startswith(MARK):
                found[token.start[0]] = (
                    not token.line[: token.start[1]].strip(),
                    token.string.removeprefix(MARK).strip(),
                )
        return found


@dataclass
class Script:
    path: Path
    cells: list[Cell]  # aucune : un simple module Python (`store.py`)
    left_out: dict[str, str]  # forme -> la raison pour laquelle il ne l'a pas

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def lesson(self) -> str:
        return self.path.parents[1].name

    def has(self, form: str) -> bool:
        """`# databricks: non` écarte de toute forme de notebook, `# jupyter: non` de celle-là
        seulement.
        """
        return bool(self.cells) and not {form, "databricks"} & self.left_out.keys()

    def code(self) -> list[Cell]:
        """Les cellules de code qu'un notebook garde."""
        return [cell for cell in self.cells if cell.kind == "code" and cell.tag is None]

    def parameters(self) -> Cell | None:
        return next((cell for cell in self.cells if cell.tag == "parameters"), None)


def read_script(path: Path) -> Script:
    lines, left_out = path.read_text(encoding="utf-8").split("\n"), {}
    marked = list(takewhile(lambda line: line.startswith(FORMS), lines))
    for number, line in enumerate(marked, start=1):
        found = LEFT_OUT.fullmatch(line)
        if not found:
            expected = f"{line.partition(':')[0]}: non (raison)"
            raise Refused(f"{where(path, number)} : la raison manque : `{expected}`")
        left_out[found["form"]] = found["reason"]
    starts = [number for number, line in enumerate(lines) if line.startswith("# %%")]
    if not starts:
        return Script(path, [], left_out)
    first = next(
        number for number, line in enumerate(lines) if number >= len(marked) and line.strip()
    )
    if first < starts[0]:
        raise Refused(f"{where(path, first + 1)} : un script commence par une cellule `# %%`")
    cells = []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        header = HEADER.fullmatch(lines[start].rstrip())
        if not header or (header["markdown"] and header["tag"] == "parameters"):
            raise Refused(f"{where(path, start + 1)} : en-tête de cellule inconnu : {lines[start]}")
        cells.append(
            Cell(
                path, start + 1, header["markdown"] or "code", header["tag"], lines[start + 1 : end]
            )
        )
    return Script(path, cells, left_out)


def read_lesson(lesson: Path, folder: str = "local") -> dict[str, Script]:
    """nom -> script, pour chaque fichier de `local/`, ou de `folder`.

    Lève `Refused`, toutes raisons réunies.
    """
    found, reasons = {}, []
    for path in sorted((lesson / folder).glob("*.py")):
        try:
            found[path.stem] = read_script(path)
        except Refused as refused:
            reasons.append(str(refused))
    if reasons:
        raise Refused("\n".join(reasons))
    return found
