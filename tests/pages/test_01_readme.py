"""Leçon 1, le README : ce qu'il cite est dans les scripts, ce qu'il chiffre a été calculé, ses
pièges sont vrais. « Chez vous » a son fichier, les exercices ont les leurs.
"""

import json
import re
import sys
from importlib.metadata import version

import mlflow
import pages
import pytest
import warm
from lesson_01 import EXPERIMENT, README, cost_of, counted, judged, model_of, svm_metrics, wrong
from sklearn.metrics import confusion_matrix
from sklearn.tree import DecisionTreeClassifier
from texts import RECORD, ROOT, heading, in_text, path_of

import course
from patients import known_patients, load_patients, pins, svm, trusted_types

PAGE = (ROOT / EXPERIMENT / "README.md").read_text(encoding="utf-8")
SCRIPTS = [script for script in course.SCRIPTS if script.lesson == EXPERIMENT]
CORE = [script for script in SCRIPTS if script.core]


def section(title: str) -> str:
    return re.search(rf"^## {title}.*?(?=^## |\Z)", README, re.DOTALL | re.MULTILINE)[0]


def test_the_page_and_each_section_are_short():
    """Comme `wc -w` les compte : code, sorties et solutions compris."""
    words = {script.name: len(section(heading(script.name)).split()) for script in CORE}
    too_long = {name: count for name, count in words.items() if count > 400}
    assert (too_long, len(PAGE.split()) <= 5500) == ({}, True), len(PAGE.split())


def test_each_script_has_its_section_its_command_its_quotation_and_what_to_read():
    """Ce que les citations disent est comparé aux scripts par test_texts.py."""
    quoted = {block.remark for block in pages.blocks(README) if block.quoted}
    for script in SCRIPTS:
        text = section(heading(script.name))
        assert any(
            script.path in block.text for block in pages.blocks(text) if block.language == "bash"
        ), script.name
        said = ("**Question.**", "**À regarder.**", "**Ce que cela apprend.**")
        assert all(part in text for part in said) and script.path in quoted, script.name


def test_the_page_shows_what_the_brief_scripts_write(lesson):
    for name in lesson.names():
        shown, told = pages.shown(README, f"uv run {path_of(name)}"), lesson.ended(name)
        assert pages.same_output(shown, told.stdout, told.stderr), name


def test_a_prognosis_comes_before_its_answer():
    """Ce que chaque script du tronc commun écrit est replié."""
    for script in CORE:
        text = section(heading(script.name))
        before, command, after = text.partition(f"uv run {script.path}\n```\n")
        assert "**Question.**" in before and command, script.name
        assert after.startswith("\n<details><summary>Ce que le script écrit</summary>"), script.name


def test_the_announced_time_is_enough_for_the_machine():
    """Deux minutes de calcul, le reste est à lire ; ce qui peut attendre est ailleurs."""
    assert in_text("Comptez (trois heures) : .*? prennent (deux minutes)", PAGE)
    assert sum(script.seconds for script in CORE) <= 120
    assert [script for script in SCRIPTS if script.path in PAGE] == CORE
    sources = {script: (ROOT / script.path).read_text(encoding="utf-8") for script in SCRIPTS}
    kept = [script for script in SCRIPTS if sources[script].startswith("# databricks: non")]
    local = [int(script.stem[:2]) for script in kept]
    said = in_text(r"Quatre scripts restent locaux.* les scripts ([\d, ]+) et (\d+)", PAGE)
    assert [*map(int, said[0].split(", ")), int(said[1])] == local


# Les nombres, un par un


def sweep(lesson) -> list:
    """Les trente-cinq couples, le moins cher en tête."""
    children = lesson.children(lesson.named("svm balayage", EXPERIMENT))
    return sorted(children, key=lambda run: run.data.metrics["cv_cost"])


def on_validation(gamma: float) -> tuple[int, int, int]:
    """Coût, manquées, fausses alertes d'un SVM réappris."""
    data = load_patients()
    answers = svm(1.0, gamma).fit(data.X_train, data.y_train).predict(data.X_valid)
    return cost_of(data.y_valid, answers), *wrong(data.y_valid, answers)


def matrix() -> tuple[int, int, int, int]:
    """Reconnues, trouvées, manquées, fausses alertes du SVM complet ; `ravel` : premier piège."""
    data = load_patients()
    answers = svm(1.0, 0.3).fit(data.X_train, data.y_train).predict(data.X_valid)
    tn, fp, fn, tp = confusion_matrix(data.y_valid, answers, labels=[0.0, 1.0]).ravel()
    return tn, tp, fn, fp


def parts() -> list[int]:
    data = load_patients()
    return [len(each) for each in (data.X_train, data.X_valid, data.X_test)]


def malignant() -> list[int]:
    data = load_patients()
    return [int(y.sum()) for y in (data.y_train, data.y_valid, data.y_test)]


def on_test(lesson) -> tuple[int, int, int]:
    """Coût, manquées, fausses alertes du couple jugé, recomptés sur le test."""
    data, [run] = load_patients(), lesson.runs_of("search_runs")
    model = model_of(lesson.client().get_run(run.data.tags["judged_run_id"]))
    answers = model.predict(data.X_test)
    assert run.data.metrics["test_cost"] == cost_of(data.y_test, answers)
    return cost_of(data.y_test, answers), *wrong(data.y_test, answers)


def cv_cost(run) -> int:
    return int(run.data.metrics["cv_cost"])


def three(value: float) -> str:
    return f"{value:.3f}"


KNOWN = len(known_patients()[1])
BENIGN = KNOWN - int(known_patients()[1].sum())
# section -> ce qu'elle affirme, et de quoi le recalculer : chaque groupe, une valeur
CLAIMS = {
    "Les données": [
        (r"(\d+) tumeurs, décrites par (\d+) mesures",
         lambda _: (sum(parts()), load_patients().X_train.shape[1])),
        (r"(\d+) sont malignes", lambda _: (sum(malignant()),)),
        (r"(\d+) tumeurs servent à apprendre, (\d+) à choisir .*? et (\d+) à juger",
         lambda _: parts()),
        (r"coût\*\* d'un modèle est donc (\d+) × manquées \+ fausses",
         lambda _: (svm_metrics(1)["cost"] / on_validation(1)[1],)),
    ],
    heading("first_run"): [
        (r"`gamma = 0.3` coûte (\d+) : une tumeur manquée sur (\d+), deux fausses alertes",
         lambda _: (on_validation(0.3)[0], malignant()[1])),
        (r"`gamma = 0.03` en manque deux, sans fausse alerte, et coûte (\d+)",
         lambda _: (on_validation(0.03)[0],)),
        (r"La leçon garde donc ([\d.]+)\.",
         lambda _: (min((0.0001, 0.03, 0.3, 1), key=lambda gamma: on_validation(gamma)[0]),)),
        (r"l'exactitude de ([\d.]+) cache qu'aucune",
         lambda _: (three(svm_metrics(1)["accuracy"]),)),
    ],
    heading("autolog"): [
        (r"exactitude de ([\d.]+) : quelle", lambda _: (three(svm_metrics(0.3)["accuracy"]),)),
        (r"que les données d'apprentissage : ([\d.]+) partout", lambda lesson: {
            three(value) for name, value in lesson.named("svm autolog").data.metrics.items()
            if name.startswith("training_")}),
        (r"\(La grille préfère ([\d.]+), que le premier script n'avait pas essayé", lambda lesson: {
            lesson.named("grille autolog").data.params["best_svc__gamma"]}
            - {run.data.params["gamma"] for run in lesson.runs_of("first_run")}),
    ],
    heading("full_run"): [
        (r"(\d+) bénignes reconnues, (\d+) malignes trouvées, (\d+) manquée, (\d+) fausses",
         lambda _: matrix()),
        (r"cochez `roc_auc` : (\d) pour `gamma = 0.03`, qui manque pourtant deux tumeurs",
         lambda _: (f"{svm_metrics(0.03)['roc_auc']:g}",)),
        (r"Un `roc_auc` de ([\d.]+) dit", lambda _: (three(svm_metrics(0.03)["roc_auc"]),)),
        (r"seul le seuil, (0), est mal placé", lambda _: (0,)),
    ],
    heading("svm_sweep"): [
        (r"les (\d+) tumeurs hors test", lambda _: (KNOWN,)),
        (r"cela prend ([\d.]+) s par modèle, au lieu de ([\d.]+) s",
         lambda _: [f"{RECORD[f'log_model.{name}_s']:.2g}" for name in ("guessed", "given")]),
        (r"coût manque (\d+) tumeurs sur (\d+) et donne (\d+) fausses alertes sur (\d+)\.",
         lambda lesson: (counted(sweep(lesson)[0])[0], KNOWN - BENIGN,
                         counted(sweep(lesson)[0])[1], BENIGN)),
    ],
    "Lire le balayage": [
        (r"`metrics.cv_cost < (\d+)`, puis Entrée : \*(\d+) matching runs\*, trois couples",
         lambda lesson: (70, 1 + sum(cv_cost(run) < 70 for run in sweep(lesson)))),
        (r"`metrics.cv_cost < 300` : \*(\d+) matching",
         lambda lesson: (sum(cv_cost(run) < 300 for run in sweep(lesson)),)),
    ],
    heading("compare_models"): [
        (r"Sur (\d+) tumeurs de validation", lambda _: (parts()[1],)),
        (r"Deux classifieurs coûtent (\d+), une fausse alerte chacun", lambda lesson: {
            int(cost) for cost in
            sorted(run.data.metrics["cost"] for run in lesson.runs_of("compare_models"))[:2]}),
        (r"Sur (\d+) tumeurs malignes, une .*? déplace la sensibilité de ([\d.]+)\.",
         lambda _: (malignant()[1], three(1 / malignant()[1]))),
    ],
    heading("search_runs"): [
        (r"balayage coûte (\d+) sur (\d+) tumeurs",
         lambda lesson: (cv_cost(sweep(lesson)[0]), KNOWN)),
        (r"il coûterait (\d+) ou (\d+) sur les (\d+) tumeurs", lambda lesson: (
            cv_cost(sweep(lesson)[0]) * parts()[2] // KNOWN,
            cv_cost(sweep(lesson)[0]) * parts()[2] // KNOWN + 1, parts()[2])),
        (r"le coût est (\d+) : (\d+) tumeurs manquées sur (\d+), une fausse",
         lambda lesson: (*on_test(lesson)[:2], malignant()[2])),
        (r"une tumeur de plus ou de moins change le coût de (\d+)\.",
         lambda _: (cost_of([1.0], [0.0]),)),
    ],
}  # fmt: skip


@pytest.mark.parametrize("title", CLAIMS)
def test_each_number_is_recomputed(title, lesson):
    for pattern, values in CLAIMS[title]:
        said, expected = in_text(pattern, section(title)), values(lesson)
        assert said == tuple(f"{value:g}" if isinstance(value, float) else str(value)
                             for value in expected), pattern  # fmt: skip


def test_no_other_number_is_in_the_prose():
    """Hors des blocs et des noms de code (un réglage, un filtre), des rangs et des renvois ; les
    exercices et l'encadré de tools/optimism.py ont leurs tests.
    """
    for text in re.split(r"^(?=## )", PAGE, flags=re.MULTILINE)[1:]:
        title, text = text.splitlines()[0].removeprefix("## "), re.sub(r"<http.*?>", "", text)
        if title == "Exercices":
            continue
        for pattern, _ in next((CLAIMS[each] for each in CLAIMS if title.startswith(each)), []):
            text = re.sub(pattern.replace(" ", r"\s+"), "", text, flags=re.DOTALL)
        prose = re.sub(r"^>.*$|^\d\. |<code>.*?</code>|<summary>\d|« .*? »", "",
                       pages.prose(text), flags=re.MULTILINE)  # fmt: skip
        prose = re.sub(r"\]\([^)]*\)|\b([Ll]eçon|étape|exercice|scripts) [\d-]+(, \d+)*( et \d+)?",
                       "", prose)  # fmt: skip
        left = set(re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?!\w)", prose))
        # l'année d'une source, l'exactitude d'un souvenir, les gamma de la question
        assert left <= {"1995", "0.982", "0.0001", "0.03", "0.3", "1"}, (title, left)


def test_what_the_text_says_in_words_is_counted(lesson):
    """Neuf métriques, trois figures, sept classifieurs, trente-cinq couples, trois fois."""
    assert "neuf métriques, un paramètre, une étiquette" in PAGE and len(svm_metrics(0.3)) == 9
    [block] = [each for each in pages.blocks(section(heading("first_run"))) if each.quoted]
    lines = [line for line in block.lines[1:] if line.strip()]
    ours = [line for line in lines if "mlflow." in line]
    assert (len(ours), len(lines)) == (5, 10) and "Cinq de ces dix lignes sont de MLflow" in PAGE
    assert "trente-cinq couples" in PAGE and len(sweep(lesson)) == 35
    assert "chacun des trente couples" in PAGE  # 30 matching runs
    assert f'`["scikit-learn=={version("scikit-learn")}", ...]`' in PAGE
    assert "Les sept runs" in PAGE and len(lesson.runs_of("compare_models")) == 7
    more = [counted(run)[1] - counted(sweep(lesson)[0])[1] for run in sweep(lesson)[1:3]]
    assert more == [1, 3] and in_text("(qu'une et trois fausses alertes de plus)", PAGE)
    promised = cv_cost(sweep(lesson)[0]) * parts()[2] / KNOWN
    assert round(on_test(lesson)[0] / promised) == 3 and in_text("(C'est trois fois ce) que", PAGE)
    # « toutes les malignes ont un score plus élevé que toutes les bénignes » : à un autre seuil,
    # aucune erreur
    data = load_patients()
    scores = svm(1.0, 0.03).fit(data.X_train, data.y_train).decision_function(data.X_valid)
    assert scores[data.y_valid == 1].min() > scores[data.y_valid == 0].max()
    assert scores[data.y_valid == 1].min() < 0


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
