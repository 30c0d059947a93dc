"""Ce que les tests des formes partagent : lire un script sans le générateur, comparer ses cellules,
lancer un générateur ici même.
"""

import ast
import os
import re
import shutil
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import ModuleType
from unittest import mock

from texts import ROOT

from course import SCRIPTS, Script


def with_form(name: str) -> list[Script]:
    """Les scripts du cours qui ont cette forme : `databricks` ou `jupyter`."""
    refused = ("# databricks: non", f"# {name}: non")
    return [
        script
        for script in SCRIPTS
        if not (ROOT / script.path).read_text(encoding="utf-8").startswith(refused)
    ]


def cells_of(path: Path) -> list[tuple[str, str, str]]:
    """Les cellules `# %%` d'un script : (`code` ou `markdown`, étiquette ou rien, texte)."""
    header = re.compile(r"^# %%(?: \[(markdown)\])?(?: tags=\[\"(\w+)\"\])?\n", re.MULTILINE)
    _, *found = header.split(path.read_text(encoding="utf-8"))
    cells = zip(found[::3], found[1::3], found[2::3], strict=True)
    return [
        (
            kind or "code",
            tag or "",
            re.sub(r"^# ?", "", text, flags=re.MULTILINE).strip() if kind else text.strip(),
        )
        for kind, tag, text in cells
    ]


class Statements(ast.NodeTransformer):
    """Ôte d'un code ce qu'une forme change : les imports, `display`, le conseil de la commande
    suivante.
    """

    def visit_Import(self, node):
        return None

    visit_ImportFrom = visit_Import

    def visit_Expr(self, node):
        text = ast.unparse(node)
        return None if text.startswith("display(") or "Ensuite : uv run" in text else node


def essence(kind: str, text: str) -> str:
    """Ce qu'une cellule dit ou fait : son code sans ce que la forme change, ou son texte, quel que
    soit le nom des options.
    """
    if kind == "code":
        return ast.unparse(Statements().visit(ast.parse(text)))
    return re.sub(r"<!--.*?-->|[-_]", "", text).strip()


def essences(cells: list[tuple[str, str]]) -> list[str]:
    """De toutes les cellules qui disent ou font quelque chose, le lien vers la suite à part."""
    return [
        said
        for kind, text in cells
        if not text.startswith("**Ensuite**") and (said := essence(kind, text))
    ]


def write_scripts(root: Path, **scripts: str) -> Path:
    """Écrit des scripts dans la leçon inventée `root/01_essai`, et la donne."""
    for name in ("requirements.txt", "pyproject.toml"):
        if not (root / name).exists():
            shutil.copy(ROOT / name, root)
    folder = root / "01_essai/local"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in scripts.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder.parent


def ask(tool: ModuleType, root: Path, *options: str) -> tuple[int, str]:
    """Un générateur de `tools/`, lancé ici même sur le cours de `root` : son code, ce qu'il dit."""
    argv, environment = (
        mock.patch.object(sys, "argv", [tool.__name__, *options]),
        mock.patch.dict(os.environ),
    )
    with argv, environment, redirect_stdout(StringIO()) as said:
        # sous pytest, un noyau Jupyter n'entend pas les commandes qu'il lance
        os.environ.pop("PYTEST_CURRENT_TEST", None)
        try:
            tool.main(root)
        except SystemExit as ended:
            if isinstance(ended.code, str):
                return 1, said.getvalue() + ended.code
            return ended.code or 0, said.getvalue()
    return 0, said.getvalue()
