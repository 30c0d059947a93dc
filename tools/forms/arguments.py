"""Les options d'un script, lues sans l'exécuter, et ce qu'un notebook met à la place d'argparse.

Sur Databricks, une option devient un widget ; dans Jupyter, une ligne à changer.
"""

import ast
import json
import re
from dataclasses import dataclass

from forms.cells import Cell

KEYWORDS = {"default", "type", "help", "action", "nargs"}
TYPES = {"int", "float", "Path"}
YES, NO = "oui", "non"


@dataclass
class Argument:
    """Une option : `name` est celui de `args.name`, `type` un nom de `TYPES` ou rien."""

    name: str
    default: object = None
    type: str = ""
    help: str = ""
    flag: bool = False
    several: bool = False


def read_arguments(cell: Cell | None) -> list[Argument]:
    """Les options que déclare la cellule des paramètres. Lève `Refused` au-delà du simple."""
    if cell is None:
        return []
    calls = [node for node in ast.walk(cell.tree) if isinstance(node, ast.Call)]
    added = [call for call in calls if ast.unparse(call.func).endswith(".add_argument")]
    if not any(ast.unparse(node).endswith(".parse_args()") for node in calls):
        raise cell.refused(len(cell.lines), "il manque `args = parser.parse_args()`")
    return [read_argument(cell, call) for call in added]


def read_argument(cell: Cell, call: ast.Call) -> Argument:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    name = ast.literal_eval(call.args[0]) if len(call.args) == 1 else ""
    if not re.fullmatch(r"--[a-zA-Z][\w-]*", name) or given.keys() - KEYWORDS:
        raise cell.refused(call, f"une option longue, et de ses mots-clés {sorted(KEYWORDS)}")
    kind = ast.unparse(given.pop("type")) if "type" in given else ""
    if kind not in {"", *TYPES}:
        raise cell.refused(call, f"{name} : `type` est l'un de {sorted(TYPES)}")
    values = {}
    for key, node in given.items():
        try:
            values[key] = ast.literal_eval(node)
        except ValueError:
            raise cell.refused(call, f"{name} : `{key}` n'est pas un littéral") from None
    if values.get("action", "store_true") != "store_true" or values.get("nargs", "*") not in "*+":
        raise cell.refused(call, f'{name} : `store_true` et `nargs="*"`, rien d\'autre')
    return Argument(
        name.removeprefix("--").replace("-", "_"),
        False if "action" in values else values.get("default"),
        kind,
        values.get("help", ""),
        "action" in values,
        "nargs" in values,
    )


def simple_namespace(arguments: list[Argument], value) -> list[str]:
    """`args = SimpleNamespace(...)`, où `value(argument)` est une expression Python."""
    made = [f"    {argument.name}={value(argument)},{comment(argument)}" for argument in arguments]
    return ["from types import SimpleNamespace", "", "args = SimpleNamespace(", *made, ")"]


def comment(argument: Argument) -> str:
    return f"  # {argument.help}" if argument.help else ""


def quote(value) -> str:
    """Un littéral Python, les textes entre guillemets doubles."""
    if isinstance(value, list):
        return f"[{', '.join(map(quote, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def jupyter_cell(arguments: list[Argument]) -> str:
    """Les options, une par ligne, avec les valeurs du script."""
    return "\n".join(simple_namespace(arguments, lambda argument: quote(argument.default)))


def databricks_cell(arguments: list[Argument]) -> str:
    """Un widget par option, relu sous `args.nom`."""
    made = []
    for argument in arguments:
        name = quote(argument.name)
        if argument.flag:
            made.append(f"dbutils.widgets.dropdown({name}, {quote(NO)}, {quote([NO, YES])})")
        else:
            default = argument.default
            words = default if argument.several else [] if default is None else [default]
            made.append(f"dbutils.widgets.text({name}, {quote(' '.join(map(str, words)))})")
    return "\n".join([*made, "", *simple_namespace(arguments, reading)])


def reading(argument: Argument) -> str:
    """L'expression qui relit un widget comme argparse lirait l'option."""
    read = f"dbutils.widgets.get({quote(argument.name)})"
    if argument.flag:
        return f"{read} == {quote(YES)}"
    if argument.several:
        words = f"{read}.split()"
        return f"[{argument.type}(word) for word in {words}]" if argument.type else words
    if argument.default is None:
        return (
            f"{argument.type}({read}) if {read} else None" if argument.type else f"{read} or None"
        )
    return f"{argument.type}({read})" if argument.type else read
