"""Les entrées de DEPANNAGE.md, telles que les tests s'en servent : ce qu'elles citent, et ce qu'elles conseillent."""

import re
from typing import NamedTuple

import pages
import pytest

PAGE = pages.ROOT / "DEPANNAGE.md"


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
            assert pages.shown_as([line]).search(output), f"la page cite\n{line}\net l'on obtient\n{output}"

    def cure(self, number: int = 0, **words: str) -> pages.Block:
        """Le remède : le bloc de commandes ou de Python de ce rang, `words` mis à la place de leurs noms."""
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
    return {title: Trouble(title, text, pages.blocks(text)) for title, text in zip(parts[::2], texts, strict=True)}


TROUBLES = read_troubles()


def about(title: str):
    """Le test cause l'entrée de ce titre : il la reçoit sous le nom `trouble`."""
    return pytest.mark.parametrize("trouble", [TROUBLES[title]], ids=[title])
