"""Ce qu'offre un module installé, même quand un paquet facultatif lui manque."""

import ast
import importlib
import importlib.util
from pathlib import Path

OPTIONAL = {"pyspark", "optuna", "flask_wtf"}  # les groupes spark et team


def names_of(module: str) -> set[str]:
    """Les noms du module `module` (nom complet).

    S'il demande un paquet facultatif absent, il est lu sans être exécuté.

    Lève `ImportError` si ce qui lui manque n'est pas facultatif.
    """
    try:
        return set(dir(importlib.import_module(module)))
    except ImportError as error:
        # MLflow remplace souvent l'erreur par la sienne
        missing = error if error.name else error.__cause__
        if not missing or (missing.name or "").partition(".")[0] not in OPTIONAL:
            raise
    root, *inside = module.split(".")
    path = Path(importlib.util.find_spec(root).submodule_search_locations[0], *inside)
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    return imported | {
        node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
