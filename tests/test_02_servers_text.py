"""Leçon 2, script 9 : ce que le texte dit des serveurs suit de son tableau, le même dans le script et sur la page.

Les rapports eux-mêmes se mesurent sur une machine au repos, par measure_server.py.
"""

import re

from conftest import ROOT, last_cell, tables

SCRIPT = "02_tracking_unsupervised/local/measure_server.py"
PAGE = (ROOT / "02_tracking_unsupervised/README.md").read_text(encoding="utf-8")
ROWS = {row["montage"]: {name: float(value) for name, value in row.items() if name != "montage"} for row in tables(last_cell(SCRIPT))}
ALONE, *SERVERS = ROWS


def test_the_page_and_the_script_give_the_same_table():
    assert [row for row in tables(PAGE) if "montage" in row] == tables(last_cell(SCRIPT))
    assert ALONE == "SQLite, sans serveur" and len(SERVERS) == 3


def test_what_is_said_follows_from_the_table():
    prose = re.sub(r"[\s#]+", " ", last_cell(SCRIPT))
    assert "dure douze fois plus" in prose and {ROWS[name]["un run"] for name in SERVERS} == {12}
    assert "plus le serveur rattrape le fichier" in prose
    for name in SERVERS:
        assert ROWS[name]["1 écrivain"] < ROWS[name]["4 écrivains"] < ROWS[name]["8 écrivains"] < ROWS[ALONE]["8 écrivains"]
    assert "PostgreSQL, qui compte ses lignes de lui-même, ne s'effondre pas" in prose
    assert ROWS["serveur, PostgreSQL"]["les dix meilleurs"] < 0.1 < ROWS["serveur, SQLite"]["les dix meilleurs"]
