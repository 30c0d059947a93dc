"""Les autres versions de Python que le README annonce : un environnement à elles, et des tests rapides de chaque leçon.

La suite rapide entière y passe aussi : l'intégration continue (.github/workflows) la lance sur chaque version.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, Course, clean_environment

ANNOUNCED = re.search(r"Python (3\.\d+), (3\.\d+) ou (3\.\d+)", (ROOT / "README.md").read_text(encoding="utf-8")).groups()
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
# Ce qui dépend le plus de Python : lire, choisir, ouvrir le magasin, tracer, rejouer, inscrire.
FILES = [
    "test_options", "test_tables", "test_01_data", "test_store", "test_01_runs",
    "test_02_unsupervised", "test_03_project", "test_04_registry",
]  # fmt: skip


def interpreter(version: str) -> str | None:
    """Un Python de cette version, sur le PATH ou chez pyenv ; rien n'est téléchargé."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [*sorted(pyenv.glob(f"{version}.*/bin/python{version}")), *filter(None, [shutil.which(f"python{version}")])]
    for path in found:
        if subprocess.run([path, "--version"], capture_output=True).returncode == 0:  # un relais de pyenv existe sans la version
            return str(path)
    return None


@pytest.mark.slow
@pytest.mark.parametrize("version", [version for version in ANNOUNCED if version != HERE])
def test_fast_tests_pass_on(version, tmp_path):
    python = interpreter(version)
    if not python:
        pytest.skip(f"Python {version} n'est pas sur cette machine")
    if not shutil.which("uv"):
        pytest.skip("uv n'est pas installé")
    clone = Course(tmp_path / "clone").root
    environment = clean_environment(UV_PROJECT_ENVIRONMENT=str(tmp_path / "env"), UV_PYTHON_DOWNLOADS="never", UV_COMPILE_BYTECODE="1")
    environment.pop("VIRTUAL_ENV", None)
    files = [f"tests/{name}.py" for name in FILES]
    command = ["uv", "run", "--python", python, "--group", "test", "pytest", "-q", "-n", "2", *files]
    ended = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, timeout=1500)
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
    assert re.search(r"\d{2,} passed", ended.stdout), ended.stdout[-500:]
    used = subprocess.run([tmp_path / "env/bin/python", "--version"], capture_output=True, text=True).stdout
    assert used.startswith(f"Python {version}.")
