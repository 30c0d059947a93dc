"""Relire ce que le générateur écrit pour Databricks : les cellules d'un notebook source, celles
d'une archive `.dbc`.
"""

import json
import zipfile
from pathlib import Path

from forms.notebook import FIRST_LINE, SEPARATOR


def from_source(text: str) -> list[str]:
    """L'inverse de `to_source` : les cellules d'un notebook au format source.

    Lève `ValueError` s'il n'en est pas un.
    """
    first, _, body = text.partition("\n")
    if first != FIRST_LINE:
        raise ValueError(f"la première ligne n'est pas « {FIRST_LINE} »")
    cells = []
    for cell in body.removesuffix("\n").split(SEPARATOR):
        lines = cell.split("\n")
        magic = [line.startswith("# MAGIC") for line in lines]
        if any(magic) and not all(magic):
            raise ValueError(f"une cellule mêle magie et Python :\n{cell}")
        cells.append(
            "\n".join(line.removeprefix("# MAGIC").removeprefix(" ") for line in lines)
            if all(magic)
            else cell
        )
    return cells


def entries_of(path: Path) -> dict[str, dict]:
    """Les entrées d'une archive, dans l'ordre : nom -> objet JSON."""
    with zipfile.ZipFile(path) as archive:
        return {name: json.loads(archive.read(name)) for name in archive.namelist()}


def read_archive(path: Path) -> dict[str, list[str]]:
    """chemin dans l'archive (sans `.python`) -> cellules."""
    notebooks = {
        name: entry for name, entry in entries_of(path).items() if name.endswith(".python")
    }
    return {
        name.removesuffix(".python"): [each["command"] for each in entry["commands"]]
        for name, entry in notebooks.items()
    }
