"""Tous les clics de la leçon 2, dans un seul navigateur : l'interface garde son état d'un script à
l'autre, comme chez le lecteur.

Chaque point des « À regarder » est fait à sa place, après son script ; chaque mot que la page y
montre (*Columns*, `silhouette`) est cliqué, tapé ou vu.
"""

import pytest
from clicks import (
    ARTIFACTS, BACK, CLOSED, COLUMNS, RELOADED, Walk, needs_chromium, seen,
)  # fmt: skip

from course import SCRIPTS

pytestmark = [pytest.mark.slow, needs_chromium]
EXPERIMENT = "02_tracking_unsupervised"
ROWS = ".ag-center-cols-container .ag-row"
# onglet *Model metrics*
POINTS, BARS = (f".js-plotly-plot .{kind} path" for kind in ("scatterlayer", "barlayer"))
# dans un run, la ligne d'un modèle de la liste *Logged models*
STEP = "[role='row']:has([role='gridcell']:text-is('{}'))"

# script -> l'introduction de son « À regarder », puis chaque point
STEPS = {
    "kmeans_sweep": [
        [],
        [
            {"open": "#/experiments"}, {"role": "link", "name": EXPERIMENT, "exact": True},
            {"matching": "all"}, {"css": ROWS, "count": 1},
            {"text": "kmeans k=2 à 20", "wait": True},
        ],
        [{"run": "kmeans k=2 à 20"}, ARTIFACTS, "centroids.png", {"figure": True}],
        [
            *BACK, {"header": "Dataset", "count": 1}, COLUMNS, {"text": "Dataset", "nth": 1},
            CLOSED, {"header": "Dataset", "count": 0},
        ],
        [
            {"header": "silhouette", "count": 0}, {"contains": "Sort: Created"},
            {"role": "menuitemcheckbox", "name": "silhouette", "exact": True},
            seen("Sort: silhouette"), {"header": "silhouette", "count": 1},
            {"css": ".ag-row[row-index='0']:has-text('kmeans k=9')", "wait": True},
        ],
    ],
    "autoencoder": [
        RELOADED,
        [
            {"run": "autoencodeur code=8"}, {"role": "tab", "name": "Model metrics"},
            {"text": "loss", "wait": True}, {"text": "validation_loss", "wait": True},
            {"text": "val_loss", "wait": True}, {"css": f"{POINTS}.point", "count": 80},
            {"css": BARS, "count": 4},
        ],
        [ARTIFACTS, "reconstructions.png", {"figure": True}],
    ],
    "checkpoints": [
        RELOADED,
        [
            {"run": "points de reprise"}, {"contains": "Logged models (8)", "scroll": True},
            {"role": "columnheader", "name": "Step", "wait": True},
            *[{"css": STEP.format(epoch), "wait": True} for epoch in range(4, 40, 5)],
        ],
        [
            {"role": "columnheader", "name": "Step", "wait": True},
            {"role": "link", "name": "checkpoint", "within": {"css": STEP.format(34)}},
            seen("About this logged model"), {"text": "test_mse", "wait": True},
            {"text": "val_loss", "wait": True}, {"text": "loss", "wait": True},
        ],
    ],
    "compare_representations": [
        RELOADED,
        [
            {"run": "comparaison des représentations"}, ARTIFACTS, "ari_by_seed.json",
            {"role": "columnheader", "name": "autoencodeur 5", "wait": True},
            {"css": "[role='row']:has(> [role='cell'])", "count": 10},
        ],
        ["spread.png", {"figure": True}],
    ],
}  # fmt: skip
WALK = Walk(EXPERIMENT, STEPS)


def test_each_point_of_the_page_is_walked():
    core = [script.name for script in SCRIPTS if script.lesson == EXPERIMENT and script.core]
    assert list(STEPS) == core and WALK.forgotten() == []


def test_the_page_walked_from_end_to_end(tmp_path):
    WALK.follow(tmp_path)
