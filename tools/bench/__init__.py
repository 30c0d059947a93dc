"""Ce que `tools/benchmark.py` mesure : un module par question.

Chaque nombre compare deux choses de la même exécution.

`startup` : d'où vient la durée d'un script ; `works` : les leçons avec et sans MLflow ;
`children` : un run enfant, pièce par pièce, et la façon de la plupart des tutoriels ; `volume` : le
magasin à 100, 1 000 et 10 000 runs ; `servers` : le même run à travers des serveurs ; `soak` :
écrire longtemps à plusieurs, tout relire ; `kills` : tuer un script, puis suivre le chemin que le
cours donne, `losses` jugeant ce qui manque ; `claims` : les durées que les pages annoncent.
`catalog` nomme les mesures, et les montre.
"""

import ast
import os
import subprocess
import sys
import time
from pathlib import Path

from course import named

ROOT = Path(__file__).resolve().parents[2]
PROJECT = str(ROOT / "03_mlflow_project")
LESSONS = [str(path) for room in ("local", "team") for path in sorted(ROOT.glob(f"0?_*/{room}"))]


def seconds(*command: str) -> float:
    """La durée d'une commande Python, lancée du dossier courant ; lève `RuntimeError`, avec ce
    qu'elle a écrit, si elle échoue.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    # sans bytecode gardé, chaque script recompilerait MLflow
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-X", "utf8", *command]
    start = time.perf_counter()
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, encoding="utf-8"
    )
    if ended.returncode:
        raise RuntimeError(f"{command} : code {ended.returncode}\n{ended.stdout}\n{ended.stderr}")
    return time.perf_counter() - start


def script(name: str) -> str:
    """Le chemin complet d'un script, par son nom sans numéro."""
    return str(ROOT / named(name).path)


def imports(path: str) -> str:
    """Le programme qui ne fait que les imports d'un script : ce que son démarrage coûte."""
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    kept = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return beside(path, "\n".join(map(ast.unparse, kept)))


def changed(path: str, **constants) -> str:
    """Le programme d'un script où des constantes valent autre chose : `K_MAX=4`."""
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in constants:
            value = constants.pop(ast.unparse(node.targets[0]))
            node.value = ast.parse(repr(value), mode="eval").body
    if constants:
        raise KeyError(f"{path} n'a pas de constante {', '.join(constants)}")
    return beside(path, ast.unparse(tree))


def beside(path: str, program: str) -> str:
    """Un programme pour `python -c`, qui trouve les modules du dossier d'un script."""
    return f"import sys; sys.path.insert(0, {str(Path(path).parent)!r})\n{program}"
