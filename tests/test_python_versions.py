"""Les versions de Python que le README annonce : les générateurs, qui ne demandent que Python, y donnent les mêmes fichiers.

La suite rapide entière y passe aussi : l'intégration continue (.github/workflows) la lance sur chaque version.
"""

import os
import re
import shutil
import subprocess
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
