"""Les fichiers produits pour Databricks : l'archive `.dbc`, les notebooks des quatre leçons, et leur fraîcheur."""

import argparse
import ast
import io
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from build_databricks import build
from conftest import ROOT
from course import LESSONS
from databricks_archive import from_source, read_archive
from databricks_runtime import Widgets
from forms.archive import write_archive
from forms.arguments import read_arguments
from forms.cells import Script, read_lesson
from forms.requirements import read_pins


@pytest.fixture
def archive(tmp_path) -> Path:
    path = tmp_path / "essai.dbc"
    path.write_bytes(write_archive("essai", {"un": ["%md\n# Un", "print('é')"], "deux": ["%md\n# Deux"]}))
    return path


def test_an_archive_is_read_back(archive):
    assert read_archive(archive) == {"essai/deux": ["%md\n# Deux"], "essai/un": ["%md\n# Un", "print('é')"]}


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
    "un origId qui n'est pas un entier": ("notebook", lambda it: it.update(origId="3"), "n'est pas un entier"),
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
        read_archive(archive)


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
        read_archive(archive)


def test_the_strict_reader_refuses_what_is_no_archive(archive):
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="pas une archive"):
        read_archive(archive)
    archive.write_bytes(content.replace(b"manifest.mf", b"manifeste.m"))
    with pytest.raises(ValueError, match="n'est pas manifest.mf"):
        read_archive(archive)
    archive.write_bytes(os.urandom(11 * 2**20))
    with pytest.raises(ValueError, match="plus de 10 Mo"):
        read_archive(archive)


class Pipe(io.RawIOBase):
    """Un fichier où l'on ne revient pas en arrière : le zip note alors ses tailles après coup, comme les exportations réelles."""

    def __init__(self):
        self.content = b""

    def writable(self):
        return True

    def write(self, block):
        self.content += bytes(block)
        return len(block)


def as_exported(archive: Path, change=lambda entry: None) -> Path:
    """La même archive, telle que Databricks l'exportait en octobre 2025."""
    with zipfile.ZipFile(archive) as opened:
        entries = {name.replace("essai", "école"): json.loads(opened.read(name)) for name in opened.namelist()}
    exported = Pipe()
    with zipfile.ZipFile(exported, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, entry in entries.items():
            if entry["version"] == "FolderV1":
                entry |= {"guid": None, "name": "école"}
            for each in [entry, *entry.get("commands", [])]:
                each["origId"] += 1000 * (each["origId"] > 0)
            for command in entry.get("commands", []):
                command["latestAssumeRoleInfo"] = None
                change(command)
            opened.writestr(name, json.dumps(entry))
    with zipfile.ZipFile(io.BytesIO(exported.content)) as opened:
        assert opened.infolist()[1].flag_bits == 0x808
    archive.write_bytes(exported.content)
    return archive


def test_the_strict_reader_accepts_what_a_real_export_of_2025_holds(archive):
    assert read_archive(as_exported(archive)) == {"école/deux": ["%md\n# Deux"], "école/un": ["%md\n# Un", "print('é')"]}


def test_the_strict_reader_expects_nothing_in_the_newer_field(archive):
    with pytest.raises(ValueError, match="latestAssumeRoleInfo vaut 'x' au lieu de None"):
        read_archive(as_exported(archive, lambda command: command.update(latestAssumeRoleInfo="x")))


# ----------------------------------------------------------------------------------------------------- les quatre leçons


@pytest.fixture(scope="module")
def built() -> dict[Path, bytes]:
    return build(ROOT)


@pytest.fixture(scope="module")
def archives(built, tmp_path_factory) -> dict[str, Path]:
    """leçon -> l'archive que donnent les scripts d'aujourd'hui."""
    folder, found = tmp_path_factory.mktemp("archives"), {}
    for lesson in LESSONS:
        found[lesson] = folder / f"{lesson}.dbc"
        found[lesson].write_bytes(built[archive_of(lesson)])
    return found


@pytest.fixture(scope="module")
def cells(archives) -> dict[str, list[str]]:
    """Toutes les cellules de toutes les archives, par notebook."""
    return {name: found for path in archives.values() for name, found in read_archive(path).items()}


def archive_of(lesson: str, root: Path = ROOT) -> Path:
    return root / lesson / f"{lesson}.dbc"


def test_nothing_is_stale():
    ended = subprocess.run([sys.executable, "tools/build_databricks.py", "--check"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_generating_everything_takes_no_time():
    start = time.process_time()
    build(ROOT)
    assert time.process_time() - start < 3


DIGESTS = """
import hashlib, json, build_databricks as tool
print(json.dumps({path.name: hashlib.sha256(content).hexdigest() for path, content in tool.build(tool.ROOT).items()}))
"""


def test_same_sources_same_bytes():
    """Deux processus, dont les ensembles ne se parcourent pas dans le même ordre."""
    one, other = (
        subprocess.run(
            [sys.executable, "-c", DIGESTS], cwd=ROOT / "tools", env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    )
    assert json.loads(one) and one == other


def test_every_script_has_its_notebook_or_its_reason(built):
    for lesson in LESSONS:
        scripts = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / lesson / "local").glob("*.py")}
        expected = {name for name, text in scripts.items() if "\n# %%" in f"\n{text}" and not text.startswith("# databricks: non (")}
        assert {path.stem for path in built if path.parent == ROOT / lesson / "databricks"} == expected
        assert archive_of(lesson) in built


def test_source_and_archive_hold_the_same_cells(built, cells):
    sources = {path: content.decode() for path, content in built.items() if path.suffix == ".py"}
    names = {path: path.relative_to(ROOT).with_suffix("").as_posix().replace("/databricks/", "/") for path in sources}
    assert {names[path]: from_source(text) for path, text in sources.items()} == cells


def test_an_independent_reader_sees_the_same_notebooks(archives, cells):
    from nbmanips import Notebook

    for name, found in cells.items():
        seen = Notebook.read_dbc(str(archives[name.partition("/")[0]]), filename=f"{name}.python").cells
        assert [cell["cell_type"] == "markdown" for cell in seen] == [cell.startswith("%md\n") for cell in found]
        assert [cell["source"].strip() for cell in seen] == [cell.removeprefix("%md").strip() for cell in found]


def python(found: list[str]) -> str:
    """Le Python d'un notebook."""
    return "\n".join(cell for cell in found if not cell.startswith("%"))


def imports(text: str) -> list[tuple[str, str]]:
    """(nom lié, module d'où il vient) pour chaque import de `text`."""
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    return [(alias.asname or alias.name, getattr(node, "module", alias.name)) for node in nodes for alias in node.names]


def test_notebooks_feel_at_home(cells):
    for name, found in cells.items():
        text, prose = python(found), "\n".join(cell for cell in found if cell.startswith("%md"))
        named = {getattr(node, "id", getattr(node, "attr", None)) for node in ast.walk(ast.parse(text))}
        assert not named & {"set_tracking_uri", "set_registry_uri", "open_store", "ArgumentParser", "parse_args", "__file__"}, name
        assert "argparse" not in {module for _, module in imports(text)}, name
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


def test_one_character_more_makes_check_fail_and_build_mends_it(fresh_course):
    def check(*options):
        return subprocess.run(
            [sys.executable, "tools/build_databricks.py", *options], cwd=fresh_course.root, capture_output=True, text=True, timeout=60
        )

    script = fresh_course.root / "01_tracking_supervised/local/first_run.py"
    assert check().returncode == 0
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
