"""Lire ce que les scripts et les pages disent : dernières cellules, tableaux, nombres."""

import json
import re
from pathlib import Path

import course

ROOT = Path(__file__).resolve().parents[2]
# ce que le banc d'essai a mesuré en dernier
RECORD = json.loads((ROOT / "tools/bench/last.json").read_text(encoding="utf-8"))


def path_of(name: str) -> str:
    """Le chemin d'un script, depuis la racine, d'après son nom sans numéro."""
    return course.named(name).path


def heading(name: str) -> str:
    """Le début du titre d'un script, dans sa page."""
    return f"`{Path(path_of(name)).name}`"


def lesson_text(lesson: str) -> str:
    """La page d'une leçon, et ses suites : README.md, PLUS_LOIN.md, team/README.md."""
    pages = (ROOT / lesson / name for name in ("README.md", "PLUS_LOIN.md", "team/README.md"))
    return "\n".join(page.read_text(encoding="utf-8") for page in pages if page.exists())


def last_cell(script: str) -> str:
    """Le texte de la dernière cellule Markdown d'un script (« À retenir »), sans les `#`."""
    source = (ROOT / script).read_text(encoding="utf-8")
    cell = source.rpartition("# %% [markdown]")[2].partition("\n# %%")[0]
    return re.sub(r"^# ?", "", cell, flags=re.MULTILINE).strip()


def tables(text: str) -> list[dict[str, str]]:
    """Les lignes des tableaux Markdown de `text`, chacune un dict colonne -> contenu."""
    rows, header = [], None
    for line in text.splitlines():
        if not line.startswith("|"):
            header = None
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if header is None:
            header = cells
        elif not set(line) <= set("|-: "):
            rows.append(dict(zip(header, cells, strict=True)))
    return rows


def numbers(text: str) -> list[str]:
    """Les nombres à virgule de `text`, tels qu'ils sont écrits (`0.953`)."""
    return re.findall(r"(?<![\w.])-?\d+\.\d+(?![\w.])", text)


def in_text(pattern: str, text: str) -> tuple[str, ...]:
    """Ce qu'un texte annonce : les groupes de `pattern`, où un blanc vaut aussi un retour à la
    ligne.
    """
    found = re.search(pattern.replace(" ", r"\s+"), text, re.DOTALL)
    assert found, f"« {pattern} » ne se lit plus dans le texte"
    return found.groups()
