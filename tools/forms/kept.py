"""Ce qu'un notebook garde d'une cellule : le texte, où les options ont un autre nom ; le code,
imports utiles et marques.
"""

import ast
import re

from forms.cells import MARK, Cell, Script


def kept_markdown(cell: Cell, options: set[str]) -> str:
    """Le texte d'une cellule Markdown, où `--max-depth` devient `max_depth`."""

    def renamed(match: re.Match) -> str:
        name = match[1].replace("-", "_")
        return name if name in options else match[0]

    lines = []
    for number, line in enumerate(cell.lines, start=1):
        if line.strip() and not re.match(r"#( |$)", line):
            raise cell.refused(number, "une ligne de cellule Markdown commence par `# `")
        if line.startswith(MARK):
            raise cell.refused(number, f"`{MARK}` dans du Markdown")
        for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)", line):
            if not re.match(r"(https?:|mailto:|#)", target):
                raise cell.refused(
                    number,
                    f"le lien {target} ne mène nulle part dans un notebook : donnez une adresse complète",
                )
        lines.append(
            re.sub(
                r"--([A-Za-z][\w-]*)", renamed, line.removeprefix("#").removeprefix(" ").rstrip()
            )
        )
    return "\n".join(lines).strip("\n")


def kept_code(cell: Cell, useful: set[str], without: set[str] = frozenset()) -> str:
    """Le code de la cellule, marques appliquées : d'un import restent les noms `useful`, et rien si
    c'est un module `without`.
    """
    lines = dict(enumerate(cell.lines, start=1))
    for node in cell.tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias: (alias.asname or alias.name).partition(".")[0] for alias in node.names}
            gone = getattr(node, "module", None) in without
            reduce_import(
                cell,
                node,
                lines,
                [alias for alias, name in names.items() if name in useful and not gone],
            )
    for number, (alone, code) in cell.marks().items():
        before, _, _ = cell.lines[number - 1].rpartition(MARK)
        indent = before if alone else " " * (len(before) - len(before.lstrip()))
        lines[number] = f"{indent}{code}" if alone else f"{before.rstrip()}\n{indent}{code}"
    text = "\n".join(lines[number] for number in sorted(lines)).strip("\n")
    try:
        ast.parse(text)
    except SyntaxError as error:
        raise cell.refused(
            1, f"le code de `{MARK}` n'est pas du Python à cet endroit ({error.msg} : {error.text})"
        ) from None
    return text


def useful_names(script: Script, cells: list[Cell]) -> set[str]:
    """Les noms importés à garder quand il ne reste que les cellules `cells` : tous, sauf ceux qui
    ne servaient qu'aux autres.
    """
    kept = {name for cell in cells for name in cell.names.read}
    others = {name for cell in script.cells if cell not in cells for name in cell.names.read}
    return kept | {name for cell in cells for name in cell.names.bound if name not in others}


def reduce_import(
    cell: Cell, node: ast.Import | ast.ImportFrom, lines: dict[int, str], aliases: list[ast.alias]
):
    """Réécrit dans `lines` l'import `node`, réduit à `aliases` ; l'efface s'il n'en reste rien."""
    if aliases == node.names:
        return
    if any(
        other is not node and node.lineno <= other.lineno <= node.end_lineno
        for other in cell.tree.body
    ):
        raise cell.refused(node, "cet import partage sa ligne avec une autre instruction")
    for number in range(node.lineno, node.end_lineno + 1):
        del lines[number]
    if aliases:
        reduced = (
            ast.Import(aliases)
            if isinstance(node, ast.Import)
            else ast.ImportFrom(node.module, aliases, node.level)
        )
        lines[node.lineno] = ast.unparse(reduced)
    elif not lines.get(node.lineno - 1, "x").strip():
        del lines[node.lineno - 1]  # la ligne vide qui séparait l'import du précédent
