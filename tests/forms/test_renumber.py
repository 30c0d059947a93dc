"""tools/renumber.py, sur une copie : un script inséré, et ce qui le nomme suit."""

import re
import shutil
import subprocess
import sys

import pytest
from course import SCRIPTS
from programs import ended
from texts import ROOT, path_of

LESSON = "01_tracking_supervised"
NAMED = re.compile(r"\b(\d\d_\w+\.(?:py|ipynb))")


@pytest.fixture(scope="module")
def inserted(tmp_path_factory):
    """Une copie du dépôt où `mon_script` est devenu le deuxième script de la leçon 1."""
    root = tmp_path_factory.mktemp("copie")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "--", "*.py", "*.md", "*.ipynb"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    first = (ROOT / path_of("first_run")).read_text(encoding="utf-8")
    new = first.replace("01_first_run", "00_mon_script").replace("script 1 :", "script 0 :")
    (root / LESSON / "local/00_mon_script.py").write_text(new, encoding="utf-8")
    command = [sys.executable, "tools/renumber.py", LESSON, "first_run", "mon_script"]
    told = ended(command, root)
    assert (told.returncode, told.stderr) == (0, "")
    return root


def test_scripts_and_notebooks_have_their_new_number(inserted):
    before = [script.name for script in SCRIPTS if script.path.startswith(f"{LESSON}/local")]
    names = [before[0], "mon_script", *before[1:]]
    expected = [f"{number:02}_{name}" for number, name in enumerate(names, 1)]
    local = inserted / LESSON / "local"
    assert sorted(path.stem for path in local.glob("[0-9]*.py")) == expected
    notebooks = [path.stem for path in (inserted / LESSON / "jupyter").glob("[0-9]*.ipynb")]
    assert len(notebooks) > 5 and set(notebooks) <= set(expected)
    for stem in expected:
        title = (local / f"{stem}.py").read_text(encoding="utf-8").split("script ", 1)[1]
        assert title.startswith(f"{int(stem[:2])} :"), stem
    full = ROOT / path_of("full_run")
    moved = f"{int(full.stem[:2]) + 1:02}{full.stem[2:]}"
    kept = (inserted / LESSON / f"jupyter/{moved}.ipynb").read_bytes()
    assert kept == (ROOT / LESSON / f"jupyter/{full.stem}.ipynb").read_bytes()


def test_a_module_keeps_its_name_wherever_it_is_written(inserted):
    """Renommé, le module que lance resume_sweep serait resume_sweep : il se lancerait sans fin."""

    def unnumbered(path):
        return re.sub(r"\b\d\d_(?=\w+\.py)", "", path.read_text(encoding="utf-8"))

    for path in sorted((ROOT / LESSON / "local").glob("[a-z]*.py")):
        assert unnumbered(inserted / LESSON / "local" / path.name) == unnumbered(path)
    [script] = (inserted / LESSON / "local").glob("[0-9]*_resume_sweep.py")
    assert 'with_name("resume_sweep.py")' in script.read_text(encoding="utf-8")


def test_what_the_pages_name_exists_and_the_past_is_left_alone(inserted):
    ours = {path.name for path in inserted.glob("0?_*/*/[0-9]*")}
    for page in (*inserted.glob("*.md"), *inserted.glob("0?_*/*.md")):
        if page.name not in ("CHANGELOG.md", "GLOSSAIRE.md"):  # d'autrefois, et produit
            assert set(NAMED.findall(page.read_text(encoding="utf-8"))) <= ours, page.name
    for name in ("CHANGELOG.md", "tools/renumber.py"):
        assert (inserted / name).read_bytes() == (ROOT / name).read_bytes()


def test_a_script_without_duration_is_one_line(inserted):
    """Ce que lit toute commande qui ouvre course.py tant que PLAN ne le nomme pas."""
    told = ended([sys.executable, "-c", "import course"], inserted / "tools")
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr == "Sans durée dans PLAN, de tools/course.py : 02_mon_script.py\n"


def test_a_script_that_is_not_there_is_one_line(inserted):
    command = [sys.executable, "tools/renumber.py", LESSON, "absent"]
    told = ended(command, inserted)
    assert (told.returncode, told.stderr) == (1, "local/ n'a pas de script 00_absent.py\n")
