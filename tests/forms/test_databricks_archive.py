"""Les fichiers produits pour Databricks : l'archive `.dbc`, les notebooks des quatre leçons, et leur fraîcheur."""

import argparse
import ast
import json
import re
import sys
import zipfile
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import build_databricks
import pytest
from databricks_archive import from_source, read_archive
from databricks_runtime import Widgets
from programs import ended
from texts import ROOT
from two_forms import ask, cells_of, essences, write_scripts

from course import LESSONS
from forms.archive import write_archive
from forms.arguments import read_arguments
from forms.cells import Script, read_lesson
from forms.requirements import read_pins

# ------------------------------------------------------------------------------------------------------- le format `.dbc`


@pytest.fixture
def archive(tmp_path) -> Path:
    path = tmp_path / "essai.dbc"
    path.write_bytes(write_archive("essai", {"un": ["%md\n# Un", "print('é')"], "deux": ["%md\n# Deux"]}))
    return path


def rewrite(archive: Path, change) -> None:
    """Récrit l'archive, ses entrées JSON changées par `change`."""
    with zipfile.ZipFile(archive) as opened:
        entries = {name: json.loads(opened.read(name)) for name in opened.namelist()}
    entries = change(entries) or entries
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, entry in entries.items():
            opened.writestr(name, json.dumps(entry))


def test_an_archive_is_read_back(archive):
    assert read_archive(archive) == {"essai/deux": ["%md\n# Deux"], "essai/un": ["%md\n# Un", "print('é')"]}


def first(**values):
    """Change le notebook « un »."""
    return lambda entries: entries["essai/un.python"].update(values)


def second_cell(**values):
    """Change la seconde cellule du notebook « un »."""
    return lambda entries: entries["essai/un.python"]["commands"][1].update(values)


DAMAGES = {
    "champs en trop ou absents ['extra']": first(extra=1),
    "champs en trop ou absents ['dashboards']": lambda entries: entries["essai/un.python"].pop("dashboards") and None,
    "language vaut 'scala'": first(language="scala"),
    "se nomme 'autre'": first(name="autre"),
    "'x' n'est pas un uuid": first(guid="x"),
    "'3' n'est pas un entier": first(origId="3"),
    "1 sert deux fois": first(origId=1),
    "n'a pas de cellules": first(commands=[]),
    "collapsed vaut 0 au lieu de False": second_cell(collapsed=0),
    "sa position n'est pas un réel": second_cell(position=2),
    "les positions ne croissent pas": second_cell(position=0.5),
    "elle est vide": second_cell(command=" "),
    "plus de 6 Mo": second_cell(command="x" * 7_000_000),
    "guid vaut 'x'": lambda entries: entries["essai/"].update(guid="x"),
    "absents ['version']": lambda entries: entries["manifest.mf"].pop("version") and None,
    "n'est pas manifest.mf": lambda entries: {name: entries[name] for name in [*list(entries)[1:], "manifest.mf"]},
    "vient avant son dossier": lambda entries: {name: entries[name] for name in list(entries) if name != "essai/"},
    "aucun notebook": lambda entries: {name: entries[name] for name in list(entries)[:2]},
    "n'est ni un dossier ni un notebook": lambda entries: {**entries, "essai/notes.txt": {}},
}


@pytest.mark.parametrize("reason", DAMAGES)
def test_the_strict_reader_refuses_a_damaged_archive(archive, reason):
    rewrite(archive, DAMAGES[reason])
    with pytest.raises(ValueError, match=re.escape(reason)):
        read_archive(archive)


def test_the_strict_reader_refuses_what_is_no_archive_or_too_heavy(archive):
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(ValueError, match="pas une archive"):
        read_archive(archive)
    archive.write_bytes(bytes(11 * 2**20))
    with pytest.raises(ValueError, match="plus de 10 Mo"):
        read_archive(archive)


# ----------------------------------------------------------------------------------------------------- les quatre leçons


@pytest.fixture(scope="module")
def built() -> dict[Path, bytes]:
    return build_databricks.build(ROOT)


@pytest.fixture(scope="module")
def cells() -> dict[str, list[str]]:
    """Toutes les cellules des archives du dépôt, par notebook : `01_tracking_supervised/first_run`."""
    return {name: found for lesson in LESSONS for name, found in read_archive(archive_of(lesson)).items()}


def archive_of(lesson: str, root: Path = ROOT) -> Path:
    return root / lesson / f"{lesson}.dbc"


def source_of(name: str) -> Path:
    """Le script d'un notebook : `leçon/nom`, ou `leçon/solutions/nom`."""
    path = ROOT / f"{name}.py"
    return path if name.count("/") == 2 else path.parent / "local" / path.name


def test_nothing_is_stale_in_whatever_order_sets_are_read(built):
    """Les mêmes sources donnent les mêmes octets à deux processus, dont les ensembles ne se parcourent pas dans le même ordre."""
    assert [path for path, content in built.items() if not build_databricks.same(path, content)] == []
    told = ended([sys.executable, "tools/build_databricks.py", "--check"], ROOT, PYTHONHASHSEED="1")
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")


def test_every_script_has_its_notebook_or_its_reason(built):
    for lesson in LESSONS:
        scripts = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / lesson / "local").glob("*.py")}
        expected = {name for name, text in scripts.items() if "\n# %%" in f"\n{text}" and not text.startswith("# databricks: non (")}
        assert {path.stem for path in built if path.parent == ROOT / lesson / "databricks"} == expected
        assert archive_of(lesson) in built


def test_the_cells_are_those_of_the_script(cells):
    """Instruction par instruction, modules et exercices compris : rien de plus, rien de moins, dans le même ordre."""
    for name, found in cells.items():
        theirs = [(kind, text) for kind, tag, text in cells_of(source_of(name)) if not tag]
        ours = [("markdown", cell[4:]) if cell.startswith("%md\n") else ("code", cell) for cell in found]
        ours = [(kind, text) for kind, text in ours if not text.startswith(("%pip", "%run")) and "dbutils.widgets.get(" not in text]
        assert essences(ours) == essences(theirs), name


def test_source_and_archive_hold_the_same_cells(built, cells):
    sources = {path: content.decode() for path, content in built.items() if path.suffix == ".py"}
    names = {path: path.relative_to(ROOT).with_suffix("").as_posix().replace("/databricks/", "/") for path in sources}
    assert {names[path]: from_source(text) for path, text in sources.items()} == cells


def test_an_independent_reader_sees_the_same_notebooks(cells):
    from nbmanips import Notebook

    for name, found in cells.items():
        seen = Notebook.read_dbc(str(archive_of(name.partition("/")[0])), filename=f"{name}.python").cells
        assert [cell["cell_type"] == "markdown" for cell in seen] == [cell.startswith("%md\n") for cell in found]
        assert [cell["source"].strip() for cell in seen] == [cell.removeprefix("%md").strip() for cell in found]


def imports(tree: ast.Module) -> set[str]:
    """Les modules que ce code importe."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    return {getattr(node, "module", alias.name) for node in nodes for alias in node.names}


def test_notebooks_feel_at_home(cells):
    for name, found in cells.items():
        text, prose = ("\n".join(cell for cell in found if cell.startswith(kind) == magic) for kind, magic in (("%", False), ("%md", True)))
        tree = ast.parse(text)
        named = {getattr(node, "id", getattr(node, "attr", None)) for node in ast.walk(tree)}
        assert not named & {"set_tracking_uri", "set_registry_uri", "open_store", "ArgumentParser", "parse_args", "__file__"}, name
        assert "argparse" not in imports(tree) and "uv run" not in prose, name
        assert not re.search(r"\]\((?!https?://|\$\./)", prose), name
        for target in re.findall(r"\]\(\$\./([^)]+)\)", prose):
            assert f"{name.partition('/')[0]}/{target}" in cells, f"{name} : {target}"
        for experiment in re.findall(r'widgets\.text\("experiment", "([^"]*)"', text):
            assert re.fullmatch(r"/Shared/\w+", experiment), name
        for model in re.findall(r'widgets\.text\("model", "([^"]*)"', text):
            assert re.fullmatch(r"\w+\.\w+\.\w+", model), name
        # une figure enregistrée se voit aussi dans le notebook
        assert "log_figure" not in text or re.search(r"^\s*display\(", text, re.MULTILINE), name


def test_exercises_stand_apart_and_use_the_modules_of_the_lesson(cells):
    apart = {name: "\n".join(found) for name, found in cells.items() if name.count("/") == 2}
    expected = {
        f"{path.parts[-3]}/{path.parts[-2]}/{path.stem}"
        for path in [*ROOT.glob("0?_*/exercises/*.py"), *ROOT.glob("0?_*/solutions/*.py")]
        if not path.read_text(encoding="utf-8").startswith("# databricks: non")
    }
    assert set(apart) == expected
    for name, text in apart.items():
        modules = re.findall(r"^%run \.\./(\w+)$", text, re.MULTILINE)
        assert modules and all(f"{name.partition('/')[0]}/{module}" in cells for module in modules), name
        assert ("Votre code ici" in text) == ("/exercises/" in name) and "uv run tools" not in text, name


def test_pip_installs_pins_of_the_course_and_nothing_unused(cells):
    pins = set(read_pins(ROOT).values())
    for name, found in cells.items():
        lines = [cell for cell in found if cell.startswith("%pip")]
        lesson, _, stem = name.partition("/")
        is_module = any(f"%run ./{stem}" in other for where, other in cells.items() if where.startswith(lesson))
        assert len(lines) == (0 if is_module else 1), name
        for cell in lines:
            install, restart = cell.splitlines()
            assert set(install.removeprefix("%pip install ").split()) <= pins, name
            assert restart == "dbutils.library.restartPython()"
    assert "tensorflow" not in next(cell for cell in cells["01_tracking_supervised/first_run"] if cell.startswith("%pip"))


def type_functions(script: Script) -> dict[str, object]:
    """Les fonctions que ses `type=` nomment : importées d'un module de la leçon, ou définies dans le script."""
    used = {argument.function for argument in read_arguments(script.parameters()) if argument.type}
    found = {"argparse": argparse}
    for node in [node for cell in script.code() for node in cell.tree.body]:
        if isinstance(node, ast.FunctionDef) and node.name in used:
            exec(ast.unparse(node), found)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.name: getattr(import_module(node.module), alias.name) for alias in node.names if alias.name in used}
    return found


def test_widgets_left_alone_give_the_defaults_of_the_script(cells):
    """`type=number(0, 9), default=3` donnerait 3 au script et 3.0 au notebook."""
    for lesson in LESSONS:
        for name, script in read_lesson(ROOT / lesson).items():
            if not (parameters := script.parameters()) or not script.has("databricks"):
                continue
            known = type_functions(script)
            here, there = {**known}, {**known, "dbutils": SimpleNamespace(widgets=Widgets({}))}
            exec(parameters.text.replace("parse_args()", "parse_args([])"), here)
            expected = vars(here["args"])
            for argument in read_arguments(parameters):
                if argument.there != argument.default:
                    expected[argument.name] = eval(argument.type, known)(argument.there) if argument.type else argument.there
            exec(next(cell for cell in cells[f"{lesson}/{name}"] if "dbutils.widgets.get(" in cell), there)
            assert repr(expected) == repr(vars(there["args"])), f"{lesson}/{name}"


# ----------------------------------------------------------------------------------------------------------- la commande


def test_one_character_more_makes_check_fail_and_build_mends_it(tmp_path):
    text = "# %% [markdown]\n# # Titre\n\n# %%\nprint(1)\n"
    folder = write_scripts(tmp_path, one=text, two=text)

    def tool(*options: str) -> tuple[int, list[str]]:
        code, said = ask(build_databricks, tmp_path, *options)
        return code, [line.partition(" ")[0].removeprefix("01_essai/") for line in said.splitlines()]

    assert tool()[0] == 0
    assert tool("--check") == (0, [])
    write_scripts(tmp_path, one=text.replace("Titre", "Titres"))
    orphan = folder / "databricks/ancien.py"
    orphan.write_text("# Databricks notebook source\n", encoding="utf-8")
    assert tool("--check") == (1, ["01_essai.dbc", "databricks/ancien.py", "databricks/one.py"])
    assert tool()[0] == 0 and not orphan.exists()
    assert tool("--check") == (0, [])
    with zipfile.ZipFile(folder / "01_essai.dbc") as opened:  # autre compression, mêmes entrées : rien à refaire
        entries = {name: opened.read(name) for name in opened.namelist()}
    with zipfile.ZipFile(folder / "01_essai.dbc", "w", zipfile.ZIP_STORED) as opened:
        for name, entry in entries.items():
            opened.writestr(name, entry)
    assert tool("--check") == (0, [])
    write_scripts(tmp_path, two=text + "print(__file__)\n")
    assert tool("--check") == (1, ["local/two.py:6"])
