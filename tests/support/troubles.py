"""Les entrées de DEPANNAGE.md, telles que les tests s'en servent : ce qu'elles citent, ce qu'elles
conseillent, et de quoi l'essayer.
"""

import re
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pages
import pytest
import warm
from programs import LIGHT, SECONDS, ended
from reader import Reader

PAGE = pages.ROOT / "DEPANNAGE.md"
FIRST = "01_tracking_supervised/local/01_first_run.py"
MLFLOW = [sys.executable, "-m", "mlflow"]
# titre -> ce que l'entrée en dit
NOT_CAUSED = {"Windows": "pas éprouvées", "azureml-mlflow": "nous ne l'avons pas exécuté"}


class Trouble(NamedTuple):
    """Une entrée de la page : son titre, son texte, ses blocs."""

    title: str
    text: str
    blocks: list[pages.Block]

    def seen(self, *outputs: str) -> None:
        """Vérifie que chaque ligne que la page cite est dans l'une de ces sorties."""
        output = "\n".join(outputs)
        quoted = [line for block in self.blocks if block.language == "text" for line in block.lines]
        assert quoted, f"« {self.title} » ne cite aucun message"
        for line in quoted:
            assert pages.shown_as([line]).search(output), (
                f"la page cite\n{line}\net l'on obtient\n{output}"
            )

    def cure(self, number: int = 0, **words: str) -> pages.Block:
        """Le remède : le bloc de commandes ou de Python de ce rang, `words` mis à la place de leurs
        noms.
        """
        block = [block for block in self.blocks if block.language in ("bash", "python")][number]
        lines = block.lines
        for name, value in words.items():
            assert any(name in line for line in lines), name
            lines = [line.replace(name, value) for line in lines]
        return block._replace(lines=lines)


def read_troubles() -> dict[str, Trouble]:
    """Titre -> entrée, dans l'ordre de la page."""
    parts = re.split(r"^### (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    texts = [re.split(r"^## ", text, flags=re.MULTILINE)[0] for text in parts[1::2]]
    return {
        title: Trouble(title, text, pages.blocks(text))
        for title, text in zip(parts[::2], texts, strict=True)
    }


TROUBLES = read_troubles()


def about(title: str):
    """Le test cause l'entrée de ce titre : il la reçoit sous le nom `trouble`."""
    return pytest.mark.parametrize("trouble", [TROUBLES[title]], ids=[title])


def typed(command: list, folder: Path, start=ended, **environment: str) -> str:
    """Tout ce qu'écrit une commande : ses erreurs, puis sa sortie."""
    told = start([str(each) for each in command], folder, SECONDS, **{**LIGHT, **environment})
    return told.stderr + told.stdout


def launched(script: str, folder: Path, *arguments: str, **environment: str) -> str:
    """Tout ce qu'écrit un script de la copie `folder`, lancé dans un programme déjà chaud."""
    return typed([sys.executable, folder / script, *arguments], folder, warm.forked, **environment)


def reader_in(folder: Path, stack: ExitStack, **environment: str) -> Reader:
    """Quelqu'un qui tape les remèdes dans `folder`, jusqu'à la fin de `stack`."""
    reader = Reader(folder, stack, set_up=True)
    reader.variables.update(environment)
    return reader


def cured(trouble: Trouble, folder: Path, number: int = 0, **words: str) -> str:
    """Tape le remède dans `folder` ; il doit réussir. Renvoie la sortie de sa dernière commande."""
    with ExitStack() as stack:
        typed = reader_in(folder, stack).type(trouble.cure(number, **words))
    assert typed.code == 0, typed
    return typed.output
