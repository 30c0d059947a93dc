"""Un Databricks de poche, pour les tests : exécute un notebook tiré d'une archive `.dbc`, comme le
ferait un espace de travail.

    python tests/support/databricks_runtime.py ARCHIVE NOTEBOOK JOURNAL

Les cellules partagent un espace de noms, `__main__`, et Databricks y met `dbutils`, `display` et
`spark`. Les magies sont `%md` (passée), `%run` (suivie), `%pip` (notée, pas exécutée). JOURNAL
reçoit, en JSON, ce que le notebook a demandé. Avec la variable DATABRICKS_RUNTIME_VERSION, MLflow
se croit lui aussi sur Databricks : il y sérialise par cloudpickle.
"""

import json
import linecache
import re
import sys
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from posixpath import normpath
from types import ModuleType, SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from databricks_archive import read_archive


class Widgets:
    """`dbutils.widgets` : des textes, nommés, lus après avoir été créés ; `given` : ceux qu'un
    lecteur a changés.
    """

    def __init__(self, given: dict[str, str]):
        self.given, self.values = given, {}

    def text(self, name: str, default: str, label: str | None = None):
        if not isinstance(default, str):
            raise TypeError(f"widget {name} : {default!r} n'est pas un texte")
        self.values[name] = self.given.get(name, default)

    def dropdown(self, name: str, default: str, choices: list[str], label: str | None = None):
        if default not in choices:
            raise ValueError(f"widget {name} : {default!r} n'est pas parmi {choices}")
        self.text(name, default, label)

    def get(self, name: str) -> str:
        if name not in self.values:
            raise KeyError(f"InputWidgetNotDefined : {name}")
        return self.values[name]


class Context:
    """Ce que MLflow demande à Databricks sur le notebook en cours ; ne pas répondre le ferait
    lancer Spark pour le savoir.
    """

    isInNotebook, notebookId = True, "1"

    def __init__(self, notebook: str):
        self.notebookPath = f"/Workspace/{notebook}"

    def __getattr__(self, name: str) -> None:
        return None  # inconnu : l'adresse de l'espace de travail, le numéro du cluster...


class Workspace:
    """Les notebooks d'une archive, et l'interprète qui les exécute."""

    def __init__(self, notebooks: dict[str, list[str]]):
        self.notebooks, self.widgets, self.spark = notebooks, Widgets({}), None
        self.journal = {"pip": [], "run": [], "displayed": [], "restarts": 0}
        # Le `__main__` d'un notebook : les classes qu'il définit y sont, et cloudpickle les
        # enregistre avec le modèle.
        self.namespace = sys.modules["__main__"] = ModuleType("__main__")
        self.fill()

    def fill(self):
        self.namespace.__dict__.update(
            dbutils=SimpleNamespace(
                widgets=self.widgets, library=SimpleNamespace(restartPython=self.restart)
            ),
            display=lambda shown: self.journal["displayed"].append(type(shown).__name__),
            **({"spark": self.spark} if self.spark else {}),
        )

    def restart(self):
        self.journal["restarts"] += 1
        for name in [name for name in vars(self.namespace) if not name.startswith("__")]:
            del self.namespace.__dict__[name]
        self.fill()

    def start_spark(self):
        """Spark Connect, comme le calcul sans serveur : ni RDD ni `sparkContext`."""
        from pyspark.sql import SparkSession

        self.spark = SparkSession.builder.remote("local[2]").getOrCreate()
        self.fill()

    def run(self, name: str):
        cells = self.notebooks[name]
        if self.spark is None and any(
            re.search(r"\bspark\b", cell) for cell in cells if not cell.startswith("%")
        ):
            self.start_spark()
        for number, cell in enumerate(cells, start=1):
            first, _, rest = cell.partition("\n")
            magic, _, argument = first.partition(" ")
            if magic == "%md":
                continue
            if magic == "%run":
                assert not rest.strip(), f"{name} : une cellule %run ne contient que sa ligne"
                self.journal["run"].append(argument)
                self.run(normpath(PurePosixPath(name).parent / argument))
                continue
            if magic == "%pip":
                self.journal["pip"].append(argument)
                cell = rest
            assert not cell.startswith("%"), f"{name} : magie inconnue {first}"
            label = f"{name}, cellule {number}"
            linecache.cache[label] = (len(cell), None, cell.splitlines(keepends=True), label)
            exec(compile(cell, label, "exec"), self.namespace.__dict__)


def pretend_pyspark():
    """Databricks a toujours pyspark, que `mlflow.autolog` y importe ; ici, un groupe facultatif."""
    pyspark, ml, param = map(ModuleType, ("pyspark", "pyspark.ml", "pyspark.ml.param"))
    pyspark.ml, ml.param, param.Param = ml, param, type("Param", (), {})
    sys.modules.update({module.__name__: module for module in (pyspark, ml, param)})


def main(archive: str, name: str, journal: str):
    sys.modules["dbruntime"] = ModuleType("dbruntime")
    sys.modules["dbruntime.databricks_repl_context"] = answers = ModuleType(
        "dbruntime.databricks_repl_context"
    )
    answers.get_context = lambda: Context(f"{Path(archive).stem}/{name}")
    if find_spec("pyspark") is None:
        pretend_pyspark()
    workspace = Workspace(read_archive(Path(archive)))
    try:
        workspace.run(f"{Path(archive).stem}/{name}")
    finally:
        Path(journal).write_text(
            json.dumps(workspace.journal, ensure_ascii=False), encoding="utf-8"
        )
        if workspace.spark is not None:
            workspace.spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
