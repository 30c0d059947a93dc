"""Les versions de Python que le README annonce : les générateurs, qui ne demandent que Python, y donnent les mêmes fichiers.

`pytest -m release` lance toute la suite rapide sur chacune de celles que la machine a ; l'intégration continue (.github/workflows) aussi.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, clean_environment

ANNOUNCED = re.search(r"Python (3\.\d+), (3\.\d+) ou (3\.\d+)", (ROOT / "README.md").read_text(encoding="utf-8")).groups()


def interpreter(version: str) -> str | None:
    """Un Python de cette version, chez pyenv ou sur le PATH ; rien n'est téléchargé."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [*sorted(pyenv.glob(f"{version}.*/bin/python{version}")), *filter(None, [shutil.which(f"python{version}")])]
    for path in found:
        if subprocess.run([path, "--version"], capture_output=True).returncode == 0:  # un relais de pyenv existe sans la version
            return str(path)
    return None


def test_the_workflow_tries_each_version():
    workflow = (ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8")
    assert f"python: {list(ANNOUNCED)}".replace("'", '"') in workflow


@pytest.mark.parametrize("tool", ["build_databricks", "build_exercises"])
@pytest.mark.parametrize("version", ANNOUNCED)
def test_what_is_generated_does_not_depend_on_the_version(version, tool):
    python = interpreter(version)
    if not python:
        pytest.skip(f"Python {version} n'est pas sur cette machine")
    command = [python, "-B", f"tools/{tool}.py", "--check"]
    ended = subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.release
@pytest.mark.parametrize("version", [each for each in ANNOUNCED if each != f"{sys.version_info.major}.{sys.version_info.minor}"])
def test_the_fast_tests_pass(version, tmp_path):
    """Dans un clone neuf, par la commande du README : tout passe, et autant de tests qu'ici."""
    python = interpreter(version)
    if not (python and shutil.which("uv")):
        pytest.skip(f"Python {version} n'est pas sur cette machine" if shutil.which("uv") else "uv manque : pip install uv")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    [command] = re.findall(r"^uv run --group test pytest$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    options = ["--python", python, *command.split()[2:], "-q", f"--basetemp={tmp_path / 'essais'}"]
    environment = {**clean_environment(), "UV_COMPILE_BYTECODE": "1"}
    environment.pop("VIRTUAL_ENV", None)
    ended = subprocess.run(["uv", "run", *options], cwd=clone, env=environment, capture_output=True, text=True, timeout=3600)
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
    assert f"Python {version}" in subprocess.run([clone / ".venv/bin/python", "--version"], capture_output=True, text=True).stdout
    found = int(re.search(r"(\d+) passed", ended.stdout)[1])
    listed = subprocess.run([sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0"], cwd=ROOT, capture_output=True, text=True)
    here = int(re.search(r"(\d+)/?\d* tests collected", listed.stdout)[1])
    assert found > 0.97 * here, (found, here)  # à ceux près que saute un groupe facultatif
