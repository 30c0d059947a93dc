"""Déménager un magasin : ce que `move_store.py` lit, réécrit et compare.

Sans serveur ni PostgreSQL.
"""

import sqlite3
from pathlib import Path

import move_store
import pytest
import sqlalchemy

pytestmark = pytest.mark.release


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


def test_only_addresses_under_the_folder_are_rewritten_wherever_they_are():
    uris = ("/m/1", "/m/1/r/artifacts", "/m/10/r/artifacts", "s3://m/1", None)
    rows = {
        "runs": [{"run_uuid": str(n), "artifact_uri": uri} for n, uri in enumerate(uris)],
        "new_table": [{"workspace": "default", "unknown": "/m/1/x", "note": "voir /m/1"}],
        "experiments": [{"workspace": "default", "artifact_location": "/m/1"}],
    }
    changed = move_store.rewrite(rows, {"/m/1": "mlflow-artifacts:/1"}, "alice")
    assert [row["artifact_uri"] for row in rows["runs"]] == [
        "mlflow-artifacts:/1",
        "mlflow-artifacts:/1/r/artifacts",
        "/m/10/r/artifacts",
        "s3://m/1",
        None,
    ]
    assert rows["new_table"] == [
        {"workspace": "alice", "unknown": "mlflow-artifacts:/1/x", "note": "voir /m/1"}
    ]
    assert rows["experiments"][0]["workspace"] == "default"  # réglé par le script
    assert changed == {
        "runs.artifact_uri": 2,
        "new_table.unknown": 1,
        "experiments.artifact_location": 1,
    }
    # une colonne où des adresses ont changé n'en garde pas d'ici
    assert move_store.still_local(rows, changed) == ["/m/10/r/artifacts"]


def test_every_file_is_compared_by_what_it_holds(tmp_path):
    here, there = tmp_path / "ici", tmp_path / "là"
    for name in ("a.txt", "r/é #1.txt", "r/é #2.txt", "r/50%25.txt", "quoi?.txt"):
        for folder in (here, there):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(name)
    assert move_store.different_files(here, there) == []
    assert move_store.unserved(here) == ["quoi?.txt", "r/50%25.txt", "r/é #1.txt", "r/é #2.txt"]
    (there / "r/é #1.txt").write_text("r/é #2.txt")  # même taille, autre contenu
    (there / "de trop.txt").touch()
    (there / "a.txt").unlink()
    assert move_store.different_files(here, there) == ["a.txt", "de trop.txt", "r/é #1.txt"]


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
