"""Ce qu'un notebook garde d'une cellule de code : les imports dont il se sert, et ce que disent les marques."""

import ast

from forms.arguments import read_arguments
from forms.cells import MARK, Cell, Script


def kept_code(cell: Cell, script: Script, without: set[str] = frozenset()) -> str:
    """Le code de la cellule, sans les imports devenus inutiles ni ceux des modules `without`, marques appliquées."""
    lines = dict(enumerate(cell.lines, start=1))
    for node in cell.tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            reduce_import(cell, node, lines, useful(script, node) if getattr(node, "module", None) not in without else [])
    for number, (alone, code) in cell.marks().items():
        before, _, _ = cell.lines[number - 1].rpartition(MARK)
        indent = before if alone else " " * (len(before) - len(before.lstrip()))
        lines[number] = f"{indent}{code}" if alone else f"{before.rstrip()}\n{indent}{code}"
    text = "\n".join(lines[number] for number in sorted(lines)).strip("\n")
    try:
        ast.parse(text)
    except SyntaxError as error:
        raise cell.refused(1, f"le code de `{MARK}` n'est pas du Python à cet endroit ({error.msg} : {error.text})") from None
    return text


def useful(script: Script, node: ast.Import | ast.ImportFrom) -> list[ast.alias]:
    """Ce qu'un import garde : ce qui ne servait qu'aux cellules locales ou aux paramètres reste avec elles."""
    kept = {name for cell in script.code() for name in cell.names.read}
    gone = {name for cell in script.cells if cell.tag for name in cell.names.read}
    if script.parameters():
        kept |= {argument.function for argument in read_arguments(script.parameters())}
    names = {alias: (alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return [alias for alias, name in names.items() if name in kept or name not in gone]


def reduce_import(cell: Cell, node: ast.Import | ast.ImportFrom, lines: dict[int, str], aliases: list[ast.alias]):
    """Réécrit dans `lines` l'import `node`, réduit à `aliases` ; l'efface s'il n'en reste rien."""
    if aliases == node.names:
        return
    if any(other is not node and node.lineno <= other.lineno <= node.end_lineno for other in cell.tree.body):
        raise cell.refused(node, "cet import partage sa ligne avec une autre instruction")
    for number in range(node.lineno, node.end_lineno + 1):
        del lines[number]
    if aliases:
        reduced = ast.Import(aliases) if isinstance(node, ast.Import) else ast.ImportFrom(node.module, aliases, node.level)
        lines[node.lineno] = ast.unparse(reduced)
    elif not lines.get(node.lineno - 1, "x").strip():
        del lines[node.lineno - 1]  # la ligne vide qui séparait l'import du précédent
