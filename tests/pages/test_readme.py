"""L'accueil : ses nombres sont ceux des leçons, des scripts, des données et des outils ; rien n'y
est écrit deux fois à la main.
"""

import math
import re
import sqlite3
import tomllib
from contextlib import closing

from sklearn import datasets
from texts import ROOT, last_cell, lesson_text, tables

import course

README = (ROOT / "README.md").read_text(encoding="utf-8")
LESSONS = {number: lesson_text(lesson) for number, lesson in enumerate(course.LESSONS, 1)}
TABLES = tables(README.replace("\\|", "¦"))  # une barre, dans une commande du tableau
MEASURES = [row for row in TABLES if set(row) == {"question", "réponse", "chiffre"}]


def flat(text: str) -> str:
    """Le texte sur une ligne, les milliers sans espace, les pour cent sans la leur."""
    return re.sub(
        r" (?=%)",
        "",
        re.sub(r"(?<=\d) (?=\d{3}\b)", "", re.sub(r"\s+", " ", text.replace("\n# ", " "))),
    )


def found(pattern: str, text: str) -> tuple[str, ...]:
    """Ce que le motif capture, une fois et une seule."""
    [match] = re.finditer(pattern, flat(text))
    return match.groups()


def measure(lesson: int) -> dict[str, str]:
    row = MEASURES[lesson - 1]
    assert row["question"].startswith(f"{lesson}. ")
    return row


def test_exactness():
    """Ce qui change en étant enregistré : les natures que la mesure de la leçon 1 a vues changer,
    et ce que la page dit de chacune.
    """
    assert len(MEASURES) == len(LESSONS) == 4
    counted = re.findall(r"^run .*?(\d+) métriques envoyées, (\d+) retr", LESSONS[1], re.MULTILINE)
    assert counted and all(sent == stored for sent, stored in counted)
    assert measure(1)["chiffre"].startswith("0 métrique perdue")
    rows = tables(last_cell("01_tracking_supervised/local/13_measure_tracking.py"))
    changed = [row["nature"] for row in rows if row["relues au bit près"] != "toutes"]
    said = measure(1)["réponse"].partition("quatre cas : ")[2].split(" ; ")
    words = {
        "zéro négatif": "-0.0, dont SQLite",
        "entiers au-delà de 2^53": "2^53, parce",
        "infinis": "l'infini, que MLflow",
        "un caractère de trop": "qui sont coupés",
    }
    assert len(changed) == len(said) == len(words)
    for nature, phrase in words.items():
        assert any(each.startswith(nature) for each in changed)
        assert any(phrase in each for each in said)


def test_who_changes_a_number():
    """SQLite seul perd le signe de -0.0 et garde l'infini ; le réel confond déjà 2^53 + 1."""
    with closing(sqlite3.connect(":memory:")) as base:
        base.execute("CREATE TABLE metrics (value REAL)")
        base.executemany("INSERT INTO metrics VALUES (?)", [(-0.0,), (math.inf,)])
        (zero,), (infinite,) = base.execute("SELECT value FROM metrics")
    assert math.copysign(1, zero) == 1 and infinite == math.inf
    assert float(2**53 + 1) == 2**53


def test_cost():
    """La taille d'un run, le tri avant et après ANALYZE, et la lecture en tableau."""
    [largest] = [
        row
        for row in tables(last_cell("02_tracking_unsupervised/local/06_measure_storage.py"))
        if row["runs"] == "10000"
    ]
    size, best, analyzed = found(
        r"([\d.]+) ko par run ; .*? (\d+) ms, et (\d+) ms après", measure(2)["chiffre"]
    )
    assert (size,) == found(r"ajoute ensuite ([\d.]+) ko", LESSONS[2])
    assert (f"{best} ms", f"{analyzed} ms") == (
        largest["les dix meilleurs"],
        largest["après ANALYZE"],
    )
    (seconds,) = found(r"10000 runs de cinq valeurs en ([\d.]+) s aujourd'hui", README)
    assert seconds == f"{int(largest['tous, en tableau'].split()[0]) / 1000:.1f}"


def test_reproducibility():
    summary = last_cell("03_mlflow_project/local/06_measure_reproducibility.py")
    same = [
        row["son double est identique"]
        for row in tables(summary)
        if row["run"].startswith("ElasticNet")
    ]
    assert (
        re.match(r"(\d+) runs? sur (\d+)", measure(3)["chiffre"]).groups()
        == re.fullmatch(r"(\d+) sur (\d+)", same[0]).groups()
    )
    assert (
        "une commande, aucune retouche" in flat(summary).lower()
        and "une commande, aucune retouche" in measure(3)["chiffre"]
    )
    assert (
        "avec une graine et un commit" in flat(summary)
        and "avec une graine et un commit" in measure(3)["réponse"]
    )


def test_traceability():
    links, predictions, all_of_them = found(
        r"les (\d+) maillons se retrouvent et sont vrais pour (\d+) prédictions sur (\d+)",
        last_cell("04_model_registry_azureml/local/11_measure_traceability.py"),
    )
    assert predictions == all_of_them
    assert found(r"^les (\d+) étapes .* (\d+) prédictions$", measure(4)["chiffre"]) == (
        links,
        predictions,
    )
    history = tables(last_cell("04_model_registry_azureml/local/12_measure_history.py"))
    [lost] = [row["où"] for row in history if row["ancienne valeur"] == "perdue"]
    assert [
        each for each in lost.split(", ") if each.partition(" ")[0] not in measure(4)["réponse"]
    ] == []


def test_path():
    """Chaque leçon a sa ligne, son temps est celui qu'elle annonce, et ses données ont la taille
    dite.
    """
    hours = {
        "3 heures": "trois heures", "60 min": r"une heure(?! et)",
        "45 min": "45",
    }  # fmt: skip
    data = [
        datasets.load_breast_cancer,
        datasets.load_digits,
        datasets.load_diabetes,
        datasets.load_wine,
    ]
    rows = [row for row in TABLES if "ce que vous y faites" in row]
    for (number, page), row, load in zip(LESSONS.items(), rows, data, strict=True):
        assert re.match(
            rf"\[{number}\. .+\]\({course.LESSONS[number - 1]}/README.md\)$", row["leçon"]
        )
        objective = re.search(r"^## Objectif\n(.+?)^## ", page, re.DOTALL | re.MULTILINE)[1]
        assert re.search(hours[row["temps"]], flat(objective).lower())
        assert found(r", sur (\d+) ", row["ce que vous y faites"]) == (str(len(load().data)),)


def test_what_one_does_first_and_last():
    """Le premier script et sa durée, celle du plan ; les tests et la leur, celle de
    tests/README.md.
    """
    first = course.SCRIPTS[0]
    assert (
        f"\n{first.command}\n" in README
        and f"répond en {course.spoken(first.seconds).lower()}" in README
    )
    [tests] = [
        row
        for row in tables((ROOT / "tests/README.md").read_text(encoding="utf-8"))
        if row.get("commande") == "`uv run --group test pytest`"
    ]
    [minutes] = [each for column, each in tests.items() if column.startswith("durée")]
    assert f"({minutes.partition(',')[0]}) :\n\n```bash\nuv run --group test pytest\n" in README


def test_what_must_be_installed():
    """Les versions de Python ; chaque script qui a besoin de uv ou d'un groupe facultatif, et le
    groupe ; ce qui se télécharge.
    """
    install = re.search(r"^## Installer\n(.+?)^## ", README, re.DOTALL | re.MULTILINE)[1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    low, high = map(int, re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project["requires-python"]).groups())
    *others, last = [f"3.{minor}" for minor in range(low, high)]
    assert (
        f"Python {', '.join(others)} ou {last}." in install
        and f"Python {', '.join(others)} et {last} ;" in README
    )
    for script in course.SCRIPTS:
        if script.groups or "uv" in script.needs:
            assert f"`{script.stem}.py` (leçon {int(script.lesson[:2])})" in install
        assert all(f"`--group {group}`" in install for group in script.groups)
    # ce que deploy_local écrit
    assert found(r"télécharge (\d+) Mo", install) == found(r"une fois, (\d+) Mo", LESSONS[4])
