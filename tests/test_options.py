"""Les fonctions de `type=` : une valeur juste, ou une ligne en français. Jamais autre chose, quoi que l'on tape."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from options import existing_file, full_path, new_folder, number, short_text, whole_number

TYPED = st.one_of(
    st.text(),
    st.floats().map(repr),
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda value: f"{value:.3f}".replace(".", ",")),
    st.sampled_from(
        ["", " ", "nan", "inf", "-inf", "1e400", "0x10", "1_000", "٣", "²", "--", "$(rm -rf /)", "\ud800", "é" * 600, "9" * 5000, "a\0b"]
    ),
)


def line_of(stopped: pytest.ExceptionInfo) -> str:
    line = stopped.value.code
    assert isinstance(line, str) and "\n" not in line and len(line) < 6000 and line.endswith(".")
    return line


@given(TYPED)
def test_number_gives_a_number_in_its_bounds_or_one_line(text):
    try:
        value = number(1e-6, 100)(text)
    except SystemExit as stopped:
        assert isinstance(stopped.code, str) and "\n" not in stopped.code
        try:
            refused = float(text)
        except ValueError:
            return
        assert not 1e-6 <= refused <= 100
    else:
        assert value == float(text) and 1e-6 <= value <= 100


@given(st.floats(1e-6, 100))
def test_number_reads_what_python_writes_bit_for_bit(value):
    assert number(1e-6, 100)(repr(value)).hex() == value.hex()


@pytest.mark.parametrize(
    ("text", "accepted"), [("1e-6", True), ("100", True), ("9.9e-7", False), ("100.0000001", False), ("nan", False), ("inf", False)]
)
def test_number_at_its_bounds(text, accepted):
    if accepted:
        assert number(1e-6, 100)(text) == float(text)
    else:
        with pytest.raises(SystemExit) as stopped:
            number(1e-6, 100)(text)
        assert line_of(stopped) == f"« {text} » : il faut un nombre entre 1e-06 et 100."


def test_a_comma_for_a_point_is_said():
    with pytest.raises(SystemExit) as stopped:
        number(0, 1)("0,3")
    assert line_of(stopped) == "« 0,3 » n'est pas un nombre ; les décimales s'écrivent avec un point : 0.3."


@given(TYPED)
def test_whole_number_gives_an_integer_in_its_bounds_or_one_line(text):
    try:
        value = whole_number(2, 50)(text)
    except SystemExit as stopped:
        assert isinstance(stopped.code, str) and "\n" not in stopped.code
        try:
            assert not (text.isdecimal() and 2 <= int(text) <= 50)
        except ValueError:  # plus de 4 300 chiffres : Python refuse de les lire
            assert len(text) > 4300
    else:
        assert value == int(text) and 2 <= value <= 50


@given(st.integers(2, 50))
def test_whole_number_reads_every_integer_of_its_range(value):
    assert whole_number(2, 50)(str(value)) == value


@given(TYPED)
def test_short_text_gives_the_text_or_one_line(text):
    try:
        assert short_text(text) == text and 1 <= len(text) <= 250 and text.isprintable()
    except SystemExit as stopped:
        assert not text.strip() or len(text) > 250 or not text.isprintable()
        assert isinstance(stopped.code, str) and "\n" not in stopped.code


def test_paths_are_seen_from_where_the_command_is_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "été.csv").write_text("a\n1\n", encoding="utf-8")
    assert full_path("absent/x.csv") == str(tmp_path / "absent/x.csv")
    assert existing_file("été.csv") == str(tmp_path / "été.csv")
    assert new_folder("nouveau") == str(tmp_path / "nouveau")
    for refuse, text, reason in [
        (existing_file, "absent.csv", "il n'y a pas de fichier"),
        (existing_file, ".", "il n'y a pas de fichier"),
        (new_folder, "été.csv", "n'est pas un dossier vide"),
        (new_folder, str(tmp_path), "n'est pas un dossier vide"),
        (full_path, "", "n'est pas un chemin"),
        (full_path, "a\0b", "n'est pas un chemin"),
        (existing_file, "\udcff.csv", "n'est pas un chemin"),
    ]:
        with pytest.raises(SystemExit) as stopped:
            refuse(text)
        assert reason in line_of(stopped)


def test_the_line_stays_short_whatever_is_typed():
    for refuse in (number(0, 1), whole_number(0, 1), short_text):
        with pytest.raises(SystemExit) as stopped:
            refuse("x" * 100_000)
        assert len(stopped.value.code) < 200


def test_not_a_number_is_no_number_between_bounds():
    assert math.isnan(float("nan"))
    with pytest.raises(SystemExit):
        number(-math.inf, math.inf)("nan")
