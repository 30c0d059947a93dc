"""Leçon 2, équipe, script 4 : son tableau est celui de la page, à peu près celui du banc d'essai ;
ce que le texte en dit en suit.
"""

import re

from lesson_02 import README, end_of, section
from texts import RECORD, heading, in_text, tables

ROWS = {
    row.pop("montage"): {name: float(value) for name, value in row.items()}
    for row in tables(end_of("measure_server"))
}
ALONE, *SERVERS = ROWS
STORES = ("sqlite", "server_sqlite", "server_postgres", "server_postgres_accounts")
COLUMNS = {
    "un run": "child",
    "les dix meilleurs": "best",
    **{f"{n} écrivain{'s' * (n > 1)}": f"writers_{n}" for n in (1, 4, 8)},
}


def test_the_page_and_the_script_give_the_table_of_the_bench():
    """À une fois et demie près : une machine occupée change les rapports, pas leur sens."""
    assert [row for row in tables(README) if "montage" in row] == tables(end_of("measure_server"))
    assert ALONE == "SQLite, sans serveur" and len(SERVERS) == 3
    for store, row in zip(STORES, ROWS.values(), strict=True):
        for name, measure in COLUMNS.items():
            assert 2 / 3 < RECORD[f"server.{store}.{measure}"] / row[name] < 3 / 2, (store, name)


def test_what_is_said_follows_from_the_table():
    prose = re.sub(r"[\s#]+", " ", end_of("measure_server"))
    assert "dure douze fois plus" in prose and {ROWS[name]["un run"] for name in SERVERS} == {12}
    assert "plus le serveur rattrape le fichier" in prose
    for name in SERVERS:
        assert (
            ROWS[name]["1 écrivain"]
            < ROWS[name]["4 écrivains"]
            < ROWS[name]["8 écrivains"]
            < ROWS[ALONE]["8 écrivains"]
        )
    assert "SQLite trie aussi vite" in prose
    # PostgreSQL, ses lignes comptées, contre SQLite, avant puis après ANALYZE
    served = RECORD["server.server_postgres.best"] * RECORD["storage.10000.best_ms"]
    assert RECORD["storage.10000.best_analyzed_ms"] <= served < RECORD["storage.10000.best_ms"] / 10


def test_the_calls_cost_and_wait_as_the_bench_found():
    for text in (end_of("measure_server"), section(heading("measure_server"))):
        in_text(r"demandent trois à cinq fois plus de processeur", text)
        in_text(r"au moins la moitié des réponses partent 40 ms trop tard", text)
    assert 3 <= RECORD["team.calls_cpu"] <= 5 and RECORD["team.late_share"] >= 0.5
