"""tools/build.py : ce qui est périmé se nomme, se refait, et rien d'autre ne bouge."""

import sys
import zipfile

import build
import nbformat
import pytest
from programs import ended
from texts import ROOT
from two_forms import ask, write_scripts

from course import CORE, Script

STORE = "def open_store():\n    pass\n"
TEXT = "# %% [markdown]\n# # Leçon 1, script 1 : titre\n\n# %%\nprint(1)\n"
SOLUTION = """# %% [markdown]
# # Exercice 01-1, solution : un titre

# %%
# solution : calculez `y`
y = 3
# fin

# %% [markdown]
# ## À retenir
#
# Trois.
"""


@pytest.mark.parametrize("seed", ["0", "1"])
def test_nothing_is_stale_in_whatever_order_sets_are_read(seed):
    """Les mêmes sources donnent les mêmes octets à deux processus, dont les ensembles ne se
    parcourent pas dans le même ordre.
    """
    told = ended([sys.executable, "tools/build.py", "--check"], ROOT, PYTHONHASHSEED=seed)
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Une leçon inventée, d'un script et d'une solution."""
    monkeypatch.setattr(build, "LESSONS", ["01_essai"])
    monkeypatch.setitem(CORE, "01_essai", 1)
    monkeypatch.setattr("forms.jupyter.SCRIPTS", [Script("01_essai/local/01_one.py", 5)])
    made = write_scripts(tmp_path, **{"01_one": TEXT}, store=STORE)
    (made / "solutions").mkdir()
    (made / "solutions/ex_01_1_trial.py").write_text(SOLUTION, encoding="utf-8")
    return made


def tool(folder, *options: str) -> tuple[int, list[str]]:
    code, said = ask(build, folder.parent, "--lesson", "01", *options)
    return code, [line.removeprefix("01_essai/") for line in said.splitlines()]


EVERYTHING = [
    "01_essai.dbc", "databricks/01_one.py", "databricks/exercises/ex_01_1_trial.py",
    "databricks/solutions/ex_01_1_trial.py", "exercises/ex_01_1_trial.py", "jupyter/01_one.ipynb",
]  # fmt: skip


def test_one_character_more_makes_check_fail_and_build_mends_it(folder):
    assert [line.split()[0] for line in tool(folder)[1]] == EVERYTHING
    assert tool(folder, "--check") == (1, ["jupyter/01_one.ipynb est à exécuter"])
    nbformat.validate(nbformat.read(folder / "jupyter/01_one.ipynb", 4))
    write_scripts(folder.parent, **{"01_one": TEXT.replace("titre", "titres")})
    orphans = [folder / name for name in ("databricks/ancien.py", "jupyter/ancien.ipynb")]
    for orphan in orphans:
        orphan.write_text("# Databricks notebook source\n", encoding="utf-8")
    start = folder / "exercises/ex_01_1_trial.py"
    start.write_text("print('à moi')\n", encoding="utf-8")
    code, said = tool(folder, "--check")
    assert code == 1 and start.read_text(encoding="utf-8") == "print('à moi')\n"
    assert [line.split()[0] for line in said] == [
        "01_essai.dbc", "databricks/01_one.py", "databricks/ancien.py",
        "databricks/exercises/ex_01_1_trial.py", "exercises/ex_01_1_trial.py",
        "jupyter/01_one.ipynb", "jupyter/ancien.ipynb",
    ]  # fmt: skip
    assert tool(folder)[0] == 0 and not any(orphan.exists() for orphan in orphans)
    assert tool(folder, "--check")[1] == ["jupyter/01_one.ipynb est à exécuter"]


def test_another_compression_is_not_another_archive(folder):
    tool(folder)
    with zipfile.ZipFile(folder / "01_essai.dbc") as opened:
        entries = {name: opened.read(name) for name in opened.namelist()}
    with zipfile.ZipFile(folder / "01_essai.dbc", "w", zipfile.ZIP_STORED) as opened:
        for name, entry in entries.items():
            opened.writestr(name, entry)
    assert tool(folder, "--check")[1] == ["jupyter/01_one.ipynb est à exécuter"]


def test_what_is_refused_is_said_and_nothing_is_written(folder):
    write_scripts(folder.parent, **{"01_one": TEXT + "print(__file__)\n"})
    code, said = tool(folder)
    assert code == 1 and [line.split()[0] for line in said] == ["local/01_one.py:6"]
    assert not (folder / "databricks").exists()
