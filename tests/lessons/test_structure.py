"""Le dessin du code : aucun cercle d'imports, et rien qui ne se lise d'une traite."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from texts import ROOT

LONGEST = 300  # lignes
ROOM = 200  # lignes d'une pièce du générateur
PACKAGES = {"forms", "checks"}  # ceux de tools/
# Chaque leçon se suffit ; les outils forment le dernier groupe.
PLACES = {
    path.name: [path / "local", path, path / "endpoint"] for path in sorted(ROOT.glob("0?_*"))
} | {"tools": [ROOT / "tools"]}


def sources() -> list[Path]:
    """Le Python qu'une personne écrit, tests à part."""
    return [
        path
        for path in ROOT.glob("[0t]*/**/*.py")
        if not {"tests", "databricks", ".venv-server"} & set(path.relative_to(ROOT).parts)
    ]


def module_of(path: Path, folder: Path) -> str:
    return ".".join(path.relative_to(folder).with_suffix("").parts)


def imports(path: Path) -> set[str]:
    """Les modules nommés par les imports d'un fichier, où qu'ils soient."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def drawn(folders: list[Path]) -> dict[str, set[str]]:
    """module -> les modules du même endroit qu'il importe."""
    files = {
        module_of(path, folder): path
        for folder in reversed(folders)
        for path in folder.glob("*.py")
    }
    files |= {
        module_of(path, folder): path
        for folder in folders
        for package in PACKAGES
        for path in folder.glob(f"{package}/*.py")
    }
    return {name: imports(path) & files.keys() - {name} for name, path in files.items()}


@pytest.mark.parametrize("place", PLACES)
def test_no_import_comes_back_to_where_it_started(place):
    graph = drawn(PLACES[place])
    assert any(graph.values())
    list(TopologicalSorter(graph).static_order())  # lève CycleError


def test_a_circle_would_be_seen(tmp_path):
    (tmp_path / "a.py").write_text("def f():\n    import b\n")
    (tmp_path / "b.py").write_text("from c import x\n")
    (tmp_path / "c.py").write_text("import a\n")
    with pytest.raises(ValueError, match="cycle"):
        list(TopologicalSorter(drawn([tmp_path])).static_order())


def test_tools_read_the_lessons_and_never_the_contrary():
    ours = {path.stem for path in (ROOT / "tools").glob("*.py")} | PACKAGES
    for path in sources():
        if path.is_relative_to(ROOT / "tools"):
            continue
        assert not {name.partition(".")[0] for name in imports(path)} & ours, path


def test_a_name_imported_by_a_test_means_one_module():
    """Les tests importent `support`, les outils et les modules des leçons par leur seul nom ; un
    test n'importe jamais un test.
    """
    shared = {path.stem for path in (ROOT / "tests/support").glob("*.py")}
    others = [
        path for folders in PLACES.values() for folder in folders for path in folder.glob("*")
    ]
    assert not shared & {
        path.stem for path in others if path.suffix == ".py" or path.name in PACKAGES
    }
    tests = list((ROOT / "tests").glob("*/test_*.py"))
    assert len(tests) > 30
    for path in [*tests, *(ROOT / "tests/support").glob("*.py")]:
        assert not {name.partition(".")[0] for name in imports(path)} & {
            "conftest",
            *(test.stem for test in tests),
        }, path


def test_every_file_is_read_in_one_sitting():
    long = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources()
    }
    assert len(long) > 40
    assert not {
        name: lines
        for name, lines in long.items()
        if lines > (ROOM if "/forms/" in name else LONGEST)
    }
