"""Leçon 1, la mesure : ce qui est relu est-il ce qui a été écrit ?"""

import math
import re

import mlflow
import pandas as pd
import pytest
from lesson_01 import end_of
from texts import tables

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


def test_measure_tracking(lesson):
    printed, [run] = lesson.ended("measure_tracking").stdout, lesson.runs_of("measure_tracking")
    table = pd.read_csv(
        mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="exactness.csv"),
        keep_default_na=False,
    )
    read = {row["kind"]: row for row in table.to_dict("records")}
    values = {
        **hard_numbers(),
        "les 5000 pas d'une métrique": long_history(),
        **hard_texts("paramètre"),
        **hard_texts("étiquette"),
    }
    assert {kind: len(sent) for kind, sent in values.items()} == {
        kind: row["values"] for kind, row in read.items()
    }
    # ce que l'on sait de l'IEEE 754 et des limites dit ce que le magasin doit rendre
    representable = (
        sum(int(float(value)) == value for value in values["entiers au-delà de 2^53"]) / 500
    )
    altered = {"zéro négatif": 0, "infinis": 0, "entiers au-delà de 2^53": representable}
    for kind, row in read.items():
        assert row["exact"] == pytest.approx(0 if "de trop" in kind else altered.get(kind, 1)), kind
    total = sum(row["values"] for row in read.values())
    share = sum(row["exact"] * row["values"] for row in read.values()) / total
    assert (
        run.data.metrics["exact_share"] == pytest.approx(share)
        and run.data.metrics["complete_share"] == 1
    )
    assert (
        f"{share:.1%} des {total} valeurs" in printed and "100% des métriques envoyées" in printed
    )
    for kind, (sent, status) in PROGRAMS.items():
        assert re.search(
            rf"run {kind} +{sent} métriques envoyées, {sent} retrouvées, statut {status}\n", printed
        ), printed

    for row, kinds in zip(tables(end_of("measure_tracking")), MEANT, strict=True):
        assert {f"{measured['exact']:.1%}" for kind, measured in read.items() if kind in kinds} == {
            row["exactes"]
        }, row
    assert {kind for kinds in MEANT for kind in kinds} == set(read)
    assert str(math.nextafter(math.inf, 0)) in end_of("measure_tracking")


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
        "values": 4,
        "exact": 0.5,
        "example": "2.0 -> 2.5",
    }
    assert compare("x", ["abc"], ["ab"])["example"] == "3 caractères -> 2"
    assert compare("x", ["abc"], ["abc"]) == {"kind": "x", "values": 1, "exact": 1.0, "example": ""}
