"""Le dépôt lui-même : environnement figé, liste des scripts, ce que le README promet."""

import ast
import re
import signal
import subprocess
import sys
import time
import tomllib

import pytest
from conftest import ROOT, clean_environment
from packaging.requirements import Requirement

import run_course

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def requirements() -> list[Requirement]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def tracked(*patterns: str) -> list[str]:
    return subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *patterns], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def test_requirements_are_pinned_once_each_and_name_no_registry():
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert "://" not in text and "--index" not in text and "--find-links" not in text
    pins = requirements()
    assert all([specifier.operator for specifier in pin.specifier] == ["=="] for pin in pins)
    assert len({pin.name for pin in pins}) == len(pins)


def test_requirements_hold_all_that_is_asked_for():
    asked = [Requirement(line.partition("  #")[0]) for line in (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    pinned = {pin.name: pin for pin in requirements()}
    for wanted in asked:
        assert wanted.name in pinned
        if wanted.marker:
            for machine in ({"sys_platform": "darwin", "platform_machine": "x86_64"}, {"sys_platform": "win32", "platform_machine": "ARM64"}):
                assert not wanted.marker.evaluate(machine) and not pinned["tensorflow"].marker.evaluate(machine)
            for machine in ({"sys_platform": "darwin", "platform_machine": "arm64"}, {"sys_platform": "win32", "platform_machine": "AMD64"}):
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


def test_the_readme_gives_the_pins_of_the_test_group():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    groups = PYPROJECT["dependency-groups"]
    assert f"`pip install {' '.join(groups['test'])}`" in readme
    for group in groups.values():
        assert all("==" in pin for pin in group)


def test_no_lock_file_no_store_no_path_of_a_machine():
    names = tracked()
    assert not [name for name in names if re.search(r"(^|/)(uv\.lock|mlflow\.db.*|mlruns/.*|__pycache__/.*)$", name)]
    home = str(ROOT.parent) + "/"
    for name in names:
        path = ROOT / name
        if path.is_file() and path.suffix in (".py", ".md", ".txt", ".toml", ".yml", ".yaml", ".json", ""):
            text = path.read_text(encoding="utf-8")
            assert home not in text, name
            assert not re.search(r"https?://[^\s)>\"'`]*(simple/|artifactory|pypi\.[a-z]+/simple)", text), name


def test_every_relative_link_leads_somewhere():
    for page in [ROOT / "README.md", *ROOT.glob("0?_*/README.md")]:
        for target in re.findall(r"\]\((?!https?://)([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} de {page.parent.name} : {target}"


def test_run_course_names_every_script():
    found = {
        f"{path.parts[-3]}/{path.stem}"
        for path in ROOT.glob("0?_*/local/*.py")
        if any(line.startswith('# %% tags=["parameters"]') for line in path.read_text(encoding="utf-8").splitlines())
    }
    assert found == {f"{lesson}/{script}" for lesson, scripts in run_course.LESSONS.items() for script, _ in scripts}


def test_scripts_hold_no_hidden_flow():
    """Ce que la forme interdit : `main`, décorateur, mise en silence des exceptions."""
    for lesson, scripts in run_course.LESSONS.items():
        for script, _ in scripts:
            tree = ast.parse((ROOT / lesson / "local" / f"{script}.py").read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                assert not (isinstance(node, ast.FunctionDef) and (node.decorator_list or node.name == "main")), script
                assert not (isinstance(node, ast.ExceptHandler) and all(isinstance(each, ast.Pass) for each in node.body)), script


STUBS = {
    "first_run": "print('bonjour')",
    "full_run": "import sys; print('début'); sys.exit('cela ne va pas')",
    "open_model": "import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent)); from store import open_store; open_store()\n"
    "import mlflow\nwith mlflow.start_run(): pass\nprint('é' * 3)",
}


@pytest.fixture
def short_course(fresh_course):
    """Une copie dont les scripts de la leçon 1 sont remplacés par trois scripts brefs."""
    path = fresh_course.root / "tools/run_course.py"
    start, end = "LESSONS = {", "\n}\n"
    text = path.read_text(encoding="utf-8")
    head, rest = text.split(start, 1)
    path.write_text(head + start + '"01_tracking_supervised": [' + ", ".join(f'("{name}", 1)' for name in STUBS) + "]" + end + rest.split(end, 1)[1], encoding="utf-8")
    for name, code in STUBS.items():
        (fresh_course.root / f"01_tracking_supervised/local/{name}.py").write_text(code, encoding="utf-8")
    return fresh_course


def test_run_course_goes_on_after_a_failure_and_says_so(short_course):
    (short_course.root / "mlruns").mkdir()
    (short_course.root / "mlruns/ancien").write_text("x")
    (short_course.root / "mlflow.db").write_text("ceci n'est pas une base")
    refused = short_course.run("tools/run_course.py", "--fresh", fails=True)
    assert refused.returncode == 1 and "ajoutez --yes" in refused.stderr and (short_course.root / "mlruns/ancien").exists()

    ended = short_course.run("tools/run_course.py", "--lesson", "01", "--fresh", "--yes", fails=True, COLUMNS="80")
    assert not (short_course.root / "mlruns/ancien").exists()
    assert ended.returncode == 1
    lines = ended.stdout.splitlines()
    rows = {cells[1].strip(): [cell.strip() for cell in cells[2:5]] for cells in (line.split("│") for line in lines) if len(cells) > 4}
    assert rows["01 first_run"][1:] == ["0", "bonjour"]
    assert rows["01 full_run"][2] == "ÉCHEC (code 1)"
    assert rows["01 open_model"][1:] == ["1", "ééé"]
    assert "    cela ne va pas" in lines
    assert "3 scripts, environ 1 min" in ended.stdout


def test_run_course_list_runs_nothing(short_course):
    listed = short_course.run("tools/run_course.py", "--list").stdout
    assert "01_tracking_supervised/local/open_model.py" in listed
    assert not (short_course.root / "mlflow.db").exists()


def test_ctrl_c_reaches_the_child_and_gives_one_line(short_course):
    marker = short_course.root / "interrompu"
    (short_course.root / "01_tracking_supervised/local/first_run.py").write_text(
        f"import pathlib, time\npathlib.Path({str(marker)!r} + '.prêt').touch()\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    pathlib.Path({str(marker)!r}).touch()",
        encoding="utf-8",
    )
    tool = subprocess.Popen(
        [sys.executable, "tools/run_course.py"], cwd=short_course.root, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 120
    while not marker.with_name("interrompu.prêt").exists():
        assert tool.poll() is None and time.monotonic() < end
        time.sleep(0.1)
    tool.send_signal(signal.SIGINT)
    _, errors = tool.communicate(timeout=120)
    assert marker.exists()
    assert tool.returncode == 1
    assert errors.strip() == "Interrompu : les scripts déjà passés sont dans le magasin."
