"""Leçon 1, les données : les patientes, les métriques, le tableau du lecteur."""

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_01_runs import own_table

from options import number
from patients import clinical_metrics, known_patients, load_patients, load_table, pins, read_patients
from tables import read_table


def test_data_and_metrics_have_the_announced_sizes_and_definitions():
    data = load_patients()
    assert (len(data.X_train), len(data.X_valid), len(data.X_test)) == (341, 114, 114)
    assert sum(y.sum() for y in (data.y_train, data.y_valid, data.y_test)) == 212
    X, y = known_patients()
    assert X.shape == (455, 30) and not set(X.index) & set(data.X_test.index) and list(X.index) == list(y.index)
    # 3 malignes trouvées, 1 manquée, 2 fausses alertes, 4 bénignes reconnues
    truth, said = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0], [1, 1, 1, 0, 1, 1, 0, 0, 0, 0]
    score = [0.9, 0.8, 0.7, 0.3, 0.6, 0.6, 0.2, 0.1, 0.1, 0.1]
    assert clinical_metrics(truth, said, score) == pytest.approx(
        {
            "accuracy": 7 / 10,
            "sensitivity": 3 / 4,
            "specificity": 4 / 6,
            "precision": 3 / 5,
            "npv": 4 / 5,
            "fall_out": 2 / 6,
            "fdr": 2 / 5,
            "roc_auc": 22 / 24,
        }
    )
    nobody = clinical_metrics([1, 0], [0, 0])
    assert math.isnan(nobody["precision"]) and math.isnan(nobody["fdr"]) and nobody["sensitivity"] == 0


def test_the_pins_are_the_installed_versions():
    import sklearn

    assert [line.partition("==")[0] for line in pins("tensorflow")] == ["mlflow", "scikit-learn", "skops", "pandas", "numpy", "tensorflow"]
    assert f"scikit-learn=={sklearn.__version__}" in pins()


numbers_as_typed = st.one_of(
    st.floats().map(repr),
    st.integers(-(10**9), 10**9).map(str),
    st.floats(1e-6, 100).map(lambda value: f" {value:.3e} "),
    st.text(alphabet="0123456789.,eE+-_ naif", max_size=12),
    st.text(max_size=12),
)


@settings(max_examples=500, deadline=None)
@given(text=numbers_as_typed)
def test_a_number_option_takes_what_is_in_range_and_refuses_the_rest_in_one_line(text):
    try:
        expected = float(text)
    except ValueError:
        expected = math.nan
    if 1e-6 <= expected <= 100:
        assert number(1e-6, 100)(text) == expected
    else:
        assert refused(number(1e-6, 100), text)


@pytest.mark.parametrize("text", ["-1", "0", "nan", "inf", "-inf", "1e7", "0,3", "", "1 000"])
def test_a_number_option_refuses(text):
    assert refused(number(1e-6, 1e6), text)


@pytest.mark.parametrize("text", ["1e-6", "1e6", "3"])
def test_a_number_option_takes_its_bounds(text):
    assert number(1e-6, 1e6)(text) == float(text)


def refused(function, *arguments) -> str:
    with pytest.raises(SystemExit) as stopped:
        function(*arguments)
    message = str(stopped.value.code)
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "vide"),
        (b"  \n \n", "vide"),
        (b"une seule colonne\n1\n2\n", None),
        (b"\x89PNG\r\n\x1a\n\x00\x00,\x00", "ce n'est pas un CSV"),
        (b'a,b\n"ouvert,2\n3,4\n', "ce n'est pas un CSV"),
        (b"a,b\n1,2,3\n", "ce n'est pas un CSV"),
        (b"a,b\n1,1e300\n", "au-delà de 1e30"),
        (b"a,b\n1,inf\n", "au-delà de 1e30"),
        (b"a,b\n", "aucune ligne"),
        (b"a,a\n1,2\n", "deux colonnes s'appellent 'a'"),
    ],
)
def test_a_file_that_is_no_table_of_patients_is_refused(tmp_path, content, said):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    assert (said or "pas de colonne 'y'") in refused(load_table, str(path), "y")


@settings(max_examples=300, deadline=None)
@given(content=st.one_of(st.binary(max_size=300), st.text(alphabet='ab1;,.\t\n" é-', max_size=200).map(str.encode)))
def test_any_file_gives_a_table_or_one_line(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "hypothesis.csv"
    path.write_bytes(content)
    try:
        table, line = read_table(str(path))
    except SystemExit as stopped:
        assert str(stopped.code).startswith(str(path))
    else:
        assert table.shape[0] >= 1 and line.startswith(f"hypothesis.csv : {len(table)} lignes ; ")


@pytest.mark.parametrize(("separator", "decimal"), [(",", "."), (";", ","), ("\t", ".")])
def test_tables_of_every_dialect_read_the_same(tmp_path, separator, decimal):
    data, line = load_table(str(own_table(tmp_path / "x.csv", separator=separator, decimal=decimal)), "malade", "oui", ["numéro"])
    assert list(data.X_test.columns) == ["âge", "couleur"] and data.X_test["âge"].dtype == float
    assert len(data.X_train) + len(data.X_valid) + len(data.X_test) == 300
    assert set(data.y_test) == {0.0, 1.0}
    assert line == "x.csv : 300 lignes ; nombres : numéro, âge ; texte : couleur, malade"


def test_the_rarest_value_is_positive_by_default(tmp_path):
    path = tmp_path / "x.csv"
    pd.DataFrame({"x": range(60), "y": [1] * 20 + [2] * 40}).to_csv(path, index=False)
    for positive, expected in ((None, 20), ("2", 40)):
        data, _ = load_table(str(path), "y", positive)
        assert data.y_train.sum() + data.y_valid.sum() + data.y_test.sum() == expected


@pytest.mark.parametrize(
    ("changes", "arguments", "said"),
    [
        ({}, ("absente",), "pas de colonne 'absente'"),
        ({}, ("y", None, ["absente"]), "pas de colonne 'absente'"),
        ({}, ("y", "3"), "'3' n'est pas une valeur"),
        ({}, ("y", None, ["x"]), "il ne reste aucune colonne"),
        ({"y": [1] * 60}, ("y",), "a 1 valeurs"),
        ({"y": [0, 1, 2] * 20}, ("y",), "a 3 valeurs"),
        ({"y": [1] * 55 + [0] * 5}, ("y",), "trop peu de lignes (60, dont 5 de la classe rare)"),
        ({"x": range(30), "y": [0, 1] * 15}, ("y",), "trop peu de lignes (30"),
    ],
)
def test_a_table_that_does_not_suit_is_refused(tmp_path, changes, arguments, said):
    path = tmp_path / "x.csv"
    pd.DataFrame({"x": range(60), "y": [0, 1] * 30, **changes} if len(changes) < 2 else changes).to_csv(path, index=False)
    assert said in refused(load_table, str(path), *arguments)


@pytest.mark.parametrize(
    ("content", "said"), [("a,b\n", "aucune ligne"), ("a,c\n1,2\n", "il manque 1"), ("a,b\n1,x\n", "'b' doit"), ("a,b\n1,\n", "'b' doit")]
)
def test_new_patients_that_do_not_suit_are_refused(tmp_path, content, said):
    path = tmp_path / "x.csv"
    path.write_text(content)
    assert said in refused(read_patients, str(path), ["a", "b"])
