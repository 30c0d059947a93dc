"""Les fichiers produits pour Databricks : l'archive `.dbc` et les notebooks des quatre leçons."""

import ast
import re
import uuid
import zipfile
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import pytest
from databricks_archive import entries_of, from_source, read_archive
from databricks_runtime import Widgets
from texts import ROOT
from two_forms import cells_of, essences

from course import LESSONS
from forms.archive import COMMAND, FOLDER, MANIFEST, NOTEBOOK
from forms.cells import read_lesson
from forms.notebook import NO_AUTOLOG
from forms.requirements import read_pins

# -------------------------------------------------------------------------------------------------
# le format `.dbc`


def archive_of(lesson: str) -> Path:
    return ROOT / lesson / f"{lesson}.dbc"


def same_fields(entry: dict, model: dict) -> bool:
    """Les champs de `model`, avec leurs valeurs et leurs types ; `...` : n'importe laquelle."""
    same = all(
        value is ... or (type(entry[name]), entry[name]) == (type(value), value)
        for name, value in model.items()
    )
    return entry.keys() == model.keys() and same


@pytest.mark.parametrize("lesson", LESSONS)
def test_an_archive_is_like_those_that_databricks_exports(lesson):
    """Champ par champ ; un dossier avant ce qu'il contient, les dossiers avant les notebooks ;
    aucun identifiant deux fois.
    """
    with zipfile.ZipFile(archive_of(lesson)) as opened:
        assert opened.testzip() is None and len(set(opened.namelist())) == len(opened.namelist())
        assert {info.compress_type for info in opened.infolist()} == {zipfile.ZIP_DEFLATED}
    # la limite de l'importation ; 6 Mo par cellule
    assert archive_of(lesson).stat().st_size <= 10 * 2**20
    (first, manifest), *others = entries_of(archive_of(lesson)).items()
    assert first == "manifest.mf" and same_fields(manifest, MANIFEST)
    kinds = [name.endswith("/") for name, _ in others]
    assert kinds == sorted(kinds, reverse=True) and not all(kinds)
    folders, guids, numbers = {"."}, [manifest["guid"]], []
    for name, entry in others:
        path = PurePosixPath(name)
        assert str(path.parent) in folders and entry["name"] == path.stem, name
        numbers.append(entry["origId"])
        if name.endswith("/"):
            folders.add(str(path))
            assert same_fields(entry, FOLDER), name
            continue
        assert path.suffix == ".python" and same_fields(entry, NOTEBOOK), name
        cells = entry["commands"]
        assert all(same_fields(cell, COMMAND) and cell["command"].strip() for cell in cells), name
        assert max(len(cell["command"].encode()) for cell in cells) <= 6 * 2**20
        assert [repr(cell["position"]) for cell in cells] == [
            f"{position}.0" for position in range(1, len(cells) + 1)
        ]
        guids += [entry["guid"], *(cell[kind] for cell in cells for kind in ("guid", "nuid"))]
        numbers += [cell["origId"] for cell in cells]
    assert all(str(uuid.UUID(guid)) == guid for guid in guids) and len(set(guids)) == len(guids)
    assert {type(number) for number in numbers} == {int} and len(set(numbers)) == len(numbers)


# -------------------------------------------------------------------------------------------------
# les quatre leçons


@pytest.fixture(scope="module")
def cells() -> dict[str, list[str]]:
    """Les cellules des archives, par notebook : `01_tracking_supervised/01_first_run`."""
    return {
        name: found
        for lesson in LESSONS
        for name, found in read_archive(archive_of(lesson)).items()
    }


def at_home(cell: str) -> str:
    """Le code d'une cellule, ses expériences sous leur nom d'ici."""
    return cell.replace('"/Shared/', '"')


def source_of(name: str) -> Path:
    """Le script d'un notebook : `leçon/nom`, ou `leçon/solutions/nom`."""
    path = ROOT / f"{name}.py"
    return path if name.count("/") == 2 else path.parent / "local" / path.name


def test_every_script_has_its_notebook_or_its_reason():
    for lesson in LESSONS:
        scripts = {
            path.stem: path.read_text(encoding="utf-8")
            for path in (ROOT / lesson / "local").glob("*.py")
        }
        expected = {
            name
            for name, text in scripts.items()
            if "\n# %%" in f"\n{text}" and not text.startswith("# databricks: non (")
        }
        assert {path.stem for path in (ROOT / lesson / "databricks").glob("*.py")} == expected


def test_the_cells_are_those_of_the_script(cells):
    """Instruction par instruction, figures montrées comprises, pour les modules et les exercices
    aussi.
    """
    for name, found in cells.items():
        marked = re.compile(r'^(\w+) = ".*"  # databricks: (".*")$', re.MULTILINE)
        theirs = [
            (
                kind,
                marked.sub(r'dbutils.widgets.text("\1", \2)\n\1 = dbutils.widgets.get("\1")', text),
            )
            for kind, tag, text in cells_of(source_of(name))
            if not tag
        ]
        ours = [
            ("markdown", cell[4:]) if cell.startswith("%md\n") else ("code", at_home(cell))
            for cell in found
        ]
        ours = [
            (kind, text)
            for kind, text in ours
            if not text.startswith(("%pip", "%run"))
            and "args = SimpleNamespace(" not in text
            and text != NO_AUTOLOG
        ]
        assert essences(ours) == essences(theirs), name
        calls = any(".autolog(" in text for _, _, text in cells_of(source_of(name)))
        installs = any(" mlflow==" in cell for cell in found if cell.startswith("%pip"))
        assert found.count(NO_AUTOLOG) == (installs and not calls), name
        marked = re.findall(
            r"# databricks: (display\(.*\))$",
            source_of(name).read_text(encoding="utf-8"),
            re.MULTILINE,
        )
        assert (
            re.findall(r"^ *(display\(.*\))$", "\n".join(text for _, text in ours), re.MULTILINE)
            == marked
        ), name


def test_source_and_archive_hold_the_same_cells(cells):
    sources = {
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/databricks/", "/"): path
        for path in ROOT.glob("0?_*/databricks/**/*.py")
    }
    found = {name: from_source(path.read_text(encoding="utf-8")) for name, path in sources.items()}
    assert found == cells


def test_an_independent_reader_sees_the_same_notebooks(cells):
    from nbmanips import Notebook

    for name, found in cells.items():
        seen = Notebook.read_dbc(
            str(archive_of(name.partition("/")[0])), filename=f"{name}.python"
        ).cells
        assert [cell["cell_type"] == "markdown" for cell in seen] == [
            cell.startswith("%md\n") for cell in found
        ]
        assert [cell["source"].strip() for cell in seen] == [
            cell.removeprefix("%md").strip() for cell in found
        ]


def imports(tree: ast.Module) -> set[str]:
    """Les modules que ce code importe."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    return {getattr(node, "module", alias.name) for node in nodes for alias in node.names}


def test_notebooks_feel_at_home(cells):
    for name, found in cells.items():
        text, prose = (
            "\n".join(cell for cell in found if cell.startswith(kind) == magic)
            for kind, magic in (("%", False), ("%md", True))
        )
        tree = ast.parse(text)
        named = {getattr(node, "id", getattr(node, "attr", None)) for node in ast.walk(tree)}
        assert not named & {
            "set_tracking_uri",
            "set_registry_uri",
            "open_store",
            "ArgumentParser",
            "parse_args",
            "__file__",
        }, name
        assert "argparse" not in imports(tree) and "uv run" not in prose, name
        assert not re.search(r"\]\((?!https?://|\$\./)", prose), name
        for target in re.findall(r"\]\(\$\./([^)]+)\)", prose):
            assert f"{name.partition('/')[0]}/{target}" in cells, f"{name} : {target}"
        for experiment in re.findall(r'(?:set_experiment|_by_name)\(\s*"([^"]*)"', text):
            assert re.fullmatch(r"/Shared/\w+", experiment), name
        assert not re.search(r'["\'](0\d_\w+|measurements)["\']', text), name
        for model in re.findall(r'widgets\.text\("(?:MODEL|NEW)", "([^"]*)"', text):
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
        assert all(f"{name.partition('/')[0]}/{module}" in cells for module in modules), name
        assert ("Votre code ici" in text) == (
            "/exercises/" in name
        ) and "uv run tools" not in text, name


def test_pip_installs_pins_of_the_course_and_nothing_unused(cells):
    pins = set(read_pins(ROOT).values())
    for name, found in cells.items():
        lines = [cell for cell in found if cell.startswith("%pip")]
        lesson, _, stem = name.partition("/")
        is_module = any(
            f"%run ./{stem}" in other for where, other in cells.items() if where.startswith(lesson)
        )
        assert len(lines) == (0 if is_module else 1), name
        for cell in lines:
            install, restart = cell.splitlines()
            assert set(install.removeprefix("%pip install ").split()) <= pins, name
            assert restart == "dbutils.library.restartPython()"
    assert "tensorflow" not in next(
        cell for cell in cells["01_tracking_supervised/01_first_run"] if cell.startswith("%pip")
    )


def test_widgets_left_alone_give_the_defaults_of_the_script(cells):
    for lesson in LESSONS:
        for name, script in read_lesson(ROOT / lesson).items():
            if not (parameters := script.parameters()) or not script.has("databricks"):
                continue
            [made] = [cell for cell in cells[f"{lesson}/{name}"] if "args = SimpleNa" in cell]
            here = {}
            exec(
                f"import argparse\nfrom pathlib import Path\n{parameters.text}".replace(
                    "parse_args()", "parse_args([])"
                ),
                here,
            )
            there = {"dbutils": SimpleNamespace(widgets=Widgets({})), "Path": Path}
            exec(made, there)
            assert repr(vars(here["args"])) == repr(vars(there["args"])), f"{lesson}/{name}"
