"""Tous les clics de la leçon 1, dans un seul navigateur : l'interface garde son état d'un script à
l'autre, comme chez le lecteur.

Chaque point des « À regarder » est fait à sa place, après son script ; chaque mot que la page y
montre (*Columns*, `cost`, « svm complet », **+**) est cliqué, tapé ou vu.
"""

import pytest
from clicks import (
    ARTIFACTS, BACK, BAR, CLOSED, COLUMNS, RELOADED, Walk, fold, needs_chromium, seen, words,
)  # fmt: skip

from course import SCRIPTS

pytestmark = [pytest.mark.slow, needs_chromium]
EXPERIMENT = "01_tracking_supervised"
AXIS = "[role='dialog'] input[id^='dubois-select']"
FRAME = "[data-component-id='fullscreen_button_chartcard']"
OPTION = ".du-bois-light-select-item-option[title='{}']"

# script -> l'introduction de son « À regarder », puis chaque point
STEPS = {
    "first_run": [
        [],
        [{"printed": True}, {"matching": "8 matching runs"}, {"header": "cost", "count": 0}],
        [
            {"run": "svm gamma=0.3"}, seen("Metrics (9)"), seen("Parameters (1)"),
            {"text": "gamma", "wait": True}, seen("Tags"), seen("question"), seen("Source"),
            seen("01_first_run.py"), {"commit": True},
        ],
        BACK,
        [
            COLUMNS, {"text": "Dataset", "nth": 1}, "cost", "sensitivity", CLOSED,
            {"header": "Dataset", "count": 0},
            {"cell": ["svm gamma=0.3", "cost", "12"]},
            {"cell": ["svm gamma=1", "sensitivity", "0"]},
        ],
    ],
    "autolog": [
        BACK,
        [
            {"run": "svm autolog"}, ARTIFACTS,
            {"css": ":text-matches('^training_.*[.]png$')", "count": 3},
            {"css": ":text-matches('[.]png$')", "count": 3},
        ],
        [
            *BACK, fold("grille autolog", "+"), {"children": "grille autolog", "count": 5},
            fold("grille autolog", "−"), {"children": "grille autolog", "count": 0},
        ],
    ],
    "full_run": [
        RELOADED,
        [
            {"run": "svm complet"}, seen("Le SVM de moindre coût du premier script"),
            seen("Datasets"), seen("breast_cancer_train"),
        ],
        [ARTIFACTS, "confusion_matrix.png", {"figure": True}],
        [
            *BACK, COLUMNS, "roc_auc", CLOSED,
            {"cell": ["svm gamma=0.03", "roc_auc", "1"]}, {"cell": ["svm gamma=1", "roc_auc", "1"]},
        ],
    ],
    "open_model": [
        [],
        [
            {"role": "link", "name": "Models", "exact": True}, seen("Failed"),
            {"role": "link", "name": "svm_complet", "exact": True}, seen("Metrics (9)"),
            seen("svm complet"), seen("03_full_run.py"), seen("Ready"),
        ],
        [
            {"role": "link", "name": "Artifacts"}, "MLmodel",
            seen("python_function:"), seen("sklearn:"), seen("signature:"),
        ],
    ],
    "svm_sweep": [
        RELOADED,
        [fold("svm balayage", "+"), {"children": "svm balayage", "count": 35}],
        [{"css": BAR, "type": "metrics.cv_cost < 70"}, {"matching": "4 matching runs"}],
        [
            seen("Sort: Created"), {"contains": "Sort: Created"},
            {"placeholder": "Search", "exact": True, "fill": "cv_cost"},
            {"role": "menuitemcheckbox", "name": "cv_cost", "exact": True},
            {"matching": "3 matching runs"},
            {"contains": "Sort: cv_cost"}, {"role": "button", "name": "Sort ascending"},
            {"css": ".ag-row[row-index='0']:has-text('C=1000 gamma=0.001')", "wait": True},
            {"css": ".ag-row[row-index='2']:has-text('C=1 gamma=0.1')", "wait": True},
        ],
        [{"css": BAR, "type": "metrics.cv_cost < 300"}, {"matching": "30 matching runs"}],
        [
            {"css": "[data-component-id$='runscontrolsfilters.tsx_184'] > *", "nth": 1},
            {"css": "[data-testid='experiment-view-runs-visibility-column-header']"},
            {"contains": "Show all runs"},
        ],
        [
            {"role": "button", "name": "Add chart"}, "Scatter chart", seen("X axis"),
            {"css": AXIS, "fill": "log10_gamma"}, {"css": OPTION.format("log10_gamma")},
            seen("Y axis"),
            {"css": AXIS, "nth": 1, "fill": "cv_cost"},
            {"css": OPTION.format("cv_cost")},
            {"css": "[role='dialog'] .ytitle:text-is('cv_cost')", "wait": True},
            {"role": "button", "name": "Add chart", "nth": -1},
        ],
        [
            {"placeholder": "Search metric charts", "fill": "gamma"}, {"css": FRAME, "count": 1},
            {"css": FRAME},
            {"css": "[role='dialog'] .scatterlayer path.point", "count": 30},
            {"label": "Close", "within": {"role": "dialog"}},
        ],
        [*BACK, fold("svm balayage", "−"), {"children": "svm balayage", "count": 0}],
    ],
    "compare_models": [
        RELOADED,
        [{"css": BAR, "paste": "tags.comparison = '"}, {"matching": "7 matching runs"}],
        [
            {"label": "Select all runs"}, {"role": "button", "name": "Compare"},
            seen("Comparing 7 Runs"),
        ],
        [
            {"role": "tab", "name": "Scatter Plot"}, seen("X-axis"), {"css": "#x-axis-selector"},
            {"role": "option", "name": "specificity", "exact": True}, seen("Y-axis"),
            {"css": "#y-axis-selector"}, {"role": "option", "name": "sensitivity", "exact": True},
            {"css": ".xtitle:text-is('specificity')", "wait": True},
            {"css": ".ytitle:text-is('sensitivity')", "wait": True},
            {"points": [7, 6]},
        ],
    ],
    "search_runs": [
        [
            *RELOADED, {"run": "jugement du meilleur svm"}, seen("test_cost"),
            {"shown": r"breast_cancer_test \(\w+\)\s+Test"},
        ],
    ],
    "annotate_runs": [
        RELOADED,
        [
            {"run": "svm gamma=0.3"}, seen("Description"), {"label": "Edit description"},
            {"css": "[data-testid='text-area']", "fill": "Le moindre coût des quatre."},
            {"role": "button", "name": "Save"},
            {"css": "[data-testid='text-area']", "count": 0}, seen("Le moindre coût des quatre."),
        ],
        [
            seen("Tags"), {"label": "Edit tags"}, seen("Key"), {"css": AXIS, "fill": "review"},
            {"css": AXIS, "press": "Enter"}, seen("Value"),
            {"placeholder": "Type a value", "fill": "à revoir"}, {"label": "Add tag", "sign": "+"},
            {"role": "button", "name": "Save tags"}, {"css": "[role='dialog']", "count": 0},
        ],
        [
            *BACK, {"css": BAR, "type": "tags.review = 'à revoir'"},
            {"matching": "1 matching run"}, {"text": "svm gamma=0.3", "wait": True},
        ],
    ],
}  # fmt: skip
WALK = Walk(EXPERIMENT, STEPS, {"svm_sweep": "Lire le balayage dans l'interface"})


def test_each_point_of_the_page_is_walked():
    core = [script.name for script in SCRIPTS if script.lesson == EXPERIMENT and script.core]
    assert list(STEPS) == core and WALK.forgotten() == []
    assert words("« svm » et *Runs*, `a = 1`, **+** ; **pas** `test_...`") == {
        "svm", "Runs", "a=1", "+", "test_",
    }  # fmt: skip


def test_the_page_walked_from_end_to_end(tmp_path):
    course = WALK.follow(tmp_path)
    [reviewed] = course.runs(EXPERIMENT, "tags.review = 'à revoir'")
    assert reviewed.data.tags["mlflow.note.content"] == "Le moindre coût des quatre."
