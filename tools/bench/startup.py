"""D'où vient la durée d'un script court : ses imports, la sortie de Python, le travail."""

from statistics import median

from bench import ROOT, script, seconds

FIRST_RUN = script("first_run")
IMPORTS = "import mlflow, pandas, sklearn.svm"
# le même script, sans le `gc.freeze()` de store.py
PLAIN = f"""
import gc, runpy, sys
gc.freeze = lambda: None
sys.path.insert(0, {str(ROOT / "01_tracking_supervised/local")!r})
runpy.run_path({FIRST_RUN!r}, run_name="__main__")
"""


def measure(rounds: int) -> dict[str, float]:
    """Durées rapportées à celle d'un programme qui ne fait qu'importer MLflow, pandas et
    scikit-learn ; la médiane des tours.
    """
    seconds(FIRST_RUN)  # le magasin existe, tout est en mémoire
    found = {"startup.script": [], "startup.plain_gc": []}
    for _ in range(rounds):
        imports = seconds("-c", IMPORTS)
        found["startup.script"].append(seconds(FIRST_RUN) / imports)
        found["startup.plain_gc"].append(seconds("-c", PLAIN) / imports)
    return {name: median(values) for name, values in found.items()}
