"""Les bibliothèques qu'un notebook demande : les versions figées de ce qu'il importe, lui ou ses
modules, et rien de plus.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from forms.cells import Cell, Script
from forms.contract import modules_of

# Spark est celui de la plateforme : en installer un autre la casserait
INSTALLED_THERE = {"pyspark"}
# module -> la distribution figée qui l'apporte, quand elle ne porte pas son nom
DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "azure-core": "azure-identity",
    "marshmallow": "azure-ai-ml",
}


def read_pins(root: Path) -> dict[str, str]:
    """distribution -> `distribution==version`, lues dans requirements.txt, puis dans les groupes de
    pyproject.toml.
    """
    groups = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get(
        "dependency-groups", {}
    )
    lines = [line for group in groups.values() for line in group]
    lines += (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    found = (re.match(r"([\w.-]+)(?:\[.*\])?==([^\s;]+)", line) for line in lines)
    return {match[1]: f"{match[1]}=={match[2]}" for match in found if match}


def requirements(script: Script, siblings: dict[str, Script], pins: dict[str, str]) -> list[str]:
    needed = set()
    for cell, statement in reached([script, *modules_of(script, siblings).values()]):
        for node, module in imported(statement):
            if module.partition(".")[0] in siblings.keys() | INSTALLED_THERE:
                continue
            if not (name := distribution(module, pins)):
                raise cell.refused(
                    node,
                    f"{module} n'est ni dans requirements.txt ni dans un groupe de pyproject.toml",
                )
            needed.add(name)
        attributes = {
            ast.unparse(node) for node in ast.walk(statement) if isinstance(node, ast.Attribute)
        }
        if "mlflow.tensorflow.autolog" in attributes:
            needed |= {"tensorflow", "tensorboard"}  # par lequel il écrit
        # le code du projet s'exécute dans l'environnement du notebook
        if "mlflow.projects" in attributes:
            for path in sorted(script.path.parents[1].glob("*.py")):
                found = (
                    distribution(module, pins)
                    for _, module in imported(ast.parse(path.read_text(encoding="utf-8")))
                )
                needed |= {name for name in found if name}
    return sorted(pins[name] for name in needed)


def reached(scripts: list[Script]) -> Iterator[tuple[Cell, ast.stmt]]:
    """Les instructions que le notebook peut exécuter : une fonction d'un module n'en est que si
    quelque chose la nomme.

    Sans cela, le premier script installerait TensorFlow pour un réseau de neurones qu'il n'entraîne
    pas.
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
        yield from (
            (node, module)
            for module in modules
            if module.partition(".")[0] not in sys.stdlib_module_names
        )


def distribution(module: str, pins: dict[str, str]) -> str | None:
    """La distribution qui fournit `module` : `azure.ai.ml.entities` -> `azure-ai-ml`."""
    parts = module.replace("_", "-").split(".")
    candidates = ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]
    candidates = [DISTRIBUTIONS.get(name, name) for name in candidates]
    return next((name for name in candidates if name in pins), None)
