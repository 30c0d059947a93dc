"""Ce qu'un script ne peut pas contenir, parce qu'un notebook ferait alors autre chose que lui."""

import ast
from itertools import combinations

from forms.cells import EXPERIMENTS, MARK, Cell, Script

PLATFORM = {"spark", "dbutils", "display"}  # les noms que tout notebook Databricks trouve déjà liés


def check(script: Script, siblings: dict[str, Script]):
    """Refuse ce qui n'aurait pas de sens dans un notebook, quelle que soit sa forme."""
    first = script.cells[0]
    if first.kind != "markdown" or first.tag or not first.text.startswith("# # "):
        raise first.refused(
            1, "la première cellule porte le titre : `# %% [markdown]`, `# # Titre`"
        )
    for cell in script.cells:
        if cell.tag == "local" and cell.kind == "code" and (marks := cell.marks()):
            raise cell.refused(min(marks), f"`{MARK}` dans une cellule locale n'irait nulle part")
    if len(parameters := [cell for cell in script.cells if cell.tag == "parameters"]) > 1:
        raise parameters[1].refused(0, "une seule cellule de paramètres")
    check_names(script)
    check_folder(script, siblings)
    check_experiments(script)
    sibling_imports(script, siblings)


def check_names(script: Script):
    """Refuse ce qui n'existerait pas dans le notebook : un nom que seules les cellules locales
    lient, `__file__`, `__name__`.
    """
    dropped = {name for cell in script.cells if cell.tag for name in cell.names.bound} - {"args"}
    everywhere = {name for cell in script.code() for name in cell.names.bound} | PLATFORM
    before = set(PLATFORM)
    for cell in script.code():
        before |= cell.names.bound
        lost = (cell.names.now & dropped) - before | (cell.names.later & dropped) - everywhere
        for name in sorted(lost):
            reason = f"`{name}` n'est lié que dans une cellule absente du notebook"
            raise cell.refused(cell.line_of(name), reason)
        for name in sorted(cell.names.bound & PLATFORM):
            reason = f"`{name}` est un nom de Databricks : le lier le cacherait au notebook"
            raise cell.refused(cell.line_of(name), reason)
        for name in sorted(cell.names.read & {"__file__", "__name__"}):
            reason = (
                f"`{name}` n'a pas de sens dans un notebook : dans une cellule locale seulement"
            )
            raise cell.refused(cell.line_of(name), reason)


def check_folder(script: Script, siblings: dict[str, Script]):
    """Refuse un module de la leçon importé après `open_store()`, qui change le dossier courant."""
    opened = False
    for cell in script.cells:
        for node in cell.tree.body:
            if isinstance(node, ast.ImportFrom) and node.module in siblings and opened:
                raise cell.refused(node, f"{node.module} s'importe avant `open_store()`")
            opened |= "open_store(" in ast.unparse(node)


def check_experiments(script: Script):
    """Refuse le nom d'une leçon ailleurs que là où MLflow attend celui d'une expérience."""
    for cell in script.code():
        named = {node for node in cell.experiments()}
        for node in ast.walk(cell.tree):
            known = isinstance(node, ast.Constant) and node.value in EXPERIMENTS
            if known and node not in named:
                reason = f"« {node.value} », hors d'un appel qui nomme une expérience"
                raise cell.refused(node, reason)


def sibling_imports(script: Script, siblings: dict[str, Script]) -> list[str]:
    """Les modules voisins que le notebook utilise, dans l'ordre.

    Refuse les formes que `%run`, qui exécute le module sur place, ne sait pas rendre.
    """
    found = []
    for cell in script.code():
        for node in ast.walk(cell.tree):
            if isinstance(node, ast.Import):
                names = {alias.name.partition(".")[0] for alias in node.names} & siblings.keys()
                if names:
                    raise cell.refused(node, f"écrivez `from {min(names)} import ...`")
            elif isinstance(node, ast.ImportFrom) and node.module in siblings:
                check_sibling_import(cell, node, siblings[node.module])
                found.append(node.module)
    return list(dict.fromkeys(found))


def check_sibling_import(cell: Cell, node: ast.ImportFrom, module: Script):
    if not module.has("databricks"):
        reason = f"{module.name} n'a pas de notebook : importez-le dans une cellule locale"
        raise cell.refused(node, reason)
    before = cell.tree.body[: cell.tree.body.index(node)] if node in cell.tree.body else [node]
    if node in before or not all(isinstance(each, ast.Import | ast.ImportFrom) for each in before):
        reason = f"`from {module.name} import` vient avant le code de sa cellule, comme son `%run`"
        raise cell.refused(node, reason)
    kept = {name for each in module.code() for name in each.names.bound}
    for alias in node.names:
        if alias.asname or alias.name not in kept:
            reason = f"{module.name} ne donne pas `{alias.name}` sous ce nom dans son notebook"
            raise cell.refused(node, reason)


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
                reason = f"`{name}` remplacerait dans le notebook celui de {other.name}"
                raise cell.refused(cell.line_of(name), reason)


def bindings(script: Script, siblings: dict[str, Script]) -> dict[str, tuple[str, Cell]]:
    """Chaque nom global d'un script et ce qui le lie : l'import, ou le script lui-même."""
    found = {}
    for cell in script.code():
        found |= {name: (script.name, cell) for name in cell.names.bound}
        for node in ast.walk(cell.tree):
            for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else []:
                bound = (alias.asname or alias.name).partition(".")[0]
                module = getattr(node, "module", None)
                if module in siblings:  # lié par le `%run`, pas par l'import
                    found.pop(bound, None)
                elif bound in found and cell.only_imports(bound):
                    found[bound] = (f"{module} {alias.name if alias.asname else bound}", cell)
    return found
