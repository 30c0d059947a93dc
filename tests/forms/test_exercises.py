"""Les points de départ : à jour, exécutables, pas déjà résolus ; les solutions : justes, et leurs nombres mesurés."""

import re

import pytest
from build_databricks import build
from checks.catalog import EXERCISES, verdict
from checks.learner import Course as Store
from checks.learner import Learner
from copies import Course
from texts import ROOT, last_cell, numbers
from course import SPOKEN
from forms.cells import Refused, read_script
from forms.contract import check
from forms.exercises import starting_point, starting_points
from recorded_runs import recorded
from test_databricks_notebooks import notebook_store, run_notebook, with_notebooks

NUMBERS = [exercise.number for exercise in EXERCISES]
ONE_A_LESSON = [pytest.param(number, marks=[] if number.endswith("-1") else pytest.mark.release) for number in NUMBERS]


def path_of(number: str, folder: str) -> str:
    """`01-1`, `solutions` -> le chemin du script, depuis la racine."""
    (exercise,) = [each for each in EXERCISES if each.number == number]
    return exercise.start.removeprefix("uv run ").replace("/exercises/", f"/{folder}/")


# --- Le générateur


def test_starting_points_are_up_to_date():
    made = starting_points(ROOT)
    found = {path: path.read_bytes().replace(b"\r\n", b"\n") for path in ROOT.glob("0?_*/exercises/ex_*.py")}
    assert {path.relative_to(ROOT).as_posix() for path in made} == {path_of(number, "exercises") for number in NUMBERS}
    assert found == made


def test_the_command_names_what_is_stale(tmp_path):
    course = Course(tmp_path)
    assert course.run("tools/build_exercises.py", "--check").stdout == ""
    stale, orphan, missing = (tmp_path / path_of(number, "exercises") for number in ("01-1", "01-2", "01-3"))
    stale.write_text("print('à moi')\n", encoding="utf-8")
    orphan.rename(orphan.with_name("ex_01_9_nothing.py"))
    missing.unlink()
    refused = course.run("tools/build_exercises.py", "--check", fails=True)
    assert refused.returncode == 1 and stale.read_text(encoding="utf-8") == "print('à moi')\n"
    assert f"{path_of('01-1', 'exercises')} n'est plus à jour" in refused.stdout
    assert "01_tracking_supervised/exercises/ex_01_9_nothing.py n'a plus de solution" in refused.stdout
    assert "12 points de départ : 3 écrits, 1 effacés" in course.run("tools/build_exercises.py").stdout
    assert course.run("tools/build_exercises.py", "--check").stdout == ""


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
    # solution : calculez `y`
    y = math.pi
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

    def write(text: str) -> str:
        path = tmp_path / "01_essai/solutions/ex_01_1_trial.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return starting_point(path)

    return write


def test_what_is_taken_out_and_what_is_put_in(written):
    made = written(SOLUTION)
    assert "# # Exercice 01-1 : un titre" in made and "solution" not in made and "uv run 01_essai/exercises/ex_01_1_trial.py" in made
    assert "    # Votre code ici : calculez `y`\n    y = 3\n    z = y  # commenté, à la même marge\nprint(y)\n" in made
    assert "math.pi" not in made and "Trois" not in made and made.endswith("et ce que cela change à votre pronostic.\n")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("    # fin\n", "", "le code de départ est en commentaire"),
        ("    # départ\n    # y = 3\n    # z = y  # commenté, à la même marge\n    # fin\n", "", "il manque « # fin »"),
        ("    # solution : calculez `y`\n", "", "pas de « # solution » au-dessus"),
        ("    # départ\n    # y = 3\n    # z = y  # commenté, à la même marge\n", "", None),
        ("    # y = 3\n", "    y = 3\n", "le code de départ est en commentaire"),
        ("    # départ\n", "    # solution : encore\n", "une solution s'ouvre dans une autre"),
        ("    # fin\n", "# fin\n", "à la même marge"),
        ("    y = 0\n", "", None),
        ("    # fin\n", "    # fin\n    w = 1\n", None),
        ("print(y)", "print(q)\n# solution : q\nq = 1\n# fin", "le point de départ lit `q`, que seule la solution lie"),
        ("# # Exercice 01-1, solution : un titre", "# # Un titre", "le titre commence par « # # Exercice 01-1, solution :"),
        ("# ## À retenir", "# ## Voilà", "une solution finit par sa cellule « ## À retenir »"),
        ("Trois, et un peu plus.\n", "Trois.\n\n# %%\nprint(1)\n", "une solution finit par sa cellule"),
        ("print(y)\n", "print(y)\n# solution : rien\n\n# %%\n# fin\n", "une solution tient dans sa cellule"),
        ("    # y = 3\n", "    # y = (3\n", "n'est pas du Python"),
    ],
)
def test_what_the_generator_refuses(written, old, new, reason):
    assert old in SOLUTION
    text = SOLUTION.replace(old, new)
    if reason is None:
        assert "Votre code ici" in written(text)
    else:
        with pytest.raises(Refused, match=re.escape(reason)):
            written(text)


def test_an_empty_block_is_not_python(written):
    with pytest.raises(Refused, match="n'est pas du Python"):
        written(SOLUTION.replace("    y = 0\n", "").replace("    # départ\n    # y = 3\n    # z = y  # commenté, à la même marge\n", ""))


def test_nothing_marked_is_refused(written):
    text = SOLUTION[: SOLUTION.index("    # solution")] + SOLUTION[SOLUTION.index("print(y)") :]
    with pytest.raises(Refused, match="le point de départ serait la solution"):
        written(text)


# --- La forme


@pytest.mark.parametrize("folder", ["solutions", "exercises"])
@pytest.mark.parametrize("number", NUMBERS)
def test_cells_obey_the_contract(number, folder):
    """Ce que le générateur de notebooks exige d'un script vaut aussi pour les exercices et leurs solutions."""
    script = read_script(ROOT / path_of(number, folder))
    lesson = ROOT / path_of(number, folder).split("/")[0]
    siblings = {path.stem: read_script(path) for path in sorted((lesson / "local").glob("*.py"))}
    if script.has("databricks"):
        check(script, siblings)
    header = script.cells[0].text
    assert "**Question.**" in header and "pronostic" in header
    command = next(cell for cell in script.cells if cell.tag == "local").text
    assert f"# uv run {path_of(number, folder)}\n" in command and f"# uv run tools/check.py --exercise {number}\n" in command
    assert any(f"# ```\n#\n# {duration}" in command for duration in SPOKEN.values())
    last = script.cells[-2]
    assert last.tag == "local" and last.text == f'print("Vérifiez : uv run tools/check.py --exercise {number}")'


@pytest.mark.parametrize("number", NUMBERS)
def test_the_solution_is_short_and_the_starting_point_does_not_hold_it(number):
    solution, exercise = ((ROOT / path_of(number, folder)).read_text(encoding="utf-8") for folder in ("solutions", "exercises"))
    code = [line for cell in read_script(ROOT / path_of(number, "solutions")).cells if cell.kind == "code" for line in cell.lines]
    assert len([line for line in code if line.strip() and not line.strip().startswith("#")]) <= 90
    assert "# Votre code ici : " in exercise and "# solution" not in exercise and "À retenir" not in exercise
    finding = solution.partition("# ## À retenir")[2]
    found, given = (set(re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.]*\w)", text)) for text in (finding, exercise))
    assert found - given, "le point de départ dit déjà ce qu'il y a à trouver"


# --- Les vrais scripts, dans une copie du cours

SWEEP = "01_tracking_supervised/local/svm_sweep.py"
# Ce que check.py dit d'un point de départ lancé tel quel.
LEFT = {
    "01-1": "préparent tous les données avant le SVM",
    "01-2": "il manque le paramètre `threshold`",
    "01-3": "donne 26 fausses alertes sur 285 ; il en faut une au plus",
    "02-1": "K-Means voit les 64 pixels : l'ACP manque au modèle",
    "02-2": "1 graine sur 10 : une seule ne dit rien du hasard",
    "02-3": "aucun point de reprise : il faut un modèle toutes les 40 époques",
    "03-1": "vous savez qu'il est entre 1 et 5 : continuez, il le faut à 0.1 près",
    "03-2": "`git.dirty` vaut false : dans ce clone, aucune ligne n'a changé",
    "03-3": "il faut cinq graines différentes ; vous avez 0.",
    "04-1": "annonce 1.000 ; sur 25 plis elle vaut 0.773",
    "04-2": "@champion désigne toujours la version 2, qui ne répond jamais cultivar_2",
    "04-3": "answers.csv n'a pas de colonne `moved`",
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Course:
    """La copie où tous les exercices se font, l'un après l'autre, comme chez un apprenant."""
    return Course(tmp_path_factory.mktemp("cours"))


def judged(course: Course, number: str):
    (exercise,) = [each for each in EXERCISES if each.number == number]
    return verdict(exercise, Learner(Store(course.client())))


@pytest.mark.slow
def test_before_anything(fresh_course):
    """Il n'y a pas de magasin, et check.py n'en crée pas."""
    refused = fresh_course.run("tools/check.py", "--exercise", "01-1", fails=True)
    assert refused.returncode == 1 and "Il n'y a pas de magasin" in refused.stderr and not (fresh_course.root / "mlflow.db").exists()
    refused = fresh_course.run(path_of("01-3", "exercises"), fails=True)
    assert refused.returncode == 1 and refused.stderr.strip().endswith(f"Lancez d'abord : uv run {SWEEP}")
    said = fresh_course.run("tools/check.py", "--lesson", "01", fails=True).stdout
    assert [line[:15] for line in said.splitlines()[1:]] == ["  01-1  à faire", "  01-2  à faire", "  01-3  à faire"]


@pytest.mark.slow
@pytest.mark.parametrize("number", ONE_A_LESSON)
def test_an_exercise_from_start_to_end(shared, number):
    """Le point de départ s'exécute et ne suffit pas ; la solution suffit, et ses nombres sont ceux de sa dernière cellule."""
    if number == "01-3":
        shared.run(SWEEP)
    shared.run(path_of(number, "exercises"))
    found = judged(shared, number)
    assert found.state == "à revoir" and LEFT[number] in found.text, found
    printed = shared.run(path_of(number, "solutions")).stdout
    found = judged(shared, number)
    assert found.state == "fait", found
    seen = numbers(printed + found.text)
    told = [each for each in numbers(last_cell(path_of(number, "solutions"))) if each not in SETTINGS]
    assert [each for each in told if each not in seen + derived(number, printed)] == [], printed + found.text


SETTINGS = ("0.03", "0.001", "0.003", "0.42", "4.2")  # gamma et alpha, que les scripts n'ont pas à redire


def derived(number: str, printed: str) -> list[str]:
    """Les nombres que la dernière cellule tire de ceux que le script écrit, ou qu'un autre test calcule."""
    seen = [float(each) for each in numbers(printed)]
    if number == "02-2":
        return ["0.589", "0.753"]  # test_scores_at_twelve_groups
    if number == "03-2":
        again, first = seen[-2:]
        return [f"{first - again:.2f}"]
    if number == "03-3":
        linear, low, high = seen[-3:]
        return [f"{high - low:.2f}", "0.75"]  # 0.75 : celui de la leçon, à la graine 0
    return []


@pytest.mark.slow
def test_scores_at_twelve_groups():
    """« À 12 groupes, l'ARI va de 0.589 à 0.753 selon la graine »."""
    from digits import external_indices, load_images
    from sklearn.cluster import KMeans

    X, y = load_images()
    scores = [external_indices(y, KMeans(12, n_init=1, random_state=seed).fit(X).labels_)["ari"] for seed in range(10)]
    assert (f"{min(scores):.3f}", f"{max(scores):.3f}") == ("0.589", "0.753")


def test_the_price_of_each_tumour():
    """« Les neuf premières coûtent 48 fausses alertes ; la dernière, à elle seule, 123 »."""
    from test_check_01 import Y, distances

    ill, well = sorted(distances()[Y == 1.0]), distances()[Y == 0.0]
    alerts = [int((well >= ill[missed]).sum()) for missed in (10, 1, 0)]
    text = last_cell(path_of("01-2", "solutions"))
    assert f"coûtent {alerts[1] - alerts[0]} fausses alertes" in text and f"en coûte {alerts[2] - alerts[1]}" in text


# --- Les notebooks


def test_notebooks_stand_apart_and_use_the_modules_of_the_lesson():
    made = build(ROOT)
    for number in NUMBERS:
        for folder in ("exercises", "solutions"):
            path = ROOT / path_of(number, folder)
            notebook = path.parents[1] / "databricks" / folder / path.name
            assert (notebook in made) == read_script(path).has("databricks")
            if notebook in made:
                text = made[notebook].decode()
                modules = re.findall(r"^# MAGIC %run (\S+)$", text, re.MULTILINE)
                assert modules and all((notebook.parent / f"{module}.py").resolve() in made for module in modules)
                assert ("Votre code ici" in text) == (folder == "exercises") and "uv run tools" not in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "folder"),
    [
        ("01-1", "solutions"),
        pytest.param("03-3", "exercises", marks=pytest.mark.release),
        pytest.param("04-2", "solutions", marks=pytest.mark.release),
    ],
)
def test_a_notebook_records_what_its_script_records(fresh_course, number, folder):
    course, path = with_notebooks(fresh_course), path_of(number, folder)
    course.run(path)
    lesson, stem = path.split("/")[0], f"{folder}/{path.split('/')[-1].removesuffix('.py')}"
    run_notebook(course, f"{lesson}/{stem}", cwd=course.root / lesson / "databricks" / folder)
    local, remote = (recorded(uri, set()) for uri in (course.uri, notebook_store(course)))
    assert local and local == remote
