"""Les pages suivies pas à pas dans une copie du cours (voir reader.py) : ce qu'elles montrent est
comparé à ce que l'on obtient.
"""

import subprocess
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pages
import pytest
from reader import AT_HOME, SET_UP, Reader, commands_of, follow, what_is_wrong
from troubles import NOT_CAUSED, PAGE, TROUBLES

from course import LESSONS

# DEPANNAGE.md ne se suit pas de haut en bas : chacune de ses entrées est éprouvée dans sa situation
# (test_troubles*.py).
PAGES = [page for page in pages.markdown_pages() if page.name != "DEPANNAGE.md"]
OTHERS = [page for page in PAGES if page.parent.name not in LESSONS]
WITH_SET_UP = ("README.md", "CONTRIBUTING.md")


@pytest.mark.slow
@pytest.mark.parametrize("page", OTHERS, ids=map(pages.name_of, OTHERS))
def test_the_page_does_what_it_says(page, fresh_course):
    assert what_is_wrong(page.read_text(encoding="utf-8"), fresh_course.root) == ""


def test_each_lesson_is_followed_by_a_test():
    followed = "".join(
        path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_follow_*.py")
    )
    assert [lesson for lesson in LESSONS if followed.count(f'"{lesson}"') != 1] == []


def test_set_up_stands_in_one_place():
    assert [
        f"{pages.name_of(page)}, ligne {block.line} : {command}"
        for page in PAGES if pages.name_of(page) not in WITH_SET_UP
        for block in pages.blocks(page.read_text(encoding="utf-8")) if block.language == "bash"
        for command in commands_of(block)
        if SET_UP.match(command) and not AT_HOME.match(command)
    ] == []  # fmt: skip


def test_the_troubles_page_is_executed_elsewhere():
    """Tout bloc de DEPANNAGE.md est dans une entrée qu'un test cause ; celles que personne n'a
    causées n'ont que des phrases.
    """
    assert [title for title in NOT_CAUSED if TROUBLES[title].blocks] == []
    outside = pages.blocks(PAGE.read_text(encoding="utf-8"))[
        sum(len(trouble.blocks) for trouble in TROUBLES.values()) :
    ]
    # le dernier exemple, exécuté lui aussi
    assert [block.language for block in outside] == ["python", "text"]


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
    """Le test d'une page ne dit pas oui à tout : sortie fausse, échec, échec annoncé qui n'a pas
    lieu.
    """
    with ExitStack() as stack:
        wrong = follow(SMALL_PAGE.replace(before, after, 1), Reader(tmp_path, stack))
    assert said in "".join(wrong)
    assert bool(wrong) is bool(said)


def test_what_is_looked_up_and_what_is_run(fresh_course):
    """Un script sans option se consulte une fois ; la seconde, avec une option, ou si le code a
    changé, il est lancé.
    """
    script = "02_tracking_unsupervised/local/01_kmeans_sweep.py"
    (fresh_course.root / script).write_text("import sys\nprint('lancé', *sys.argv[1:])\n")
    fresh_course.client().create_experiment("measurements")
    session = SimpleNamespace(
        names=lambda: ["kmeans_sweep"],
        ended=lambda name: subprocess.CompletedProcess(name, 0, "de la séance\n", ""),
    )
    with ExitStack() as stack:
        reader = Reader(fresh_course.root, stack, session=session)
        typed = [
            pages.Block("bash", [f"uv run {script}{options}"], 1, False)
            for options in ("", " --seed 2", "", "")
        ]
        assert reader.type(typed[0]).output == "lancé\n"  # le fichier n'est plus celui du commit
        fresh_course.commit("un autre script")
        assert [reader.type(each).output for each in typed[1:]] == [
            "lancé --seed 2\n",
            "de la séance\n",
            "lancé\n",
        ]


@pytest.mark.slow
def test_a_server_stays_open_until_the_end(tmp_path):
    with ExitStack() as stack:
        page = "```bash\nuv run mlflow ui\n```\n```bash\ncurl -s http://127.0.0.1:5000/health\n```\n```text\nOK\n```"
        reader = Reader(tmp_path, stack)
        assert follow(page, reader) == []
        port = reader.ports[5000]
    # plus personne n'écoute
    assert subprocess.run(["curl", "-s", f"http://127.0.0.1:{port}/health"]).returncode == 7
