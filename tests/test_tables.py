"""`read_table` : le tableau juste et une ligne qui dit comment il a été lu, ou une ligne de refus ; jamais une valeur fausse en silence."""

import math
import time

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tables import read_table

NAMES = st.lists(st.from_regex(r"[A-Za-zé_]{1,8}", fullmatch=True), min_size=1, max_size=5, unique_by=str.lower)
anywhere = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def read(folder, text: str | bytes):
    path = folder / "tableau.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_table(path)


def refused(folder, text: str | bytes) -> str:
    with pytest.raises(SystemExit) as stopped:
        read(folder, text)
    assert isinstance(stopped.value.code, str) and "\n" not in stopped.value.code
    return stopped.value.code


@anywhere
@given(data=st.data(), names=NAMES, separator=st.sampled_from([",", ";", "\t"]))
def test_numbers_written_by_pandas_come_back_bit_for_bit(tmp_path, data, names, separator):
    finite = st.floats(-1e30, 1e30)
    rows = data.draw(st.lists(st.tuples(*[finite] * len(names)), min_size=1, max_size=8))
    table = pd.DataFrame(rows, columns=names)
    table.to_csv(tmp_path / "tableau.csv", index=False, sep=separator)
    found, _ = read_table(tmp_path / "tableau.csv")
    assert [[value.hex() for value in row] for row in found.to_numpy().tolist()] == [
        [value.hex() for value in row] for row in table.to_numpy().tolist()
    ]


@anywhere
@given(values=st.lists(st.decimals(-99999, 99999, places=2), min_size=2, max_size=6))
def test_a_french_excel_gives_the_same_numbers(tmp_path, values):
    """Virgule décimale, point-virgule, encodage d'un Excel français."""
    text = "prix;étage\n" + "\n".join(f"{str(value).replace('.', ',')};{i}" for i, value in enumerate(values))
    found, line = read(tmp_path, text.encode("latin-1"))
    assert found["prix"].tolist() == [float(value) for value in values]
    assert "nombres : prix" in line and "étage" in line


@pytest.mark.parametrize("space", ["\u00a0", "\u202f", " "])
def test_thousands_parted_by_a_space_are_numbers(tmp_path, space):
    found, line = read(tmp_path, f"salaire;n\n1{space}234;1\n12{space}345,5;2\n999;3\n")
    assert found["salaire"].tolist() == [1234.0, 12345.5, 999.0]
    assert line == "tableau.csv : 3 lignes ; nombres : salaire, n"


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        (["1,234,567", "12"], [1234567.0, 12.0]),
        (["1,234.50", "2,345.25"], [1234.5, 2345.25]),
        (["1.234,50", "12,3"], [1234.5, 12.3]),
        (["1.234.567", "1.000"], [1234567.0, 1000.0]),
    ],
)
def test_thousands_that_leave_no_doubt_are_numbers(tmp_path, written, read_as):
    found, line = read(tmp_path, "a;b\n" + "\n".join(f"{value};x" for value in written))
    assert found["a"].tolist() == read_as
    assert line == "tableau.csv : 2 lignes ; nombres : a ; texte : b"


def test_a_doubtful_thousands_separator_is_said(tmp_path):
    found, line = read(tmp_path, "prix;n\n1,234;1\n12,345;2\n")
    assert found["prix"].tolist() == [1.234, 12.345]
    assert line == "tableau.csv : 2 lignes ; nombres : prix (« 1,234 » y est lu 1.234, pas 1234), n"


def test_a_word_among_numbers_makes_text_and_is_named(tmp_path):
    found, line = read(tmp_path, "revenu;n\n1200;1\nn.c.;2\n1500;3\n")
    assert found["revenu"].tolist() == ["1200", "n.c.", "1500"]
    assert line == "tableau.csv : 3 lignes ; nombres : n ; texte : revenu (à cause de « n.c. »)"


def test_empty_cells_are_missing_values(tmp_path):
    found, line = read(tmp_path, "a,b,c\n1,,x\n,2,\n")
    assert math.isnan(found["a"][1]) and math.isnan(found["b"][0]) and pd.isna(found["c"][1])
    assert line == "tableau.csv : 2 lignes ; nombres : a, b ; texte : c"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "vide"),
        (" \n\n", "vide"),
        ("a,b\n", "aucune ligne"),
        ("a,a\n1,2\n", "deux colonnes s'appellent 'a'"),
        ("a,b\n1,2,3\n", "pas un CSV"),
        ('a,b\n"1,2\n', "pas un CSV"),
        (b"PK\x03\x04\0\0", "pas un CSV"),
        ("a,b\n1e400,2\n", "1e30"),
        ("a,b\ninf,2\n", "1e30"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(tmp_path, text, reason):
    assert reason in refused(tmp_path, text)


def test_a_missing_file_and_a_folder_are_refused_in_one_line(tmp_path):
    for path in (tmp_path / "absent.csv", tmp_path):
        with pytest.raises(SystemExit, match="lecture impossible"):
            read_table(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=400)
@given(content=st.one_of(st.binary(max_size=300), st.text(alphabet='ab1,;.\t"\n -é\u00a0', max_size=200).map(str.encode)))
def test_anything_is_a_table_or_one_line(tmp_path, content):
    try:
        table, line = read(tmp_path, content)
    except SystemExit as stopped:
        assert isinstance(stopped.code, str) and "\n" not in stopped.code
    else:
        assert len(table) and "\n" not in line and line.startswith("tableau.csv : ")
        assert all(
            column.dtype == float or all(isinstance(value, str) or pd.isna(value) for value in column) for _, column in table.items()
        )


def test_thousands_of_columns_cost_in_proportion_and_the_line_stays_short(tmp_path):
    def wide(columns: int):
        start = time.process_time()
        found = read(tmp_path, ",".join(f"c{i}" for i in range(columns)) + "\n" + "\n".join(",".join(["1.5"] * columns) for _ in range(20)))
        return *found, time.process_time() - start

    _, _, few = wide(300)
    table, line, many = wide(3000)
    assert table.shape == (20, 3000) and many < 30 * few  # dix fois plus de colonnes
    assert line.endswith("et 2988 autres") and len(line) < 200
