"""Lancer un script dans une copie (`fork`) d'un programme qui a déjà importé MLflow : une seconde
au lieu de cinq.

Pour ce qui tient à une ligne ou à une autre option. Les signaux, les imports, TensorFlow, les
serveurs et `mlflow run` demandent un vrai programme. Le programme chaud importe, et rien d'autre :
une copie faite après un calcul à plusieurs fils se bloquerait.

    python tests/support/warm.py      une demande JSON par ligne -> un code par ligne
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

PRELOADED = (
    "mlflow", "mlflow.sklearn", "mlflow.models", "mlflow.data", "mlflow.pyfunc",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.db.utils", "mlflow.projects", "alembic", "sqlalchemy", "filelock", "psutil",
    "rich.progress", "skops.io",
    "pandas", "numpy",
    "matplotlib.pyplot", "sklearn.svm", "sklearn.ensemble", "sklearn.cluster",
    "sklearn.decomposition", "sklearn.linear_model",
    "sklearn.model_selection", "sklearn.neural_network", "sklearn.compose", "sklearn.impute",
)  # fmt: skip


def child(asked: dict) -> None:
    """Devient le programme demandé : ses flux, son dossier, ses variables, puis le script, et la
    fin.

    Ne revient jamais.
    """
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.modules["numpy"].random.seed()  # sans quoi toutes les copies tireraient les mêmes nombres
    signal.alarm(asked["seconds"])  # au-delà, le script est bloqué
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    written = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, asked["out"], written),
        (2, asked["err"], written),
    ):
        os.dup2(os.open(path, flags), number)
    sys.stdin, sys.stdout, sys.stderr = (
        open(n, m, encoding="utf-8", closefd=False) for n, m in ((0, "r"), (1, "w"), (2, "w"))
    )
    sys.argv, sys.path[0] = [asked["script"], *asked["arguments"]], os.path.dirname(asked["script"])
    code = 0
    try:
        runpy.run_path(asked["script"], run_name="__main__")
    except SystemExit as exited:
        code = exited.code if isinstance(exited.code, int) else int(exited.code is not None)
        if not isinstance(exited.code, int | None):
            print(exited.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def serve() -> None:
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()
    print("prêt", flush=True)
    for line in sys.stdin:
        number = os.fork()
        if not number:
            child(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]), flush=True)


@cache
def started() -> subprocess.Popen:
    """Le programme chaud de ce processus de tests ; il finit quand son entrée se ferme."""
    from programs import reader_environment

    quiet = reader_environment(MLFLOW_DISABLE_TELEMETRY="true", MPLBACKEND="agg")
    process = subprocess.Popen(
        [sys.executable, __file__],
        env=quiet,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    assert process.stdout.readline() == "prêt\n"
    atexit.register(lambda: (process.stdin.close(), process.wait(10)))
    return process


def forked(
    command: list[str], cwd: Path, timeout: float, **environment: str
) -> subprocess.CompletedProcess:
    """Comme `programs.ended`, pour `[python, script, options...]` ; ailleurs que sous Linux, c'est
    lui.
    """
    from programs import ended, reader_environment

    if sys.platform != "linux":
        return ended(command, cwd, timeout, **environment)
    _, script, *arguments = command
    process = started()
    with tempfile.TemporaryDirectory() as folder:
        asked = {
            "script": script, "arguments": arguments, "cwd": str(cwd),
            "env": reader_environment(**environment),
            "out": f"{folder}/out", "err": f"{folder}/err", "seconds": int(timeout),
        }  # fmt: skip
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        code = int(process.stdout.readline())
        said = [Path(folder, name).read_text(encoding="utf-8") for name in ("out", "err")]
    return subprocess.CompletedProcess(command, code, *said)


if __name__ == "__main__":
    serve()
