"""Ce qu'un script ne peut pas contenir, parce qu'un notebook ferait alors autre chose que lui."""

import ast
from itertools import combinations

from forms.arguments import read_arguments
from forms.cells import MARK, Cell, Script

PLATFORM = {"spark", "dbutils", "display"}  # les noms que tout notebook Databricks trouve déjà liés


def check(script: Script, siblings: dict[str, Script]):
    """Refuse ce qui n'aurait pas de sens dans un notebook, quelle que soit sa forme."""
    first = script.cells[0]
    if (
        first.kind != "markdown"
        or first.tag
        or not first.lines[:1]
        or not first.lines[0].startswith("# # ")
    ):
        raise first.refused(
            1, "la première cellule porte le titre : `# %% [markdown]` puis `# # Titre`"
        )
    for cell in script.cells:
        if cell.tag == "local" and cell.kind == "code" and (marks := cell.marks()):
            raise cell.refused(min(marks), f"`{MARK}` dans une cellule locale n'irait nulle part")
    if len(parameters := [cell for cell in script.cells if cell.tag == "parameters"]) > 1:
        raise parameters[1].refused(0, "une seule cellule de paramètres")
    check_names(script)
    check_types(script)
    sibling_imports(script, siblings)


def check_names(script: Script):
    """Refuse ce qui n'existerait pas dans le notebook : un nom que seules les cellules locales
    lient, `__file__`, `__name__`.
    """
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
        for name in sorted(
            (cell.names.now & dropped) - before | (cell.names.later & dropped) - everywhere
        ):
            raise cell.refused(
                cell.line_of(name), f"`{name}` n'est lié que dans une cellule absente du notebook"
            )
        for name in sorted(cell.names.bound & PLATFORM):
            raise cell.refused(
                cell.line_of(name),
                f"`{name}` est un nom de Databricks : le lier le cacherait au notebook",
            )
        for name in sorted(cell.names.read & {"__file__", "__name__"}):
            raise cell.refused(
                cell.line_of(name),
                f"`{name}` n'a pas de sens dans un notebook : réservez-le à une cellule locale",
            )


def check_types(script: Script):
    """Refuse un `type=` que le notebook n'aurait pas encore lié : `int` aussi, dont l'erreur serait
    une trace d'appels.
    """
    bound = set()
    for cell in script.cells:
        if cell.tag == "parameters":
            for argument in read_arguments(cell):
                if argument.type and argument.function not in bound:
                    raise cell.refused(
                        1,
                        f"--{argument.name} : `type={argument.type}` vient d'une cellule gardée, plus haut",
                    )
        elif not cell.tag:
            bound |= cell.names.bound


def sibling_imports(script: Script, siblings: dict[str, Script]) -> list[str]:
    """Les modules voisins que le notebook utilise, dans l'ordre ; refuse les formes que `%run` ne
    sait pas rendre.
    """
    found = []
    for cell in script.code():
        for node in ast.walk(cell.tree):
            if isinstance(node, ast.Import):
                if (
                    names := {alias.name.partition(".")[0] for alias in node.names}
                    & siblings.keys()
                ):
                    raise cell.refused(
                        node,
                        f"écrivez `from {min(names)} import ...` : `%run` ne crée pas de module",
                    )
            elif isinstance(node, ast.ImportFrom):
                if node.level:
                    raise cell.refused(
                        node, "import relatif : les scripts ne forment pas un paquet"
                    )
                if node.module in siblings:
                    check_sibling_import(cell, node, siblings[node.module])
                    found.append(node.module)
    return list(dict.fromkeys(found))


def check_sibling_import(cell: Cell, node: ast.ImportFrom, module: Script):
    if not module.has("databricks"):
        raise cell.refused(
            node, f"{module.name} n'a pas de notebook : importez-le dans une cellule locale"
        )
    if module.parameters():
        raise cell.refused(node, f"{module.name} a des paramètres : c'est un script, pas un module")
    if node not in cell.tree.body:
        raise cell.refused(
            node, f"`from {module.name} import` s'écrit au niveau du script, pas dans un bloc"
        )
    if not all(
        isinstance(each, ast.Import | ast.ImportFrom)
        for each in cell.tree.body[: cell.tree.body.index(node)]
    ):
        raise cell.refused(
            node,
            f"`from {module.name} import` vient avant le code de sa cellule, comme le `%run` qui le remplace",
        )
    kept = {name for each in module.code() for name in each.names.bound}
    for alias in node.names:
        if alias.asname or alias.name == "*":
            raise cell.refused(
                node,
                f"ni `as` ni `*` pour un module voisin : `%run {module.name}` garde les noms tels quels",
            )
        if alias.name not in kept:
            raise cell.refused(
                node,
                f"{module.name} ne lie pas `{alias.name}` dans une cellule que son notebook garde",
            )


def modules_of(script: Script, siblings: dict[str, Script]) -> dict[str, Script]:
    """Tous les modules que le notebook exécute, y compris ceux de ses modules."""
    found = {}
    for name in sibling_imports(script, siblings):
        found |= modules_of(siblings[name], siblings) | {name: siblings[name]}
    return found


def check_collisions(script: Script, siblings: dict[str, Script]):
    """`%run` verse tout dans un seul espace de noms : deux fichiers ne peuvent y lier le même nom à
    deux choses.
    """
    for one, other in combinations([script, *modules_of(script, siblings).values()], 2):
        theirs = bindings(other, siblings)
        for name, (what, cell) in bindings(one, siblings).items():
            if name in theirs and theirs[name][0] != what:
                raise cell.refused(
                    cell.line_of(name),
                    f"`{name}` remplacerait dans le notebook celui de {other.name} : changez de nom",
                )


def bindings(script: Script, siblings: dict[str, Script]) -> dict[str, tuple[str, Cell]]:
    """Chaque nom global d'un script et ce qui le lie : l'import, ou le script lui-même."""
    found = {}
    for cell in script.code():
        for name in cell.names.bound:
            found[name] = (script.name, cell)
        for node in ast.walk(cell.tree):
            for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else []:
                bound, module = (
                    (alias.asname or alias.name).partition(".")[0],
                    getattr(node, "module", None),
                )
                if module in siblings:  # lié par le `%run`, pas par l'import
                    found.pop(bound, None)
                elif bound in found and cell.only_imports(bound):
                    found[bound] = (
                        f"import {module} {alias.name if alias.asname else bound}",
                        cell,
                    )
    return found
