"""Leçon 1, le README : ce qu'il cite est dans les scripts, ce qu'il chiffre a été calculé, ses pièges sont vrais."""

import json
import math
import re
import subprocess
import sys

import mlflow
import pages
import pytest
from conftest import ROOT, clean_environment, last_cell, numbers, tables
from sklearn.metrics import confusion_matrix
from sklearn.tree import DecisionTreeClassifier
from test_01_runs import LOCAL

from patients import load_patients, pins, svm, trusted_types

LESSON = ROOT / "01_tracking_supervised"
README = (LESSON / "README.md").read_text(encoding="utf-8")
SCRIPTS = [path.stem for path in (ROOT / LOCAL).glob("*.py") if "Leçon 1, script" in path.read_text(encoding="utf-8")]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def section(title: str) -> str:
    return re.search(rf"^## {title}.*?(?=^## |\Z)", README, re.DOTALL | re.MULTILINE)[0]


def test_each_script_is_quoted():
    """Ce que les citations disent est comparé aux scripts par test_texts.py."""
    quoted = {block.text.splitlines()[0].removeprefix("# ") for block in pages.blocks(README) if block.quoted}
    missing = {f"{LOCAL}/{script}.py" for script in SCRIPTS} - quoted
    assert missing == {f"{LOCAL}/measure_tracking.py"}


def test_each_script_has_its_section_its_command_and_what_to_read():
    for script in SCRIPTS:
        title = "La mesure :" if script == "measure_tracking" else rf"Script \d+ : `{script}.py`"
        text = section(title)
        assert f"{LOCAL}/{script}.py" in "".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL)), script
        for part in (
            "**Question.**",
            "**À regarder.**",
            "**Ce qu'il faut en conclure.**" if script == "measure_tracking" else "**Ce que cela apprend.**",
        ):
            assert part in text, (script, part)


def test_every_number_was_computed():
    """Ce que les dernières cellules affirment a ses tests ; les sorties annoncées ont le leur (`test_texts`)."""
    prose = re.sub(r"^```.*?^```$", "", README, flags=re.DOTALL | re.MULTILINE)
    prose = re.sub(r"### MLflow 2, MLflow 3.*?(?=^## )", "", prose, flags=re.DOTALL | re.MULTILINE)
    known = {number for script in SCRIPTS for number in numbers(last_cell(f"{LOCAL}/{script}.py"))}
    known |= {number for block in blocks("text") for number in numbers(block)}
    assert set(numbers(prose)) - known == {"0.96", "0.90"}  # la borne d'un filtre, et ce qu'un exercice demande


def test_the_tables_are_those_of_the_scripts():
    cells = [row for script in SCRIPTS for row in tables(last_cell(f"{LOCAL}/{script}.py"))]
    shared = [row for row in tables(README) if any(set(row) == set(cell) for cell in cells)]
    assert len(shared) >= 20 and all(row in cells for row in shared)


def test_the_data_are_described_as_they_are():
    data = load_patients()
    parts = [len(each) for each in (data.X_train, data.X_valid, data.X_test)]
    malignant = int(sum(y.sum() for y in (data.y_train, data.y_valid, data.y_test)))
    text = section("Les données").replace("\n", " ")
    assert f"{sum(parts)} tumeurs, décrites par {data.X_train.shape[1]} mesures" in text and f"{malignant} sont malignes" in text
    assert f"{parts[0]} tumeurs servent à apprendre, {parts[1]} à choisir (la *validation*), et {parts[2]} à juger" in text
    said = svm(1.0, 0.03).fit(data.X_train, data.y_train).predict(data.X_valid)
    tn, fp, fn, tp = confusion_matrix(data.y_valid, said, labels=[0.0, 1.0]).ravel()  # dans cet ordre : le premier piège
    assert f"{tn} bénignes reconnues, {tp} malignes trouvées, {fn} manquées" in section("Script 2") and fp == 0


def test_the_list_of_pictures_follows_the_text():
    """Dans l'ordre de la page, et chaque clic d'une image est un point numéroté entier."""
    listed = json.loads((LESSON / "Images/images.json").read_text(encoding="utf-8"))
    assert [each["name"] for each in listed] == re.findall(r"!\[[^\]]+\]\(Images/([^)]+)\)", README)
    clicks = [re.sub(r"\s+", " ", click) for click in re.findall(r"^\d\. (.*(?:\n   .*)*)", README, re.MULTILINE)]
    for each in listed:
        assert all(step in clicks for step in each.get("steps", [])), each["name"]
        assert {need.partition(" ")[0] for need in each["needs"]} <= set(SCRIPTS)


# Les pièges


def python(tmp_path, code: str) -> subprocess.CompletedProcess:
    """Un programme de lecteur, dans un dossier vide, avec les modules de la leçon."""
    start = f"import sys; sys.path.insert(0, {str(ROOT / LOCAL)!r})\nimport mlflow\nmlflow.set_tracking_uri('sqlite:///mlflow.db')\n"
    return subprocess.run(
        [sys.executable, "-c", start + code], cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=300
    )


def test_without_with_a_failed_program_leaves_a_finished_run(tmp_path):
    assert python(tmp_path, "mlflow.start_run()\n1 / 0").returncode == 1
    assert python(tmp_path, "with mlflow.start_run():\n    1 / 0").returncode == 1
    runs = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_runs(["0"], order_by=["attributes.start_time ASC"])
    assert [run.info.status for run in runs] == ["FINISHED", "FAILED"]


def test_skops_refuses_a_tree_until_its_type_is_declared(tmp_path):
    data = load_patients()
    tree = DecisionTreeClassifier(random_state=0).fit(data.X_train, data.y_train)
    with pytest.raises(mlflow.MlflowException, match="references untrusted types"):
        mlflow.sklearn.save_model(tree, tmp_path / "non", pip_requirements=pins())
    mlflow.sklearn.save_model(tree, tmp_path / "oui", pip_requirements=pins(), skops_trusted_types=trusted_types)
    assert (mlflow.sklearn.load_model(tmp_path / "oui").predict(data.X_valid) == tree.predict(data.X_valid)).all()


def test_guessed_requirements_are_slow_and_too_many(tmp_path):
    code = """
import time
from patients import load_patients, pins, svm
import rich.progress
data = load_patients()
model = svm(1.0, 0.03).fit(data.X_train, data.y_train)
for name, asked in (("first", pins()), ("given", pins()), ("guessed", None)):
    start = time.perf_counter()
    mlflow.sklearn.save_model(model, name, input_example=data.X_valid.head(3), pip_requirements=asked)
    print(name, time.perf_counter() - start)
"""
    ended = python(tmp_path, code)
    assert ended.returncode == 0, ended.stderr
    seconds = {line.split()[0]: float(line.split()[1]) for line in ended.stdout.splitlines()}
    assert seconds["guessed"] > 10 * seconds["given"]
    noted = [line.partition("==")[0] for line in (tmp_path / "guessed/requirements.txt").read_text().split()]
    assert set(noted) - {"mlflow", "scikit-learn", "skops", "pandas", "numpy", "scipy"}, noted


def test_ilike_knows_no_accent(tmp_path):
    python(tmp_path, "with mlflow.start_run(): mlflow.set_tag('t', 'ÉTÉ'); mlflow.set_tag('u', 'ETE')")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    assert len(client.search_runs(["0"], "tags.u ILIKE 'ete'")) == 1 and not client.search_runs(["0"], "tags.t ILIKE 'été'")


@pytest.mark.slow
def test_autolog_hides_an_accuracy_of_the_same_name(tmp_path):
    code = """
import numpy as np
from patients import import_keras
keras = import_keras()
keras.utils.disable_interactive_logging()
mlflow.tensorflow.autolog(log_models=False, log_datasets=False, checkpoint=False)
network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="sigmoid")])
network.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
with mlflow.start_run():
    network.fit(np.eye(2), np.array([0.0, 1.0]), epochs=3, verbose=0)
    mlflow.log_metric("accuracy", 7.0)
"""
    assert python(tmp_path, code).returncode == 0
    run = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_runs(["0"])[0]
    assert run.data.metrics["accuracy"] <= 1 and not math.isclose(run.data.metrics["accuracy"], 7.0)


def test_open_store_sets_the_tracking_uri_and_nothing_is_hidden():
    """« La même ligne » que `mlflow.set_tracking_uri`."""
    source = (ROOT / LOCAL / "store.py").read_text(encoding="utf-8")
    assert 'mlflow.set_tracking_uri(f"sqlite:///' in source and "FileLock" in source


def test_the_announced_hour_is_enough_for_the_machine():
    """Les scripts qu'elle compte sont ceux qui ne peuvent attendre : moins de trois minutes de calcul, le reste est à lire."""
    import course as plan

    lesson = [script for script in plan.SCRIPTS if script.lesson == "01_tracking_supervised"]
    kept = {}
    for number, script in enumerate(lesson, 1):
        text = section("La mesure :" if script.name == "measure_tracking" else f"Script {number} :")
        if "*Pour aller plus loin.*" not in text:
            kept[number] = script.seconds
    assert list(kept) == [1, 2, 3, 4, 6, 7, 9] and "une heure, pour les scripts 1 à 4, 6, 7 et 9." in README
    assert sum(kept.values()) < 180
