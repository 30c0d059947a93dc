"""Leçon 1, les données : les patientes, les métriques, les versions que les modèles demandent."""

import math

import pytest
import sklearn

from patients import clinical_metrics, cost, known_patients, load_patients, pins


def test_data_and_metrics_have_the_announced_sizes_and_definitions():
    data = load_patients()
    assert (len(data.X_train), len(data.X_valid), len(data.X_test)) == (341, 114, 114)
    assert sum(y.sum() for y in (data.y_train, data.y_valid, data.y_test)) == 212
    X, y = known_patients()
    assert (
        X.shape == (455, 30)
        and not set(X.index) & set(data.X_test.index)
        and list(X.index) == list(y.index)
    )
    # 3 malignes trouvées, 1 manquée, 2 fausses alertes, 4 bénignes reconnues
    truth, said = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0], [1, 1, 1, 0, 1, 1, 0, 0, 0, 0]
    score = [0.9, 0.8, 0.7, 0.3, 0.6, 0.6, 0.2, 0.1, 0.1, 0.1]
    assert clinical_metrics(truth, said, score) == pytest.approx(
        {
            "cost": 10 * 1 + 2, "accuracy": 7 / 10, "sensitivity": 3 / 4, "specificity": 4 / 6,
            "precision": 3 / 5, "npv": 4 / 5, "fall_out": 2 / 6, "fdr": 2 / 5, "roc_auc": 22 / 24,
        }
    )  # fmt: skip
    nobody = clinical_metrics([1, 0], [0, 0])
    assert (
        math.isnan(nobody["precision"]) and math.isnan(nobody["fdr"]) and nobody["sensitivity"] == 0
    )
    assert (nobody["cost"], cost([1, 1], [1, 1]), cost([0, 0], [1, 1])) == (10, 0, 2)


def test_the_pins_are_the_installed_versions():
    names = [line.partition("==")[0] for line in pins("scipy")]
    assert names == ["mlflow", "scikit-learn", "skops", "pandas", "numpy", "scipy"]
    assert f"scikit-learn=={sklearn.__version__}" in pins()
