"""Exécuter les notebooks Jupyter pour de vrai, dans une copie du cours : le magasin du lecteur n'y
est pas touché.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
from forms.jupyter import Notebook, document
from forms.outputs import WIDTH, Unstable, kept
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

SECONDS = 600  # au-delà, une cellule est bloquée

# Lu par IPython au démarrage du noyau : toutes les figures, même celles de `display`, ont la même
# largeur, 256 couleurs, et un texte pour qui ne les voit pas.
FIGURES = f"""
import base64 as encoding, io
from IPython.core import pylabtools
from PIL import Image

def described(axes):
    x, y = axes.get_xlabel(), axes.get_ylabel()
    return axes.get_title() or (y + " selon " + x if x and y else x or y)

def print_figure(figure, fmt="png", base64=False, **_):
    drawn, written = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi={WIDTH} / figure.get_figwidth())
    drawn = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    drawn.save(written, format="PNG", optimize=True)
    said = [figure.get_suptitle(), *map(described, figure.axes)]
    said = dict.fromkeys(" ".join(text.split()) for text in said if text.strip())
    alt = "Figure : " + " ; ".join(said)
    return encoding.b64encode(written.getvalue()).decode(), {{"alt": alt}}

pylabtools.print_figure = print_figure
"""

# Ce qu'une autre commande écrit (`os.system`, `mlflow run`) passe par un tube, qu'un fil du noyau
# lit à son heure : la cellule peut finir avant lui, et la ligne se perdre. Après chaque cellule,
# on écrit donc un repère dans le tube, et on attend que le fil l'ait lu.
READ = """
def follow():
    import os, sys, threading

    def follow_one(stream):
        mark, seen, write = chr(0), threading.Event(), stream.write

        def watched(text):
            written = write(text.replace(mark, ""))
            if mark in text:
                seen.set()
            return written

        def wait(_):
            seen.clear()
            os.write(stream._original_stdstream_fd, mark.encode())
            if not seen.wait(30):
                raise TimeoutError("la sortie d'une commande n'a pas été lue")

        stream.write = watched
        get_ipython().events.register("post_run_cell", wait)

    follow_one(sys.stdout)
    follow_one(sys.stderr)

follow()
del follow
"""


def copy_course(root: Path, folder: Path) -> Path:
    """Une copie de ce que Git suit ou suivrait, dans un dépôt à elle : les scripts notent un
    commit.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(lambda name: (root / name).is_file(), listed.stdout.splitlines()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, folder / name)
    identity = ["-c", "user.name=cours", "-c", "user.email=cours@localhost"]
    for arguments in (
        ["init", "-q", "-b", "main"],
        ["add", "-A"],
        [*identity, "commit", "-qm", "copie du cours"],
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return folder


def kernel_environment(folder: Path) -> dict[str, str]:
    """Un noyau comme chez un lecteur : Python sur le PATH, aucune variable de MLflow ni de Git,
    aucun réglage d'IPython.
    """
    startup = folder / "profile_default" / "startup"
    startup.mkdir(parents=True, exist_ok=True)
    (startup / "figures.py").write_text(FIGURES, encoding="utf-8")
    (startup / "read.py").write_text(READ, encoding="utf-8")
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLFLOW_", "_MLFLOW", "GIT_", "MPL"))
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return inherited | {"PATH": path, "IPYTHONDIR": str(folder), "PYTHONUTF8": "1"}


def execute(
    notebooks: list[Notebook], root: Path, course: Path, settings: Path
) -> Iterator[tuple[Notebook, list[list[dict]]]]:
    """Exécute les notebooks dans l'ordre, dans la copie `course` ; donne les sorties de leurs
    cellules de code.

    Lève `Unstable`, qui nomme la cellule, si l'une échoue, avertit, ou montre une image trop
    lourde.
    """
    environment = kernel_environment(settings)
    for notebook in notebooks:
        folder = course / notebook.path.parent.relative_to(root)
        folder.mkdir(exist_ok=True)
        node = nbformat.from_dict(document(notebook))
        folders = {"metadata": {"path": str(folder)}}
        client = NotebookClient(
            node, timeout=SECONDS, kernel_name="python3", resources=folders, record_timing=False
        )
        name = notebook.path.relative_to(root).as_posix()
        try:
            client.execute(env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except CellExecutionError as error:
            raise Unstable(f"{name} : {last_lines(error)}") from None
        found = []
        for number, cell in enumerate(node.cells, start=1):
            if cell.cell_type == "code":
                try:
                    found.append(kept(cell.outputs, str(course)))
                except Unstable as reason:
                    raise Unstable(f"{name}, cellule {number} : {reason}") from None
        yield notebook, found


def last_lines(error: CellExecutionError) -> str:
    """Les trois dernières lignes d'une erreur, sans couleurs."""
    lines = re.sub(r"\x1b\[[\d;]*m", "", str(error)).splitlines()
    return "\n".join([line for line in lines if line.strip()][-3:])
