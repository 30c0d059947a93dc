"""De script à notebook Databricks : chaque règle de traduction, chaque refus, chaque widget relu
comme argparse lit l'option.
"""

import argparse
import shlex
from types import SimpleNamespace

import pytest
from databricks_archive import from_source
from databricks_runtime import Widgets
from texts import ROOT
from two_forms import write_scripts

from course import Script
from forms.cells import Refused
from forms.notebook import notebooks
from forms.requirements import read_pins
from forms.source import to_source

TITLE = "# %% [markdown]\n# # Titre\n"
PARSER = '# %% tags=["parameters"]\nparser = argparse.ArgumentParser(description="x")\n'
PARSED = "args = parser.parse_args()\n"


def code(text: str) -> str:
    return f"{TITLE}\n# %%\n{text}\n"


def parameters(text: str, end: str = PARSED) -> str:
    return f"{TITLE}\n# %%\nimport argparse\n\n{PARSER}{text}\n{end}"


@pytest.fixture
def lesson(tmp_path):
    """Écrit des scripts dans une leçon à part ; `lesson(x="...")` renvoie les cellules de ses
    notebooks.
    """

    def write(**scripts: str) -> dict[str, list[str]]:
        return notebooks(write_scripts(tmp_path, **scripts), read_pins(tmp_path))

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


def heavy():
    import tensorflow

    return tensorflow
"""


SCRIPT = """# %% [markdown]
# # Titre
#
# Réglez `--max-depth`, pas `--lr`.

# %%
import argparse
import sys
from module import within
from pathlib import Path, PurePath

# %% tags=["parameters"]
parser = argparse.ArgumentParser(description="x")
parser.add_argument("--here", default="a", help="le lieu")  # databricks: "/Shared/a"
parser.add_argument("--max-depth", type=within(-1))
args = parser.parse_args()

# %% tags=["local"]
print(Path(__file__), sys.argv)

# %%
if args.here:
    print(PurePath("é"))  # databricks: display(1)
# databricks: display(2)
"""


def test_what_a_script_says_to_databricks_alone(lesson, monkeypatch):
    """Ses marques, ses imports utiles, ses widgets, et le lien vers le premier script suivant qui a
    un notebook.
    """
    order = [Script("01_essai", name, 5) for name in ("script", "serveur", "suite")]
    monkeypatch.setattr("forms.notebook.SCRIPTS", (*order, Script("02_autre", "suite", 5)))
    made = lesson(
        module=MODULE,
        script=SCRIPT,
        suite=code("print(1)"),
        serveur="# databricks: non (un serveur)\n# %%\nimport nowhere\n",
    )
    assert made.keys() == {"module", "script", "suite"}
    title, install, run, imports, widgets, shown, following = made["script"]
    assert title.startswith("%md\n<!-- Généré depuis local/script.py") and title.endswith(
        "# Titre\n\nRéglez `max_depth`, pas `--lr`."
    )
    assert install == f"%pip install {read_pins(ROOT)['numpy']}\ndbutils.library.restartPython()"
    assert (run, imports) == ("%run ./module", "from pathlib import PurePath")
    assert (
        'dbutils.widgets.text("here", "/Shared/a")  # le lieu\ndbutils.widgets.text("max_depth", "")\n'
        in widgets
    )
    assert shown == 'if args.here:\n    print(PurePath("é"))\n    display(1)\ndisplay(2)'
    assert following == "%md\n**Ensuite** : [suite]($./suite)"
    assert made["suite"][1:] == ["print(1)"]  # rien à installer : pas de %pip
    # un module n'efface pas les variables de qui l'exécute
    assert not any("%pip" in cell for cell in made["module"])
    assert all(from_source(to_source(cells)) == cells for cells in made.values())


def test_only_what_is_reached_is_installed(lesson):
    pins = read_pins(ROOT)

    def installed(body: str) -> str:
        cells = lesson(module=MODULE, script=code(body))["script"]
        return next((cell.splitlines()[0] for cell in cells if cell.startswith("%pip")), "")

    assert "tensorflow" not in installed("from module import double\n\ndouble(3)")
    heavy = installed("from module import heavy\n\nheavy()")
    assert pins["tensorflow"] in heavy and "tensorboard" not in heavy
    assert pins["tensorboard"] in installed("import mlflow\n\nmlflow.tensorflow.autolog()")
    assert installed("import pyspark, json") == ""  # Spark est celui de la plateforme
    assert installed("import sklearn.svm") == f"%pip install {pins['scikit-learn']}"
    assert (
        installed("from azure.ai.ml.entities import Model") == f"%pip install {pins['azure-ai-ml']}"
    )
    assert pins["rich"] not in installed("import mlflow")
    (lesson.root / "01_essai" / "train.py").write_text(
        "import rich\nimport train\n", encoding="utf-8"
    )
    assert pins["rich"] in installed("import mlflow\n\nmlflow.projects.run('.')")


INNER, OUTER = code("seven = 7"), code("from inner import seven\n\neight = seven + 1")


def test_modules_of_modules_are_run_once_and_in_order(lesson):
    cells = lesson(
        inner=INNER,
        outer=OUTER,
        script=code("from outer import eight\n\nprint(eight)\n\n# %%\nfrom outer import eight"),
    )
    assert cells["script"][1:] == ["%run ./outer", "print(eight)"]
    assert cells["outer"][1:] == ["%run ./inner", "eight = seven + 1"]


def test_a_local_override_keeps_the_other_value(lesson):
    """Lié dans une cellule gardée, puis remplacé dans une cellule locale : le notebook a la
    première valeur.
    """
    cells = lesson(
        script=code('path = None\n\n# %% tags=["local"]\npath = __file__\n\n# %%\nprint(path)')
    )["script"]
    assert cells[1:] == ["path = None", "print(path)"]


def local(text: str) -> str:
    """Une cellule locale qui lie `here`, puis une cellule gardée."""
    return f'{TITLE}\n# %% tags=["local"]\nhere = 1\n\n# %%\n{text}\n'


def markdown(text: str) -> str:
    return f"# %% [markdown]\n# # Titre\n{text}\n"


def option(given: str) -> str:
    """Une cellule de paramètres dont l'option `--x` reçoit `given`."""
    return parameters(f'parser.add_argument("--x", {given})')


# (script, ligne, ce que le refus dit)
REFUSED = [
    ("# databricks: non\n# %%\n", 1, "la raison manque"),
    ("import os\n# %%\n", 1, "commence par une cellule"),
    (f'{TITLE}\n# %% tags=["slow"]\nx = 1\n', 4, "en-tête de cellule inconnu : # %% tags"),
    ("# %%\nx = 1\n", 2, "la première cellule porte le titre"),
    (code("x = 1\ny = ("), 6, "ce n'est pas du Python"),
    # ce qui n'est pas dans le notebook : un nom local lu par une fonction, par une compréhension,
    # lié trop tard
    (local("def f():\n    return here"), 9, "`here` n'est lié que"),
    (local('x = [here for _ in "ab"]'), 8, "`here` n'est lié que"),
    (local("print(here)\n\n# %%\nhere = 2"), 8, "`here` n'est lié que"),
    (parameters("") + "\n# %%\nparser.print_help()\n", 13, "`parser` n'est lié que"),
    (code("print(__file__)"), 5, "`__file__` n'a pas de sens"),
    (code("x = 1\ndisplay = 2"), 6, "`display` est un nom de Databricks"),
    (code("import module"), 5, "écrivez `from module import"),
    (code("from . import module"), 5, "import relatif"),
    (code("from module import double as d"), 5, "ni `as` ni `*`"),
    (code("from module import *"), 5, "ni `as` ni `*`"),
    (code("from module import triple"), 5, "module ne lie pas `triple`"),
    (code("def f():\n    from module import double\n    return double"), 6, "au niveau du script"),
    (code("x = 1\nfrom module import double"), 6, "avant le code de sa cellule"),
    (code("from store import open_store"), 5, "store n'a pas de notebook"),
    (code("from script import args"), 5, "script a des paramètres"),
    (code("from module import double; x = 1"), 5, "partage sa ligne"),
    (code("from module import heavy\n\nwithin = 3"), 7, "`within` remplacerait"),
    (
        code("from outer import eight\n\nseven = 3"),
        7,
        "`seven` remplacerait dans le notebook celui de i",
    ),
    (code("from module import double\n\nnp = 3"), 7, "`np` remplacerait"),
    (code("import os\nimport torch"), 6, "torch n'est ni dans requirements.txt"),
    (markdown("x = 1"), 3, "commence par `# `"),
    (markdown("#\n# [le module](module.py)"), 4, "le lien module.py"),
    (markdown("# databricks: display(x)"), 3, "dans du Markdown"),
    (
        f'{TITLE}\n# %% tags=["local"]\nx = 1\n# databricks: display(x)\n',
        6,
        "dans une cellule locale",
    ),
    (code("x = 1\n# databricks: display(x"), 5, "n'est pas du Python"),
    (code("x = 1\n# MAGIC %md"), 6, "a un sens pour Databricks"),
    (parameters("") + f"\n{PARSER}{PARSED}", 12, "une seule cellule de paramètres"),
    (parameters("x = 1"), 9, "ne contient que ArgumentParser"),
    (parameters("", "args = parser.parse_args([])\n"), 10, "ne contient que ArgumentParser"),
    (parameters("", ""), 8, "il manque `args"),
    (
        parameters("").replace('description="x"', 'prefix_chars="+"'),
        8,
        "n'admet ici que `description`",
    ),
    (parameters('parser.add_argument("-x", "--long")'), 9, "une option longue et une seule"),
    (parameters('parser.add_argument("fichier")'), 9, "une option longue et une seule"),
    (parameters('parser.add_argument("--x")\nparser.add_argument("--x")'), 8, "le même nom"),
    (parameters('parser.add_argument("--x")  # databricks: "y"'), 9, "qui a un `default`"),
    (parameters('# databricks: "y"'), 9, "ne suit ici qu'un add_argument"),
    (
        parameters('parser.add_argument("--x", default="a")  # databricks: Shared'),
        9,
        "attend un littéral",
    ),
    (option('metavar="X"'), 9, "`metavar` n'a pas d'équivalent"),
    (option('action="append"'), 9, "la seule action"),
    (option('default=len("a")'), 9, "n'est pas un littéral"),
    (option("type=lambda t: t"), 9, "`type` est une fonction, ou son appel"),
    (option("type=within(low)"), 9, "`type` est une fonction, ou son appel"),
    (option("type=int"), 8, "`type=int` vient d'une cellule gardée"),
    (option("type=later(1)") + "\n\n# %%\ndef later(low):\n    return str\n", 8, "plus haut"),
    (option('nargs="?", default=[]'), 9, '`nargs` vaut "+" ou "*"'),
    (option('nargs="+", default="a"'), 9, "`default` est alors une liste"),
    (option('nargs="+", default=["a"], choices=["a"]'), 9, "ni avec `choices`"),
    (option('required=True, default="a"'), 9, "se contredisent"),
    (option('choices=["a"], default="b"'), 9, "`default` y est"),
    (option('choices=["a"]'), 9, "`default` y est"),
    (option("choices=[1], default=1"), 9, "une liste de textes"),
    (option("default=3"), 9, "reviendrait en texte"),
    (option('default={"a": 1}'), 9, "ne sait pas porter"),
    (option('default="a", help="100 %"'), 9, "le `%` de `help`"),
]


def test_what_is_outside_the_contract_is_refused_with_its_line(lesson):
    lesson(
        module=MODULE,
        script=parameters(""),
        store="def open_store():\n    pass\n",
        inner=INNER,
        outer=OUTER,
    )
    for text, line, reason in REFUSED:
        with pytest.raises(Refused) as refused:
            lesson(essai=text)
        assert str(refused.value).startswith(
            f"01_essai/local/essai.py:{line} : "
        ) and reason in str(refused.value), (text, refused.value)


def test_all_refusals_are_said_at_once(lesson):
    with pytest.raises(Refused) as refused:
        lesson(one=code("print(__file__)"), two=code("import torch"))
    assert [line.partition(" ")[0] for line in str(refused.value).splitlines()] == [
        "01_essai/local/one.py:5",
        "01_essai/local/two.py:5",
    ]


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
# les options d'un terminal, et les mêmes en widgets
GIVEN = {
    "": {},
    "--text autre": {"text": "autre"},
    "--count 7 --rate 0 --maybe 2": {"count": "7", "rate": "0", "maybe": "2"},
    "--kernel rbf --quick": {"kernel": "rbf", "quick": "oui"},
    "--words a 'b c' --no-words d": {"words": "a 'b c'", "no_words": "d"},
    "--words --numbers 3 200": {"words": "", "numbers": "3 200"},
}


def test_widgets_are_read_back_as_argparse_reads_the_options(lesson):
    """La cellule produite est exécutée, et comparée à argparse sur la même cellule."""
    cells = lesson(
        script=f"{TITLE}\n# %%\nimport argparse\n\n{DEFINITIONS}\n\n{PARSER}{ARGUMENTS}{PARSED}"
    )["script"]
    here = {"argparse": argparse}
    exec(DEFINITIONS + PARSER.partition("\n")[2] + ARGUMENTS, here)
    for options, widgets in GIVEN.items():
        there = {"dbutils": SimpleNamespace(widgets=Widgets(widgets))}
        for cell in cells[1:]:
            exec(cell, there)
        assert vars(there["args"]) == vars(here["parser"].parse_args(shlex.split(options))), options


def test_an_empty_widget_that_must_be_filled_says_so(lesson):
    cells = lesson(script=option("required=True"))["script"]
    with pytest.raises(SystemExit, match="« x » est vide"):
        exec(cells[-1], {"dbutils": SimpleNamespace(widgets=Widgets({}))})
