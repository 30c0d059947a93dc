# %% [markdown]
# # Lancer un projet
#
# Ce que les scripts de la leçon partagent, et qui n'est pas l'appel à MLflow : préparer le terrain,
# dire une erreur en une ligne, donner à Git l'adresse d'un clone.

# %%
import logging
import os
import shlex
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

# Un projet lance `python` par son nom : que ce soit celui de cet environnement. Lui seul écrit, une
# ligne par étape ; ce que MLflow a à dire d'un échec arrive par une exception.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
logging.getLogger("mlflow.projects").setLevel(logging.CRITICAL)


# %%
def check_project(folder: Path) -> None:
    """Lève `SystemExit`, en une ligne, s'il n'y a pas de projet dans `folder`."""
    if not (folder / "MLproject").is_file():
        raise SystemExit(
            f"Pas de MLproject dans {folder} : ouvrez la leçon dans un dossier Git (l'archive .dbc n'a que des notebooks)."
        )


def reason(error: BaseException) -> str:
    """La ligne utile d'une erreur : la première, ou, parmi les vingt de Git, celle où il dit ce qui
    l'arrête.
    """
    lines = str(error).splitlines() or [type(error).__name__]
    fatal = [line.partition("fatal: ")[2].rstrip("'") for line in lines if "fatal: " in line]
    return fatal[0] if fatal else lines[0]


def recorded_parameters(run) -> dict[str, str]:
    """Les paramètres d'un run de projet, tels qu'ils ont été donnés.

    MLflow note la valeur comme le shell l'a reçue : `a b` devient `'a b'`. Rejouer le run demande
    d'ôter ces guillemets.
    """
    return {name: "".join(shlex.split(value)) for name, value in run.data.params.items()}


# %% [markdown]
# ## D'où vient le code


# %%
def git(folder: Path, *arguments: str) -> str:
    """Ce que répond `git` dans `folder`.

    Lève `SystemExit`, en une ligne, sans Git ou hors d'un clone.
    """
    try:
        ended = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, encoding="utf-8"
        )
    except FileNotFoundError:
        raise SystemExit("Git n'est pas installé : https://git-scm.com/downloads") from None
    if ended.returncode:
        raise SystemExit(
            f"{folder} n'est pas dans un clone Git avec un commit (archive ZIP ?) : git clone, ou --uri https://...#dossier"
        )
    return ended.stdout.strip()


def clone_uri(folder: Path) -> str:
    """L'URI `file://...#sous-dossier` du dépôt qui contient `folder`, telle que MLflow la donne à
    cloner à Git.

    MLflow prend pour un simple dossier toute URI dont le chemin existe : il exécuterait le dossier
    tel qu'il est, ou, avec une version, y ferait `git checkout`. Il ne décode pas les URI, Git si :
    un caractère encodé (`%2Egit`) suffit.
    """
    repository = Path(git(folder, "rev-parse", "--path-format=absolute", "--git-common-dir"))
    first, *others = repository.name.encode()
    encoded = f"{repository.parent.as_uri()}/%{first:02X}{quote(bytes(others))}"
    inside = git(folder, "rev-parse", "--show-prefix").rstrip("/")
    return f"{encoded}#{inside}" if inside else encoded


def git_uri(text: str) -> str:
    """Le `type=` d'une adresse de projet : une URI que Git clone, même quand c'est celle d'un
    dossier d'ici.
    """
    address, _, inside = text.partition("#")
    folder = (
        Path(url2pathname(urlsplit(address).path))
        if address.startswith("file://")
        else Path(address)
    )
    if not folder.is_dir():
        return text
    if (folder / inside).is_dir():
        return clone_uri(folder.absolute() / inside)
    return f"{clone_uri(folder.absolute())}#{inside}"  # un dépôt nu n'a pas de dossiers à lui


def recorded_source(run) -> tuple[str, bool]:
    """L'URI à donner pour rejouer un run de projet, et si elle diffère de celle que MLflow a notée.

    D'un dossier d'ici, MLflow note le chemin tel quel (espaces et accents compris), qu'il
    exécuterait sur place.
    """
    source = run.data.tags["mlflow.source.name"]
    folder = Path(source.removeprefix("file://").replace("#", "/"))
    return (clone_uri(folder), True) if folder.is_dir() else (source, False)
