"""De script à notebook Databricks : chaque règle de traduction, chaque refus, chaque widget relu
comme argparse lit l'option.
"""

import argparse
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
from databricks_archive import from_source
from databricks_runtime import Widgets
from texts import ROOT
from two_forms import write_scripts

from course import PLAN, Script
from forms.cells import Refused, read_script
from forms.kept import kept_code
from forms.notebook import notebooks, to_source
from forms.requirements import read_pins

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
parser.add_argument("--here", default="a", help="le lieu")
parser.add_argument("--max-depth", type=int)
args = parser.parse_args()

# %% tags=["local"]
print(Path(__file__), sys.argv)

# %%
if args.here:
    print(PurePath("é"))  # databricks: display(1)
# databricks: display(2)

# %%
MODEL = "vin"  # databricks: "workspace.default.vin"
été = mlflow.set_experiment("essai"), mlflow.search_runs(experiment_names=["un", "deux"])
client.get_experiment_by_name("measurements")
"""


def test_what_a_script_says_to_databricks_alone(lesson, monkeypatch):
    """Ses marques, ses imports utiles, ses widgets, ses expériences, et le lien vers le script
    suivant du tronc commun qui a un notebook.
    """
    monkeypatch.setattr("course.CORE", {"01_essai": 3})
    order = [Script(f"01_essai/local/0{n}_{name}.py", 5) for n, name in enumerate("abc", 1)]
    monkeypatch.setattr("forms.notebook.SCRIPTS", (*order, Script("01_essai/local/04_d.py", 5)))
    scripts = {"01_a": SCRIPT, "02_b": "# databricks: non (un serveur)\n# %%\nimport nowhere\n"}
    made = lesson(module=MODULE, **scripts, **{"03_c": code("print(1)"), "04_d": code("print(2)")})
    assert made.keys() == {"module", "01_a", "03_c", "04_d"}
    title, install, run, imports, widgets, shown, named, following = made["01_a"]
    assert title.startswith("%md\n<!-- Généré depuis local/01_a.py")
    assert title.endswith("# Titre\n\nRéglez `max_depth`, pas `--lr`.")
    assert install == f"%pip install {read_pins(ROOT)['numpy']}\ndbutils.library.restartPython()"
    assert (run, imports) == ("%run ./module", "from pathlib import PurePath")
    assert 'widgets.text("here", "a")\ndbutils.widgets.text("max_depth", "")\n' in widgets
    assert "max_depth=int(dbutils" in widgets and "# le lieu" in widgets
    assert shown == 'if args.here:\n    print(PurePath("é"))\n    display(1)\ndisplay(2)'
    assert named.splitlines() == [
        'dbutils.widgets.text("MODEL", "workspace.default.vin")',
        'MODEL = dbutils.widgets.get("MODEL")',
        'été = mlflow.set_experiment("/Shared/essai"),'
        ' mlflow.search_runs(experiment_names=["/Shared/un", "/Shared/deux"])',
        'client.get_experiment_by_name("/Shared/measurements")',
    ]
    assert following == "%md\n**Ensuite** : [03_c]($./03_c)"
    assert made["03_c"][1:] == ["print(1)"] == made["03_c"][1:2]  # rien à installer, rien ensuite
    # un module n'efface pas les variables de qui l'exécute
    assert not any("%pip" in cell for cell in made["module"])
    assert all(from_source(to_source(cells)) == cells for cells in made.values())


def test_only_what_is_needed_is_installed(lesson, monkeypatch):
    pins = read_pins(ROOT)

    def installed(body: str) -> str:
        cells = lesson(module=MODULE, script=code(body))["script"]
        return next((cell.splitlines()[0] for cell in cells if cell.startswith("%pip")), "")

    double = "from module import double\n\ndouble(3)"
    assert "tensorflow" not in installed(double)
    monkeypatch.setitem(PLAN, "script", (5, "tensorflow"))
    assert pins["tensorflow"] in installed(double) and "tensorboard" not in installed(double)
    monkeypatch.delitem(PLAN, "script")
    autolog = installed("import mlflow\n\nmlflow.tensorflow.autolog()")
    assert pins["tensorboard"] in autolog and pins["tensorflow"] in autolog
    assert installed("import pyspark, json") == ""  # Spark est celui de la plateforme
    assert installed("import sklearn.svm") == f"%pip install {pins['scikit-learn']}"
    azure = installed("from azure.ai.ml.entities import Model")
    assert azure == f"%pip install {pins['azure-ai-ml']}"
    assert pins["rich"] not in installed("import mlflow")
    train = lesson.root / "01_essai/train.py"
    train.write_text("import rich\nimport train\n", encoding="utf-8")
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
    (code("from module import double as d"), 5, "ne donne pas `double` sous ce nom"),
    (code("from module import *"), 5, "ne donne pas `*`"),
    (code("from module import triple"), 5, "module ne donne pas `triple`"),
    (code("def f():\n    from module import double\n    return double"), 6, "avant le code"),
    (code("x = 1\nfrom module import double"), 6, "avant le code de sa cellule"),
    (code("from store import open_store"), 5, "store n'a pas de notebook"),
    (
        local("pass").replace("here = 1", "open_store()") + "\n# %%\nfrom module import double",
        11,
        "avant `open_store()`",
    ),
    (code("from module import heavy\n\nwithin = 3"), 7, "`within` remplacerait"),
    (code("from outer import eight\n\nseven = 3"), 7, "`seven` remplacerait"),
    (code("from module import double\n\nnp = 3"), 7, "`np` remplacerait"),
    (code("import os\nimport torch"), 6, "torch n'est dans requirements.txt"),
    (code('x = "03_mlflow_project"'), 5, "hors d'un appel qui nomme une expérience"),
    (markdown("x = 1"), 3, "commence par `# `"),
    (markdown("#\n# [le module](module.py)"), 4, "module.py ne mène nulle part"),
    (f'{TITLE}\n# %% tags=["local"]\nx = 1\n# databricks: f(x)\n', 6, "dans une cellule locale"),
    (code("x = 1\n# databricks: display(x"), 5, "n'est pas du Python"),
    (code("x = 1\n# MAGIC %md"), 6, "a un sens pour Databricks"),
    (parameters("") + f"\n{PARSER}{PARSED}", 12, "une seule cellule de paramètres"),
    (parameters("", ""), 8, "il manque `args"),
    (parameters('parser.add_argument("-x", "--long")'), 9, "une option longue"),
    (parameters('parser.add_argument("fichier")'), 9, "une option longue"),
    (option('metavar="X"'), 9, "de ses mots-clés"),
    (option('action="append"'), 9, "rien d'autre"),
    (option('default=len("a")'), 9, "n'est pas un littéral"),
    (option("type=lambda t: t"), 9, "`type` est l'un de"),
    (option('nargs="?", default=[]'), 9, "rien d'autre"),
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
parser.add_argument("--count", type=int, default=3)
parser.add_argument("--rate", type=float, default=1e-05)
parser.add_argument("--maybe", type=int)
parser.add_argument("--file", type=Path)
parser.add_argument("--quick", action="store_true")
parser.add_argument("--words", nargs="*", default=["deux", "mots"])
parser.add_argument("--no-words", nargs="*", default=[])
parser.add_argument("--numbers", type=float, nargs="+", default=[0.1, 1.0, 100.0])
"""
# les options d'un terminal, et les mêmes en widgets
GIVEN = {
    "": {},
    "--text autre": {"text": "autre"},
    "--count 7 --rate 0 --maybe 2 --file a/b": {
        "count": "7",
        "rate": "0",
        "maybe": "2",
        "file": "a/b",
    },
    "--quick": {"quick": "oui"},
    "--words a b --no-words d": {"words": "a b", "no_words": "d"},
    "--words --numbers 3 200": {"words": "", "numbers": "3 200"},
}


def test_widgets_are_read_back_as_argparse_reads_the_options(lesson):
    """La cellule produite est exécutée, et comparée à argparse sur la même cellule."""
    imports = "import argparse\nfrom pathlib import Path\n"
    script = f"{TITLE}\n# %%\n{imports}\n{PARSER}{ARGUMENTS}{PARSED}"
    cells = lesson(script=script)["script"]
    here = {"argparse": argparse, "Path": Path}
    exec(PARSER.partition("\n")[2] + ARGUMENTS, here)
    for options, widgets in GIVEN.items():
        there = {"dbutils": SimpleNamespace(widgets=Widgets(widgets))}
        for cell in cells[1:]:
            exec(cell, there)
        assert vars(there["args"]) == vars(here["parser"].parse_args(shlex.split(options))), options


def test_jupyter_keeps_the_names_of_the_course(tmp_path):
    """Ni `/Shared/` ni widget dans une forme locale ; la marque, elle, ne s'y montre pas."""
    write_scripts(tmp_path, script=SCRIPT)
    *_, cell = read_script(tmp_path / "01_essai/local/script.py").cells
    kept = kept_code(cell, set()).splitlines()
    assert kept[0] == 'MODEL = "vin"' and kept[1:] == cell.lines[1:]
