"""Leçon 1, la mesure : ce qui est relu est-il ce qui a été écrit ?"""

import math
import re
import sqlite3
import sys
from contextlib import closing

import mlflow
import pytest
from lesson_01 import end_of
from mlflow.entities import Param
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from texts import in_text, tables

from measure_tracking import compare, hard_numbers, hard_texts, identical, long_history

MEANT = (  # ce que résume chaque ligne du tableau de la dernière cellule
    ["réels de toute grandeur", "réels dénormalisés", "entiers jusqu'à 2^53", "float32", "NaN"],
    ["les 5000 pas d'une métrique"],
    ["zéro négatif"],
    ["entiers au-delà de 2^53"],
    ["infinis"],
    [
        kind
        for written in ("paramètre", "étiquette")
        for kind in hard_texts(written)
        if "de trop" not in kind
    ],
    [
        kind
        for written in ("paramètre", "étiquette")
        for kind in hard_texts(written)
        if "de trop" in kind
    ],
)
PROGRAMS = {
    "tué": (50, "RUNNING"),
    "erreur": (50, "FAILED"),
    "écrivain 1": (100, "FINISHED"),
    "écrivain 2": (100, "FINISHED"),
}


def table_of(course, run, name: str) -> list[dict]:
    found = course.client().load_table(run.info.experiment_id, name, [run.info.run_id])
    return found.to_dict("records")


def test_measure_tracking(lesson):
    printed, [run] = lesson.ended("measure_tracking").stdout, lesson.runs_of("measure_tracking")
    read = {row["kind"]: row for row in table_of(lesson, run, "exactness.json")}
    values = {
        **hard_numbers(),
        "les 5000 pas d'une métrique": long_history(),
        **hard_texts("paramètre"),
        **hard_texts("étiquette"),
    }
    # ce que l'on sait de l'IEEE 754 et des limites dit ce que le magasin doit rendre
    representable = sum(int(float(value)) == value for value in values["entiers au-delà de 2^53"])
    altered = {"zéro négatif": 0, "infinis": 0, "entiers au-delà de 2^53": representable}
    assert list(read) == list(values)
    for kind, sent in values.items():
        exact = 0 if "de trop" in kind else altered.get(kind, len(sent))
        row = read[kind]
        assert (row["written"], row["exact"]) == (len(sent), exact), kind
        assert bool(row["example"]) == (exact < len(sent)), kind
        assert re.search(rf"^{re.escape(kind)} +{exact} sur +{len(sent)}\b", printed, re.MULTILINE)

    integrity = {row["run"]: row for row in table_of(lesson, run, "integrity.json")}
    assert {kind: row["status"] for kind, row in integrity.items()} == {
        kind: status for kind, (_, status) in PROGRAMS.items()
    }
    for kind, (sent, status) in PROGRAMS.items():
        row = integrity[kind]
        # tué après avoir annoncé la cinquantième, il a pu en écrire d'autres avant de mourir
        assert row["found"] == row["sent"] and row["sent"] - sent in (
            range(50) if kind == "tué" else [0]
        ), row
        counted = f"{row['sent']} métriques envoyées, {row['found']} retrouvées, statut {status}"
        assert re.search(rf"^run {kind} +{counted}$", printed, re.MULTILINE), printed
    assert run.data.metrics == {"lost_metrics": 0}

    for row, kinds in zip(tables(end_of("measure_tracking")), MEANT, strict=True):
        counts = {(read[kind]["exact"], read[kind]["written"]) for kind in kinds}
        if row["relues au bit près"] == "toutes":
            assert all(exact == written for exact, written in counts), row
        elif row["relues au bit près"] == "aucune":
            assert {exact for exact, _ in counts} == {0}, row
        else:
            said = in_text(r"(\d+) sur (\d+)", row["relues au bit près"])
            assert counts == {tuple(map(int, said))}, row
    assert {kind for kinds in MEANT for kind in kinds} == set(read)
    assert str(math.nextafter(math.inf, 0)) in end_of("measure_tracking")


def test_who_changes_a_value(tmp_path, monkeypatch):
    """SQLite perd le signe de zéro et garde l'infini ; MLflow remplace l'infini et coupe les
    textes ; un grand entier n'a pas de double.
    """
    with closing(sqlite3.connect(":memory:")) as base:
        base.execute("CREATE TABLE metrics (value FLOAT, other)")
        base.executemany(
            "INSERT INTO metrics VALUES (?1, ?1)", [(-0.0,), (math.inf,), (-math.inf,)]
        )
        rows = base.execute("SELECT value, other FROM metrics").fetchall()
    assert identical(rows[0][0], 0.0) and identical(rows[0][1], -0.0)
    assert [value for value, _ in rows[1:]] == [math.inf, -math.inf]
    store = SqlAlchemyStore(f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path))
    assert identical(store.sanitize_metric_value(-0.0)[1], -0.0)
    for infinite in (math.inf, -math.inf):
        finite = math.copysign(sys.float_info.max, infinite)
        assert store.sanitize_metric_value(infinite) == (False, finite)
    assert "SQLAlchemy store replaces +/- Infinity" in mlflow.log_metric.__doc__
    assert float(2**53 + 1) == 2**53

    # le magasin coupe, ou refuse, ce que le programme a envoyé entier
    run_id = store.create_run("0", "", 0, [], "textes").info.run_id
    [long] = hard_texts("paramètre")["paramètre : un caractère de trop"]
    store.log_batch(run_id, [], [Param("coupé", long)], [])
    assert store.get_run(run_id).data.params["coupé"] == long[:-1]
    monkeypatch.setenv("MLFLOW_TRUNCATE_LONG_VALUES", "false")
    with pytest.raises(mlflow.MlflowException, match="exceeds the maximum length"):
        store.log_batch(run_id, [], [Param("refusé", long)], [])


def test_identical_is_bit_for_bit_and_compare_shows_the_first_change():
    assert (
        identical(math.nan, math.nan)
        and identical(0.0, 0.0)
        and identical("é", "é")
        and identical(3, 3.0)
    )
    assert (
        not identical(-0.0, 0.0)
        and not identical(2**53 + 1, float(2**53))
        and not identical("é", None)
        and not identical(1.0, None)
    )
    assert not identical(math.nan, 1.0) and not identical(1.0, math.nan)
    assert compare("x", [1.0, 2.0, 4.0, 8.0], [1.0, 2.5, 4.0, 9.0]) == {
        "kind": "x",
        "written": 4,
        "exact": 2,
        "example": "2.0 -> 2.5",
    }
    assert compare("x", ["abc"], ["ab"])["example"] == "3 caractères -> 2"
    assert compare("x", ["abc"], ["abc"]) == {
        "kind": "x",
        "written": 1,
        "exact": 1,
        "example": "",
    }
