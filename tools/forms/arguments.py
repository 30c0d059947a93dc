"""Lire la cellule des paramètres sans l'exécuter : chaque `add_argument` devient un `Argument`.

Une forme rend l'option par du texte (un widget, une ligne à changer) : ce qui n'en reviendrait pas
égal est refusé.
"""

import ast
import re
from dataclasses import dataclass

from forms.cells import MARK, Cell

ALLOWED = {"default", "type", "choices", "help", "required", "action", "nargs"}


@dataclass
class Argument:
    name: str  # celui de `args.name`
    default: object = None
    there: object = None  # sa valeur sur Databricks, la même sauf marque
    type: str | None = None  # une expression : `short_text`, `number(1e-6, 100)`
    choices: list[str] | None = None
    help: str = ""
    required: bool = False
    flag: bool = False
    nargs: str | None = None

    @property
    def function(self) -> str | None:
        """Le nom à lier pour que `type` se calcule."""
        return self.type and self.type.partition("(")[0]

    def never_empty(self) -> bool:
        """Si argparse refuse l'absence de valeur."""
        return self.required or self.nargs == "+"


def read_arguments(cell: Cell) -> list[Argument]:
    marks = cell.marks()
    found, parser, parsed = [], None, False
    for node in cell.tree.body:
        call = node.value if isinstance(node, ast.Assign | ast.Expr) else None
        called = ast.unparse(call.func) if isinstance(call, ast.Call) else ""
        target = ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else None
        if parser is None and target and called in ("argparse.ArgumentParser", "ArgumentParser"):
            if others := {keyword.arg for keyword in call.keywords} - {"description"} or call.args:
                raise cell.refused(
                    node, f"ArgumentParser n'admet ici que `description`, pas {others}"
                )
            parser = target
        elif parser and not parsed and target is None and called == f"{parser}.add_argument":
            mark = next(
                (
                    marks.pop(line)
                    for line in range(node.lineno, node.end_lineno + 1)
                    if line in marks
                ),
                None,
            )
            found.append(read_argument(cell, call, mark))
        elif (
            parser
            and not parsed
            and target == "args"
            and called == f"{parser}.parse_args"
            and not call.args
            and not call.keywords
        ):
            parsed = True
        else:
            raise cell.refused(
                node,
                "la cellule des paramètres ne contient que ArgumentParser, add_argument et `args = ....parse_args()`",
            )
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
            raise cell.refused(
                node, f"{what} n'est pas un littéral : {ast.unparse(node)}"
            ) from None

    names = [literal(node, "le nom de l'option") for node in call.args]
    if len(names) != 1 or not re.fullmatch(r"--[A-Za-z][\w-]*", str(names[0])):
        raise cell.refused(call, f"une option longue et une seule (`--nom`), pas {names}")
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if unknown := sorted(str(name) for name in given.keys() - ALLOWED):
        raise cell.refused(
            call, f"{names[0]} : `{unknown[0]}` n'a pas d'équivalent dans un notebook"
        )
    argument = Argument(names[0].removeprefix("--").replace("-", "_"))
    if "action" in given:
        if literal(given["action"], "action") != "store_true" or given.keys() - {"action", "help"}:
            raise cell.refused(
                call, f'{names[0]} : la seule action est `action="store_true"`, avec `help` au plus'
            )
        argument.flag = True
    if "type" in given:
        if not is_type(given["type"]):
            text = ast.unparse(given["type"])
            raise cell.refused(
                given["type"],
                f"{names[0]} : `type` est une fonction, ou son appel avec des constantes, pas {text}",
            )
        argument.type = ast.get_source_segment(cell.text, given["type"])
    for name in ("default", "choices", "help", "required", "nargs"):
        if name in given:
            setattr(argument, name, literal(given[name], name))
    argument.there = argument.default
    if mark:
        alone, text = mark
        if alone or "default" not in given:
            raise cell.refused(
                call,
                f"{names[0]} : `{MARK} valeur` suit, sur sa ligne, un argument qui a un `default`",
            )
        try:
            argument.there = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            raise cell.refused(
                call, f"{names[0]} : `{MARK}` attend un littéral, pas {text}"
            ) from None
    if reason := outside(argument):
        raise cell.refused(call, f"{names[0]} : {reason}")
    return argument


def is_type(node: ast.AST) -> bool:
    """`short_text`, `number(1e-6, 100)` ou `whole_number(0, 2**32 - 1)` : un nom, ou son appel avec
    des constantes.
    """
    if isinstance(node, ast.Call):
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        return isinstance(node.func, ast.Name) and all(map(is_constant, given))
    return isinstance(node, ast.Name)


def is_constant(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp):
        return is_constant(node.left) and is_constant(node.right)
    return isinstance(node, ast.Constant) or (
        isinstance(node, ast.UnaryOp) and is_constant(node.operand)
    )


def outside(argument: Argument) -> str | None:
    """Pourquoi du texte ne saurait pas porter cet argument, ou None."""
    if argument.nargs and (
        argument.nargs not in ("+", "*") or not isinstance(argument.default, list)
    ):
        return '`nargs` vaut "+" ou "*", et `default` est alors une liste'
    if argument.nargs and (argument.choices is not None or argument.required):
        return "`nargs` ne va ni avec `choices` ni avec `required`"
    if argument.required and argument.default is not None:
        return "`required` et `default` se contredisent"
    if argument.choices is not None:
        texts = isinstance(argument.choices, list) and all(
            isinstance(choice, str) for choice in argument.choices
        )
        if not texts or argument.default not in argument.choices or argument.type:
            return "`choices` est une liste de textes, sans `type`, et `default` y est"
    if "%" in argument.help:
        return "argparse remplacerait ce qui suit le `%` de `help`"
    for default in (argument.default, argument.there):
        for value in default if argument.nargs else [] if default is None else [default]:
            if not isinstance(value, str | int | float) or isinstance(value, bool):
                return f"du texte ne sait pas porter {value!r}"
            if not argument.type and not isinstance(value, str):
                return f"{value!r} reviendrait en texte : il faut un `type`"
    return None
