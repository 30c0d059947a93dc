"""Chaque page suivie pas à pas dans une copie du cours : ce qu'elle montre est comparé à ce que l'on obtient.

Comme un lecteur : les commandes à la racine, dans l'ordre de la page ; les serveurs restent ouverts jusqu'à sa fin.
`uv run` est remplacé par l'environnement des tests ; les vraies commandes `uv` du README sont éprouvées par .ci/run.
"""

import json
import re
import shlex
import subprocess
import sys
from contextlib import ExitStack
from typing import NamedTuple

import pages
import pytest
from conftest import SECONDS, clean_environment, free_port, running

PAGES = [page for page in pages.markdown_pages() if pages.blocks(page.read_text(encoding="utf-8"))]
# L'installation, la commande de test et run_course ont leurs propres essais ; elles ne sont que dans ces pages-ci.
SET_UP = re.compile(
    r"(git clone|cd |pip |pipx |python3? -m (venv|pip)|conda |source |brew |winget |sudo |apt|curl \S* ?\S*astral|powershell|\.ci/run|uvx "
    r"|uv (sync|venv|python|self|pip|cache)|uv run .*pytest|uv run .*tools/)"
)
WITH_SET_UP = ("README.md", "CONTRIBUTING.md", "DEPANNAGE.md")
SERVERS = {"mlflow ui": (5000, "/health"), "mlflow server": (5000, "/health"), "mlflow models serve": (5000, "/ping")}
# Exécute les blocs Python reçus l'un après l'autre, dans le même espace de noms, comme une session interactive.
SESSION = """
import contextlib, io, json, sys, traceback
names = {"__name__": "__main__"}
for line in sys.stdin:
    output, error, trace = io.StringIO(), "", ""
    with contextlib.redirect_stdout(output):
        try:
            exec(compile(json.loads(line), "page", "exec"), names)
        except BaseException as raised:
            error, trace = "".join(traceback.format_exception_only(raised)), traceback.format_exc()
    print(json.dumps([output.getvalue(), error, trace]), flush=True)
"""


def commands_of(block: pages.Block) -> list[str]:
    """Les commandes d'un bloc bash, lignes coupées recollées, commentaires ôtés."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [re.sub(r"\s+", " ", line).strip() for line in lines if line.strip() and not line.startswith("#")]


def without_uv(command: str) -> str:
    """`uv run x.py` -> `python x.py` ; `uv run mlflow ui` -> `mlflow ui`."""
    command = re.sub(r"\buv run(?: --(?:group|with|python|extra)[ =]\S+)* (?=\S+\.py\b)", "python ", command)
    return re.sub(r"\buv run(?: --(?:group|with|python|extra)[ =]\S+)* ", "", command)


class Ended(NamedTuple):
    """Comment un bloc a fini : ce qui est allé sur la sortie, ce que dit l'erreur, et tout ce qui aide à comprendre."""

    code: int
    output: str
    error: str
    trace: str = ""


class Reader:
    """Quelqu'un qui suit une page : son dossier, ses variables, ses serveurs, sa session Python."""

    def __init__(self, course, stack: ExitStack):
        self.course, self.stack = course, stack
        self.variables: dict[str, str] = {}
        self.ports: dict[int, int] = {}  # celui de la page -> celui que nous avons pris
        self.servers: set[str] = set()
        self.session = None

    def elsewhere(self, text: str) -> str:
        """Le texte de la page, avec les ports que nous avons pris."""
        for written, taken in self.ports.items():
            text = re.sub(rf"(?<=[:= ]){written}\b", str(taken), text)
        return text

    def as_written(self, text: str) -> str:
        """Ce qui a été obtenu, avec les ports de la page."""
        for written, taken in self.ports.items():
            text = re.sub(rf"\b{taken}\b", str(written), text)
        return text

    def type(self, block: pages.Block) -> Ended | None:
        """Tape un bloc bash ; la sortie est celle de sa dernière commande. None s'il n'y a rien à comparer."""
        todo = [command for command in commands_of(block) if not SET_UP.match(command)]
        if not todo:
            return None
        kind = next((kind for kind in SERVERS if re.search(rf"\b{kind}\b", todo[0])), None)
        if kind:
            assert len(todo) == 1, f"ligne {block.line} : une commande qui ne rend pas la main est seule dans son bloc"
            self.serve(kind, todo[0])
            return None
        for name, value in re.findall(r"^export (\w+)=(.*)$", "\n".join(todo), flags=re.MULTILINE):
            self.variables[name] = shlex.split(value)[0]
        *before, last = [self.elsewhere(without_uv(command)) for command in todo]
        script = "\n".join(["set -e", "exec 3>&1 >/dev/null", *before, "exec >&3", last])
        ended = subprocess.run(
            ["bash", "-c", script], cwd=self.course.root, env=clean_environment(**self.variables),
            capture_output=True, text=True, encoding="utf-8", timeout=3 * SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return Ended(ended.returncode, self.as_written(ended.stdout), self.as_written(ended.stderr))

    def serve(self, kind: str, command: str) -> None:
        """Ouvre un serveur, sur un port libre, et attend qu'il réponde ; le même, tapé deux fois, n'est ouvert qu'une."""
        if command in self.servers:
            return
        self.servers.add(command)
        default, health = SERVERS[kind]
        given = re.search(r"(?:--port|-p)[ =](\d+)", command)
        written = int(given[1]) if given else default
        self.ports[written] = free_port()
        command = self.elsewhere(without_uv(command)) + ("" if given else f" --port {self.ports[written]}")
        address = f"http://127.0.0.1:{self.ports[written]}{health}"
        self.stack.enter_context(running(["bash", "-c", f"exec env {command}"], self.course.root, wait_for=address, **self.variables))

    def execute(self, block: pages.Block) -> Ended:
        """Exécute un bloc Python à la suite des précédents ; le code est 1 s'il a levé une exception."""
        if self.session is None:
            self.session = self.stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", SESSION], cwd=self.course.root, env=clean_environment(**self.variables),
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8",
                )
            )  # fmt: skip
        self.session.stdin.write(json.dumps(self.elsewhere(block.text)) + "\n")
        self.session.stdin.flush()
        output, error, trace = (self.as_written(text) for text in json.loads(self.session.stdout.readline()))
        return Ended(int(bool(error)), output, error, trace)


def follow(text: str, reader: Reader) -> list[str]:
    """Suit une page jusqu'au bout ; renvoie ce qui n'y est pas vrai."""
    wrong, ended = [], None
    for block in pages.blocks(text):
        if block.language in ("bash", "python") and not block.needs_more and not block.quoted:
            ended = reader.type(block) if block.language == "bash" else reader.execute(block)
            if ended and (ended.code != 0) != block.fails:
                wrong.append(f"ligne {block.line} : code {ended.code}\n{ended.output}\n{ended.trace or ended.error}")
            failing = block.fails
        elif block.language == "text" and block.follows and ended:
            seen = ended.output + ended.error if failing else ended.output
            if not pages.same_output(block.lines, seen):
                wrong.append(f"ligne {block.line} : la page montre\n{block.text}\net l'on obtient\n{seen}")
            ended = None
        else:
            ended = None
    return wrong


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=map(pages.name_of, PAGES))
def test_the_page_does_what_it_says(page, fresh_course):
    with ExitStack() as stack:
        wrong = follow(page.read_text(encoding="utf-8"), Reader(fresh_course, stack))
    assert not wrong, f"{pages.name_of(page)}\n" + "\n\n".join(wrong)


@pytest.mark.parametrize("page", PAGES, ids=map(pages.name_of, PAGES))
def test_set_up_stands_in_one_place(page):
    found = [
        command for block in pages.blocks(page.read_text(encoding="utf-8")) if block.language == "bash" for command in commands_of(block)
    ]
    if pages.name_of(page) not in WITH_SET_UP:
        assert [command for command in found if SET_UP.match(command)] == []


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


PAGE = """
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
def test_a_wrong_page_is_refused(fresh_course, before, after, said):
    """Le test d'une page ne dit pas oui à tout : sortie fausse, échec, échec annoncé qui n'a pas lieu."""
    with ExitStack() as stack:
        wrong = follow(PAGE.replace(before, after, 1), Reader(fresh_course, stack))
    assert said in "".join(wrong)
    assert bool(wrong) is bool(said)


@pytest.mark.slow
def test_a_server_stays_open_until_the_end(fresh_course):
    with ExitStack() as stack:
        page = "```bash\nMLFLOW_DISABLE_TELEMETRY=true uv run mlflow ui\n```\n```bash\ncurl -s http://127.0.0.1:5000/health\n```\n```text\nOK\n```"
        reader = Reader(fresh_course, stack)
        assert follow(page, reader) == []
        port = reader.ports[5000]
    assert subprocess.run(["curl", "-s", f"http://127.0.0.1:{port}/health"]).returncode == 7  # plus personne n'écoute
