"""Relire ce que le générateur écrit pour Databricks : les cellules d'un notebook source, celles d'une archive `.dbc`.

La lecture est stricte : tout écart avec les exportations réelles lève `ValueError`.
"""

import json
import re
import zipfile
from pathlib import Path, PurePosixPath

from forms.archive import COMMAND, FOLDER, MANIFEST, NOTEBOOK
from forms.source import FIRST_LINE, SEPARATOR

MOST_BYTES, MOST_CELL_BYTES = 10 * 2**20, 6 * 2**20  # les limites de l'importation
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def from_source(text: str) -> list[str]:
    """L'inverse de `to_source` : les cellules d'un notebook au format source."""
    first, _, body = text.partition("\n")
    if first != FIRST_LINE:
        raise ValueError(f"la première ligne n'est pas « {FIRST_LINE} »")
    cells = []
    for cell in body.removesuffix("\n").split(SEPARATOR):
        lines = cell.split("\n")
        magic = [line.startswith("# MAGIC") for line in lines]
        if any(magic) and not all(magic):
            raise ValueError(f"une cellule mêle magie et Python :\n{cell}")
        cells.append("\n".join(line.removeprefix("# MAGIC").removeprefix(" ") for line in lines) if all(magic) else cell)
    return cells


def read_archive(path: Path) -> dict[str, list[str]]:
    """chemin dans l'archive (sans `.python`) -> cellules. Lève `ValueError` au premier écart avec le format attendu."""
    expect(path.stat().st_size <= MOST_BYTES, "plus de 10 Mo, la limite de l'importation")
    expect(zipfile.is_zipfile(path), "ce n'est pas une archive zip")
    found, guids, numbers, folders = {}, set(), set(), {""}
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        expect(archive.testzip() is None, "une entrée est abîmée")
        expect({info.compress_type for info in archive.infolist()} == {zipfile.ZIP_DEFLATED}, "une entrée n'est pas compressée (DEFLATE)")
        expect(names[:1] == ["manifest.mf"], "la première entrée n'est pas manifest.mf")
        expect(len(set(names)) == len(names), "deux entrées portent le même nom")
        for name in names:
            entry = json.loads(archive.read(name))
            if name == "manifest.mf":
                unique_uuid(fields(entry, MANIFEST, name)["guid"], guids, name)
                continue
            expect(str(PurePosixPath(name).parent).removeprefix(".") in folders, f"{name} vient avant son dossier")
            if name.endswith("/"):
                fields(entry, FOLDER, name)
                expect(not found, f"le dossier {name} vient après un notebook")
                folders.add(name.rstrip("/"))
            else:
                expect(name.endswith(".python"), f"{name} n'est ni un dossier ni un notebook Python")
                found[name.removesuffix(".python")] = read_notebook(entry, name, guids, numbers)
            expect(entry["name"] == PurePosixPath(name).stem, f"{name} se nomme {entry['name']!r}")
            unique_number(entry["origId"], numbers, name)
    expect(bool(found), "aucun notebook")
    return found


def read_notebook(entry: dict, name: str, guids: set, numbers: set) -> list[str]:
    fields(entry, NOTEBOOK, name)
    unique_uuid(entry["guid"], guids, name)
    expect(isinstance(entry["commands"], list) and entry["commands"] != [], f"{name} n'a pas de cellules")
    nuids, positions = set(), []
    for number, command in enumerate(entry["commands"], start=1):
        where = f"{name}, cellule {number}"
        fields(command, COMMAND, where)
        unique_number(command["origId"], numbers, where)
        unique_uuid(command["guid"], guids, where)
        unique_uuid(command["nuid"], nuids, where)
        expect(type(command["command"]) is str and command["command"].strip() != "", f"{where} : elle est vide")
        expect(len(command["command"].encode()) <= MOST_CELL_BYTES, f"{where} : plus de 6 Mo")
        expect(type(command["position"]) is float, f"{where} : sa position n'est pas un réel")
        positions.append(command["position"])
    expect(positions == sorted(set(positions)), f"{name} : les positions ne croissent pas")
    return [command["command"] for command in entry["commands"]]


def expect(truth: bool, reason: str):
    if not truth:
        raise ValueError(reason)


def fields(entry: object, expected: dict, where: str) -> dict:
    """`entry`, si ses champs sont ceux de `expected`, avec les mêmes valeurs (`...` : n'importe laquelle)."""
    expect(isinstance(entry, dict), f"{where} n'est pas un objet JSON")
    expect(entry.keys() == expected.keys(), f"{where} : champs en trop ou absents {sorted(entry.keys() ^ expected.keys())}")
    for key, value in expected.items():
        same = type(entry[key]) is type(value) and entry[key] == value
        expect(value is ... or same, f"{where} : {key} vaut {entry[key]!r} au lieu de {value!r}")
    return entry


def unique_uuid(value: object, seen: set, where: str):
    expect(type(value) is str and UUID.fullmatch(value) is not None, f"{where} : {value!r} n'est pas un uuid")
    expect(value not in seen, f"{where} : {value} sert deux fois")
    seen.add(value)


def unique_number(value: object, seen: set, where: str):
    expect(type(value) is int, f"{where} : {value!r} n'est pas un entier")
    expect(value not in seen, f"{where} : {value} sert deux fois")
    seen.add(value)
