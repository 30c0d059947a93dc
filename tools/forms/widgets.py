"""Les options d'un script sur Databricks : une cellule crée un widget par option, et les relit sous
`args.nom`.
"""

import json
import shlex

from forms.arguments import Argument

YES, NO = "oui", "non"


def widgets_cell(arguments: list[Argument]) -> str:
    lines = ["import shlex"] if any(argument.nargs for argument in arguments) else []
    lines += ["from types import SimpleNamespace", "", *map(created, arguments), ""]
    for argument in filter(Argument.never_empty, arguments):
        message = f"Le réglage « {argument.name} » est vide : remplissez-le en haut de la page, puis relancez."
        lines += [
            f"if not dbutils.widgets.get({quote(argument.name)}).strip():",
            f"    raise SystemExit({quote(message)})",
        ]
    lines += [
        "args = SimpleNamespace(",
        *(f"    {argument.name}={value(argument)}," for argument in arguments),
        ")",
    ]
    return "\n".join(lines)


def created(argument: Argument) -> str:
    """L'instruction qui crée le widget."""
    choices = [NO, YES] if argument.flag else argument.choices
    name, default = quote(argument.name), quote(shown(argument))
    comment = f"  # {argument.help}" if argument.help else ""
    if choices:
        return f"dbutils.widgets.dropdown({name}, {default}, {quote(choices)}){comment}"
    return f"dbutils.widgets.text({name}, {default}){comment}"


def shown(argument: Argument) -> str:
    """La valeur par défaut, telle que le widget la montre."""
    if argument.flag:
        return NO
    if argument.there is None:
        return ""
    return shlex.join(map(str, argument.there)) if argument.nargs else str(argument.there)


def value(argument: Argument) -> str:
    """L'expression qui relit le widget comme argparse lirait l'option."""
    read = f"dbutils.widgets.get({quote(argument.name)})"
    if argument.flag:
        return f"{read} == {quote(YES)}"
    if argument.nargs:
        return (
            f"[{argument.type}(word) for word in shlex.split({read})]"
            if argument.type
            else f"shlex.split({read})"
        )
    converted = f"{argument.type}({read})" if argument.type else read
    if argument.there is not None or argument.required:
        return converted
    return f"{converted} if {read} else None" if argument.type else f"{read} or None"


def quote(value) -> str:
    """Un littéral Python, entre guillemets doubles."""
    return json.dumps(value, ensure_ascii=False)
