"""De script à notebook Databricks : chaque règle de traduction, chaque refus, chaque widget relu comme argparse lit l'option."""

import argparse
import shutil
from types import SimpleNamespace

import pytest
from conftest import ROOT
from course import Script
from databricks_archive import from_source
from databricks_runtime import Widgets
from forms.cells import Refused
from forms.notebook import notebooks
from forms.requirements import read_pins
from forms.source import to_source

TITLE = "# %% [markdown]\n# # Titre\n"
PARSER = '# %% tags=["parameters"]\nparser = argparse.ArgumentParser(description="x")\n'
PARSED = "args = parser.parse_args()\n"


@pytest.fixture
def lesson(tmp_path):
    """Écrit des scripts dans une leçon à part ; `lesson(x="...")` renvoie les cellules de ses notebooks."""
    for name in ("requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)

    def write(**scripts: str) -> dict[str, list[str]]:
        folder = tmp_path / "01_essai" / "local"
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in scripts.items():
            (folder / f"{name}.py").write_text(text, encoding="utf-8")
        return notebooks(folder.parent, read_pins(tmp_path))

    write.root = tmp_path
    return write


MODULE = """# %% [markdown]
# # Un module

# %%
import numpy as np


# %%
def double(x):
    return np.multiply(2, x)


def within(low, high=9.0):
    return lambda text: min(max(float(text), low), high)


def name(text):
    return text.strip()


def heavy():
    import tensorflow

    return tensorflow
"""

SCRIPT = """# %% [markdown]
# # Un script
#
# Voir [MLflow](https://mlflow.org), et régler `--max-depth` (pas `--lr`).

# %% [markdown] tags=["local"]
# ```
# uv run 01_essai/local/script.py
# ```

# %% tags=["local"]
from store import open_store  # en premier

# %%
import argparse
import sys
from pathlib import Path, PurePath

import matplotlib.pyplot as plt
from module import double, name, within

here = PurePath("x")

# %% tags=["parameters"]
parser = argparse.ArgumentParser(description="Un essai.")
parser.add_argument("--experiment", default="01_essai", type=name)  # databricks: "/Shared/01_essai"
parser.add_argument("--rate", type=within(1e-6, high=2**32 - 1), default=0.5, help="le pas")
parser.add_argument("--max-depth", type=within(-1))
parser.add_argument("--kernel", choices=["rbf", "linear"], default="rbf")
parser.add_argument("--quick", action="store_true", help="plus court")
parser.add_argument("--gamma", type=within(0.0), nargs="+", default=[0.1, 1.0])
parser.add_argument("--drop", nargs="*", default=[])
parser.add_argument("--target", required=True)
parser.add_argument("--file")
args = parser.parse_args()

# %% tags=["local"]
print(Path(__file__), sys.argv)
open_store()

# %%
figure, ax = plt.subplots()
ax.plot(double(args.gamma))
# databricks: display(figure)
if args.quick:
    print("vite")  # databricks: display(ax)

# %% tags=["local"]
print("Ensuite : uv run 01_essai/local/serveur.py")

# %% [markdown]
# ## À retenir
"""

EXPECTED = """# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/script.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Un script
# MAGIC
# MAGIC Voir [MLflow](https://mlflow.org), et régler `max_depth` (pas `--lr`).

# COMMAND ----------

# MAGIC %pip install matplotlib==M numpy==N
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./module

# COMMAND ----------

from pathlib import PurePath

import matplotlib.pyplot as plt

here = PurePath("x")

# COMMAND ----------

import shlex
from types import SimpleNamespace

dbutils.widgets.text("experiment", "/Shared/01_essai")
dbutils.widgets.text("rate", "0.5")  # le pas
dbutils.widgets.text("max_depth", "")
dbutils.widgets.dropdown("kernel", "rbf", ["rbf", "linear"])
dbutils.widgets.dropdown("quick", "non", ["non", "oui"])  # plus court
dbutils.widgets.text("gamma", "0.1 1.0")
dbutils.widgets.text("drop", "")
dbutils.widgets.text("target", "")
dbutils.widgets.text("file", "")

if not dbutils.widgets.get("gamma").strip():
    raise SystemExit("Le réglage « gamma » est vide : remplissez-le en haut de la page, puis relancez.")
if not dbutils.widgets.get("target").strip():
    raise SystemExit("Le réglage « target » est vide : remplissez-le en haut de la page, puis relancez.")
args = SimpleNamespace(
    experiment=name(dbutils.widgets.get("experiment")),
    rate=within(1e-6, high=2**32 - 1)(dbutils.widgets.get("rate")),
    max_depth=within(-1)(dbutils.widgets.get("max_depth")) if dbutils.widgets.get("max_depth") else None,
    kernel=dbutils.widgets.get("kernel"),
    quick=dbutils.widgets.get("quick") == "oui",
    gamma=[within(0.0)(word) for word in shlex.split(dbutils.widgets.get("gamma"))],
    drop=shlex.split(dbutils.widgets.get("drop")),
    target=dbutils.widgets.get("target"),
    file=dbutils.widgets.get("file") or None,
)

# COMMAND ----------

figure, ax = plt.subplots()
ax.plot(double(args.gamma))
display(figure)
if args.quick:
    print("vite")
    display(ax)

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [suite]($./suite)
"""


def test_every_construct_of_the_contract(lesson, monkeypatch):
    order = [Script("01_essai", name, 5) for name in ("script", "serveur", "suite")]
    monkeypatch.setattr("forms.notebook.SCRIPTS", (*order, Script("02_autre", "suite", 5)))
    store = '"""Ouvre le magasin local."""\n\n\ndef open_store():\n    pass\n'
    excluded = "# databricks: non (elle lance un serveur)\n# %%\nimport nowhere\n"
    made = lesson(module=MODULE, script=SCRIPT, suite=f"{TITLE}\n# %%\nprint(1)\n", store=store, serveur=excluded)
    assert made.keys() == {"module", "script", "suite"}  # `suite` suit `script` : `serveur` n'a pas de notebook
    pins = read_pins(ROOT)
    expected = EXPECTED.replace("matplotlib==M", pins["matplotlib"]).replace("numpy==N", pins["numpy"])
    assert to_source(made["script"]) == expected
    assert made["suite"] == [made["suite"][0], "print(1)"]  # rien à installer : pas de %pip
    assert not any("%pip" in cell for cell in made["module"])  # un module n'efface pas les variables de qui l'exécute
    assert from_source(to_source(made["script"])) == made["script"]


def test_only_what_is_reached_is_installed(lesson):
    pins = read_pins(ROOT)

    def installed(body: str) -> str:
        cells = lesson(module=MODULE, script=f"{TITLE}\n# %%\n{body}\n")["script"]
        return next((cell.splitlines()[0] for cell in cells if cell.startswith("%pip")), "")

    assert "tensorflow" not in installed("from module import double\n\ndouble(3)")
    assert pins["tensorflow"] in installed("from module import heavy\n\nheavy()")
    assert "tensorboard" not in installed("from module import heavy\n\nheavy()")
    assert pins["tensorboard"] in installed("import mlflow\n\nmlflow.tensorflow.autolog()")
    assert installed("import pyspark, json") == ""  # Spark est celui de la plateforme
    assert installed("import sklearn.svm") == f"%pip install {pins['scikit-learn']}"
    assert pins["rich"] not in installed("import mlflow")
    (lesson.root / "01_essai" / "train.py").write_text("import rich\nimport train\n", encoding="utf-8")
    assert pins["rich"] in installed("import mlflow\n\nmlflow.projects.run('.')")
    assert installed("from azure.ai.ml.entities import Model") == f"%pip install {pins['azure-ai-ml']}"


INNER = "# %% [markdown]\n# # Dedans\n\n# %%\nseven = 7\n"
OUTER = "# %% [markdown]\n# # Autour\n\n# %%\nfrom inner import seven\n\neight = seven + 1\n"


def test_modules_of_modules_are_run_once_and_in_order(lesson):
    script = f"{TITLE}\n# %%\nfrom outer import eight\n\nprint(eight)\n\n# %%\nfrom outer import eight\n"
    cells = lesson(inner=INNER, outer=OUTER, script=script)
    assert cells["script"][1:] == ["%run ./outer", "print(eight)"]
    assert cells["outer"][1:] == ["%run ./inner", "eight = seven + 1"]


def test_a_local_override_keeps_the_other_value(lesson):
    """Lié dans une cellule gardée, puis remplacé dans une cellule locale : le notebook a la première valeur."""
    cells = lesson(script=f'{TITLE}\n# %%\npath = None\n\n# %% tags=["local"]\npath = __file__\n\n# %%\nprint(path)\n')["script"]
    assert cells[1:] == ["path = None", "print(path)"]


def code(text: str) -> str:
    return f"{TITLE}\n# %%\n{text}\n"


def parameters(text: str) -> str:
    return f"{TITLE}\n# %%\nimport argparse\n\n{PARSER}{text}\n{PARSED}"


# nom -> (script, ligne, ce que le refus dit)
REFUSED = {
    "une raison manque": ("# databricks: non\n# %%\n", 1, "la raison manque"),
    "du code avant la première cellule": ("import os\n# %%\n", 1, "commence par une cellule"),
    "une étiquette inconnue": (f'{TITLE}\n# %% tags=["slow"]\nx = 1\n', 4, "en-tête de cellule inconnu"),
    "un en-tête avec un titre": (f"{TITLE}\n# %% Données\nx = 1\n", 4, "en-tête de cellule inconnu"),
    "pas de titre": ("# %%\nx = 1\n", 2, "la première cellule porte le titre"),
    "une erreur de syntaxe": (code("x = 1\ny = ("), 6, "ce n'est pas du Python"),
    "un nom local lu aussitôt": (f'{TITLE}\n# %% tags=["local"]\nhere = 1\n\n# %%\n\nprint(here)\n', 9, "`here` n'est lié que"),
    "un nom local lu par une fonction": (
        f'{TITLE}\n# %% tags=["local"]\nhere = 1\n\n# %%\ndef f():\n    return here\n', 9, "`here` n'est lié que"
    ),
    "un nom local lu par une compréhension": (
        f'{TITLE}\n# %% tags=["local"]\nhere = 1\n\n# %%\nx = [here for _ in "ab"]\n', 8, "`here` n'est lié que"
    ),
    "un nom lié trop tard": (f'{TITLE}\n# %% tags=["local"]\nx = 1\n\n# %%\nprint(x)\n\n# %%\nx = 2\n', 8, "`x` n'est lié que"),
    "l'analyseur hors de sa cellule": (parameters("") + "\n# %%\nparser.print_help()\n", 13, "`parser` n'est lié que"),
    "__file__": (code("print(__file__)"), 5, "`__file__` n'a pas de sens"),
    "__name__": (code('if __name__ == "__main__":\n    print(1)'), 5, "`__name__` n'a pas de sens"),
    "un nom de Databricks": (code("x = 1\ndisplay = 2"), 6, "`display` est un nom de Databricks"),
    "import d'un module": (code("import module"), 5, "écrivez `from module import"),
    "import relatif": (code("from . import module"), 5, "import relatif"),
    "import renommé": (code("from module import double as d"), 5, "ni `as` ni `*`"),
    "import de tout": (code("from module import *"), 5, "ni `as` ni `*`"),
    "import d'un nom absent": (code("from module import triple"), 5, "module ne lie pas `triple`"),
    "import dans une fonction": (code("def f():\n    from module import double\n    return double"), 6, "au niveau du script"),
    "import après du code": (code("x = 1\nfrom module import double"), 6, "avant le code de sa cellule"),
    "import d'un module sans notebook": (code("from store import open_store"), 5, "store n'a pas de notebook"),
    "import d'un script": (code("from script import args"), 5, "script a des paramètres"),
    "import qui partage sa ligne": (code("from module import double; x = 1"), 5, "partage sa ligne"),
    "un nom du module remplacé": (code("from module import heavy\n\nwithin = 3"), 7, "`within` remplacerait"),
    "un nom d'un module de module": (code("from outer import eight\n\nseven = 3"), 7, "`seven` remplacerait dans le notebook celui de i"),
    "un import du module remplacé": (code("from module import double\n\nnp = 3"), 7, "`np` remplacerait"),
    "une bibliothèque inconnue": (code("import os\nimport torch"), 6, "torch n'est ni dans requirements.txt"),
    "du Python dans du Markdown": ("# %% [markdown]\n# # Titre\nx = 1\n", 3, "commence par `# `"),
    "une image relative": ("# %% [markdown]\n# # Titre\n# ![courbe](../Images/x.png)\n", 3, "le lien ../Images/x.png"),
    "un lien relatif": ("# %% [markdown]\n# # Titre\n#\n# [leçon](../README.md)\n", 4, "le lien ../README.md"),
    "un lien vers un script": ("# %% [markdown]\n# # Titre\n# [le module](module.py)\n", 3, "le lien module.py"),
    "une marque dans du Markdown": ("# %% [markdown]\n# # Titre\n# databricks: display(x)\n", 3, "dans du Markdown"),
    "une marque dans une cellule locale": (
        f'{TITLE}\n# %% tags=["local"]\nx = 1\n# databricks: display(x)\n', 6, "dans une cellule locale"
    ),
    "une marque qui n'est pas du Python": (code("x = 1\n# databricks: display(x"), 5, "n'est pas du Python"),
    "une ligne qui a un sens pour Databricks": (code("x = 1\n# MAGIC %md"), 6, "a un sens pour Databricks"),
    "deux cellules de paramètres": (parameters("") + f"\n{PARSER}{PARSED}", 12, "une seule cellule de paramètres"),
    "autre chose dans les paramètres": (parameters("x = 1"), 9, "ne contient que ArgumentParser"),
    "un calcul dans parse_args": (parameters("").replace("parse_args()", "parse_args([])"), 10, "ne contient que ArgumentParser"),
    "pas de parse_args": (parameters("").replace(PARSED, ""), 8, "il manque `args"),
    "un ArgumentParser trop réglé": (parameters("").replace('description="x"', 'prefix_chars="+"'), 8, "n'admet ici que `description`"),
    "une option courte": (parameters('parser.add_argument("-x", "--long")'), 9, "une option longue et une seule"),
    "un argument de position": (parameters('parser.add_argument("fichier")'), 9, "une option longue et une seule"),
    "un réglage sans équivalent": (parameters('parser.add_argument("--x", metavar="X")'), 9, "`metavar` n'a pas d'équivalent"),
    "une action": (parameters('parser.add_argument("--x", action="append")'), 9, "la seule action"),
    "un défaut calculé": (parameters('parser.add_argument("--x", default=len("a"))'), 9, "n'est pas un littéral"),
    "un type anonyme": (parameters('parser.add_argument("--x", type=lambda t: t)'), 9, "`type` est une fonction, ou son appel"),
    "un type qui se calcule": (parameters('parser.add_argument("--x", type=within(low))'), 9, "`type` est une fonction, ou son appel"),
    "un type d'un objet": (parameters('parser.add_argument("--x", type=options.name)'), 9, "`type` est une fonction, ou son appel"),
    "un type de Python": (parameters('parser.add_argument("--x", type=int)'), 8, "`type=int` vient d'une cellule gardée"),
    "un type défini plus bas": (
        parameters('parser.add_argument("--x", type=later)') + "\n\n# %%\ndef later(text):\n    return text\n", 8, "plus haut"
    ),
    "un appel défini plus bas": (
        parameters('parser.add_argument("--x", type=later(1))') + "\n\n# %%\ndef later(low):\n    return str\n", 8, "plus haut"
    ),
    "nargs='?'": (parameters('parser.add_argument("--x", nargs="?", default=[])'), 9, '`nargs` vaut "+" ou "*"'),
    "nargs sans défaut": (parameters('parser.add_argument("--x", nargs="*")'), 9, "`default` est alors une liste"),
    "nargs et un défaut seul": (parameters('parser.add_argument("--x", nargs="+", default="a")'), 9, "`default` est alors une liste"),
    "nargs et choices": (parameters('parser.add_argument("--x", nargs="+", default=["a"], choices=["a"])'), 9, "ni avec `choices`"),
    "required et default": (parameters('parser.add_argument("--x", required=True, default="a")'), 9, "se contredisent"),
    "un défaut hors des choix": (parameters('parser.add_argument("--x", choices=["a"], default="b")'), 9, "`default` y est"),
    "des choix sans défaut": (parameters('parser.add_argument("--x", choices=["a"])'), 9, "`default` y est"),
    "des choix qui ne sont pas du texte": (parameters('parser.add_argument("--x", choices=[1], default=1)'), 9, "une liste de textes"),
    "un nombre sans type": (parameters('parser.add_argument("--x", default=3)'), 9, "reviendrait en texte"),
    "un défaut qui n'est pas du texte": (parameters('parser.add_argument("--x", default={"a": 1})'), 9, "ne sait pas porter"),
    "une aide avec un %": (parameters('parser.add_argument("--x", default="a", help="100 %")'), 9, "le `%` de `help`"),
    "deux fois la même option": (parameters('parser.add_argument("--x")\nparser.add_argument("--x")'), 8, "le même nom"),
    "un défaut Databricks illisible": (
        parameters('parser.add_argument("--x", default="a")  # databricks: Shared'), 9, "attend un littéral"
    ),
    "un défaut Databricks sans défaut": (parameters('parser.add_argument("--x")  # databricks: "y"'), 9, "qui a un `default`"),
    "un défaut Databricks sur sa ligne": (parameters('# databricks: "y"'), 9, "ne suit ici qu'un add_argument"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_outside_the_contract_is_refused_with_its_line(lesson, case):
    text, line, reason = REFUSED[case]
    beside = {"module": MODULE, "script": parameters(""), "store": "def open_store():\n    pass\n", "inner": INNER, "outer": OUTER}
    with pytest.raises(Refused) as refused:
        lesson(**beside, essai=text)
    assert str(refused.value).startswith(f"01_essai/local/essai.py:{line} : "), refused.value
    assert reason in str(refused.value)


def test_all_refusals_are_said_at_once(lesson):
    with pytest.raises(Refused) as refused:
        lesson(one=code("print(__file__)"), two=code("import torch"))
    assert [line.partition(" ")[0] for line in str(refused.value).splitlines()] == ["01_essai/local/one.py:5", "01_essai/local/two.py:5"]


ARGUMENTS = """
parser.add_argument("--text", default="un texte, « cité »")
parser.add_argument("--empty", default="")
parser.add_argument("--none")
parser.add_argument("--count", type=whole, default=3)
parser.add_argument("--rate", type=within(1e-6, 2**32 - 1), default=1e-05)
parser.add_argument("--maybe", type=whole)
parser.add_argument("--kernel", choices=["rbf", "linear"], default="linear")
parser.add_argument("--quick", action="store_true")
parser.add_argument("--words", nargs="*", default=["deux mots", "l'apostrophe", 'le "guillemet"'])
parser.add_argument("--no-words", nargs="*", default=[])
parser.add_argument("--numbers", type=within(0, high=100), nargs="+", default=[0.1, 1.0, 100.0])
"""
DEFINITIONS = """
def whole(text):
    return int(text)


def within(low, high):
    return lambda text: min(max(float(text), low), high)
"""
GIVEN = [
    ({}, []),
    ({"text": "autre"}, ["--text", "autre"]),
    ({"count": "7", "rate": "0", "maybe": "2"}, ["--count", "7", "--rate", "0", "--maybe", "2"]),
    ({"kernel": "rbf", "quick": "oui"}, ["--kernel", "rbf", "--quick"]),
    ({"words": "a 'b c'", "no_words": "d"}, ["--words", "a", "b c", "--no-words", "d"]),
    ({"words": "", "numbers": "3 200"}, ["--words", "--numbers", "3", "200"]),
]


@pytest.mark.parametrize("widgets, options", GIVEN, ids=[" ".join(options) or "défauts" for _, options in GIVEN])
def test_widgets_are_read_back_as_argparse_reads_the_options(lesson, widgets, options):
    """La cellule produite est exécutée, et comparée à argparse sur la même cellule."""
    script = f"{TITLE}\n# %%\nimport argparse\n\n{DEFINITIONS}\n\n{PARSER}{ARGUMENTS}{PARSED}"
    cells = lesson(script=script)["script"]
    there = {"dbutils": SimpleNamespace(widgets=Widgets(widgets))}
    for cell in cells[1:]:
        exec(cell, there)
    here = {"argparse": argparse}
    exec(DEFINITIONS, here)
    exec(PARSER.partition("\n")[2] + ARGUMENTS, here)
    assert vars(there["args"]) == vars(here["parser"].parse_args(options))


def test_an_empty_widget_that_must_be_filled_says_so(lesson):
    cells = lesson(script=parameters('parser.add_argument("--target", required=True)'))["script"]
    with pytest.raises(SystemExit, match="« target » est vide"):
        exec(cells[-1], {"dbutils": SimpleNamespace(widgets=Widgets({}))})
