"""Quelqu'un qui suit une page : il tape ses commandes, exécute son Python, et compare ce qu'elle
montre à ce qu'il obtient.

Comme un lecteur : les commandes à la racine, dans l'ordre de la page ; les serveurs restent ouverts
jusqu'à sa fin. `uv run` est remplacé par l'environnement des tests ; les vraies commandes `uv` du
README sont éprouvées par .ci/run.
"""

import json
import re
import shlex
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import mlflow
import pages
import warm
from copies import git
from programs import LIGHT, SECONDS, ended, free_port, reader_environment, running
from recording import Recorded

from course import SCRIPTS

# L'installation, la commande de test et run_course ont leurs propres essais ; elles ne sont que
# dans ces pages-ci.
SET_UP = re.compile(
    r"(git clone|cd |pip |pipx |python3? -m (venv|pip)|conda |source |brew |winget |sudo |apt"
    r"|curl \S* ?\S*astral|powershell|\.ci/run|uvx "
    r"|uv (sync|venv|python|self|pip|cache)|uv run .*pytest|uv run .*tools/run_course)"
)
# Le dossier à soi de la leçon 1, à côté du cours : test_01_at_home.py en lance le programme.
AT_HOME = re.compile(r"(mkdir|cd) \.\./|uv run --project ")
SERVERS = {
    "mlflow ui": (5000, "/health"),
    "mlflow server": (5000, "/health"),
    "mlflow models serve": (5000, "/ping"),
}
# une commande qui ne demande rien au shell
SCRIPT = re.compile(r"python (\S+\.py)((?: [^\s|;&<>$`'\"]+)*)")
# ni TensorFlow ni `mlflow run` : un programme chaud les lance aussi bien
WARM = re.compile(r"(01_|04_)\w+/|tools/check\.py")
# Exécute les blocs Python reçus l'un après l'autre, dans le même espace de noms, comme une session
# interactive.
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
    return [
        re.sub(r"\s+", " ", line).strip()
        for line in lines
        if line.strip() and not line.startswith("#")
    ]


def without_uv(command: str) -> str:
    """`uv run x.py` -> `python x.py` ; `uv run mlflow ui` -> `mlflow ui`."""
    command = re.sub(
        r"\buv run(?: --(?:group|with|python|extra)[ =]\S+)* (?=\S+\.py\b)", "python ", command
    )
    return re.sub(r"\buv run(?: --(?:group|with|python|extra)[ =]\S+)* ", "", command)


class Ended(NamedTuple):
    """Comment un bloc a fini : ce qui est allé sur la sortie, ce que dit l'erreur, et tout ce qui
    aide à comprendre.
    """

    code: int
    output: str
    error: str
    trace: str = ""


class Reader:
    """Quelqu'un qui suit une page : son dossier, ses variables, ses serveurs, sa session Python."""

    def __init__(
        self, root: Path, stack: ExitStack, set_up: bool = False, session: Recorded | None = None
    ):
        """`root` : où il est.

        `set_up` : il tape aussi les commandes d'installation. `session` : celle dont `root` est la
        copie.
        """
        self.root, self.stack, self.set_up, self.recorded = root, stack, set_up, session
        self.variables = dict(LIGHT)
        self.ports: dict[int, int] = {}  # celui de la page -> celui que nous avons pris
        self.servers: set[str] = set()
        self.session = None
        self.not_yet = {
            script.path: script.name
            for script in SCRIPTS
            if session and script.name in session.names()
        }
        if session:
            self.client = mlflow.MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
            self.measurements = self.client.get_experiment_by_name("measurements").experiment_id
            # l'expérience des mesures, que l'on fait à la fin de la page
            self.client.delete_experiment(self.measurements)

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
        """Tape un bloc bash ; la sortie est celle de sa dernière commande.

        None s'il n'y a rien à comparer.
        """
        todo = [
            command
            for command in commands_of(block)
            if not AT_HOME.match(command) and (self.set_up or not SET_UP.match(command))
        ]
        if not todo:
            return None
        kind = next((kind for kind in SERVERS if re.search(rf"\b{kind}\b", todo[0])), None)
        if kind:
            assert len(todo) == 1, (
                f"ligne {block.line} : une commande qui ne rend pas la main est seule dans son bloc"
            )
            self.serve(kind, todo[0])
            return None
        for name, value in re.findall(r"^export (\w+)=(.*)$", "\n".join(todo), flags=re.MULTILINE):
            self.variables[name] = shlex.split(value)[0]
        todo = [self.elsewhere(without_uv(command)) for command in todo]
        if all(SCRIPT.fullmatch(command) for command in todo):
            for command in todo:
                told = self.launch(*command.split()[1:])
                if told.returncode:
                    break
        else:
            *before, last = todo
            script = "\n".join(["set -e", "exec 3>&1 >/dev/null", *before, "exec >&3", last])
            told = ended(["bash", "-c", script], self.root, 3 * SECONDS, **self.variables)
        return Ended(told.returncode, self.as_written(told.stdout), self.as_written(told.stderr))

    def launch(self, script: str, *arguments: str) -> subprocess.CompletedProcess:
        """Ce que la séance a déjà lancé se consulte, la première fois, tant que le code est celui
        du commit ; le reste se lance.
        """
        if (
            not arguments
            and script in self.not_yet
            and not git(self.root, "status", "--porcelain", "-uno")
        ):
            name = self.not_yet.pop(script)
            if name.startswith("measure_") and self.measurements:
                self.client.restore_experiment(self.measurements)
                self.measurements = None
            return self.recorded.ended(name)
        start = warm.forked if WARM.match(script) else ended
        return start(
            [sys.executable, str(self.root / script), *arguments],
            self.root,
            3 * SECONDS,
            **self.variables,
        )

    def serve(self, kind: str, command: str) -> None:
        """Ouvre un serveur, sur un port libre, et attend qu'il réponde ; le même, tapé deux fois,
        n'est ouvert qu'une.
        """
        if command in self.servers:
            return
        self.servers.add(command)
        default, health = SERVERS[kind]
        given = re.search(r"(?:--port|-p)[ =](\d+)", command)
        written = int(given[1]) if given else default
        self.ports[written] = free_port()
        command = self.elsewhere(without_uv(command)) + (
            "" if given else f" --port {self.ports[written]}"
        )
        address = f"http://127.0.0.1:{self.ports[written]}{health}"
        self.stack.enter_context(
            running(
                ["bash", "-c", f"exec env {command}"], self.root, wait_for=address, **self.variables
            )
        )

    def execute(self, block: pages.Block) -> Ended:
        """Exécute un bloc Python à la suite des précédents ; le code est 1 s'il a levé une
        exception.
        """
        if self.session is None:
            self.session = self.stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", SESSION], cwd=self.root,
                    env=reader_environment(**self.variables),
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                    text=True, encoding="utf-8",
                )
            )  # fmt: skip
        self.session.stdin.write(json.dumps(self.elsewhere(block.text)) + "\n")
        self.session.stdin.flush()
        output, error, trace = (
            self.as_written(text) for text in json.loads(self.session.stdout.readline())
        )
        return Ended(int(bool(error)), output, error, trace)


def follow(text: str, reader: Reader) -> list[str]:
    """Suit une page jusqu'au bout ; renvoie ce qui n'y est pas vrai."""
    wrong, told = [], None
    for block in pages.blocks(text):
        if block.language in ("bash", "python") and not block.needs_more and not block.quoted:
            told = reader.type(block) if block.language == "bash" else reader.execute(block)
            if told and (told.code != 0) != block.fails:
                why = told.trace or told.error
                wrong.append(f"ligne {block.line} : code {told.code}\n{told.output}\n{why}")
            failing = block.fails
            continue
        if block.language == "text" and block.follows and told:
            seen = told.output + told.error if failing else told.output
            if not pages.same_output(block.lines, seen, told.error):
                wrong.append(
                    f"ligne {block.line} : la page montre\n{block.text}\net l'on obtient\n{seen}"
                )
        told = None
    return wrong


def what_is_wrong(text: str, root: Path, session: Recorded | None = None) -> str:
    """Suit la page `text` dans `root`, au besoin la copie de `session` ; renvoie, en clair, ce qui
    n'y est pas vrai, ou rien.
    """
    with ExitStack() as stack:
        return "\n\n".join(follow(text, Reader(root, stack, session=session)))
