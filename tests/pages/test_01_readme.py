"""Leçon 1, le README : ce qu'il cite est dans les scripts, ce qu'il chiffre a été calculé, ses
pièges sont vrais.
"""

import json
import re
import sys

import mlflow
import pages
import pytest
import warm
from lesson_01 import EXPERIMENT, README, end_of, judged
from programs import ended
from sklearn.metrics import confusion_matrix
from sklearn.tree import DecisionTreeClassifier
from texts import RECORD, ROOT, heading, in_text, numbers, path_of, tables

import course
from patients import load_patients, pins, svm, trusted_types

SCRIPTS = [script for script in course.SCRIPTS if script.lesson == EXPERIMENT]


def section(title: str) -> str:
    return re.search(rf"^## {title}.*?(?=^## |\Z)", README, re.DOTALL | re.MULTILINE)[0]


def section_of(name: str) -> str:
    """La section d'un script ; la mesure a la sienne en fin de page."""
    return section("La mesure :" if name == "measure_tracking" else heading(name))


def test_each_script_has_its_section_its_command_its_quotation_and_what_to_read():
    """Ce que les citations disent est comparé aux scripts par test_texts.py ; la mesure se lit sans
    la sienne.
    """
    quoted = {block.remark for block in pages.blocks(README) if block.quoted}
    for script in SCRIPTS:
        text, measure = section_of(script.name), script.name == "measure_tracking"
        assert any(
            script.path in block.text for block in pages.blocks(text) if block.language == "bash"
        ), script.name
        learnt = "**Ce qu'il faut en conclure.**" if measure else "**Ce que cela apprend.**"
        assert all(part in text for part in ("**Question.**", "**À regarder.**", learnt)), (
            script.name
        )
        assert (script.path in quoted) != measure


def test_the_page_shows_what_the_brief_scripts_write(lesson):
    for name in lesson.names():
        command = f"uv run {path_of(name)}"
        assert pages.same_output(pages.shown(README, command), lesson.ended(name).stdout), name


def test_the_announced_hour_is_enough_for_the_machine():
    """Moins de trois minutes de calcul, le reste est à lire ; ce qui peut attendre est ailleurs."""
    assert "Comptez une heure." in README
    assert sum(script.seconds for script in SCRIPTS if script.core) < 180
    page = (ROOT / EXPERIMENT / "README.md").read_text(encoding="utf-8")
    assert [script.name for script in SCRIPTS if script.path in page] == [
        script.name for script in SCRIPTS if script.core
    ]


def test_every_number_was_computed_and_the_tables_are_those_of_the_scripts():
    """Ce que les dernières cellules affirment a ses tests ; les sorties annoncées ont le leur
    (`test_page_01`).
    """
    prose = re.sub(
        r"^```.*?^```$|### MLflow 2, MLflow 3.*?(?=^## )",
        "",
        README,
        flags=re.DOTALL | re.MULTILINE,
    )
    known = {number for script in SCRIPTS for number in numbers(end_of(script.name))}
    known |= {
        number
        for block in pages.blocks(README)
        if block.language == "text"
        for number in numbers(block.text)
    }
    # la borne d'un filtre, et ce qu'un exercice demande
    assert set(numbers(prose)) - known == {"0.96", "0.90"}
    cells = [row for script in SCRIPTS for row in tables(end_of(script.name))]
    shared = [row for row in tables(README) if any(set(row) == set(cell) for cell in cells)]
    assert len(shared) >= 20 and all(row in cells for row in shared)


def test_the_data_are_described_as_they_are():
    data = load_patients()
    parts = [len(each) for each in (data.X_train, data.X_valid, data.X_test)]
    malignant = int(sum(y.sum() for y in (data.y_train, data.y_valid, data.y_test)))
    text = section("Les données")
    said = in_text(r"(\d+) tumeurs, décrites par (\d+) mesures .*? ; (\d+) sont malignes", text)
    assert said == (str(sum(parts)), str(data.X_train.shape[1]), str(malignant))
    assert in_text(
        r"(\d+) tumeurs servent à apprendre, (\d+) à choisir .*? (\d+) à juger", text
    ) == tuple(map(str, parts))
    predicted = svm(1.0, 0.03).fit(data.X_train, data.y_train).predict(data.X_valid)
    # dans cet ordre : le premier piège
    tn, fp, fn, tp = confusion_matrix(data.y_valid, predicted, labels=[0.0, 1.0]).ravel()
    said = in_text(
        r"(\d+) bénignes reconnues, (\d+) malignes trouvées, (\d+) manquées",
        section(heading("full_run")),
    )
    assert said == tuple(map(str, (tn, tp, fn))) and fp == 0


def test_the_list_of_pictures_follows_the_text():
    """Dans l'ordre de la page, et chaque clic d'une image est un point numéroté entier."""
    listed = json.loads((ROOT / EXPERIMENT / "Images/images.json").read_text(encoding="utf-8"))
    assert [each["name"] for each in listed] == re.findall(r"!\[[^\]]+\]\(Images/([^)]+)\)", README)
    clicks = [
        re.sub(r"\s+", " ", click)
        for click in re.findall(r"^\d\. (.*(?:\n   .*)*)", README, re.MULTILINE)
    ]
    for each in listed:
        assert all(step in clicks for step in each.get("steps", [])), each["name"]
        assert {need.partition(" ")[0] for need in each["needs"]} <= {
            script.name for script in SCRIPTS
        }


# Les pièges


def test_without_with_a_failed_program_leaves_a_finished_run(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    for name, body in (
        ("sans", "mlflow.start_run()\n1 / 0"),
        ("avec", "with mlflow.start_run():\n    1 / 0"),
    ):
        (tmp_path / f"{name}.py").write_text(f"import mlflow\n{body}")
        failed = warm.forked(
            [sys.executable, str(tmp_path / f"{name}.py")], tmp_path, 60, MLFLOW_TRACKING_URI=uri
        )
        assert failed.returncode == 1 and "ZeroDivisionError" in failed.stderr
    runs = mlflow.MlflowClient(uri).search_runs(["0"], order_by=["attributes.start_time ASC"])
    assert [run.info.status for run in runs] == ["FINISHED", "FAILED"]


def test_skops_refuses_a_tree_until_its_type_is_declared(tmp_path):
    data = load_patients()
    tree = DecisionTreeClassifier(random_state=0).fit(data.X_train, data.y_train)
    with pytest.raises(mlflow.MlflowException, match="references untrusted types"):
        mlflow.sklearn.save_model(tree, tmp_path / "non", pip_requirements=pins())
    mlflow.sklearn.save_model(
        tree, tmp_path / "oui", pip_requirements=pins(), skops_trusted_types=trusted_types
    )
    again = mlflow.sklearn.load_model(tmp_path / "oui")
    assert judged(again, data.X_valid, data.y_valid) == judged(tree, data.X_valid, data.y_valid)


@pytest.mark.slow
def test_guessed_requirements_are_too_many(tmp_path):
    """Un vrai programme, qui n'a importé que ce que nos scripts importent."""
    code = f"""
import sys; sys.path.insert(0, {str(ROOT / EXPERIMENT / "local")!r})
import mlflow
from patients import load_patients, svm
data = load_patients()
model = svm(1.0, 0.03).fit(data.X_train, data.y_train)
mlflow.sklearn.save_model(model, "guessed", input_example=data.X_valid.head(3))
"""
    saved = ended([sys.executable, "-c", code], tmp_path)
    assert saved.returncode == 0, saved.stderr
    noted = {
        line.partition("==")[0]
        for line in (tmp_path / "guessed/requirements.txt").read_text().split()
    }
    needed = {"mlflow", "scikit-learn", "skops", "pandas", "numpy", "scipy"}
    assert needed - {"scipy"} <= noted and noted - needed, noted


def test_ilike_knows_no_accent(lesson):
    """L'étiquette de first_run : « sensibilité selon gamma »."""
    without, accented = (
        lesson.runs(EXPERIMENT, f"tags.question ILIKE '{word}%'")
        for word in ("SENSIBILIT", "SENSIBILITÉ")
    )
    assert without and not accented


# Les durées, gardées par le banc d'essai


def test_what_is_said_slow_was_measured_slow():
    assert (
        "`log_model` est lent" in README
        and RECORD["log_model.guessed_s"] > 10 * RECORD["log_model.given_s"]
    )
    assert in_text("apprentissage en est (bien plus long)", end_of("compare_models"))
    assert RECORD["autolog.left"] > 1.4 and RECORD["autolog.ours"] < RECORD["autolog.left"]
