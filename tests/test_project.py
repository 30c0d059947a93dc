"""Le dépôt lui-même : environnement figé, liste des scripts, ce que le README promet."""

import ast
import re
import subprocess
import tomllib

import pytest
from conftest import ROOT
from course import SCRIPTS
from packaging.requirements import Requirement

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def requirements() -> list[Requirement]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def tracked(*patterns: str) -> list[str]:
    return subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_requirements_are_pinned_once_each_and_name_no_registry():
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert "://" not in text and "--index" not in text and "--find-links" not in text
    pins = requirements()
    assert all([specifier.operator for specifier in pin.specifier] == ["=="] for pin in pins)
    assert len({pin.name for pin in pins}) == len(pins)


def test_requirements_hold_all_that_is_asked_for():
    asked = [
        Requirement(line.partition("  #")[0])
        for line in (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    pinned = {pin.name: pin for pin in requirements()}
    for wanted in asked:
        assert wanted.name in pinned
        if wanted.marker:
            for machine in (
                {"sys_platform": "darwin", "platform_machine": "x86_64"},
                {"sys_platform": "win32", "platform_machine": "ARM64"},
            ):
                assert not wanted.marker.evaluate(machine) and not pinned["tensorflow"].marker.evaluate(machine)
            for machine in (
                {"sys_platform": "darwin", "platform_machine": "arm64"},
                {"sys_platform": "win32", "platform_machine": "AMD64"},
            ):
                assert wanted.marker.evaluate(machine) and pinned["tensorflow"].marker.evaluate(machine)


@pytest.mark.slow
@pytest.mark.parametrize("folder", [ROOT, ROOT / "04_model_registry_azureml/endpoint"], ids=["cours", "endpoint"])
def test_requirements_are_what_the_compiler_gives(folder, tmp_path):
    """Recompiler requirements.in, versions en place, ne change rien : rien n'a été ajouté à la main."""
    for name in ("requirements.in", "requirements.txt"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    command = re.search(r"#\s+(uv pip compile .*)", (folder / "requirements.in").read_text(encoding="utf-8"))[1].split()
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=120)
    assert (tmp_path / "requirements.txt").read_bytes() == (folder / "requirements.txt").read_bytes()


def test_contributing_gives_the_pins_of_the_test_group():
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    groups = PYPROJECT["dependency-groups"]
    assert f"`pip install {' '.join(groups['test'])}`" in page
    for group in groups.values():
        assert all("==" in pin for pin in group)


def test_no_lock_file_no_store_no_path_of_a_machine():
    names = tracked()
    assert not [name for name in names if re.search(r"(^|/)(uv\.lock|mlflow\.db.*|mlruns/.*|__pycache__/.*)$", name)]
    home = f"{ROOT.parent if len(ROOT.parts) > 3 else ROOT}/"  # d'un clone dans /tmp, le dossier parent ne dit rien
    for name in names:
        path = ROOT / name
        if path.is_file() and path.suffix in (".py", ".md", ".txt", ".toml", ".yml", ".yaml", ".json", ""):
            text = path.read_text(encoding="utf-8")
            assert home not in text, name
            assert not re.search(r"https?://[^\s)>\"'`]*(simple/|artifactory|pypi\.[a-z]+/simple)", text), name


def test_every_relative_link_leads_somewhere():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("0?_*/*.md")]:
        for target in re.findall(r"\]\((?!https?://)([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} de {page.parent.name} : {target}"


def test_scripts_hold_no_hidden_flow():
    """Ce que la forme interdit : `main`, décorateur, mise en silence des exceptions."""
    for script in SCRIPTS:
        tree = ast.parse((ROOT / script.path).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            assert not (isinstance(node, ast.FunctionDef) and (node.decorator_list or node.name == "main")), script.path
            assert not (isinstance(node, ast.ExceptHandler) and all(isinstance(each, ast.Pass) for each in node.body)), script.path


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_is_short(script):
    """Une idée par script : cent lignes de code au plus, prose et lignes vides à part."""
    lines = (ROOT / script.path).read_text(encoding="utf-8").splitlines()
    code = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert len(code) <= 100, f"{len(code)} lignes de code"
