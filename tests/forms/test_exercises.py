"""Les points de départ : à jour, exécutables, pas déjà résolus ; les solutions : justes, et leurs
nombres mesurés.
"""

import re

import pytest
from checks.catalog import EXERCISES, verdict
from checks.learner import Course as Store
from checks.learner import Learner
from copies import Course
from exercise_files import at_12_groups, path_of, wine_ari
from recording import recorded
from texts import ROOT, last_cell, numbers

from course import LESSONS, SPOKEN
from forms.cells import Refused, read_script
from forms.contract import check
from forms.exercises import starting_point

NUMBERS = [exercise.number for exercise in EXERCISES]
REAL = ("03-1", "03-2", "03-3", "04-3")  # ils lancent un projet ou un serveur
ONE_A_LESSON = [
    pytest.param(
        number, marks=() if number in ("01-3", "02-1", "03-2", "04-2") else pytest.mark.release
    )
    for number in NUMBERS
]


# --- Le générateur


def test_every_exercise_has_its_starting_point():
    found = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("0?_*/exercises/*.py")}
    assert found == {path_of(number, "exercises") for number in NUMBERS}


SOLUTION = """# %% [markdown]
# # Exercice 01-1, solution : un titre
#
# **Question.** Combien ?

# %% [markdown] tags=["local"]
# ```
# uv run 01_essai/solutions/ex_01_1_trial.py
# ```

# %%
import math

x = 1
if x:
    y = 0
    # solution : calculez `y`,
    # à la main
    y = math.pi  # comme Archimède
    # le calcul est fini
    # départ
    # y = 3
    # z = y  # commenté, à la même marge
    # fin
print(y)

# %% [markdown]
# ## À retenir
#
# Trois, et un peu plus.
"""


@pytest.fixture
def written(tmp_path):
    """Écrit une solution et rend son point de départ."""
    path = tmp_path / "01_essai/solutions/ex_01_1_trial.py"
    path.parent.mkdir(parents=True)

    def write(text: str) -> str:
        path.write_text(text, encoding="utf-8")
        return starting_point(path)

    return write


def test_what_is_taken_out_and_what_is_put_in(written):
    made = written(SOLUTION)
    assert (
        "# # Exercice 01-1 : un titre" in made
        and "solution" not in made
        and "uv run 01_essai/exercises/ex_01_1_trial.py" in made
    )
    assert (
        "    # Votre code ici : calculez `y`,\n    # à la main\n    y = 3\n"
        "    z = y  # commenté, à la même marge\nprint(y)\n" in made
    )
    assert (
        "math.pi" not in made
        and "le calcul est fini" not in made
        and "Trois" not in made
        and made.endswith("et ce que cela change à votre pronostic.\n")
    )


START = "    # départ\n    # y = 3\n    # z = y  # commenté, à la même marge\n"
# (un morceau de la solution, ce qui le remplace, ce que le refus dit)
CHANGED = [
    ("    # fin\n", "", "le code de départ est en commentaire"),
    ("    # y = 3\n", "    y = 3\n", "le code de départ est en commentaire"),
    (f"{START}    # fin\n", "", "il manque « # fin »"),
    ("    # solution : calculez `y`,\n", "", "pas de « # solution » au-dessus"),
    ("    # départ\n", "    # solution : encore\n", "une solution s'ouvre dans une autre"),
    ("    # fin\n", "# fin\n", "à la même marge"),
    (
        "print(y)",
        "print(q)\n# solution : q\nq = 1\n# fin",
        "le point de départ lit `q`, que seule la solution lie",
    ),
    (
        "# # Exercice 01-1, solution : un titre",
        "# # Un titre",
        "le titre commence par « # # Exercice 01-1, solution :",
    ),
    ("# ## À retenir", "# ## Voilà", "une solution finit par sa cellule « ## À retenir »"),
    ("Trois, et un peu plus.\n", "Trois.\n\n# %%\nprint(1)\n", "une solution finit par sa cellule"),
    (
        "print(y)\n",
        "print(y)\n# solution : rien\n\n# %%\n# fin\n",
        "une solution tient dans sa cellule",
    ),
    ("    # y = 3\n", "    # y = (3\n", "n'est pas du Python"),
    (
        SOLUTION[SOLUTION.index("    y = 0") : SOLUTION.index("    # fin")],
        "    # solution : y\n",
        "n'est pas du Python",
    ),
    (
        SOLUTION[SOLUTION.index("    # solution") : SOLUTION.index("print(y)")],
        "",
        "le point de départ serait la solution",
    ),
    (START, "", None),
    ("    y = 0\n", "", None),
    ("    # fin\n", "    # fin\n    w = 1\n", None),
]


def test_what_the_generator_refuses(written):
    for old, new, reason in CHANGED:
        assert old in SOLUTION
        if reason is None:
            assert "Votre code ici" in written(SOLUTION.replace(old, new))
        else:
            with pytest.raises(Refused, match=re.escape(reason)):
                written(SOLUTION.replace(old, new))


# --- La forme


@pytest.mark.parametrize("lesson", LESSONS)
def test_cells_obey_the_contract(lesson):
    """Ce que le générateur de notebooks exige d'un script vaut aussi pour les exercices et leurs
    solutions.
    """
    siblings = {
        path.stem: read_script(path) for path in sorted((ROOT / lesson / "local").glob("*.py"))
    }
    for number in [number for number in NUMBERS if lesson.startswith(number[:2])]:
        for folder in ("solutions", "exercises"):
            script = read_script(ROOT / path_of(number, folder))
            if script.has("databricks"):
                check(script, siblings)
            header = script.cells[0].text
            assert "**Question.**" in header and "pronostic" in header
            command = next(cell for cell in script.cells if cell.tag == "local").text
            assert (
                f"# uv run {path_of(number, folder)}\n" in command
                and f"# uv run tools/check.py --exercise {number}\n" in command
            )
            assert any(f"# ```\n#\n# {duration}" in command for duration in SPOKEN.values())
            last = script.cells[-2]
            assert (
                last.tag == "local"
                and last.text == f'print("Vérifiez : uv run tools/check.py --exercise {number}")'
            )


def test_the_solution_is_short_and_the_starting_point_does_not_hold_it():
    for number in NUMBERS:
        solution, exercise = (
            (ROOT / path_of(number, folder)).read_text(encoding="utf-8")
            for folder in ("solutions", "exercises")
        )
        cells = read_script(ROOT / path_of(number, "solutions")).cells
        code = [line.strip() for cell in cells if cell.kind == "code" for line in cell.lines]
        assert len([line for line in code if line and not line.startswith("#")]) <= 90
        assert (
            "# Votre code ici : " in exercise
            and "# solution" not in exercise
            and "À retenir" not in exercise
        )
        finding = solution.partition("# ## À retenir")[2]
        found, given = (
            set(re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.]*\w)", text))
            for text in (finding, exercise)
        )
        assert found - given, f"{number} : le point de départ dit déjà ce qu'il y a à trouver"


# --- Les vrais scripts, dans une copie du cours

# Ce que check.py dit d'un point de départ lancé tel quel ; les autres n'écrivent rien.
LEFT = {
    "02-1": "« k par indice » n'a pas de run enfant",
    "02-3": "0 point de reprise : il faut un modèle toutes les 40 époques",
    "03-1": "vous savez qu'il est entre 1 et 5 : continuez, il le faut à 0.1 près",
    "03-2": "`git.dirty` vaut false : dans ce clone, aucune ligne n'a changé",
    "03-3": "il faut cinq graines différentes ; vous avez 0.",
    "04-1": "annonce 1.000 ; sur 25 plis elle vaut 0.773",
    "04-2": "@champion désigne toujours la version 2, qui ne répond jamais cultivar_2",
    "04-3": "answers.csv n'a pas de colonne `moved`",
}


@pytest.fixture(scope="module")
def learner_of(tmp_path_factory):
    """La copie où les exercices d'une leçon se font, l'un après l'autre, comme chez un apprenant
    qui a suivi la leçon.
    """
    copies = {}

    def of(number: str) -> Course:
        [lesson] = [lesson for lesson in LESSONS if lesson.startswith(number[:2])]
        if lesson not in copies:
            copies[lesson] = recorded(lesson).copy(tmp_path_factory.mktemp("exercices") / "cours")
        return copies[lesson]

    return of


def judged(course: Course, number: str):
    (exercise,) = [each for each in EXERCISES if each.number == number]
    return verdict(exercise, Learner(Store(course.client())))


@pytest.mark.slow
def test_before_anything(fresh_course):
    """Il n'y a pas de magasin, et check.py n'en crée pas."""
    refused = fresh_course.fork("tools/check.py", "--exercise", "01-1", fails=True)
    assert (
        refused.returncode == 1
        and "Il n'y a pas de magasin" in refused.stderr
        and not (fresh_course.root / "mlflow.db").exists()
    )
    refused = fresh_course.fork(path_of("01-3", "exercises"), fails=True)
    assert refused.returncode == 1 and refused.stderr.strip().endswith(
        "uv run 01_tracking_supervised/local/05_svm_sweep.py"
    )
    said = fresh_course.fork("tools/check.py", "--lesson", "01", fails=True).stdout
    assert [line[:15] for line in said.splitlines()[1:]] == [
        "  01-0  à faire",
        "  01-1  à faire",
        "  01-2  à faire",
        "  01-3  à faire",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("number", ONE_A_LESSON)
def test_an_exercise_from_start_to_end(learner_of, number):
    """Le point de départ s'exécute et ne suffit pas ; la solution suffit, et ses nombres sont ceux
    de sa dernière cellule.
    """
    course = learner_of(number)
    launch = course.run if number in REAL else course.fork
    launch(path_of(number, "exercises"))
    found = judged(course, number)
    if number in LEFT:
        assert found.state == "à revoir" and LEFT[number] in found.text, found
    else:
        assert found.state == "à faire", found
    printed = launch(path_of(number, "solutions")).stdout
    found = judged(course, number)
    assert found.state == "fait", found
    seen = numbers(printed + found.text) + derived(number, printed)
    told = [
        each for each in numbers(last_cell(path_of(number, "solutions"))) if each not in SETTINGS
    ]
    assert [each for each in told if each not in seen] == [], printed + found.text
    if number == "02-0":  # « le filtre sur `parentRunId` n'en garde que ces cinq enfants »
        [parent] = Learner(Store(course.client())).tagged("02-0")
        everything = Store(course.client()).search("", LESSONS[1])
        family = [
            run
            for run in everything
            if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id
        ]
        assert len(family) == 5 < len(everything) - 1


# gamma et alpha, que les scripts n'ont pas à redire
SETTINGS = ("0.03", "0.001", "0.003", "0.42", "4.2")


def derived(number: str, printed: str) -> list[str]:
    """Les nombres que la dernière cellule tire de ceux que le script écrit, ou de ce qu'il n'écrit
    pas.
    """
    seen = [float(each) for each in numbers(printed)]
    if number == "02-0":  # l'ARI, que le script ne calcule pas : en 3 groupes, puis en 2
        return [f"{wine_ari(k):.3f}" for k in (3, 2)]
    if number == "02-2":  # « à 12 groupes, l'ARI va de 0.589 à 0.753 selon la graine »
        scores = at_12_groups()
        return [f"{min(scores):.3f}", f"{max(scores):.3f}"]
    if number == "03-2":
        again, first = seen[-2:]
        return [f"{first - again:.2f}"]
    if number == "03-3":
        linear, low, high = seen[-3:]
        return [f"{high - low:.2f}", "0.75"]  # 0.75 : celui de la leçon, à la graine 0
    return []
