"""Le dépôt lui-même : environnement figé, rien d'une machine, des scripts courts et sans détour."""

import ast
import re
import subprocess
import tomllib

import pytest
from packaging.requirements import Requirement
from pages import tracked
from texts import ROOT

from course import SCRIPTS

ASKED, PINNED = [
    [
        Requirement(line.partition("  #")[0])
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
        if line and line[0] != "#"
    ]
    for name in ("requirements.in", "requirements.txt")
]
# TensorFlow ?
MACHINES = {
    ("darwin", "x86_64"): False,
    ("win32", "ARM64"): False,
    ("darwin", "arm64"): True,
    ("win32", "AMD64"): True,
}


def test_requirements_are_pinned_once_each_and_hold_all_that_is_asked_for():
    assert [
        str(pin) for pin in PINNED if [specifier.operator for specifier in pin.specifier] != ["=="]
    ] == []
    pins = {pin.name: pin for pin in PINNED}
    assert len(pins) == len(PINNED)
    for wanted in ASKED:
        assert wanted.name in pins
        for (system, processor), there in MACHINES.items() if wanted.marker else ():
            machine = {"sys_platform": system, "platform_machine": processor}
            assert (
                wanted.marker.evaluate(machine)
                is pins["tensorflow"].marker.evaluate(machine)
                is there
            )


@pytest.mark.slow
@pytest.mark.parametrize(
    "folder", ["", "04_model_registry_azureml/endpoint"], ids=["cours", "endpoint"]
)
def test_requirements_are_what_the_compiler_gives(folder, tmp_path):
    """Recompiler requirements.in, versions en place, ne change rien : rien n'a été ajouté à la
    main.
    """
    for name in ("requirements.in", "requirements.txt"):
        (tmp_path / name).write_bytes((ROOT / folder / name).read_bytes())
    command = re.search(
        r"#\s+(uv pip compile .*)", (ROOT / folder / "requirements.in").read_text(encoding="utf-8")
    )[1].split()
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=120)
    assert (tmp_path / "requirements.txt").read_bytes() == (
        ROOT / folder / "requirements.txt"
    ).read_bytes()


def test_every_group_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pins = [pin for group in project["dependency-groups"].values() for pin in group]
    assert [pin for pin in pins if isinstance(pin, str) and "==" not in pin] == []


def test_no_store_no_registry_no_path_of_a_machine():
    """Ni magasin ni verrou dans le dépôt ; dans ses textes, ni dossier de cette machine, ni index
    de paquets.
    """
    assert [
        name
        for name in tracked()
        if re.search(r"(^|/)(uv\.lock|mlflow\.db.*|mlruns/.*|__pycache__/.*)$", name)
    ] == []
    # d'un clone dans /tmp, le dossier parent ne dit rien
    home = f"{ROOT.parent if len(ROOT.parts) > 3 else ROOT}/"
    index = re.compile(
        r"https?://[^\s)>\"'`]*(simple/|artifactory|pypi\.[a-z]+/simple)|^--(index|find-links)",
        re.MULTILINE,
    )
    texts = {
        name: ROOT / name
        for name in tracked()
        if re.search(r"\.(py|md|txt|in|toml|ya?ml|json)$|(^|/)\.?[^./]+$", name)
    }
    read = {name: path.read_text(encoding="utf-8") for name, path in texts.items()}
    assert [name for name, text in read.items() if home in text or index.search(text)] == []
    assert "://" not in read["requirements.txt"]


def test_scripts_are_short_and_hold_no_hidden_flow():
    """Une idée par script : soixante lignes de code au plus dans le tronc commun, cent ailleurs ;
    ni `main`, ni décorateur, ni exception mise en silence, ni signal.
    """
    wrong = []
    for script in SCRIPTS:
        source = (ROOT / script.path).read_text(encoding="utf-8")
        code = [
            line
            for line in source.splitlines()
            if line.strip() and not line.lstrip().startswith("#")
        ]
        wrong += (
            [f"{script.path} : {len(code)} lignes"]
            if len(code) > (60 if script.core else 100)
            else []
        )
        for node in ast.walk(ast.parse(source)):
            hidden = isinstance(node, ast.FunctionDef) and (
                node.decorator_list or node.name == "main"
            )
            silent = isinstance(node, ast.ExceptHandler) and all(
                isinstance(each, ast.Pass) for each in node.body
            )
            wrong += [f"{script.path}, ligne {node.lineno}"] if hidden or silent else []
    assert wrong == []
