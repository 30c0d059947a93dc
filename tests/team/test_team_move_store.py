"""Déménager un magasin : ce que `move_store.py` lit, réécrit et compare.

Sans serveur ni PostgreSQL.
"""

import math
import sqlite3
import sys
from collections import namedtuple
from pathlib import Path

import move_store
import pytest
import sqlalchemy
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.release

Listed = namedtuple("Listed", "path is_dir file_size")


@pytest.mark.parametrize(
    ("address", "folder"),
    [
        ("/a/mlruns/1", Path("/a/mlruns/1")),
        ("file:///a/Jean%20Dupont/mlruns/1", Path("/a/Jean Dupont/mlruns/1")),
        ("C:/cours/mlruns/1", Path("C:/cours/mlruns/1")),
        ("s3://seau/1", None),
        ("mlflow-artifacts:/1", None),
    ],
)
def test_an_address_is_a_folder_of_this_machine_or_not(address, folder):
    assert move_store.local_folder(address) == folder


@pytest.fixture
def runs():
    """Une base d'une table `runs`, et ce qui y lit les lignes."""
    engine = sqlalchemy.create_engine("sqlite://")
    table = sqlalchemy.Table(
        "runs",
        sqlalchemy.MetaData(),
        *(sqlalchemy.Column(name, sqlalchemy.Text) for name in ("run_uuid", "artifact_uri")),
    )
    with engine.begin() as connection:
        table.metadata.create_all(connection)
        yield lambda rows, moved: connection.execute(table.delete()) and [
            connection.execute(table.insert(), rows), move_store.rows_of(connection, table, moved)
        ][1]  # fmt: skip


def test_only_addresses_under_the_folder_are_rewritten(runs):
    rows = [
        {"run_uuid": str(n), "artifact_uri": uri}
        for n, uri in enumerate(("/m/1", "/m/1/r/artifacts", "/m/10/r/artifacts", "s3://m/1"))
    ]
    found = runs(rows, {"/m/1": "mlflow-artifacts:/1"})
    assert [row["artifact_uri"] for row in found] == [
        "mlflow-artifacts:/1",
        "mlflow-artifacts:/1/r/artifacts",
        "/m/10/r/artifacts",
        "s3://m/1",
    ]


@given(st.floats(allow_nan=False), st.lists(st.floats(), max_size=5))
def test_one_bit_of_one_number_is_a_difference_and_an_order_is_not(value, others):
    rows = [{"key": "x", "value": each} for each in [value, *others]]
    assert move_store.differences({"metrics": rows}, {"metrics": rows[::-1]}) == []
    changed = [
        {
            "key": "x",
            "value": math.nextafter(value, math.inf if value < sys.float_info.max else -math.inf),
        },
        *rows[1:],
    ]
    assert move_store.differences({"metrics": rows}, {"metrics": changed}) == ["metrics"]
    assert move_store.differences({"metrics": rows}, {"metrics": [*rows, rows[0]]}) == ["metrics"]


def test_a_photograph_is_whole_while_somebody_writes_and_leaves_the_source_alone(tmp_path):
    source = tmp_path / "é ?#%41" / "mlflow.db"
    source.parent.mkdir()
    with sqlite3.connect(source) as base:
        base.execute("CREATE TABLE alembic_version (version_num TEXT)")
        base.execute("INSERT INTO alembic_version VALUES ('abc')")
    before = source.read_bytes()
    photo = move_store.photograph(source, tmp_path / "photo.db")
    with photo.connect() as base:
        assert base.scalar(sqlalchemy.text("SELECT version_num FROM alembic_version")) == "abc"
    assert source.read_bytes() == before and [path.name for path in source.parent.iterdir()] == [
        "mlflow.db"
    ]
    with pytest.raises(sqlite3.OperationalError):
        move_store.photograph(tmp_path / "absent.db", tmp_path / "x.db")
    assert not (tmp_path / "absent.db").exists()


def test_only_files_absent_or_of_another_size_are_sent(tmp_path):
    for name, text in {"a.txt": "a", "r/artifacts/b.txt": "bb", "r/artifacts/c.txt": "ccc"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    server = {
        None: [Listed("a.txt", False, 1), Listed("r", True, None)],
        "r/artifacts": [Listed("r/artifacts/b.txt", False, 1)],
    }
    sent = move_store.files_to_send(tmp_path, lambda parent: server.get(parent, []))
    assert [(Path(path).name, parent) for path, parent in sent] == [
        ("b.txt", "r/artifacts"),
        ("c.txt", "r/artifacts"),
    ]
    assert move_store.files_to_send(tmp_path / "absent", lambda parent: []) == []
