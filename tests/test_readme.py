"""L'accueil : ses nombres sont ceux des leçons, des scripts, des données et des outils ; rien n'y est écrit deux fois à la main."""

import re
import tomllib

import course
import pytest
from conftest import ROOT, last_cell, tables
from sklearn import datasets

README = (ROOT / "README.md").read_text(encoding="utf-8")
LESSONS = {number: (ROOT / lesson / "README.md").read_text(encoding="utf-8") for number, lesson in enumerate(course.LESSONS, 1)}
TABLES = tables(README.replace("\\|", "¦"))  # une barre, dans une commande du tableau
MEASURES = [row for row in TABLES if set(row) == {"question", "réponse", "chiffre"}]


def flat(text: str) -> str:
    """Le texte sur une ligne, les milliers sans espace, les pour cent sans la leur."""
    return re.sub(r" (?=%)", "", re.sub(r"(?<=\d) (?=\d{3}\b)", "", re.sub(r"\s+", " ", text.replace("\n# ", " "))))


def found(pattern: str, text: str) -> tuple[str, ...]:
    """Ce que le motif capture, une fois et une seule."""
    [match] = re.finditer(pattern, flat(text))
    return match.groups()


def measure(lesson: int) -> dict[str, str]:
    row = MEASURES[lesson - 1]
    assert row["question"].startswith(f"{lesson}. ")
    return row


def test_there_is_one_measure_a_lesson():
    assert len(MEASURES) == len(LESSONS) == 4


def test_exactness():
    """Les deux parts et le nombre de valeurs : ce que la leçon 1 montre, et que son test compare à la sortie du script."""
    shown = found(r"Exactes au bit près : ([\d.]+)% des (\d+) valeurs Retrouvées : (\d+)% des métriques envoyées", LESSONS[1])
    assert found(r"([\d.]+)% de (\d+) valeurs.*?(\d+)% des métriques envoyées", measure(1)["chiffre"]) == shown


@pytest.mark.parametrize(
    "nature, words",
    [("infinis", "non pour l'infini"), ("zéro négatif", "le zéro négatif"), ("entiers au-delà de 2^53", "les grands entiers")],
)
def test_what_is_not_exact(nature, words):
    [row] = [row for row in tables(last_cell("01_tracking_supervised/local/measure_tracking.py")) if row["nature"] == nature]
    assert float(row["exactes"].rstrip("%")) < 2
    assert words in measure(1)["réponse"].partition(";")[2]


def test_cost():
    """La taille d'un run, le tri avant et après ANALYZE, et la lecture en tableau."""
    [largest] = [row for row in tables(last_cell("02_tracking_unsupervised/local/measure_storage.py")) if row["runs"] == "10000"]
    size, best, analyzed = found(r"([\d.]+) ko par run ; .*? (\d+) ms, et (\d+) ms après", measure(2)["chiffre"])
    assert (size,) == found(r"ajoute ensuite ([\d.]+) ko", LESSONS[2])
    assert (f"{best} ms", f"{analyzed} ms") == (largest["les dix meilleurs"], largest["après ANALYZE"])
    (seconds,) = found(r"10000 runs de cinq valeurs en ([\d.]+) s aujourd'hui", README)
    assert seconds == f"{int(largest['tous, en tableau'].split()[0]) / 1000:.1f}"


def test_reproducibility():
    summary = last_cell("03_mlflow_project/local/measure_reproducibility.py")
    same = [row["son double est identique"] for row in tables(summary) if row["run"].startswith("ElasticNet")]
    assert re.match(r"(\d+) runs? sur (\d+)", measure(3)["chiffre"]).groups() == re.fullmatch(r"(\d+) sur (\d+)", same[0]).groups()
    assert "une commande, aucune retouche" in flat(summary).lower() and "une commande, aucune retouche" in measure(3)["chiffre"]
    assert "avec une graine et un commit" in flat(summary) and "avec une graine et un commit" in measure(3)["réponse"]


def test_traceability():
    links, predictions, all_of_them = found(
        r"les (\d+) maillons se retrouvent et sont vrais pour (\d+) prédictions sur (\d+)",
        last_cell("04_model_registry_azureml/local/measure_traceability.py"),
    )
    assert predictions == all_of_them
    assert measure(4)["chiffre"] == f"{links} maillons sur {links} pour {predictions} prédictions"
    [lost] = [
        row["où"] for row in tables(last_cell("04_model_registry_azureml/local/measure_history.py")) if row["ancienne valeur"] == "perdue"
    ]
    for each in lost.split(", "):
        assert each.partition(" ")[0] in measure(4)["réponse"], each


PATH = [row for row in TABLES if "ce que vous y faites" in row]
HOURS = {"60 min": "une heure", "45 min": "45", "45 à 60 min": "45 à 60"}


@pytest.mark.parametrize("number", LESSONS)
def test_path(number):
    """Chaque leçon a sa ligne, son temps est celui qu'elle annonce, et ses données ont la taille dite."""
    row = PATH[number - 1]
    assert re.match(rf"\[{number}\. .+\]\({course.LESSONS[number - 1]}/README.md\)$", row["leçon"])
    objective = re.search(r"^## Objectif\n(.+?)^## ", LESSONS[number], re.DOTALL | re.MULTILINE)[1]
    assert HOURS[row["temps"]] in objective.lower()
    load = {1: datasets.load_breast_cancer, 2: datasets.load_digits, 3: datasets.load_diabetes, 4: datasets.load_wine}[number]
    assert found(r", sur (\d+) ", row["ce que vous y faites"]) == (str(len(load().data)),)


def test_first_run():
    """La durée annoncée est celle du plan, et le premier script est bien celui que l'on fait lancer."""
    first = course.SCRIPTS[0]
    assert f"\n{first.command}\n" in README
    assert f"répond en {course.spoken(first.seconds).lower()}" in README


def test_python_versions():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    low, high = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project["requires-python"]).groups()
    versions = [f"3.{minor}" for minor in range(int(low), int(high))]
    assert f"Python {', '.join(versions[:-1])} ou {versions[-1]}." in README


def test_what_needs_more_is_said():
    """« Installer » nomme chaque script qui a besoin de uv ou d'un groupe facultatif, et le groupe."""
    install = re.search(r"^## Installer\n(.+?)^## ", README, re.DOTALL | re.MULTILINE)[1]
    for script in course.SCRIPTS:
        if script.groups or "uv" in script.needs:
            assert f"`{script.name}.py` (leçon {int(script.lesson[:2])})" in install
        for group in script.groups:
            assert f"`--group {group}`" in install
