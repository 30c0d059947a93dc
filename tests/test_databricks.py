"""Les notebooks Databricks : chaque règle de traduction, chaque refus, l'archive, et l'exécution comparée à celle des scripts."""

import argparse
import ast
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import build_databricks as tool
import pandas as pd
import pytest
import requests
import run_course
from conftest import ROOT, Course, clean_environment, free_port, last_cell, numbers, running, tables
from databricks_runtime import Widgets
from mlflow import MlflowClient

LESSONS = sorted(path.parent.name for path in ROOT.glob("0?_*/local"))
RUNTIME = "tests/databricks_runtime.py"


def archive_of(lesson: str, root: Path = ROOT) -> Path:
    return root / lesson / f"{lesson}.dbc"


# ---------------------------------------------------------------------------------------------------- une leçon inventée

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
        return tool.notebooks(folder.parent, tool.read_pins(tmp_path))

    write.root = tmp_path
    return write


MODULE = '''# %% [markdown]
# # Un module

# %%
import numpy as np


# %%
def double(x):
    return np.multiply(2, x)


def positive(text):
    if (value := float(text)) > 0:
        return value
    raise ValueError(f"{text} n'est pas positif")


def heavy():
    import tensorflow

    return tensorflow
'''

SCRIPT = '''# %% [markdown]
# # Un script
#
# Voir [le module](module.py) et [MLflow](https://mlflow.org), et régler `--max-depth` (pas `--lr`).

# %% [markdown] tags=["local"]
# ```
# uv run 01_essai/local/script.py
# ```

# %%
import argparse
import sys
from pathlib import Path, PurePath

import matplotlib.pyplot as plt
from module import double, positive

here = PurePath("x")

# %% tags=["parameters"]
parser = argparse.ArgumentParser(description="Un essai.")
parser.add_argument("--experiment", default="01_essai")  # databricks: "/Shared/01_essai"
parser.add_argument("--rate", type=positive, default=0.5, help="le pas, %(default)s au départ")
parser.add_argument("--max-depth", type=int)
parser.add_argument("--kernel", choices=["rbf", "linear"], default="rbf")
parser.add_argument("--fold", type=int, choices=[3, 5])
parser.add_argument("--quick", action="store_true", help="plus court")
parser.add_argument("--gamma", type=float, nargs="+", default=[0.1, 1.0])
parser.add_argument("--drop", nargs="*", default=[])
parser.add_argument("--target", required=True)
args = parser.parse_args()

# %% tags=["local"]
from store import open_store

print(Path(__file__), sys.argv)
open_store()

# %%
figure, ax = plt.subplots()
ax.plot(double(args.gamma))
# databricks: display(figure)
if args.quick:
    print("vite")  # databricks: display(ax)

# %% tags=["local"]
print("Ensuite : uv run 01_essai/local/suite.py")

# %% [markdown]
# ## À retenir
'''

EXPECTED = '''# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/script.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Un script
# MAGIC
# MAGIC Voir [le module]($./module) et [MLflow](https://mlflow.org), et régler `max_depth` (pas `--lr`).

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
dbutils.widgets.text("rate", "0.5")  # le pas, 0.5 au départ
dbutils.widgets.text("max_depth", "")
dbutils.widgets.dropdown("kernel", "rbf", ["rbf", "linear"])
dbutils.widgets.dropdown("fold", "", ["", "3", "5"])
dbutils.widgets.dropdown("quick", "non", ["non", "oui"])  # plus court
dbutils.widgets.text("gamma", "0.1 1.0")
dbutils.widgets.text("drop", "")
dbutils.widgets.text("target", "")

if not dbutils.widgets.get("gamma").strip():
    raise SystemExit("Le réglage « gamma » est vide : remplissez-le en haut de la page, puis relancez.")
if not dbutils.widgets.get("target").strip():
    raise SystemExit("Le réglage « target » est vide : remplissez-le en haut de la page, puis relancez.")
args = SimpleNamespace(
    experiment=dbutils.widgets.get("experiment"),
    rate=positive(dbutils.widgets.get("rate")),
    max_depth=int(dbutils.widgets.get("max_depth")) if dbutils.widgets.get("max_depth") else None,
    kernel=dbutils.widgets.get("kernel"),
    fold=int(dbutils.widgets.get("fold")) if dbutils.widgets.get("fold") else None,
    quick=dbutils.widgets.get("quick") == "oui",
    gamma=[float(word) for word in shlex.split(dbutils.widgets.get("gamma"))],
    drop=shlex.split(dbutils.widgets.get("drop")),
    target=dbutils.widgets.get("target"),
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
'''


def test_every_construct_of_the_contract(lesson):
    store = '"""Ouvre le magasin local."""\n\n\ndef open_store():\n    pass\n'
    excluded = "# databricks: non (elle lance un serveur)\n# %%\nimport nowhere\n"
    made = lesson(module=MODULE, script=SCRIPT, suite=f"{TITLE}\n# %%\nprint(1)\n", store=store, serveur=excluded)
    assert made.keys() == {"module", "script", "suite"}
    pins = tool.read_pins(ROOT)
    expected = EXPECTED.replace("matplotlib==M", pins["matplotlib"]).replace("numpy==N", pins["numpy"])
    assert tool.to_source(made["script"]) == expected
    assert made["suite"] == [made["suite"][0], "print(1)"]  # rien à installer : pas de %pip
    assert not any("%pip" in cell for cell in made["module"])  # un module n'efface pas les variables de qui l'exécute
    assert tool.from_source(tool.to_source(made["script"])) == made["script"]


def test_only_what_is_reached_is_installed(lesson):
    pins = tool.read_pins(ROOT)

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


def test_modules_of_modules_are_run_once_and_in_order(lesson):
    inner = "# %% [markdown]\n# # Dedans\n\n# %%\nseven = 7\n"
    outer = "# %% [markdown]\n# # Autour\n\n# %%\nfrom inner import seven\n\neight = seven + 1\n"
    script = f"{TITLE}\n# %%\nfrom outer import eight\n\nprint(eight)\n\n# %%\nfrom outer import eight\n"
    cells = lesson(inner=inner, outer=outer, script=script)
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
    "un nom du module remplacé": (code("from module import heavy\n\npositive = 3"), 7, "`positive` remplacerait"),
    "un import du module remplacé": (code("from module import double\n\nnp = 3"), 7, "`np` remplacerait"),
    "une bibliothèque inconnue": (code("import os\nimport torch"), 6, "torch n'est ni dans requirements.txt"),
    "du Python dans du Markdown": ("# %% [markdown]\n# # Titre\nx = 1\n", 3, "commence par `# `"),
    "une image relative": ("# %% [markdown]\n# # Titre\n# ![courbe](../Images/x.png)\n", 3, "le lien ../Images/x.png"),
    "un lien relatif": ("# %% [markdown]\n# # Titre\n#\n# [leçon](../README.md)\n", 4, "le lien ../README.md"),
    "un lien vers ce qui n'a pas de notebook": ("# %% [markdown]\n# # Titre\n# [magasin](store.py)\n", 3, "le lien store.py"),
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
    "un type anonyme": (parameters('parser.add_argument("--x", type=lambda t: t)'), 9, "`type` est le nom d'une fonction"),
    "un type défini plus bas": (
        parameters('parser.add_argument("--x", type=later)') + "\n\n# %%\ndef later(text):\n    return text\n", 8, "plus haut"
    ),
    "nargs='?'": (parameters('parser.add_argument("--x", nargs="?")'), 9, '`nargs` vaut "+" ou "*"'),
    "nargs et choices": (parameters('parser.add_argument("--x", nargs="+", choices=["a"])'), 9, "ensemble n'ont pas de widget"),
    "nargs et un défaut seul": (parameters('parser.add_argument("--x", nargs="+", default="a")'), 9, "`default` est une liste"),
    "required et default": (parameters('parser.add_argument("--x", required=True, default="a")'), 9, "se contredisent"),
    "un défaut hors des choix": (parameters('parser.add_argument("--x", choices=["a"], default="b")'), 9, "n'est pas dans `choices`"),
    "un nombre sans type": (parameters('parser.add_argument("--x", default=3)'), 9, "ne reviendrait pas égal"),
    "un entier pour un réel": (parameters('parser.add_argument("--x", type=float, default=3)'), 9, "ne reviendrait pas égal"),
    "un défaut qui n'est pas du texte": (parameters('parser.add_argument("--x", default={"a": 1})'), 9, "ne sait pas porter"),
    "une aide mal formée": (parameters('parser.add_argument("--x", default="a", help="100 %")'), 9, "`help` est mal formé"),
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
    beside = {"module": MODULE, "script": parameters(""), "store": "def open_store():\n    pass\n"}
    with pytest.raises(tool.Refused) as refused:
        lesson(**beside, essai=text)
    assert str(refused.value).startswith(f"01_essai/local/essai.py:{line} : "), refused.value
    assert reason in str(refused.value)


def test_all_refusals_are_said_at_once(lesson):
    with pytest.raises(tool.Refused) as refused:
        lesson(one=code("print(__file__)"), two=code("import torch"))
    assert [line.partition(" ")[0] for line in str(refused.value).splitlines()] == ["01_essai/local/one.py:5", "01_essai/local/two.py:5"]


ARGUMENTS = '''
parser.add_argument("--text", default="un texte, « cité »")
parser.add_argument("--empty", default="")
parser.add_argument("--none")
parser.add_argument("--count", type=int, default=3)
parser.add_argument("--rate", type=float, default=1e-05)
parser.add_argument("--percent", type=percent, default=12.5)
parser.add_argument("--maybe", type=int)
parser.add_argument("--kernel", choices=("rbf", "linear"), default="linear")
parser.add_argument("--fold", type=int, choices=[3, 5])
parser.add_argument("--quick", action="store_true")
parser.add_argument("--words", nargs="*", default=["deux mots", "l'apostrophe", 'le "guillemet"'])
parser.add_argument("--no-words", nargs="*", default=[])
parser.add_argument("--some", nargs="+")
parser.add_argument("--numbers", type=float, nargs="+", default=[0.1, 1.0, 100.0])
'''
GIVEN = [
    ({}, []),
    ({"text": "autre"}, ["--text", "autre"]),
    ({"count": "7", "rate": "0.25", "maybe": "2"}, ["--count", "7", "--rate", "0.25", "--maybe", "2"]),
    ({"percent": "40"}, ["--percent", "40"]),
    ({"kernel": "rbf", "fold": "5", "quick": "oui"}, ["--kernel", "rbf", "--fold", "5", "--quick"]),
    ({"words": "a 'b c'", "no_words": "d", "some": "e f"}, ["--words", "a", "b c", "--no-words", "d", "--some", "e", "f"]),
    ({"words": "", "numbers": "3"}, ["--words", "--numbers", "3"]),
]


@pytest.mark.parametrize("widgets, options", GIVEN, ids=[" ".join(options) or "défauts" for _, options in GIVEN])
def test_widgets_are_read_back_as_argparse_reads_the_options(lesson, widgets, options):
    """La cellule produite est exécutée, et comparée à argparse sur la même cellule."""
    define = "def percent(text):\n    return float(text.rstrip('%'))"
    script = f"{TITLE}\n# %%\nimport argparse\n\n\n{define}\n\n\n{PARSER}{ARGUMENTS}{PARSED}"
    cells = lesson(script=script)["script"]
    there = {"dbutils": SimpleNamespace(widgets=Widgets(widgets))}
    for cell in cells[1:]:
        exec(cell, there)
    here = {"argparse": argparse}
    exec(define, here)
    exec(PARSER.partition("\n")[2] + ARGUMENTS, here)
    assert vars(there["args"]) == vars(here["parser"].parse_args(options))


def test_an_empty_widget_that_must_be_filled_says_so(lesson):
    cells = lesson(script=parameters('parser.add_argument("--target", required=True)'))["script"]
    with pytest.raises(SystemExit, match="« target » est vide"):
        exec(cells[-1], {"dbutils": SimpleNamespace(widgets=Widgets({}))})


# ------------------------------------------------------------------------------------------------------------- l'archive


@pytest.fixture
def archive(tmp_path) -> Path:
    path = tmp_path / "essai.dbc"
    path.write_bytes(tool.write_archive("essai", {"un": ["%md\n# Un", "print('é')"], "deux": ["%md\n# Deux"]}))
    return path


def test_an_archive_is_read_back(archive):
    assert tool.read_archive(archive) == {"essai/deux": ["%md\n# Deux"], "essai/un": ["%md\n# Un", "print('é')"]}


def first(kind: str):
    """Un changement de la première entrée de ce type ; le reste de l'archive est inchangé."""
    return {"manifeste": "manifest.mf", "dossier": "essai/", "notebook": "essai/un.python"}[kind]


DAMAGES = {
    "un champ de trop": ("notebook", lambda it: it.update(extra=1), "champs en trop ou absents ['extra']"),
    "un champ absent": ("notebook", lambda it: it.pop("dashboards"), "champs en trop ou absents ['dashboards']"),
    "une autre version": ("notebook", lambda it: it.update(version="NotebookV2"), "version vaut 'NotebookV2'"),
    "un autre langage": ("notebook", lambda it: it.update(language="scala"), "language vaut 'scala'"),
    "un faux nom": ("notebook", lambda it: it.update(name="autre"), "se nomme 'autre'"),
    "un guid qui n'en est pas un": ("notebook", lambda it: it.update(guid="x"), "n'est pas un uuid"),
    "un origId qui n'est pas un entier": ("notebook", lambda it: it.update(origId="3"), "n'est pas du type int"),
    "un origId qui sert deux fois": ("notebook", lambda it: it.update(origId=1), "sert deux fois"),
    "aucune cellule": ("notebook", lambda it: it.update(commands=[]), "n'a pas de cellules"),
    "un champ de cellule absent": ("notebook", lambda it: it["commands"][0].pop("nuid"), "['nuid']"),
    "un type de cellule": ("notebook", lambda it: it["commands"][1].update(collapsed=0), "collapsed vaut 0 au lieu de False"),
    "un nuid qui sert deux fois": (
        "notebook", lambda it: it["commands"][1].update(nuid=it["commands"][0]["nuid"]), "sert deux fois"
    ),
    "une position entière": ("notebook", lambda it: it["commands"][1].update(position=2), "n'est pas un réel"),
    "des positions qui reculent": ("notebook", lambda it: it["commands"][1].update(position=0.5), "ne croissent pas"),
    "une cellule vide": ("notebook", lambda it: it["commands"][1].update(command=" "), "elle est vide"),
    "une cellule trop longue": ("notebook", lambda it: it["commands"][1].update(command="x" * 7_000_000), "plus de 6 Mo"),
    "un dossier nommé autrement": ("dossier", lambda it: it.update(name="x"), "se nomme 'x'"),
    "un dossier avec un guid": ("dossier", lambda it: it.update(guid="x"), "guid vaut 'x'"),
    "un manifeste sans version": ("manifeste", lambda it: it.pop("version"), "['version']"),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGES)
def test_the_strict_reader_refuses_a_damaged_entry(archive, case):
    kind, damage, reason = DAMAGES[case]
    with zipfile.ZipFile(archive) as opened:
        entries = {name: json.loads(opened.read(name)) for name in opened.namelist()}
    damage(entries[first(kind)])
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, entry in entries.items():
            opened.writestr(name, json.dumps(entry))
    with pytest.raises(ValueError, match=re.escape(reason)):
        tool.read_archive(archive)


@pytest.mark.parametrize(
    "reorder, reason",
    [
        (lambda names: names[1:], "n'est pas manifest.mf"),
        (lambda names: [names[0], *names[2:], names[1]], "vient avant son dossier"),
        (lambda names: names[:2], "aucun notebook"),
        (lambda names: [*names, "essai/notes.txt"], "n'est ni un dossier ni un notebook"),
    ],
)
def test_the_strict_reader_refuses_a_wrong_layout(archive, reorder, reason):
    with zipfile.ZipFile(archive) as opened:
        entries = {name: opened.read(name) for name in opened.namelist()}
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name in reorder(list(entries)):
            opened.writestr(name, entries.get(name, b"{}"))
    with pytest.raises(ValueError, match=re.escape(reason)):
        tool.read_archive(archive)


def test_the_strict_reader_refuses_what_is_no_archive(archive):
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="pas une archive"):
        tool.read_archive(archive)
    archive.write_bytes(content.replace(b"manifest.mf", b"manifeste.m"))
    with pytest.raises(ValueError, match="n'est pas manifest.mf"):
        tool.read_archive(archive)
    archive.write_bytes(os.urandom(11 * 2**20))
    with pytest.raises(ValueError, match="plus de 10 Mo"):
        tool.read_archive(archive)


# ----------------------------------------------------------------------------------------------------- les quatre leçons


@pytest.fixture(scope="module")
def built() -> dict[Path, bytes]:
    return tool.build(ROOT)


def test_nothing_is_stale():
    ended = subprocess.run([sys.executable, "tools/build_databricks.py", "--check"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_generating_everything_takes_no_time():
    start = time.process_time()
    tool.build(ROOT)
    assert time.process_time() - start < 3


def test_same_sources_same_bytes(built):
    assert tool.build(ROOT) == built


def test_every_script_has_its_notebook_or_its_reason(built):
    for lesson in LESSONS:
        scripts = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / lesson / "local").glob("*.py")}
        expected = {name for name, text in scripts.items() if "# %%" in text and not tool.EXCLUDED.match(text)}
        assert {path.stem for path in built if path.parent == ROOT / lesson / "databricks"} == expected
        assert archive_of(lesson) in built


def test_source_and_archive_hold_the_same_cells():
    for lesson in LESSONS:
        sources = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / lesson / "databricks").glob("*.py")}
        archived = tool.read_archive(archive_of(lesson))
        assert {f"{lesson}/{name}": tool.from_source(text) for name, text in sources.items()} == archived


def test_an_independent_reader_sees_the_same_notebooks():
    from nbmanips import Notebook

    for lesson in LESSONS:
        for name, cells in tool.read_archive(archive_of(lesson)).items():
            seen = Notebook.read_dbc(str(archive_of(lesson)), filename=f"{name}.python").cells
            markdown = [cell.startswith("%md\n") for cell in cells]
            assert [cell["cell_type"] == "markdown" for cell in seen] == markdown
            assert [cell["source"].strip() for cell in seen] == [cell.removeprefix("%md").strip() for cell in cells]


@pytest.fixture(scope="module")
def cells() -> dict[str, list[str]]:
    """Toutes les cellules de toutes les archives, par notebook."""
    return {name: found for lesson in LESSONS for name, found in tool.read_archive(archive_of(lesson)).items()}


def python(found: list[str]) -> str:
    """Le Python d'un notebook."""
    return "\n".join(cell for cell in found if not cell.startswith("%"))


def test_notebooks_feel_at_home(cells):
    for name, found in cells.items():
        text, prose = python(found), "\n".join(cell for cell in found if cell.startswith("%md"))
        named = {getattr(node, "id", getattr(node, "attr", None)) for node in ast.walk(ast.parse(text))}
        assert not named & {"set_tracking_uri", "set_registry_uri", "open_store", "ArgumentParser", "parse_args", "__file__"}, name
        assert "uv run" not in prose, name
        assert not re.search(r"\]\((?!https?://|\$\./)", prose), name
        for target in re.findall(r"\]\(\$\./([^)]+)\)", prose):
            assert f"{name.partition('/')[0]}/{target}" in cells, f"{name} : {target}"
        for experiment in re.findall(r'widgets\.text\("experiment", "([^"]*)"', text):
            assert re.fullmatch(r"/Shared/\w+", experiment), name
        for model in re.findall(r'widgets\.text\("model", "([^"]*)"', text):
            assert re.fullmatch(r"\w+\.\w+\.\w+", model), name
        # une figure enregistrée se voit aussi dans le notebook
        assert "log_figure" not in text or re.search(r"^\s*display\(", text, re.MULTILINE), name


def test_pip_installs_pins_of_the_course_and_nothing_unused(cells):
    pins = set(tool.read_pins(ROOT).values())
    for name, found in cells.items():
        lines = [cell for cell in found if cell.startswith("%pip")]
        is_module = any(f"%run ./{name.rpartition('/')[2]}" in other for other in sum(cells.values(), []))
        assert len(lines) == (0 if is_module else 1), name
        for cell in lines:
            install, restart = cell.splitlines()
            assert set(install.removeprefix("%pip install ").split()) <= pins, name
            assert restart == "dbutils.library.restartPython()"
    assert "tensorflow" not in next(cell for cell in cells["01_tracking_supervised/first_run"] if cell.startswith("%pip"))


def test_one_character_more_makes_check_fail_and_build_mends_it(fresh_course):
    def check(*options):
        return subprocess.run(
            [sys.executable, "tools/build_databricks.py", *options], cwd=fresh_course.root, capture_output=True, text=True, timeout=60
        )

    script = fresh_course.root / "01_tracking_supervised/local/first_run.py"
    assert check("--check").returncode == 0
    script.write_text(script.read_text(encoding="utf-8").replace("À retenir", "À  retenir"), encoding="utf-8")
    orphan = fresh_course.root / "01_tracking_supervised/databricks/ancien.py"
    orphan.write_text("# Databricks notebook source\n", encoding="utf-8")
    ended = check("--check")
    assert ended.returncode == 1
    assert [line.partition(" ")[0] for line in ended.stdout.splitlines()] == [
        "01_tracking_supervised/01_tracking_supervised.dbc",
        "01_tracking_supervised/databricks/ancien.py",
        "01_tracking_supervised/databricks/first_run.py",
    ]
    assert check().returncode == 0
    assert not orphan.exists()
    assert check("--check").returncode == 0
    archive = archive_of("01_tracking_supervised", fresh_course.root)
    with zipfile.ZipFile(archive) as opened:  # autre compression, mêmes entrées : rien à refaire
        entries = {name: opened.read(name) for name in opened.namelist()}
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as opened:
        for name, entry in entries.items():
            opened.writestr(name, entry)
    assert check("--check").returncode == 0
    script.write_text(script.read_text(encoding="utf-8") + "\n# %%\nprint(__file__)\n", encoding="utf-8")
    ended = check("--check")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(r"01_tracking_supervised/local/first_run\.py:\d+ : `__file__` n'a pas de sens .*\n", ended.stderr)


# -------------------------------------------------------------------------------------- exécutés : le notebook et le script


def run_notebook(course: Course, name: str, *widgets: str, cwd: Path | None = None, fails: bool = False, **environment: str):
    """Exécute le notebook `leçon/nom` de l'archive de `course`, dans son dossier, comme d'un dossier Git ; renvoie son journal.

    Son magasin est `notebooks.db`, à la racine de la copie : les scripts ont le leur.
    """
    lesson, _, stem = name.partition("/")
    journal = course.root / "journal.json"
    environment = {
        "MLFLOW_TRACKING_URI": notebook_store(course),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DATABRICKS_RUNTIME_VERSION": "client.4.9",  # MLflow se croit sur Databricks : cloudpickle par défaut, par exemple
        "PYSPARK_PYTHON": sys.executable,
    } | environment
    ended = subprocess.run(
        [sys.executable, str(course.root / RUNTIME), str(archive_of(lesson, course.root)), stem, str(journal), *widgets],
        cwd=cwd or course.root / lesson / "databricks", env=clean_environment(**environment), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, encoding="utf-8", timeout=600,
    )  # fmt: skip
    output = f"{name} : code {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
    assert "Traceback" not in ended.stderr and (fails or ended.returncode == 0), output
    noted = json.loads(journal.read_text(encoding="utf-8"))
    return SimpleNamespace(**noted, returncode=ended.returncode, stdout=ended.stdout, stderr=ended.stderr)


def notebook_store(course: Course) -> str:
    return f"sqlite:///{course.root / 'notebooks.db'}"


def is_duration(metric: str) -> bool:
    return metric.endswith(("_seconds", "_ms"))


def recorded(uri: str, known: set[str]) -> list:
    """Les runs terminés depuis le dernier appel : nom, statut, paramètres, métriques bit pour bit, durées à part.

    Ce qui désigne un run, un modèle, un instant ou un dossier temporaire diffère d'un magasin à l'autre, et devient `*`.
    """
    client = MlflowClient(uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = [run for run in client.search_runs(experiments, max_results=50_000) if run.info.run_id not in known]
    known |= {run.info.run_id for run in found}

    def neutral(text: str) -> str:
        return re.sub(r"[0-9a-f]{32}|/tmp\w{8}/|\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?", "*", text)

    def described(run) -> tuple:
        parameters = sorted((name, neutral(value)) for name, value in run.data.params.items())
        metrics = sorted((name, value.hex()) for name, value in run.data.metrics.items() if not is_duration(name))
        return neutral(run.info.run_name), run.info.status, parameters, metrics

    return sorted(map(described, found))


class Both:
    """Une leçon exécutée deux fois dans une même copie : ses scripts dans un magasin, ses notebooks dans un autre."""

    def __init__(self, course: Course, lesson: str):
        self.course, self.lesson = course, lesson
        here = [name for name in reading_order(lesson) if f"{lesson}/{name}" in notebook_names(lesson)]
        self.scripts = [name for name in here if not missing(name)]
        self.results, self.known = {}, (set(), set())

    def result(self, name: str):
        """(sortie du script, journal du notebook, runs du premier, runs du second) ; ce qui précède est d'abord exécuté."""
        for each in self.scripts:
            if each not in self.results:
                script = self.course.run(f"{self.lesson}/local/{each}.py")
                notebook = run_notebook(self.course, f"{self.lesson}/{each}")
                stores = zip((self.course.uri, notebook_store(self.course)), self.known, strict=True)
                self.results[each] = (script, notebook, *(recorded(uri, known) for uri, known in stores))
            if each == name:
                return self.results[name]
        raise LookupError(name)


def missing(name: str) -> str | None:
    """Ce qui manque à cette machine pour exécuter le script, s'il manque quelque chose."""
    if name == "deploy_azure":  # sans compte, il montre au moins ce qu'il enverrait
        return None if find_spec("azure") else "le groupe `azure` n'est pas installé"
    return run_course.left_out(name)


def notebook_names(lesson: str) -> set[str]:
    return {f"{lesson}/{path.stem}" for path in (ROOT / lesson / "databricks").glob("*.py")}


def reading_order(lesson: str) -> list[str]:
    return [name for name, _ in run_course.LESSONS[lesson]]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    made = {}

    def of(lesson: str) -> Both:
        if lesson not in made:
            made[lesson] = Both(Course(tmp_path_factory.mktemp("databricks")), lesson)
        return made[lesson]

    return of


QUICK = {"first_run"}
SPARK = {"svm_sweep_spark"}  # a son propre test : avec deux ouvriers, deux recherches diffèrent
READ_ONLY = {"open_model", "deploy_azure"}  # sans option, ils lisent le magasin et n'y écrivent rien
SCRIPTS = [
    pytest.param(lesson, name, marks=[] if name in QUICK else pytest.mark.slow)
    for lesson in LESSONS
    for name in reading_order(lesson)
    if f"{lesson}/{name}" in notebook_names(lesson) and name not in SPARK
]


@pytest.mark.parametrize("lesson, name", SCRIPTS)
def test_a_notebook_records_what_its_script_records(both, lesson, name):
    if reason := missing(name):
        pytest.skip(reason)
    script, notebook, local, remote = both(lesson).result(name)
    assert local == remote
    assert bool(local) == (name not in READ_ONLY)
    assert notebook.restarts == len(notebook.pip) == 1
    assert notebook.exit is None
    shows = re.search(r"^\s*display\(", python(tool.read_archive(archive_of(lesson))[f"{lesson}/{name}"]), re.MULTILINE)
    assert bool(notebook.displayed) == bool(shows)


def test_what_ends_a_notebook_early_reads_well(fresh_course):
    """Une ligne, en français, sans trace d'appels : ici, il n'y a encore aucun modèle à ouvrir."""
    ended = run_notebook(fresh_course, "01_tracking_supervised/open_model", fails=True)
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1].startswith("Pas encore de modèle")


@pytest.mark.slow
def test_the_project_says_when_it_is_not_in_a_git_folder(fresh_course, tmp_path):
    """Importé par l'archive, le notebook n'a pas MLproject à côté de lui."""
    alone = tmp_path / "Users" / "lectrice"
    alone.mkdir(parents=True)
    ended = run_notebook(fresh_course, "03_mlflow_project/run_project", cwd=alone, fails=True)
    assert ended.returncode == 1
    last = ended.stderr.strip().splitlines()[-1]
    assert "MLproject" in last and "dossier Git" in last


# --------------------------------------------------------------------------------------- le Databricks de poche lui-même


def pocket(tmp_path, cells: list[str], *widgets: str, **others: list[str]):
    archive = tmp_path / "poche.dbc"
    archive.write_bytes(tool.write_archive("poche", {"essai": cells, **others}))
    journal = tmp_path / "journal.json"
    ended = subprocess.run(
        [sys.executable, str(ROOT / RUNTIME), str(archive), "essai", str(journal), *widgets],
        env=clean_environment(), capture_output=True, text=True, encoding="utf-8", timeout=60,
    )  # fmt: skip
    return ended, json.loads(journal.read_text(encoding="utf-8"))


def test_restart_python_clears_the_variables(tmp_path):
    ended, journal = pocket(tmp_path, ["x = 1", "%pip install mlflow==3.17.2\ndbutils.library.restartPython()", "print(x)"])
    assert ended.returncode == 1
    assert ended.stderr.strip().endswith("NameError: name 'x' is not defined")
    assert (journal["pip"], journal["restarts"]) == (["install mlflow==3.17.2"], 1)


def test_run_shares_one_namespace_which_is_main(tmp_path):
    module = ["%md\n# Module", "class Model:\n    factor = 2\n\n\ndef scale(x):\n    return Model.factor * x"]
    ended, journal = pocket(tmp_path, ["%run ./module", "print(scale(21), Model.__module__, __name__)"], module=module)
    assert ended.stdout.strip() == "42 __main__ __main__", ended.stderr
    assert journal["run"] == ["./module"]


def test_widgets_display_and_exit(tmp_path):
    create = 'dbutils.widgets.text("a", "1")\ndbutils.widgets.dropdown("b", "non", ["non", "oui"])'
    use = 'display(3.5)\ndbutils.notebook.exit(dbutils.widgets.get("a") + dbutils.widgets.get("b"))'
    ended, journal = pocket(tmp_path, [create, use, "print('jamais')"], "a=2")
    assert (ended.returncode, ended.stdout.strip()) == (0, "Notebook exited: 2non"), ended.stderr
    assert (journal["displayed"], journal["exit"], journal["widgets"]) == (["float"], "2non", {"a": "2", "b": "non"})


@pytest.mark.parametrize(
    "cell, reason",
    [
        ('dbutils.widgets.get("a")', "InputWidgetNotDefined"),
        ('dbutils.widgets.dropdown("a", "x", ["y"])', "n'est pas parmi"),
        ('dbutils.widgets.text("a", 1)', "n'est pas un texte"),
        ("%sh ls", "magie inconnue"),
    ],
)
def test_the_pocket_workspace_is_no_more_lenient_than_the_real_one(tmp_path, cell, reason):
    ended, _ = pocket(tmp_path, [cell])
    assert ended.returncode == 1 and reason in ended.stderr


def test_an_unknown_widget_value_is_refused(tmp_path):
    ended, _ = pocket(tmp_path, ["print(1)"], "a=2")
    assert ended.returncode == 1 and "n'a pas de widget ['a']" in ended.stderr


# ------------------------------------------------------------------------------------- le protocole de Databricks lui-même


class Workspace(BaseHTTPRequestHandler):
    """Un faux espace de travail : il répond pour l'authentification, et transmet le reste à un vrai serveur MLflow."""

    behind, asked = "", []

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.asked.append((self.path.partition("?")[0], self.headers.get("Authorization")))
        if self.path == "/.well-known/databricks-config":
            self.reply(200, json.dumps({"oidc_endpoint": self.behind, "workspace_id": "1"}).encode())
        elif re.match(r"/api/\d\.\d/mlflow/", self.path):
            kind = {"Content-Type": "application/json"}
            response = requests.request(self.command, self.behind + self.path, data=body, headers=kind, timeout=60)
            self.reply(response.status_code, response.content)
        else:
            self.reply(404, json.dumps({"error_code": "ENDPOINT_NOT_FOUND", "message": self.path}).encode())

    def reply(self, status: int, content: bytes):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_DELETE = answer

    def log_message(self, *_):
        """Rien sur la sortie des tests."""


@pytest.mark.slow
def test_a_notebook_speaks_the_protocol_of_databricks(both, tmp_path):
    """`MLFLOW_TRACKING_URI=databricks` : le client MLflow parle à un espace de travail, avec un jeton."""
    course = both("01_tracking_supervised").course
    _, _, local, _ = both("01_tracking_supervised").result("full_run")
    port = free_port()
    server = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1", "--no-serve-artifacts"]
    server += ["--backend-store-uri", f"sqlite:///{tmp_path}/x.db", "--default-artifact-root", (tmp_path / "artefacts").as_uri()]
    with running(server, tmp_path, wait_for=f"http://127.0.0.1:{port}/health"):
        Workspace.behind, Workspace.asked = f"http://127.0.0.1:{port}", []
        workspace = ThreadingHTTPServer(("127.0.0.1", 0), Workspace)
        threading.Thread(target=workspace.serve_forever, daemon=True).start()
        try:
            host = f"http://127.0.0.1:{workspace.server_port}"
            there = {"MLFLOW_TRACKING_URI": "databricks", "DATABRICKS_HOST": host, "DATABRICKS_TOKEN": "jeton"}
            run_notebook(course, "01_tracking_supervised/full_run", **there)
        finally:
            workspace.shutdown()
            workspace.server_close()
        assert recorded(f"http://127.0.0.1:{port}", set()) == local
    calls = [path for path, _ in Workspace.asked if "/mlflow/" in path]
    assert {authorization for path, authorization in Workspace.asked if "/mlflow/" in path} == {"Bearer jeton"}
    assert any(path.endswith("/runs/create") for path in calls)
    assert any(path.endswith("/logged-models") for path in calls)


# ------------------------------------------------------------------------------------------------- l'annexe Spark (leçon 1)

SPARK_SCRIPT = "01_tracking_supervised/local/svm_sweep_spark.py"
HIDING_PYSPARK = "import runpy, sys; sys.modules['pyspark'] = None; runpy.run_path(sys.argv[1], run_name='__main__')"


def test_without_spark_one_clear_line(course):
    ended = subprocess.run(
        [sys.executable, "-c", HIDING_PYSPARK, str(course.root / SPARK_SCRIPT)], env=clean_environment(), capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "Spark et Optuna manquent : uv run --group spark 01_tracking_supervised/local/svm_sweep_spark.py\n"


@pytest.mark.slow
def test_without_java_one_clear_line(course, tmp_path):
    pytest.importorskip("pyspark", reason="le groupe `spark` n'est pas installé")
    ended = course.run(SPARK_SCRIPT, fails=True, PATH=str(tmp_path), JAVA_HOME="")  # ni `java`, ni rien d'autre
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "Spark ne démarre pas : il lui faut Java 17 ou plus (https://adoptium.net).\n"


def searches(uri: str, experiment: str) -> list[tuple]:
    """Les recherches d'une expérience, dans l'ordre : (run parent, ses essais)."""
    client = MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name(experiment).experiment_id], max_results=1000)
    parents = [run for run in runs if run.info.run_name.startswith("svm spark")]
    parents.sort(key=lambda run: run.info.run_name)
    return [(run, [each for each in runs if each.data.tags.get("mlflow.parentRunId") == run.info.run_id]) for run in parents]


def points(trials: list) -> set[tuple]:
    return {(run.data.params["C"], run.data.params["gamma"], run.data.metrics["value"].hex()) for run in trials}


@pytest.mark.slow
def test_search_on_spark(tmp_path_factory):
    pytest.importorskip("pyspark", reason="le groupe `spark` n'est pas installé")
    if not shutil.which("java"):
        pytest.skip("Java n'est pas installé")
    from patients import load_patients
    from sklearn.metrics import recall_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    course = Course(tmp_path_factory.mktemp("spark"))
    output = course.run(SPARK_SCRIPT).stdout
    found = searches(course.uri, "01_tracking_supervised")
    assert [run.data.params["workers"] for run, _ in found] == ["1", "1", "2", "2"]
    patients, _, _ = load_patients()
    X, y = pd.concat([patients.X_train, patients.X_valid]), pd.concat([patients.y_train, patients.y_valid])
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    for parent, trials in found:
        assert len(trials) == 12
        assert {run.info.status for run in (parent, *trials)} == {"FINISHED"}
        assert parent.data.metrics["best_cv_sensitivity"] == max(run.data.metrics["value"] for run in trials)
        assert parent.data.tags["mlflow.note.content"]
        for run in trials:  # chaque valeur est bien celle de son couple
            model = make_pipeline(StandardScaler(), SVC(C=float(run.data.params["C"]), gamma=float(run.data.params["gamma"])))
            assert run.data.metrics["value"] == recall_score(y, cross_val_predict(model, X, y, cv=folds))

    one, again, two, other = (points(trials) for _, trials in found)
    said = {row["ouvriers"]: row["deux recherches de graine 0"] for row in tables(last_cell(SPARK_SCRIPT))}
    assert said == {"1": f"{len(one & again)} points communs sur 12", "2": f"{len(two & other)} points communs sur 12"}
    assert f"Un ouvrier, deux fois la même graine : {said['1']}" in output
    assert f"2 ouvriers, deux fois la même graine : {said['2']}" in output
    best = f"{found[0][0].data.metrics['best_cv_sensitivity']:.3f}"
    assert numbers(last_cell(SPARK_SCRIPT)) == [best]
    sweep = tables(last_cell("01_tracking_supervised/local/svm_sweep.py"))
    assert best == next(row["sensibilité"] for row in sweep if row["ce que l'on veut"] == "la meilleure sensibilité")

    notebook = run_notebook(course, "01_tracking_supervised/svm_sweep_spark")
    assert not any("pyspark" in line for line in notebook.pip) and any("optuna==" in line for line in notebook.pip)
    there = searches(notebook_store(course), "/Shared/01_tracking_supervised")
    assert [run.data.params for run, _ in there] == [run.data.params for run, _ in found]
    assert points(there[0][1]) == points(there[1][1]) == one  # un ouvrier, la même graine : les mêmes points, au bit près
