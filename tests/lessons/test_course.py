"""Le plan du cours : `tools/course.py` nomme chaque script, chaque script annonce ce que le plan
dit, et run_course le suit.
"""

import re
import signal
import subprocess
import sys
import time
import tomllib

import pytest
import run_course
from copies import Course
from programs import hears_ctrl_c, reader_environment
from texts import ROOT

from course import CORE, GROUPS, LESSONS, PLAN, SCRIPTS, SPOKEN, after, spoken
from forms.cells import Cell, read_script

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def prose(found: list[Cell]) -> str:
    """Le Markdown de cellules, sans les `# `."""
    return "\n".join(
        line.removeprefix("#").strip()
        for cell in found
        if cell.kind == "markdown"
        for line in cell.lines
    )


def test_the_plan_names_every_script_and_nothing_else():
    """Un script a un numéro, sans trou ; il ouvre le magasin, ou lance un serveur. Les autres
    fichiers sont des modules.
    """
    assert {script.name for script in SCRIPTS} == PLAN.keys() and len(SCRIPTS) == len(PLAN)
    for folder in {(ROOT / script.path).parent for script in SCRIPTS}:
        numbers = [path.name[:2] for path in sorted(folder.glob("[0-9]*.py"))]
        assert numbers == [f"{number:02}" for number in range(1, len(numbers) + 1)]
    for path in [*ROOT.glob("0?_*/local/*.py"), *ROOT.glob("0?_*/team/*.py")]:
        called = re.search(r"^open_store\(\)", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert not called or path.name[:2].isdigit(), path
    assert set(LESSONS) == {path.parent.name for path in ROOT.glob("0?_*/local")}


def test_the_core_comes_first_and_each_of_its_scripts_names_the_next():
    core = [script for script in SCRIPTS if script.core]
    assert [after(script) for script in core] == [*core[1:], None]
    assert {after(script) for script in SCRIPTS if not script.core} == {None}
    for lesson, count in CORE.items():
        assert [each.core for each in SCRIPTS if each.lesson == lesson][: count + 1][-2:] == [
            True,
            False,
        ]


def test_every_need_is_known_and_every_group_exists():
    assert {need for script in SCRIPTS for need in script.needs} <= run_course.NEEDS.keys()
    assert set(GROUPS) <= PYPROJECT["dependency-groups"].keys() & run_course.NEEDS.keys()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_announces_its_place_its_command_its_duration_and_the_next_command(script):
    read = read_script(ROOT / script.path)
    assert re.match(rf"# # {script.number}\b", read.cells[0].lines[0])
    text = prose(
        read.cells[
            : next(position for position, cell in enumerate(read.cells) if cell.kind == "code")
        ]
    )
    assert re.search(rf"^{re.escape(script.command)}\b", text, re.MULTILINE), text
    announced = re.findall("|".join(sorted(SPOKEN.values(), key=len, reverse=True)), text)
    assert announced[:1] == [spoken(script.seconds)], text
    source = (ROOT / script.path).read_text(encoding="utf-8")
    following = after(script)
    printed = re.findall(r"Ensuite : (uv run [^\"]*\.py)", source)
    assert printed == ([following.command] if following else [])


def test_what_is_missing_is_said(monkeypatch):
    """Sans option, deploy_azure n'envoie rien : il lui faut les bibliothèques, pas de compte."""
    by_name = {script.name: script for script in SCRIPTS}
    monkeypatch.setattr(run_course, "find_spec", lambda name: None)
    assert run_course.missing(by_name["first_run"]) is None
    assert (
        run_course.missing(by_name["autoencoder"]) == "TensorFlow n'existe pas pour cette machine"
    )
    assert "--group azure" in run_course.missing(by_name["deploy_azure"])
    assert "--group spark" in run_course.missing(by_name["svm_sweep_spark"])
    monkeypatch.setattr(run_course, "find_spec", lambda name: name)
    monkeypatch.setattr(run_course.shutil, "which", lambda name: None)
    assert run_course.missing(by_name["deploy_azure"]) is None
    assert run_course.missing(by_name["svm_sweep_spark"]) == "demande Java 17"
    assert run_course.missing(by_name["run_from_git"]).startswith("demande git")


# -------------------------------------------------------------------------------------------------
# run_course

STUBS = {
    "first_run": "print('bonjour')",
    "full_run": "import sys; print('début'); sys.exit('cela ne va pas')",
    "open_model": "import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent))\n"
    "from store import open_store; open_store()\nimport mlflow\n"
    "with mlflow.start_run(): pass\nprint('é' * 3)",
}


def shorten(course: Course, **scripts: str) -> Course:
    """Une copie qui n'a plus que ces scripts."""
    for path in [
        *course.root.glob("0?_*/local/[0-9]*.py"),
        *course.root.glob("0?_*/team/[0-9]*.py"),
    ]:
        path.unlink()
    for number, (name, code) in enumerate(scripts.items(), 1):
        path = course.root / f"01_tracking_supervised/local/{number:02}_{name}.py"
        path.write_text(code, encoding="utf-8")
    return course


def test_run_course_goes_on_after_a_failure_and_says_so(fresh_course):
    root = shorten(fresh_course, **STUBS).root
    listed = fresh_course.fork("tools/run_course.py", "--list").stdout.splitlines()
    assert [line.split() for line in listed[:3]] == [
        ["01_tracking_supervised/local/01_first_run.py", "5", "s"],
        ["01_tracking_supervised/local/02_full_run.py", "20", "s"],
        ["01_tracking_supervised/local/03_open_model.py", "5", "s"],
    ]
    assert (
        listed[3:] == ["En tout : 3 scripts, environ 1 min"] and not (root / "mlflow.db").exists()
    )

    (root / "mlruns").mkdir()
    (root / "mlruns/ancien").write_text("x")
    (root / "mlflow.db").write_text("ceci n'est pas une base")
    refused = fresh_course.fork("tools/run_course.py", "--fresh", fails=True)
    assert (
        refused.returncode == 1
        and "ajoutez --yes" in refused.stderr
        and (root / "mlruns/ancien").exists()
    )

    told = fresh_course.fork(
        "tools/run_course.py", "--lesson", "01", "--fresh", "--yes", fails=True, COLUMNS="80"
    )
    assert told.returncode == 1 and not (root / "mlruns/ancien").exists()
    lines = told.stdout.splitlines()
    rows = {
        cells[1].strip(): [cell.strip() for cell in cells[2:5]]
        for cells in (line.split("│") for line in lines)
        if len(cells) > 4
    }
    assert rows["01 first_run"][1:] == ["0", "bonjour"]
    assert rows["01 full_run"][2] == "ÉCHEC (code 1)"
    assert rows["01 open_model"][1:] == ["1", "ééé"]
    assert "    cela ne va pas" in lines and "3 scripts, environ 1 min" in lines
    assert any("uv run mlflow ui" in line for line in lines[-3:])


def test_a_store_elsewhere_gets_no_address_of_ours(fresh_course, tmp_path):
    elsewhere = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/ailleurs.db"}
    told = shorten(fresh_course, first_run="print('bonjour')").fork(
        "tools/run_course.py", **elsewhere
    )
    assert "127.0.0.1" not in told.stdout and "MLFLOW_TRACKING_URI" in told.stdout.splitlines()[-1]


def test_ctrl_c_reaches_the_child_and_gives_one_line(fresh_course):
    ready, heard = fresh_course.root / "prêt", fresh_course.root / "interrompu"
    waiting = f"import pathlib, time\npathlib.Path({str(ready)!r}).touch()\n"
    waiting += "try:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n"
    waiting += f"    pathlib.Path({str(heard)!r}).touch()"
    shorten(fresh_course, first_run=waiting)
    tool = subprocess.Popen(
        [sys.executable, "tools/run_course.py"], cwd=fresh_course.root, env=reader_environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **hears_ctrl_c(),
    )  # fmt: skip
    end = time.monotonic() + 120
    while not ready.exists():
        assert tool.poll() is None and time.monotonic() < end
        time.sleep(0.1)
    tool.send_signal(signal.SIGINT)
    _, errors = tool.communicate(timeout=120)
    assert heard.exists() and tool.returncode == 1
    assert errors.startswith("Interrompu") and errors.count("\n") == 1
