"""Les notebooks Databricks, produits depuis les scripts : `0X_*/databricks/*.py` et `0X_*/0X_*.dbc`.

    uv run tools/build_databricks.py            écrit ce qui a changé
    uv run tools/build_databricks.py --check    nomme ce qui n'est plus à jour, sans rien écrire (code 1)

Un script de `0X_*/local/` est fait de cellules (`# %%`). Celles marquées `tags=["local"]` restent locales, celle marquée
`tags=["parameters"]` devient des widgets, un import d'un module voisin devient un `%run`, une ligne `# databricks: CODE` devient
CODE (après une instruction : la ligne d'après). Ce que ces règles ne savent pas traduire est refusé, avec le fichier et la
ligne : un notebook qui ferait autre chose que son script serait pire qu'un notebook absent.
"""

import argparse
import ast
import io
import json
import re
import shlex
import symtable
import sys
import tokenize
import tomllib
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations, count
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
PLATFORM = {"spark", "dbutils", "display"}  # les noms que tout notebook Databricks trouve déjà liés
INSTALLED_THERE = {"pyspark"}  # Spark est celui de la plateforme : en installer un autre la casserait
# module -> la distribution figée qui l'apporte, quand elle ne porte pas son nom
DISTRIBUTIONS = {"sklearn": "scikit-learn", "git": "gitpython", "azure-core": "azure-identity", "marshmallow": "azure-ai-ml"}
YES, NO = "oui", "non"

CELL = re.compile(r'# %%(?: \[(?P<markdown>markdown)\])?(?: tags=\["(?P<tag>local|parameters)"\])?')
EXCLUDED = re.compile(r"# databricks: non \(.+\)")
MARK = "# databricks:"
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)[^)]*\)")


class Refused(Exception):
    """Le script sort du contrat : `fichier:ligne : raison`."""


# ----------------------------------------------------------------------------------------------------------- lire un script


@dataclass
class Names:
    """Les noms d'une cellule : ceux qu'elle lie, ceux qu'elle lit aussitôt, ceux que ses fonctions liront plus tard."""

    bound: set[str] = field(default_factory=set)
    now: set[str] = field(default_factory=set)
    later: set[str] = field(default_factory=set)


@dataclass
class Cell:
    path: Path
    line: int  # de son en-tête `# %%`
    kind: str  # "markdown" ou "code"
    tag: str | None
    lines: list[str]

    def __post_init__(self):
        while self.lines and not self.lines[-1].strip():
            self.lines.pop()
        self.tree, self.names = ast.Module([], []), Names()
        if self.kind == "code":
            text = "\n".join(self.lines)
            try:
                self.tree = ast.parse(text)
            except SyntaxError as error:
                raise self.refused(error.lineno or 1, f"ce n'est pas du Python ({error.msg})") from None
            self.table = symtable.symtable(text, str(self.path), "exec")
            scan(self.table, self.names, later=False)

    def refused(self, where: int | ast.AST, reason: str) -> Refused:
        """`where` : un nœud de la cellule, ou une ligne comptée depuis son en-tête."""
        offset = where if isinstance(where, int) else where.lineno
        return Refused(f"{'/'.join(self.path.parts[-3:])}:{self.line + offset} : {reason}")

    def imports(self, name: str) -> bool:
        """Si `name` n'est, au niveau du script, lié que par un import."""
        symbol = self.table.lookup(name) if name in self.names.bound else None
        return symbol is not None and symbol.is_imported()

    def line_of(self, name: str) -> int:
        found = (node.lineno for node in ast.walk(self.tree) if isinstance(node, ast.Name) and node.id == name)
        return min(found, default=1)


def scan(table: symtable.SymbolTable, names: Names, later: bool):
    """Range dans `names` les noms globaux que `table` et les blocs qu'elle contient lient ou lisent."""
    top = table.get_type() == "module"
    for symbol in table.get_symbols():
        if top or symbol.is_global():
            if symbol.is_assigned() or symbol.is_imported() or (top and symbol.is_namespace()):
                names.bound.add(symbol.get_name())
            if symbol.is_referenced():
                (names.later if later else names.now).add(symbol.get_name())
    for child in table.get_children():
        # Une compréhension ou le corps d'une classe s'exécutent sur place, une fonction plus tard.
        at_once = child.get_type() == "class" or child.get_name() in ("listcomp", "setcomp", "dictcomp", "genexpr")
        scan(child, names, later or not at_once)


@dataclass
class Script:
    path: Path
    cells: list[Cell]
    excluded: bool  # marqué `# databricks: non (raison)`, ou simple module, sans cellules (`store.py`)

    @property
    def name(self) -> str:
        return self.path.stem

    def code(self) -> list[Cell]:
        """Les cellules de code que le notebook garde."""
        return [cell for cell in self.cells if cell.kind == "code" and cell.tag is None]

    def parameters(self) -> Cell | None:
        return next((cell for cell in self.cells if cell.tag == "parameters"), None)


def read_script(path: Path) -> Script:
    lines = path.read_text(encoding="utf-8").split("\n")
    excluded = EXCLUDED.fullmatch(lines[0]) is not None
    if lines[0].startswith(MARK) and not excluded:
        raise Refused(f"{'/'.join(path.parts[-3:])}:1 : la raison manque : `{MARK} non (raison)`")
    starts = [number for number, line in enumerate(lines) if line.startswith("# %%")]
    if excluded or not starts:
        return Script(path, [], True)
    first = next(number for number, line in enumerate(lines) if line.strip())
    if first < starts[0]:
        raise Refused(f"{'/'.join(path.parts[-3:])}:{first + 1} : un script commence par une cellule `# %%`")
    cells = []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        header = CELL.fullmatch(lines[start].rstrip())
        if not header or (header["markdown"] and header["tag"] == "parameters"):
            raise Refused(f"{'/'.join(path.parts[-3:])}:{start + 1} : en-tête de cellule inconnu : {lines[start]}")
        cells.append(Cell(path, start + 1, header["markdown"] or "code", header["tag"], lines[start + 1 : end]))
    return Script(path, cells, False)


# ------------------------------------------------------------------------------------------------------ ce qui est refusé


def check_names(script: Script):
    """Refuse ce qui n'existerait pas dans le notebook : un nom que seules les cellules locales lient, `__file__`, `__name__`."""
    dropped = {name for cell in script.cells if cell.tag for name in cell.names.bound}
    everywhere = {name for cell in script.code() for name in cell.names.bound} | PLATFORM
    before = set(PLATFORM)
    if script.parameters():
        dropped -= {"args"}
        everywhere.add("args")
    for cell in script.cells:
        if cell.tag == "parameters":
            before.add("args")
        if cell.kind == "markdown" or cell.tag:
            continue
        before |= cell.names.bound
        for name in sorted((cell.names.now & dropped) - before | (cell.names.later & dropped) - everywhere):
            raise cell.refused(cell.line_of(name), f"`{name}` n'est lié que dans une cellule absente du notebook")
        for name in sorted(cell.names.bound & PLATFORM):
            raise cell.refused(cell.line_of(name), f"`{name}` est un nom de Databricks : le lier le cacherait au notebook")
        for name in sorted((cell.names.now | cell.names.later) & {"__file__", "__name__"}):
            raise cell.refused(cell.line_of(name), f"`{name}` n'a pas de sens dans un notebook : réservez-le à une cellule locale")


def sibling_imports(script: Script, siblings: dict[str, Script]) -> dict[str, ast.ImportFrom]:
    """Les modules voisins que le notebook exécutera par `%run`, dans l'ordre ; refuse les formes que `%run` ne sait pas rendre."""
    found = {}
    for cell in script.code():
        for node in ast.walk(cell.tree):
            if isinstance(node, ast.Import):
                if names := {alias.name.partition(".")[0] for alias in node.names} & siblings.keys():
                    raise cell.refused(node, f"écrivez `from {min(names)} import ...` : `%run` ne crée pas de module")
            if not isinstance(node, ast.ImportFrom):
                continue
            if node.level:
                raise cell.refused(node, "import relatif : les scripts ne forment pas un paquet")
            if node.module not in siblings:
                continue
            module = siblings[node.module]
            if module.excluded:
                raise cell.refused(node, f"{node.module} n'a pas de notebook : importez-le dans une cellule locale")
            if module.parameters():
                raise cell.refused(node, f"{node.module} a des paramètres : c'est un script, pas un module")
            if node not in cell.tree.body:
                raise cell.refused(node, f"`from {node.module} import` s'écrit au niveau du script, pas dans un bloc")
            if not all(isinstance(each, ast.Import | ast.ImportFrom) for each in cell.tree.body[: cell.tree.body.index(node)]):
                raise cell.refused(node, f"`from {node.module} import` vient avant le code de sa cellule, comme le `%run` qui le remplace")
            kept = {name for each in module.code() for name in each.names.bound}
            for alias in node.names:
                if alias.asname or alias.name == "*":
                    raise cell.refused(node, f"ni `as` ni `*` pour un module voisin : `%run {node.module}` garde les noms tels quels")
                if alias.name not in kept:
                    raise cell.refused(node, f"{node.module} ne lie pas `{alias.name}` dans une cellule que son notebook garde")
            found.setdefault(node.module, node)
    return found


def modules_of(script: Script, siblings: dict[str, Script]) -> dict[str, Script]:
    """Tous les modules que le notebook exécute, y compris ceux de ses modules."""
    found = {}
    for name in sibling_imports(script, siblings):
        found |= modules_of(siblings[name], siblings) | {name: siblings[name]}
    return found


def bindings(script: Script, siblings: dict[str, Script]) -> dict[str, tuple[str, Cell]]:
    """Chaque nom global d'un script et ce qui le lie : l'import, ou le script lui-même."""
    found = {}
    for cell in script.code():
        for name in cell.names.bound:
            found[name] = (script.name, cell)
        for node in ast.walk(cell.tree):
            for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else []:
                bound, module = (alias.asname or alias.name).partition(".")[0], getattr(node, "module", None)
                if module in siblings:  # lié par le `%run`, pas par l'import
                    found.pop(bound, None)
                elif bound in found and cell.imports(bound):
                    found[bound] = (f"import {module} {alias.name if alias.asname else bound}", cell)
    return found


def check_collisions(script: Script, siblings: dict[str, Script]):
    """`%run` verse tout dans un seul espace de noms : deux fichiers ne peuvent y lier le même nom à deux choses."""
    for one, other in combinations([script, *modules_of(script, siblings).values()], 2):
        theirs = bindings(other, siblings)
        for name, (what, cell) in bindings(one, siblings).items():
            if name in theirs and theirs[name][0] != what:
                raise cell.refused(cell.line_of(name), f"`{name}` remplacerait dans le notebook celui de {other.name} : changez de nom")


# ------------------------------------------------------------------------------------------------------- les bibliothèques


def read_pins(root: Path) -> dict[str, str]:
    """distribution -> `distribution==version`, lues dans requirements.txt, puis dans les groupes de pyproject.toml."""
    groups = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("dependency-groups", {})
    lines = [line for group in groups.values() for line in group]
    lines += (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    found = (re.match(r"([\w.-]+)(?:\[.*\])?==([^\s;]+)", line) for line in lines)
    return {match[1]: f"{match[1]}=={match[2]}" for match in found if match}


def distribution(module: str, pins: dict[str, str]) -> str | None:
    """La distribution qui fournit `module` : `azure.ai.ml.entities` -> `azure-ai-ml`."""
    parts = module.replace("_", "-").split(".")
    candidates = ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]
    candidates = [DISTRIBUTIONS.get(name, name) for name in candidates]
    return next((name for name in candidates if name in pins), None)


def reached(scripts: list[Script]) -> Iterator[tuple[Cell, ast.stmt]]:
    """Les instructions que le notebook peut exécuter : une fonction d'un module n'en est que si quelque chose la nomme.

    Sans cela, le premier script installerait TensorFlow pour un réseau de neurones qu'il n'entraîne pas.
    """
    definitions, todo = {}, []
    for script in scripts:
        for cell in script.code():
            for node in cell.tree.body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and script is not scripts[0]:
                    definitions.setdefault(node.name, []).append((cell, node))
                else:
                    todo.append((cell, node))
    while todo:
        cell, node = todo.pop()
        yield cell, node
        for each in ast.walk(node):
            if isinstance(each, ast.Name):
                todo += definitions.pop(each.id, [])


def imported(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Chaque import de `tree` et le module qu'il nomme, ceux de Python mis à part."""
    for node in ast.walk(tree):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            modules = [node.module]
        yield from ((node, module) for module in modules if module.partition(".")[0] not in sys.stdlib_module_names)


def requirements(script: Script, siblings: dict[str, Script], pins: dict[str, str]) -> list[str]:
    """Les versions figées que le notebook installe : celles qu'il importe, lui ou ses modules, et rien de plus."""
    needed = set()
    for cell, statement in reached([script, *modules_of(script, siblings).values()]):
        for node, module in imported(statement):
            if module.partition(".")[0] in siblings.keys() | INSTALLED_THERE:
                continue
            if not (name := distribution(module, pins)):
                raise cell.refused(node, f"{module} n'est ni dans requirements.txt ni dans un groupe de pyproject.toml")
            needed.add(name)
        attributes = {ast.unparse(node) for node in ast.walk(statement) if isinstance(node, ast.Attribute)}
        if "mlflow.tensorflow.autolog" in attributes:
            needed |= {"tensorflow", "tensorboard"}  # par lequel il écrit
        if "mlflow.projects" in attributes:  # le code du projet s'exécute dans l'environnement du notebook
            for path in sorted(script.path.parents[1].glob("*.py")):
                found = (distribution(module, pins) for _, module in imported(ast.parse(path.read_text(encoding="utf-8"))))
                needed |= {name for name in found if name}
    return sorted(pins[name] for name in needed)


# ----------------------------------------------------------------------------------------------------------- les paramètres

ALLOWED = {"default", "type", "choices", "help", "required", "action", "nargs"}


@dataclass
class Argument:
    """Un `add_argument`, lu sans l'exécuter."""

    name: str
    default: object = None
    type: str | None = None
    choices: list | None = None
    help: str = ""
    required: bool = False
    flag: bool = False
    nargs: str | None = None

    def text(self) -> str:
        """La valeur par défaut, telle que le widget la montre."""
        if self.flag:
            return NO
        if self.default is None:
            return ""
        return shlex.join(map(str, self.default)) if self.nargs else str(self.default)

    def widget(self) -> str:
        choices = [NO, YES] if self.flag else None
        if self.choices is not None:
            choices = [*([""] if self.default is None else []), *map(str, self.choices)]
        comment = f"  # {self.help}" if self.help else ""
        if choices:
            return f"dbutils.widgets.dropdown({quote(self.name)}, {quote(self.text())}, {quote(choices)}){comment}"
        return f"dbutils.widgets.text({quote(self.name)}, {quote(self.text())}){comment}"

    def value(self) -> str:
        """L'expression qui relit le widget comme argparse lirait l'option."""
        read = f"dbutils.widgets.get({quote(self.name)})"
        if self.flag:
            return f"{read} == {quote(YES)}"
        if self.nargs:
            words = f"[{self.type}(word) for word in shlex.split({read})]" if self.type else f"shlex.split({read})"
            return words if self.default is not None or self.required else f"{words} or None"
        value = f"{self.type}({read})" if self.type else read
        if self.default is not None or self.required:
            return value
        return f"{value} if {read} else None" if self.type else f"{read} or None"

    def never_empty(self) -> bool:
        """argparse refuserait l'absence de valeur."""
        return self.required or (self.nargs == "+" and self.default is not None)


def quote(value) -> str:
    """Un littéral Python, entre guillemets doubles."""
    return json.dumps(value, ensure_ascii=False)


def comments(cell: Cell) -> dict[int, tuple[bool, str]]:
    """Les commentaires `# databricks:` d'une cellule : ligne -> (seul sur sa ligne, ce qui suit)."""
    if not any(MARK in line for line in cell.lines):
        return {}
    found = {}
    for token in tokenize.generate_tokens(io.StringIO("\n".join(cell.lines) + "\n").readline):
        if token.type == tokenize.COMMENT and token.string.startswith(MARK):
            found[token.start[0]] = (not token.line[: token.start[1]].strip(), token.string.removeprefix(MARK).strip())
    return found


def read_arguments(cell: Cell) -> list[Argument]:
    marks = comments(cell)
    found, parser, parsed = [], None, False
    for node in cell.tree.body:
        call = node.value if isinstance(node, ast.Assign | ast.Expr) else None
        called = ast.unparse(call.func) if isinstance(call, ast.Call) else ""
        target = ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else None
        if parser is None and target and called in ("argparse.ArgumentParser", "ArgumentParser"):
            if others := {keyword.arg for keyword in call.keywords} - {"description", "epilog"} or call.args:
                raise cell.refused(node, f"ArgumentParser n'admet ici que `description` et `epilog`, pas {others}")
            parser = target
        elif parser and not parsed and target is None and called == f"{parser}.add_argument":
            mark = next((marks.pop(line) for line in range(node.lineno, node.end_lineno + 1) if line in marks), None)
            found.append(read_argument(cell, call, mark))
        elif parser and not parsed and target == "args" and called == f"{parser}.parse_args" and not call.args and not call.keywords:
            parsed = True
        else:
            raise cell.refused(node, "la cellule des paramètres ne contient que ArgumentParser, add_argument et `args = ....parse_args()`")
    if not parsed:
        raise cell.refused(len(cell.lines), "il manque `args = parser.parse_args()`")
    if marks:
        raise cell.refused(min(marks), f"`{MARK}` ne suit ici qu'un add_argument")
    if len({argument.name for argument in found}) < len(found):
        raise cell.refused(1, "deux options portent le même nom")
    return found


def read_argument(cell: Cell, call: ast.Call, mark: tuple[bool, str] | None) -> Argument:
    def literal(node: ast.AST, what: str):
        try:
            return ast.literal_eval(node)
        except ValueError:
            raise cell.refused(node, f"{what} n'est pas un littéral : {ast.unparse(node)}") from None

    names = [literal(node, "le nom de l'option") for node in call.args]
    if len(names) != 1 or not re.fullmatch(r"--[A-Za-z][\w-]*", str(names[0])):
        raise cell.refused(call, f"une option longue et une seule (`--nom`), pas {names}")
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if unknown := sorted(str(name) for name in given.keys() - ALLOWED):
        raise cell.refused(call, f"{names[0]} : `{unknown[0]}` n'a pas d'équivalent dans un notebook")
    argument = Argument(names[0].removeprefix("--").replace("-", "_"))
    if "action" in given:
        if literal(given["action"], "action") != "store_true" or given.keys() - {"action", "help"}:
            raise cell.refused(call, f'{names[0]} : la seule action est `action="store_true"`, avec `help` au plus')
        argument.flag = True
    if "type" in given:
        if not isinstance(given["type"], ast.Name):
            raise cell.refused(given["type"], f"{names[0]} : `type` est le nom d'une fonction, pas {ast.unparse(given['type'])}")
        argument.type = given["type"].id
    for name in ("default", "choices", "required", "nargs"):
        if name in given:
            setattr(argument, name, literal(given[name], name))
    if mark:
        alone, text = mark
        if alone or "default" not in given:
            raise cell.refused(call, f"{names[0]} : `{MARK} valeur` suit, sur sa ligne, un argument qui a un `default`")
        try:
            argument.default = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            raise cell.refused(call, f"{names[0]} : `{MARK}` attend un littéral, pas {text}") from None
    if "help" in given:
        try:
            argument.help = " ".join((literal(given["help"], "help") % {"default": argument.text()}).split())
        except (TypeError, ValueError, KeyError) as error:
            raise cell.refused(given["help"], f"{names[0]} : `help` est mal formé ({error})") from None
    check_argument(cell, call, names[0], argument)
    return argument


def check_argument(cell: Cell, call: ast.Call, option: str, argument: Argument):
    """Un widget ne porte que du texte : ce qui n'en reviendrait pas égal est refusé."""
    if argument.nargs not in (None, "+", "*"):
        raise cell.refused(call, f'{option} : `nargs` vaut "+" ou "*", pas {argument.nargs!r}')
    if argument.nargs and argument.choices is not None:
        raise cell.refused(call, f"{option} : `nargs` et `choices` ensemble n'ont pas de widget")
    if argument.required and argument.default is not None:
        raise cell.refused(call, f"{option} : `required` et `default` se contredisent")
    values = [] if argument.default is None else [argument.default]
    if argument.nargs and values:
        if not isinstance(argument.default, list):
            raise cell.refused(call, f"{option} : avec `nargs`, `default` est une liste")
        values = argument.default
    if argument.choices is not None:
        if not isinstance(argument.choices, list | tuple) or not argument.choices:
            raise cell.refused(call, f"{option} : `choices` est une liste qui n'est pas vide")
        if values and argument.default not in argument.choices:
            raise cell.refused(call, f"{option} : `default` n'est pas dans `choices`")
        values = [*values, *argument.choices]
    read = {None: str, "int": int, "float": float, "str": str}.get(argument.type)
    for value in values:
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise cell.refused(call, f"{option} : un widget ne sait pas porter {value!r}")
        if read and (type(value) is not read or read(str(value)) != value):
            raise cell.refused(call, f"{option} : {value!r} ne reviendrait pas égal du widget ; accordez `type` et `default`")


def widgets_cell(arguments: list[Argument]) -> str:
    """La cellule qui crée les widgets et les relit sous les noms du script (`args.nom`)."""
    lines = ["import shlex"] if any(argument.nargs for argument in arguments) else []
    lines += ["from types import SimpleNamespace", "", *(argument.widget() for argument in arguments), ""]
    for argument in filter(Argument.never_empty, arguments):
        message = f"Le réglage « {argument.name} » est vide : remplissez-le en haut de la page, puis relancez."
        lines += [f"if not dbutils.widgets.get({quote(argument.name)}).strip():", f"    raise SystemExit({quote(message)})"]
    lines += ["args = SimpleNamespace(", *(f"    {argument.name}={argument.value()}," for argument in arguments), ")"]
    return "\n".join(lines)


# ------------------------------------------------------------------------------------------------------------- le notebook


def markdown_cell(cell: Cell, siblings: dict[str, Script], widgets: set[str]) -> str:
    """Le Markdown d'une cellule : un lien vers un script voisin mène à son notebook, et `--max-depth` devient `max_depth`."""

    def widget(match: re.Match) -> str:
        name = match[1].replace("-", "_")
        return name if name in widgets else match[0]

    def follow(match: re.Match) -> str:
        picture, text, target = match.groups()
        if re.match(r"(https?:|mailto:|#)", target):
            return match[0]
        other = siblings.get(PurePosixPath(target).stem) if re.fullmatch(r"(\./)?\w+\.py", target) else None
        if picture or other is None or other.excluded:
            raise cell.refused(number, f"le lien {target} ne mène nulle part dans Databricks : une adresse complète, ou un script voisin")
        return f"[{text}]($./{other.name})"

    lines = []
    for number, line in enumerate(cell.lines, start=1):
        if line.strip() and not re.match(r"#( |$)", line):
            raise cell.refused(number, "une ligne de cellule Markdown commence par `# `")
        if line.startswith(MARK):
            raise cell.refused(number, f"`{MARK}` dans du Markdown")
        text = LINK.sub(follow, line.removeprefix("#").removeprefix(" ")).rstrip()
        lines.append(re.sub(r"--([A-Za-z][\w-]*)", widget, text))
    return "\n".join(lines).strip("\n")


def code_cell(cell: Cell, script: Script, siblings: dict[str, Script]) -> tuple[list[str], str]:
    """Les modules à exécuter avant la cellule, et son code sans les imports que le notebook n'a plus."""
    modules, lines = [], dict(enumerate(cell.lines, start=1))
    kept = {name for each in script.code() for name in each.names.now | each.names.later}
    gone = {name for each in script.cells if each.tag for name in each.names.now | each.names.later}
    if script.parameters():
        kept |= {argument.type for argument in read_arguments(script.parameters())}
    for node in cell.tree.body:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        before = ast.unparse(node)
        if getattr(node, "module", None) in siblings:
            modules.append(node.module)
            after = None
        else:  # un import qui ne servait qu'aux cellules locales ou aux paramètres reste avec elles
            names = {alias: (alias.asname or alias.name).partition(".")[0] for alias in node.names}
            node.names = [alias for alias in node.names if names[alias] in kept or names[alias] not in gone]
            after = ast.unparse(node) if node.names else None
        if after != before:
            overlapping = [other for other in cell.tree.body if other is not node and node.lineno <= other.lineno <= node.end_lineno]
            if overlapping:
                raise cell.refused(node, "cet import partage sa ligne avec une autre instruction")
            for number in range(node.lineno, node.end_lineno + 1):
                del lines[number]
            if after:
                lines[node.lineno] = after
            elif not lines.get(node.lineno - 1, "x").strip():
                del lines[node.lineno - 1]  # la ligne vide qui séparait l'import du précédent
    for number, (alone, code) in comments(cell).items():
        before, _, _ = cell.lines[number - 1].rpartition(MARK)
        indent = before if alone else " " * (len(before) - len(before.lstrip()))
        lines[number] = f"{indent}{code}" if alone else f"{before.rstrip()}\n{indent}{code}"
    text = "\n".join(lines[number] for number in sorted(lines)).strip("\n")
    try:
        ast.parse(text)
    except SyntaxError as error:
        raise cell.refused(1, f"le code de `{MARK}` n'est pas du Python à cet endroit ({error.msg} : {error.text})") from None
    for number, line in enumerate(cell.lines, start=1):
        if line.startswith(("# COMMAND ----------", "# MAGIC", "# DBTITLE")):
            raise cell.refused(number, "cette ligne a un sens pour Databricks : écrivez-la autrement")
    return modules, text


def next_script(script: Script, siblings: dict[str, Script]) -> str | None:
    """Le script que le dernier message local conseille (`Ensuite : uv run ...`), s'il a un notebook dans la même leçon."""
    lesson = script.path.parents[1].name
    local = "\n".join(line for cell in script.cells if cell.tag == "local" for line in cell.lines)
    advised = re.findall(rf"Ensuite : uv run (?:--group \w+ )?{lesson}/local/(\w+)\.py", local)
    return advised[-1] if advised and advised[-1] in siblings and not siblings[advised[-1]].excluded else None


def notebook(script: Script, siblings: dict[str, Script], pins: dict[str, str]) -> list[str]:
    """Les cellules du notebook, telles que Databricks les garde : du Python, ou une magie (`%md`, `%pip`, `%run`)."""
    first = script.cells[0]
    if first.kind != "markdown" or first.tag or not first.lines[:1] or not first.lines[0].startswith("# # "):
        raise first.refused(1, "la première cellule porte le titre : `# %% [markdown]` puis `# # Titre`")
    for cell in script.cells:
        if cell.tag == "local" and cell.kind == "code" and (marks := comments(cell)):
            raise cell.refused(min(marks), f"`{MARK}` dans une cellule locale n'irait nulle part")
    parameters = [cell for cell in script.cells if cell.tag == "parameters"]
    if len(parameters) > 1:
        raise parameters[1].refused(0, "une seule cellule de paramètres")
    check_names(script)
    check_collisions(script, siblings)

    arguments = read_arguments(parameters[0]) if parameters else []
    widgets = {argument.name for argument in arguments}
    source = f"local/{script.path.name}"
    note = f"<!-- Généré depuis {source} par tools/build_databricks.py : modifiez le script, pas ce notebook. -->"
    cells = [f"%md\n{note}\n{markdown_cell(first, siblings, widgets)}"]
    is_module = any(script.name in sibling_imports(other, siblings) for other in siblings.values() if not other.excluded)
    if not is_module and (needed := requirements(script, siblings, pins)):
        cells.append(f"%pip install {' '.join(needed)}\ndbutils.library.restartPython()")
    done, bound = set(), set()
    for cell in script.cells[1:]:
        if cell.tag == "parameters":
            for argument in arguments:
                if argument.type and argument.type not in bound and argument.type not in ("int", "float", "str"):
                    raise cell.refused(1, f"--{argument.name} : `type={argument.type}` vient d'une cellule gardée, plus haut")
            cells.append(widgets_cell(arguments))
        elif cell.tag == "local":
            continue
        elif cell.kind == "markdown":
            cells.append(f"%md\n{markdown_cell(cell, siblings, widgets)}")
        else:
            bound |= cell.names.bound
            modules, text = code_cell(cell, script, siblings)
            cells += [f"%run ./{module}" for module in dict.fromkeys(modules) if module not in done]
            done |= set(modules)
            cells += [text] if text else []
    if following := next_script(script, siblings):
        cells.append(f"%md\n**Ensuite** : [{following}]($./{following})")
    return cells


def notebooks(lesson: Path, pins: dict[str, str]) -> dict[str, list[str]]:
    """nom -> cellules, pour chaque script de la leçon qui a un notebook. Lève `Refused`, toutes raisons réunies."""
    siblings, found, reasons = {}, {}, []
    for path in sorted((lesson / "local").glob("*.py")):
        try:
            siblings[path.stem] = read_script(path)
        except Refused as refused:
            reasons.append(str(refused))
    if not reasons:
        for name, script in siblings.items():
            try:
                if not script.excluded:
                    found[name] = notebook(script, siblings, pins)
            except Refused as refused:
                reasons.append(str(refused))
    if reasons:
        raise Refused("\n".join(dict.fromkeys(reasons)))
    return found


# ----------------------------------------------------------------------------------------------- le format source (`.py`)

FIRST_LINE = "# Databricks notebook source"
SEPARATOR = "\n\n# COMMAND ----------\n\n"


def to_source(cells: list[str]) -> str:
    def written(cell: str) -> str:
        if not cell.startswith("%"):
            return cell
        return "\n".join(f"# MAGIC {line}".rstrip() for line in cell.split("\n"))

    return f"{FIRST_LINE}\n{SEPARATOR.join(map(written, cells))}\n"


def from_source(text: str) -> list[str]:
    """L'inverse de `to_source` : les cellules d'un notebook au format source."""
    first, _, body = text.partition("\n")
    if first != FIRST_LINE:
        raise ValueError(f"la première ligne n'est pas « {FIRST_LINE} »")
    cells = []
    for cell in body.removesuffix("\n").split(SEPARATOR):
        lines = cell.split("\n")
        magic = [line.startswith("# MAGIC") for line in lines]
        if any(magic) and not all(magic):
            raise ValueError(f"une cellule mêle magie et Python :\n{cell}")
        cells.append("\n".join(line.removeprefix("# MAGIC").removeprefix(" ") for line in lines) if all(magic) else cell)
    return cells


# ------------------------------------------------------------------------------------------------------- l'archive (`.dbc`)

# Les champs et leurs valeurs, relevés sur de vraies exportations. `...` : propre à chaque objet.
MANIFEST = {"version": "Manifest", "guid": ..., "origId": -1, "name": "manifest.mf"}
FOLDER = {"version": "FolderV1", "origId": ..., "name": ..., "guid": "", "children": []}
NOTEBOOK = {
    "version": "NotebookV1", "origId": ..., "name": ..., "language": "python", "commands": ..., "dashboards": [], "guid": ...,
    "globalVars": {}, "iPythonMetadata": None, "inputWidgets": {}, "notebookMetadata": {"pythonIndentUnit": 4},
    "reposExportFormat": "SOURCE", "environmentMetadata": None, "computePreferences": None, "inputWidgetPreferences": None,
}  # fmt: skip
COMMAND = {
    "version": "CommandV1", "origId": ..., "guid": ..., "subtype": "command", "commandType": "auto", "position": ..., "command": ...,
    "commandVersion": 0, "state": "input", "results": None, "resultDbfsStatus": "INLINED_IN_TREE", "resultDbfsErrorMessage": None,
    "errorSummary": None, "errorTraceType": None, "error": None, "errorDetails": None, "baseErrorDetails": None,
    "workflows": [], "startTime": 0, "submitTime": 0, "finishTime": 0, "collapsed": False, "bindings": {}, "inputWidgets": {},
    "displayType": "table", "width": "auto", "height": "auto", "xColumns": None, "yColumns": None, "pivotColumns": None,
    "pivotAggregation": None, "useConsistentColors": False, "customPlotOptions": {}, "commentThread": [], "commentsVisible": False,
    "parentHierarchy": [], "diffInserts": [], "diffDeletes": [], "globalVars": {}, "latestUser": "", "latestUserId": None,
    "commandTitle": "", "showCommandTitle": False, "hideCommandCode": False, "hideCommandResult": False,
    "isLockedInExamMode": False, "iPythonMetadata": None, "metadata": {}, "streamStates": {}, "datasetPreviewNameToCmdIdMap": {},
    "tableResultIndex": None, "listResultMetadata": [], "subcommandOptions": None, "contentSha256Hex": None,
    "tableResultSettingsMap": {}, "nuid": ...,
}  # fmt: skip
IDENTIFIERS = uuid.UUID("5a0c8f2e-6d1b-5c4e-9d37-3f6b1e7a9c55")  # la racine des uuid5 : les mêmes sources, les mêmes octets
DATE = (1980, 1, 1, 0, 0, 0)
MOST_BYTES, MOST_CELL_BYTES = 10 * 2**20, 6 * 2**20  # les limites de l'importation


def archive_entries(folder: str, contents: dict[str, list[str]]) -> dict[str, dict]:
    """Les entrées de l'archive, dans l'ordre : le manifeste, le dossier, puis les notebooks."""
    numbers = count(1)

    def identifier(*path) -> str:
        return str(uuid.uuid5(IDENTIFIERS, "/".join(map(str, (folder, *path)))))

    entries = {"manifest.mf": MANIFEST | {"guid": identifier()}, f"{folder}/": FOLDER | {"origId": next(numbers), "name": folder}}
    for name, cells in sorted(contents.items()):
        described = NOTEBOOK | {"origId": next(numbers), "name": name, "guid": identifier(name)}
        described["commands"] = [
            COMMAND
            | {"origId": next(numbers), "guid": identifier(name, position, "guid"), "nuid": identifier(name, position, "nuid")}
            | {"position": float(position), "command": cell}
            for position, cell in enumerate(cells, start=1)
        ]
        entries[f"{folder}/{name}.python"] = described
    return entries


def write_archive(folder: str, contents: dict[str, list[str]]) -> bytes:
    """L'archive `.dbc` d'un dossier de notebooks ; les mêmes cellules donnent les mêmes octets."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, entry in archive_entries(folder, contents).items():
            info = zipfile.ZipInfo(name, DATE)
            info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 0, 0
            archive.writestr(info, json.dumps(entry, ensure_ascii=False, separators=(",", ":")))
    return written.getvalue()


def read_archive(path: Path) -> dict[str, list[str]]:
    """chemin dans l'archive (sans `.python`) -> cellules. Lève `ValueError` au premier écart avec le format attendu."""

    def expect(truth: bool, reason: str):
        if not truth:
            raise ValueError(f"{path.name} : {reason}")

    def fields(entry: object, expected: dict, where: str) -> dict:
        expect(isinstance(entry, dict), f"{where} n'est pas un objet JSON")
        expect(entry.keys() == expected.keys(), f"{where} : champs en trop ou absents {sorted(entry.keys() ^ expected.keys())}")
        for key, value in expected.items():
            same = type(entry[key]) is type(value) and entry[key] == value
            expect(value is ... or same, f"{where} : {key} vaut {entry[key]!r} au lieu de {value!r}")
        return entry

    def unique(value: object, kind: type, seen: set, where: str):
        expect(type(value) is kind, f"{where} : {value!r} n'est pas du type {kind.__name__}")
        if kind is str:
            expect(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value) is not None, f"{where} : {value!r} n'est pas un uuid")
        expect(value not in seen, f"{where} : {value} sert deux fois")
        seen.add(value)

    expect(path.stat().st_size <= MOST_BYTES, "plus de 10 Mo, la limite de l'importation")
    expect(zipfile.is_zipfile(path), "ce n'est pas une archive zip")
    found, guids, numbers, folders = {}, set(), set(), {""}
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        expect(archive.testzip() is None, "une entrée est abîmée")
        expect({info.compress_type for info in archive.infolist()} == {zipfile.ZIP_DEFLATED}, "une entrée n'est pas compressée (DEFLATE)")
        expect(names[:1] == ["manifest.mf"], "la première entrée n'est pas manifest.mf")
        expect(len(set(names)) == len(names), "deux entrées portent le même nom")
        for name in names:
            entry = json.loads(archive.read(name))
            parent = str(PurePosixPath(name).parent).removeprefix(".")
            if name == "manifest.mf":
                unique(fields(entry, MANIFEST, name)["guid"], str, guids, name)
                continue
            expect(parent in folders, f"{name} vient avant son dossier")
            if name.endswith("/"):
                fields(entry, FOLDER, name)
                expect(not found, f"le dossier {name} vient après un notebook")
                folders.add(name.rstrip("/"))
            else:
                expect(name.endswith(".python"), f"{name} n'est ni un dossier ni un notebook Python")
                fields(entry, NOTEBOOK, name)
                unique(entry["guid"], str, guids, name)
                expect(isinstance(entry["commands"], list) and entry["commands"] != [], f"{name} n'a pas de cellules")
                found[name.removesuffix(".python")] = [command.get("command") for command in entry["commands"]]
            expect(entry["name"] == PurePosixPath(name).stem, f"{name} se nomme {entry['name']!r}")
            unique(entry["origId"], int, numbers, name)
            nuids, positions = set(), []
            for number, command in enumerate(entry.get("commands", []), start=1):
                where = f"{name}, cellule {number}"
                fields(command, COMMAND, where)
                unique(command["origId"], int, numbers, where)
                unique(command["guid"], str, guids, where)
                unique(command["nuid"], str, nuids, where)
                expect(type(command["command"]) is str and command["command"].strip() != "", f"{where} : elle est vide")
                expect(len(command["command"].encode()) <= MOST_CELL_BYTES, f"{where} : plus de 6 Mo")
                expect(type(command["position"]) is float, f"{where} : sa position n'est pas un réel")
                positions.append(command["position"])
            expect(positions == sorted(set(positions)), f"{name} : les positions ne croissent pas")
    expect(bool(found), "aucun notebook")
    return found


# --------------------------------------------------------------------------------------------------------------- produire


def build(root: Path) -> dict[Path, bytes]:
    """Tout ce qui doit être produit : fichier -> contenu. Lève `Refused` si un script sort du contrat."""
    pins, made, reasons = read_pins(root), {}, []
    for lesson in sorted(path.parent for path in root.glob("0?_*/local")):
        try:
            contents = notebooks(lesson, pins)
        except Refused as refused:
            reasons.append(str(refused))
            continue
        if contents:
            made |= {lesson / "databricks" / f"{name}.py": to_source(cells).encode() for name, cells in contents.items()}
            made[lesson / f"{lesson.name}.dbc"] = write_archive(lesson.name, contents)
    if reasons:
        raise Refused("\n".join(reasons))
    return made


def same(path: Path, content: bytes) -> bool:
    """Les archives sont comparées décompressées : toutes les versions de zlib ne compriment pas de même."""
    if not path.exists():
        return False
    found = path.read_bytes()
    if path.suffix == ".dbc" and found != content and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(io.BytesIO(content)) as new:
            return old.namelist() == new.namelist() and all(old.read(name) == new.read(name) for name in new.namelist())
    return found.replace(b"\r\n", b"\n") == content if path.suffix == ".py" else found == content


def main(root: Path = ROOT):
    parser = argparse.ArgumentParser(description="Produit les notebooks Databricks et les archives .dbc depuis les scripts.")
    parser.add_argument("--check", action="store_true", help="ne rien écrire ; nommer ce qui n'est plus à jour, code 1")
    args = parser.parse_args()
    try:
        made = build(root)
    except Refused as refused:
        sys.exit(str(refused))
    stale = [path for path, content in made.items() if not same(path, content)]
    orphans = [path for path in [*root.glob("0?_*/databricks/*.py"), *root.glob("0?_*/*.dbc")] if path not in made]
    for path in sorted(stale + orphans):
        what = "n'a plus de script" if path in orphans else "n'est plus à jour" if args.check else "écrit"
        print(f"{path.relative_to(root).as_posix()} {what}")
    if args.check:
        sys.exit(1 if stale or orphans else 0)
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(made[path])
    for path in orphans:
        path.unlink()
    print(f"{len(made)} fichiers : {len(stale)} écrits, {len(orphans)} effacés, les autres étaient à jour.")


if __name__ == "__main__":
    main()
