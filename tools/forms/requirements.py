"""Les bibliothèques qu'un notebook demande : les versions figées de ce qu'il importe, lui ou ses
modules.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from course import PLAN, bare
from forms.cells import Script
from forms.contract import modules_of

# Spark est celui de la plateforme : en installer un autre la casserait
INSTALLED_THERE = {"pyspark"}
# Un module qui sait faire un réseau n'oblige pas les autres scripts à installer TensorFlow
HEAVY = {"tensorflow", "keras"}
# module -> la distribution figée qui l'apporte, quand elle ne porte pas son nom
DISTRIBUTIONS = {"sklearn": "scikit-learn", "azure-core": "azure-identity"}
DISTRIBUTIONS |= {"marshmallow": "azure-ai-ml"}


def read_pins(root: Path) -> dict[str, str]:
    """distribution -> `distribution==version`, de requirements.txt et des groupes de
    pyproject.toml.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project.get("dependency-groups", {}).values()
    lines = [line for group in groups for line in group if isinstance(line, str)]
    lines += (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    found = (re.match(r"([\w.-]+)(?:\[.*\])?==([^\s;]+)", line) for line in lines)
    return {match[1]: f"{match[1]}=={match[2]}" for match in found if match}


def requirements(script: Script, siblings: dict[str, Script], pins: dict[str, str]) -> list[str]:
    """`distribution==version` de chaque bibliothèque, par ordre alphabétique."""
    # un exercice fait écrire l'import de MLflow
    needed = {"mlflow"} if script.path.parent.name == "exercises" else set()
    text = "\n".join(cell.text for cell in script.code())
    heavy = "tensorflow" in PLAN.get(bare(script.name), ()) or re.search(
        r"\b(tensorflow|keras)\b", text
    )
    for each in [script, *modules_of(script, siblings).values()]:
        for cell in each.code():
            for node, module in imported(cell.tree):
                top = module.partition(".")[0]
                if top in siblings.keys() | INSTALLED_THERE or (top in HEAVY and not heavy):
                    continue
                if not (name := distribution(module, pins)):
                    reason = f"{module} n'est dans requirements.txt ni dans un groupe du projet"
                    raise cell.refused(node, reason)
                needed.add(name)
    if "mlflow.tensorflow.autolog" in text:
        needed |= {"tensorflow", "tensorboard"}  # par lequel il écrit
    if "mlflow.projects" in text:  # le projet s'exécute dans l'environnement du notebook
        for path in sorted(script.path.parents[1].glob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            needed |= {name for _, module in imported(tree) if (name := distribution(module, pins))}
    return sorted(pins[name] for name in needed)


def imported(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Chaque import de `tree` et le module qu'il nomme, ceux de Python mis à part."""
    for node in ast.walk(tree):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module] if isinstance(node, ast.ImportFrom) else []
        for module in modules:
            if module.partition(".")[0] not in sys.stdlib_module_names:
                yield node, module


def distribution(module: str, pins: dict[str, str]) -> str | None:
    """La distribution qui fournit `module` : `azure.ai.ml.entities` -> `azure-ai-ml`."""
    parts = module.replace("_", "-").split(".")
    candidates = ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]
    candidates = [DISTRIBUTIONS.get(name, name) for name in candidates]
    return next((name for name in candidates if name in pins), None)
