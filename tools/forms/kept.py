"""Ce qu'un notebook garde d'une cellule : le texte, où les options ont un autre nom ; le code,
imports utiles, marques et noms d'expériences.
"""

import ast
import re

from forms.cells import MARK, Cell, Script

LITERAL = re.compile(r'^(?P<name>\w+) = (?P<here>".*")  # databricks: (?P<there>".*")$')


def kept_markdown(cell: Cell, options: set[str]) -> str:
    """Le texte d'une cellule Markdown, où `--max-depth` devient `max_depth`."""

    def renamed(match: re.Match) -> str:
        name = match[1].replace("-", "_")
        return name if name in options else match[0]

    lines = []
    for number, line in enumerate(cell.lines, start=1):
        if line.strip() and not re.match(r"#( |$)", line):
            raise cell.refused(number, "une ligne de cellule Markdown commence par `# `")
        for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)", line):
            if not re.match(r"(https?:|mailto:|#)", target):
                raise cell.refused(number, f"dans un notebook, {target} ne mène nulle part")
        line = line.removeprefix("#").removeprefix(" ").rstrip()
        lines.append(re.sub(r"--([A-Za-z][\w-]*)", renamed, line))
    return "\n".join(lines).strip("\n")


def kept_code(cell: Cell, useful: set[str], without: set[str] = frozenset(), there=False) -> str:
    """Le code de la cellule, marques appliquées : d'un import restent les noms `useful`, et rien si
    c'est un module `without`.

    `there` : pour Databricks, où une expérience est sous `/Shared/`, et un nom marqué, un widget.
    """
    lines = dict(enumerate(cell.lines, start=1))
    named = sorted(cell.experiments(), key=lambda node: -node.col_offset)  # de droite à gauche
    for node in named if there else []:
        line = lines[node.lineno].encode()  # les colonnes de l'arbre sont en octets
        place = node.col_offset + 1
        lines[node.lineno] = (line[:place] + b"/Shared/" + line[place:]).decode()
    for node in cell.tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias: (alias.asname or alias.name).partition(".")[0] for alias in node.names}
            gone = getattr(node, "module", None) in without
            kept = [alias for alias, name in names.items() if name in useful and not gone]
            reduce_import(node, lines, kept)
    for number, (alone, code) in cell.marks().items():
        lines[number] = marked(lines[number], alone, code, there)
    text = "\n".join(lines[number] for number in sorted(lines)).strip("\n")
    try:
        ast.parse(text)
    except SyntaxError as error:
        reason = f"le code de `{MARK}` n'est pas du Python à cet endroit ({error.text})"
        raise cell.refused(1, reason) from None
    return text


def marked(line: str, alone: bool, code: str, there: bool) -> str:
    """La ligne d'une marque : son code la remplace, la suit, ou en fait un widget."""
    if found := LITERAL.match(line):
        name, value = found["name"], found["there"]
        if not there:
            return f"{name} = {found['here']}"
        widget = f'dbutils.widgets.text("{name}", {value})'
        return f'{widget}\n{name} = dbutils.widgets.get("{name}")'
    before, _, _ = line.rpartition(MARK)
    indent = before if alone else " " * (len(before) - len(before.lstrip()))
    return f"{indent}{code}" if alone else f"{before.rstrip()}\n{indent}{code}"


def useful_names(script: Script, cells: list[Cell]) -> set[str]:
    """Les noms importés à garder quand il ne reste que les cellules `cells` : tous, sauf ceux qui
    ne servaient qu'aux autres.
    """
    kept = {name for cell in cells for name in cell.names.read}
    others = {name for cell in script.cells if cell not in cells for name in cell.names.read}
    return kept | {name for cell in cells for name in cell.names.bound if name not in others}


def reduce_import(
    node: ast.Import | ast.ImportFrom, lines: dict[int, str], aliases: list[ast.alias]
):
    """Réécrit dans `lines` l'import `node`, réduit à `aliases` ; l'efface s'il n'en reste rien."""
    if aliases == node.names:
        return
    for number in range(node.lineno, node.end_lineno + 1):
        del lines[number]
    if aliases:
        whole = isinstance(node, ast.Import)
        lines[node.lineno] = ast.unparse(
            ast.Import(aliases) if whole else ast.ImportFrom(node.module, aliases, node.level)
        )
    elif not lines.get(node.lineno - 1, "x").strip():
        del lines[node.lineno - 1]  # la ligne vide qui séparait l'import du précédent
