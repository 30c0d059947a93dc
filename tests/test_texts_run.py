"""Chaque page suivie pas à pas dans une copie du cours (voir reader.py) : ce qu'elle montre est comparé à ce que l'on obtient."""

import subprocess
from contextlib import ExitStack
from pathlib import Path

import pages
import pytest
from course import LESSONS
from reader import SET_UP, Reader, commands_of, follow, what_is_wrong, without_uv
from troubles import NOT_CAUSED, PAGE, TROUBLES

# DEPANNAGE.md ne se suit pas de haut en bas : chacune de ses entrées est éprouvée dans sa situation (test_troubles*.py).
PAGES = [page for page in pages.markdown_pages() if page.name != "DEPANNAGE.md"]
WITH_SET_UP = ("README.md", "CONTRIBUTING.md")


# La page d'une leçon prend des minutes : chacune a son fichier, test_page_0X.py, pour que deux processus se les partagent.
OTHERS = [page for page in PAGES if page.parent.name not in LESSONS]


@pytest.mark.slow
@pytest.mark.parametrize("page", OTHERS, ids=map(pages.name_of, OTHERS))
def test_the_page_does_what_it_says(page, fresh_course):
    assert what_is_wrong(page, fresh_course.root) == ""


def test_each_lesson_has_its_file():
    for lesson in LESSONS:
        assert f'ROOT / "{lesson}/README.md"' in Path(__file__).with_name(f"test_page_{lesson[:2]}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=map(pages.name_of, PAGES))
def test_set_up_stands_in_one_place(page):
    if pages.name_of(page) in WITH_SET_UP:
        return
    for block in pages.blocks(page.read_text(encoding="utf-8")):
        if block.language == "bash":
            assert [command for command in commands_of(block) if SET_UP.match(command)] == [], f"ligne {block.line}"


def test_the_troubles_page_is_executed_elsewhere():
    """Tout bloc de DEPANNAGE.md est dans une entrée qu'un test cause ; celles que personne n'a causées n'ont que des phrases."""
    for title in NOT_CAUSED:
        assert TROUBLES[title].blocks == []
    outside = pages.blocks(PAGE.read_text(encoding="utf-8"))[sum(len(trouble.blocks) for trouble in TROUBLES.values()) :]
    assert [block.language for block in outside] == ["python", "text"]  # le dernier exemple, exécuté lui aussi


@pytest.mark.parametrize(
    "typed, run",
    [
        ("uv run a/b.py --c 1", "python a/b.py --c 1"),
        ("uv run --group azure a/b.py --dry-run", "python a/b.py --dry-run"),
        ("MLFLOW_DISABLE_TELEMETRY=true uv run mlflow ui --port 5001", "MLFLOW_DISABLE_TELEMETRY=true mlflow ui --port 5001"),
        ("uv run python -c 'import x'", "python -c 'import x'"),
    ],
)
def test_commands_without_uv(typed, run):
    assert without_uv(typed) == run


SMALL_PAGE = """
```bash
echo un
echo deux; echo bruit >&2
```
```text
deux
```
```python
a = 1
```
```python
print(a + 1)
```
La sortie vient après une phrase :
```text
2
```
```python
# échoue
1 / 0
```
```text
ZeroDivisionError: division by …
```
"""


@pytest.mark.parametrize(
    "before, after, said",
    [
        ("", "", ""),
        ("\ndeux\n```", "\ntrois\n```", "ligne 6 : la page montre\ntrois"),
        ("echo un\n", "false\n", "ligne 2 : code 1"),
        ("\n2\n", "\n3\n", "ligne 16 : la page montre\n3"),
        ("1 / 0", "1 / 1", "ligne 19 : code 0"),
        ("division by …", "autre chose", "ligne 23 : la page montre"),
    ],
)
def test_a_wrong_page_is_refused(tmp_path, before, after, said):
    """Le test d'une page ne dit pas oui à tout : sortie fausse, échec, échec annoncé qui n'a pas lieu."""
    with ExitStack() as stack:
        wrong = follow(SMALL_PAGE.replace(before, after, 1), Reader(tmp_path, stack))
    assert said in "".join(wrong)
    assert bool(wrong) is bool(said)


@pytest.mark.slow
def test_a_server_stays_open_until_the_end(tmp_path):
    with ExitStack() as stack:
        page = "```bash\nuv run mlflow ui\n```\n```bash\ncurl -s http://127.0.0.1:5000/health\n```\n```text\nOK\n```"
        reader = Reader(tmp_path, stack)
        assert follow(page, reader) == []
        port = reader.ports[5000]
    assert subprocess.run(["curl", "-s", f"http://127.0.0.1:{port}/health"]).returncode == 7  # plus personne n'écoute
