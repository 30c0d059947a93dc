"""Les lecteurs de CSV, sur des milliers de tableaux tirés au sort : le bon résultat, ou une ligne qui dit le doute ou le refus."""

import runpy
import signal
import sys
import tracemalloc

import pandas as pd
import patients
import pytest
from conftest import ROOT
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from splits import split
from tables import read_table

many = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
NUMBER = st.tuples(st.sampled_from(["", "-"]), st.integers(0, 9_999_999), st.text("0123456789", max_size=4))
# (ce qui sépare les milliers, ce qui sépare les décimales), selon les pays
COUNTRIES = {
    "France": (" \u00a0\u202f", ","),
    "Royaume-Uni": (",", "."),
    "Allemagne": (".", ","),
    "programme": ("", "."),
    "Excel": ("", ","),
}


@pytest.fixture(scope="module")
def diabetes() -> dict:
    """Les fonctions de diabetes.py ; les signaux qu'il détourne en s'important sont rendus aussitôt."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    sys.path.insert(0, str(ROOT / "03_mlflow_project"))
    try:
        return runpy.run_path(str(ROOT / "03_mlflow_project/diabetes.py"))
    finally:
        sys.path.pop(0)
        for number, handler in kept.items():
            signal.signal(number, handler)


def written(number: tuple[str, int, str], thousands: str, decimal: str) -> str:
    sign, whole, decimals = number
    digits = f"{whole:,}".replace(",", thousands)
    return sign + digits + (decimal + decimals if decimals else "")


def value(number: tuple[str, int, str]) -> float:
    sign, whole, decimals = number
    return float(f"{sign}{whole}.{decimals or 0}")


def read(folder, text: str, encoding: str = "utf-8"):
    path = folder / "tableau.csv"
    path.write_bytes(text.encode(encoding))
    return read_table(path)


def one_line(call, *arguments):
    """Ce que renvoie l'appel, ou le refus : une ligne. Toute autre exception fait échouer le test."""
    try:
        return call(*arguments)
    except SystemExit as stopped:
        assert isinstance(stopped.code, str) and stopped.code and "\n" not in stopped.code and len(stopped.code) < 3000
        return None


@many
@given(data=st.data(), country=st.sampled_from(list(COUNTRIES)), numbers=st.lists(NUMBER, min_size=1, max_size=8))
def test_a_column_written_in_any_country_is_right_or_its_doubt_is_said(tmp_path, data, country, numbers):
    spaces, decimal = COUNTRIES[country]
    thousands = data.draw(st.sampled_from(list(spaces) or [""]))
    cells = [written(number, thousands, decimal) for number in numbers]
    found, line = read(tmp_path, "montant;n\n" + "".join(f"{cell};1\n" for cell in cells))
    if found["montant"].tolist() != [value(number) for number in numbers]:
        assert "y est lu" in line, (cells, found["montant"].tolist())


WORD = st.text(st.sampled_from("aZé ç0œ€’\"',;\t\n.-"), min_size=1, max_size=12).filter(
    lambda word: word == word.strip() and word.lower() not in ("na", "nan")
)


@many
@given(rows=st.lists(st.tuples(WORD, WORD), min_size=1, max_size=6), separator=st.sampled_from(",;\t"),
       encoding=st.sampled_from(["utf-8", "utf-8-sig", "cp1252"]))  # fmt: skip
def test_texts_come_back_whatever_the_separator_the_quotes_and_the_encoding(tmp_path, rows, separator, encoding):
    """Des guillemets, des fins de ligne dans une case, et l'encodage d'un Excel français, qui écrit œ et € à sa façon."""
    assume(not all(word.replace(",", ".").strip().replace(".", "", 1).lstrip("-").isdigit() for word, _ in rows))
    table = pd.DataFrame(rows, columns=["sœur", "prix en €"])
    found, _ = read(tmp_path, table.to_csv(index=False, sep=separator, quoting=1), encoding)
    assert list(found) == ["sœur", "prix en €"]
    for name in table:
        if found[name].dtype != float:
            assert found[name].tolist() == table[name].tolist()


def test_bytes_of_no_encoding_are_refused(tmp_path):
    (tmp_path / "tableau.csv").write_bytes(b"a;b\n1;\x81\x8d\n")
    with pytest.raises(SystemExit, match="encodage"):
        read_table(tmp_path / "tableau.csv")


def test_long_identifiers_stay_text(tmp_path):
    """Au-delà de 2^53, deux entiers voisins deviennent le même réel : un identifiant n'en est pas un."""
    assert float("9007199254740993") == float("9007199254740992")
    found, line = read(tmp_path, "patient;n\n9007199254740993;1\n9007199254740992;2\n")
    assert found["patient"].tolist() == ["9007199254740993", "9007199254740992"]
    assert "texte : patient (« 9007199254740993 » est trop long pour un nombre)" in line


@many
@given(day=st.dates(), form=st.sampled_from(["%d/%m/%Y", "%Y-%m-%d", "%d.%m.%Y", "%d %B %Y", "%Y/%m/%d", "%H:%M", "%d-%m-%y"]))
def test_dates_stay_text(tmp_path, day, form):
    cell = day.strftime(form)
    found, line = read(tmp_path, f"jour;n\n{cell};1\n")
    assert found["jour"].tolist() == [cell] and "texte : jour" in line


# ------------------------------------------------------------------------------------- les lecteurs des leçons 1 et 3, qui s'en servent

CELL = st.one_of(
    NUMBER.map(lambda number: written(number, "", ".")),
    st.sampled_from(["", "oui", "non", "NaN", "inf", "1e400", "é", "0", "1"]),
)


def table(data, lowest: int = 0) -> str:
    names = data.draw(st.lists(st.sampled_from(["a", "b", "é", "cible", ""]), min_size=1, max_size=5))
    width, height = len(names), data.draw(st.sampled_from([lowest, 1, 49, 50, 60]))
    few = data.draw(st.lists(CELL, min_size=1, max_size=6))
    rows = [[few[(row * width + column) % len(few)] for column in range(width)] for row in range(height)]
    return "\n".join(";".join(row) for row in [names, *rows]) + "\n"


@many
@given(data=st.data())
def test_any_table_is_split_or_refused_in_one_line(tmp_path, diabetes, data):
    """Une ligne, une classe, des cases vides, des infinis, des colonnes du même nom, sans nom."""
    path = tmp_path / "tableau.csv"
    path.write_text(table(data), encoding="utf-8")
    result = one_line(patients.load_table, str(path), "cible")
    if result:
        parts, _ = result
        assert sum(map(len, parts[3:])) >= 50 and {*parts.y_train} == {*parts.y_test} == {0.0, 1.0}
    result = one_line(patients.read_patients, str(path), ["a", "cible"])
    if result:
        assert result[0].notna().all(axis=None) and list(result[0]) == ["a", "cible"]
    result = one_line(diabetes["load_table"], str(path), "cible")
    if result is not None:
        assert len(result) >= 50 and result["cible"].notna().all() and result["cible"].nunique() > 1


@many
@given(data=st.data())
def test_parts_of_a_project_are_read_back_as_they_were(tmp_path, diabetes, data):
    """`prepare` écrit des CSV que `train` relit : les mêmes nombres, au bit près, les mêmes textes."""
    numbers = data.draw(st.lists(st.floats(-1e29, 1e29), min_size=6, max_size=12))
    words = data.draw(st.lists(st.sampled_from(["x", "y z", "é;", '"', "b, c"]), min_size=len(numbers), max_size=len(numbers)))
    whole = pd.DataFrame({"nombre": numbers, "mot": words, "cible": [float(place) for place in range(len(numbers))]})
    parts = split(whole[["nombre", "mot"]], whole["cible"])
    diabetes["write_parts"](parts, list(whole), tmp_path)
    for before, after in zip(parts, diabetes["read_parts"](tmp_path, "cible"), strict=True):
        assert before.to_numpy().tolist() == after.to_numpy().tolist()


@pytest.mark.parametrize("content", [
    ";".join(f"c{i}" for i in range(1_500)) + "\n" + ";".join(["1,5"] * 1_500) + "\n",  # mille cinq cents colonnes
    "a;b\n" + "1 234,5;x\n" * 100_000,
    "a;b\n" + "x" * 2_000_000 + ";1\n",  # une case de deux millions de lettres
    "a;b\n" + '"' + "1\n" * 500_000 + '";1\n',
], ids=["colonnes", "lignes", "case", "fins de ligne"])  # fmt: skip
def test_memory_stays_in_proportion_to_the_file(tmp_path, content):
    path = tmp_path / "tableau.csv"
    path.write_text(content, encoding="utf-8")
    tracemalloc.start()
    try:
        one_line(read_table, path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000 + 40 * len(content)
