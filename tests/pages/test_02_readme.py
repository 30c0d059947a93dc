"""Leçon 2, le README : sa forme, ses nombres, « Chez vous » lancé dans un dossier vide.

Ce que les scripts écrivent, et les nombres qui viennent de leurs runs, sont comparés au texte par
tests/lessons/test_02_*.py (`RECOMPUTED` les nomme) ; citations et liens, par test_texts.py ; les
clics, par test_02_clicks.py.
"""

import json
import re
import sys
from pathlib import Path

import mlflow
import pages
import pytest
import warm
from lesson_02 import FOLDER, X, expected_output, history, y
from programs import SECONDS, ended
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_iris
from sklearn.metrics import silhouette_score
from sklearn.preprocessing import StandardScaler
from texts import ROOT, heading, in_text

import course
import digits

PAGE = (ROOT / FOLDER / "README.md").read_text(encoding="utf-8")
SCRIPTS = [each for each in course.SCRIPTS if each.lesson == FOLDER and "/local/" in each.path]
CORE = [script for script in SCRIPTS if script.core]


def section(title: str) -> str:
    return re.search(rf"^## {title}.*?(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)[0]


# La forme


def test_the_page_and_each_section_are_short():
    """Comme `wc -w` les compte : code, sorties et solutions compris."""
    words = {script.name: len(section(heading(script.name)).split()) for script in CORE}
    too_long = {name: count for name, count in words.items() if count > 450}
    assert (too_long, len(PAGE.split()) <= 4800) == ({}, True), len(PAGE.split())


@pytest.mark.parametrize("script", CORE, ids=[script.name for script in CORE])
def test_a_section_asks_before_it_answers(script):
    """La question, la commande, ce qu'elle écrit, replié ; puis une citation, et que regarder."""
    text = section(heading(script.name))
    before, command, after = text.partition(f"uv run {script.path}\n```\n")
    assert "**Question.**" in before and command
    assert after.startswith("\n<details><summary>Ce que le script écrit</summary>")
    assert script.path in {block.remark for block in pages.blocks(after) if block.quoted}
    assert "**À regarder.**" in after and "**Ce que cela apprend.**" in after


def test_the_announced_time_is_enough_for_the_machine():
    in_text(r"Les scripts eux-mêmes prennent (moins de deux minutes)\.", PAGE)
    assert sum(script.seconds for script in CORE) < 120
    assert [script for script in SCRIPTS if script.path in PAGE] == CORE


def test_the_list_of_pictures_follows_the_text():
    """Dans l'ordre de la page, et chaque clic d'une image est un point numéroté entier."""
    listed = json.loads((ROOT / FOLDER / "Images/images.json").read_text(encoding="utf-8"))
    shown = re.findall(r"!\[[^\]]+\]\(Images/([^)]+)\)", PAGE)
    assert [each["name"] for each in listed if each["name"] in shown] == shown
    points = re.findall(r"^\d\. (.*(?:\n   .*)*)", PAGE, re.MULTILINE)
    points = [re.sub(r"\s+", " ", point) for point in points]
    for each in listed:
        if each["name"] in shown:
            assert [step for step in each.get("steps", []) if step not in points] == []


# Les nombres, un par un


def silhouette_of_nine(lesson) -> str:
    return f"{lesson.named('kmeans k=9').data.metrics['silhouette']:.3f}"


def spaced(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def parts() -> tuple[int, ...]:
    return tuple(len(part) for part in digits.split_images(X, y)[:3])


def with_tensorflow() -> list[int]:
    return [int(script.stem[:2]) for script in SCRIPTS if "tensorflow" in script.needs]


# section -> ce qu'elle affirme, et de quoi le recalculer : chaque groupe, une valeur
CLAIMS = {
    "Les données": [
        (r"([\d ]+) chiffres écrits à la main, en images de (\d) x (\d) pixels",
         lambda _: (spaced(len(X)), *load_digits().images.shape[1:])),
        (r"Les pixels, de (\d+) à (\d+), sont divisés par (\d+)\.", lambda _: (
            f"{load_digits().data.min():.0f}", f"{load_digits().data.max():.0f}",
            f"{load_digits().data.max() / X.to_numpy().max():.0f}")),
        (r"réseau, ([\d ]+) images servent à apprendre, (\d+) à choisir .*? (\d+) à juger",
         lambda _: (spaced(parts()[0]), *parts()[1:])),
    ],
    heading("kmeans_sweep"): [
        (r"en tête, sa silhouette de ([\d.]+) dans", lambda lesson: (silhouette_of_nine(lesson),)),
        (r"de (\d+) en haut à (\d+) en bas", lambda lesson: [
            lesson.named("kmeans k=2 à 20").data.params[name] for name in ("k_min", "k_max")]),
    ],
    "Chez vous": [
        (r"La silhouette préfère (\d) groupes\*\*", lambda _: (max(SCORES, key=SCORES.get),)),
    ],
    heading("autoencoder"): [
        (r"redessiner une image de (\d+) pixels", lambda _: (X.shape[1],)),
    ],
    heading("checkpoints"): [
        (r"quand l'apprentissage s'arrête après la (\d+)e", lambda lesson: (
            len(history(lesson, lesson.named("autoencodeur code=8"), "loss")) - 1,)),
    ],
    heading("compare_representations"): [
        (r"standardisés \(moyenne (\d), écart type (\d)\)", lambda _: (
            f"{abs(StandardScaler().fit_transform(X).mean()):.0f}",
            f"{StandardScaler().fit_transform(X.loc[:, X.var() > 0]).std():.0f}")),
    ],
    "Pièges": [
        (r"Les scripts (\d) à (\d) le demandent",
         lambda _: (with_tensorflow()[0], with_tensorflow()[-1])),
    ],
}  # fmt: skip
# ce que d'autres tests recalculent et comparent à cette page : section -> ses nombres, et où
RECOMPUTED = {
    "Notions": ({"0", "1"}, "test_02_unsupervised : ARI au hasard ; test_02_networks : époque 0"),
    heading("kmeans_sweep"): ({"0.163", "0.189", "9"}, "test_02_unsupervised : ten_groups"),
    heading("autoencoder"): ({"0"}, "test_02_networks : each_epoch_is_logged"),
    heading("checkpoints"): ({"8", "34"}, "test_02_networks : announces_the_checkpoints"),
    heading("compare_representations"): (
        {"0", "1", "0.568", "0.682"},
        "test_02_representations : announces_what_was_found, seed_of_the_network_reverses",
    ),
    "Pièges": ({"0", "5", "40", "512", "58"}, "test_02_networks : what_the_network_found, zero"),
    "Vérifiez-vous": (
        {"9", "0.163", "2.15", "144", "0.189", "1.76", "178", "11", "0.287", "0.182", "0.179",
         "39", "0.0156", "34", "0.0150", "2", "28", "0.531", "0.589"},
        "chaque `answer(...)` de tests/lessons/test_02_*.py",
    ),
}  # fmt: skip


@pytest.mark.parametrize("title", CLAIMS)
def test_each_number_is_recomputed(title, lesson):
    for pattern, values in CLAIMS[title]:
        said = in_text(pattern, section(title))
        assert [each.strip() for each in said] == [*map(str, values(lesson))], pattern


def test_no_other_number_is_in_the_prose():
    """Hors des blocs et des noms de code, des rangs et des renvois ; les exercices ont leurs
    tests.
    """
    for text in re.split(r"^(?=## )", PAGE, flags=re.MULTILINE)[1:]:
        title, text = text.splitlines()[0].removeprefix("## "), re.sub(r"<http.*?>", "", text)
        if title == "Exercices":
            continue
        for pattern, _ in next((CLAIMS[each] for each in CLAIMS if title.startswith(each)), []):
            text = re.sub(pattern.replace(" ", r"\s+"), "", text, flags=re.DOTALL)
        prose = re.sub(r"^\d\. |<summary>\d", "", pages.prose(text), flags=re.MULTILINE)
        prose = re.sub(r"\]\([^)]*\)|\b[Ll]eçon \d", "", prose)
        left = set(re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?!\w)", prose))
        known, _ = next(
            (RECOMPUTED[each] for each in RECOMPUTED if title.startswith(each)), ((), 0)
        )
        left -= {"1998", "4.0"} if title.startswith("Les données") else set()  # la source
        assert left <= set(known), (title, left)


def test_what_the_text_says_in_words_is_counted(lesson):
    """Ce que les scripts écrivent, tests/lessons le compare à la page : on y compte des lignes."""
    assert len(lesson.children(lesson.named("kmeans k=2 à 20"))) == 19
    in_text(r"(Dix-neuf partages) par K-Means, de deux à vingt groupes", PAGE)
    assert "un parent, dix-neuf enfants" in PAGE
    views = re.findall(r"^(.+) : ARI moyen", expected_output("compare_representations"), re.M)
    assert len(views) == 9 and "un parent, neuf enfants" in PAGE
    networks = [view for view in views if view.startswith("autoencodeur ")]
    assert len(networks) == 6 and "six autoencodeurs" in PAGE
    saved = re.findall(r"^  époque", expected_output("checkpoints"), re.M)
    assert len(saved) == 8 and "huit modèles, chacun daté de son époque" in PAGE
    assert digits.build_autoencoder.__defaults__[0] == 8
    in_text(r"(Huit nombres) suffisent-ils .*? composantes principales \(ACP\) de huit", PAGE)
    shown = lesson.named("autoencodeur code=8").data.metrics
    assert len(shown.keys() - {"loss", "val_loss"}) == 4 and "validation_loss" in shown
    in_text(r"(Les quatre autres), dont `validation_loss`, n'ont qu'une barre\.", PAGE)


# « Chez vous »

HOME = section("Chez vous")
PROGRAM, SAID = (
    next(block for block in pages.blocks(HOME) if block.language == language)
    for language in ("python", "text")
)
FLOWERS = load_iris(as_frame=True)


def silhouettes() -> dict[int, float]:
    """Nombre de groupes -> silhouette, dans l'espace que K-Means a vu ; sans MLflow."""
    seen = StandardScaler().fit_transform(FLOWERS.data)
    return {
        k: silhouette_score(seen, KMeans(k, n_init=10, random_state=0).fit_predict(seen))
        for k in range(2, 6)
    }


SCORES = silhouettes()


def run_in(folder: Path, code: str, start=warm.forked):
    """Lance ce programme, écrit dans `folder`, depuis ce dossier ; il doit réussir."""
    (folder / "groups.py").write_text(code, encoding="utf-8")
    told = start([sys.executable, "groups.py"], folder, SECONDS)
    assert told.returncode == 0, told.stderr
    return told


def runs_of(folder: Path) -> list:
    """Les runs de « mes groupes », du plus ancien au plus récent."""
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    found = client.get_experiment_by_name("mes groupes")
    return list(client.search_runs([found.experiment_id]))[::-1]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Un dossier vide, hors de tout dépôt, où le programme a été lancé ; et ce qu'il a dit."""
    folder = tmp_path_factory.mktemp("chez moi") / "mes-groupes"
    folder.mkdir()
    return folder, run_in(folder, PROGRAM.text, start=ended)


def test_the_program_is_twenty_lines_with_nothing_of_ours():
    in_text(r"tient en (vingt lignes), sans rien du cours", HOME)
    assert len([line for line in PROGRAM.lines if line.strip()]) <= 20
    imported = re.findall(r"^(?:import|from) (\w+)", PROGRAM.text, re.MULTILINE)
    assert set(imported) == {"mlflow", "sklearn"}


@pytest.mark.slow
def test_the_program_fills_the_empty_folder(home, monkeypatch):
    folder, _ = home
    assert sorted(path.name for path in folder.iterdir()) == ["groups.py", "mlflow.db", "mlruns"]
    parent, *children = runs_of(folder)
    assert parent.info.run_name == "kmeans k=2 à 5" and not parent.data.metrics
    assert parent.data.tags["mlflow.note.content"] == "Combien d'espèces d'iris ?"
    assert [run.info.run_name for run in children] == [f"kmeans k={k}" for k in SCORES]
    monkeypatch.chdir(folder)
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    for run, (k, score) in zip(children, SCORES.items(), strict=True):
        assert run.info.status == "FINISHED"
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.params == {"n_clusters": str(k), "random_state": "0"}
        assert run.data.metrics == {"silhouette": pytest.approx(score, abs=1e-9)}
        [output] = run.outputs.model_outputs
        again = mlflow.sklearn.load_model(f"models:/{output.model_id}")
        groups = again.predict(FLOWERS.data)
        assert silhouette_score(again[:-1].transform(FLOWERS.data), groups) == pytest.approx(score)
        served = mlflow.pyfunc.load_model(f"models:/{output.model_id}")
        assert served.predict(FLOWERS.data.head(9)).tolist() == groups[:9].tolist()
        assert served.input_example.equals(FLOWERS.data.head(3))


@pytest.mark.slow
def test_it_prints_the_best_and_says_what_the_page_shows(home):
    _, told = home
    best = max(SCORES, key=SCORES.get)
    assert told.stdout == f"kmeans k={best} {SCORES[best]:.3f}\n"
    *noise, result = SAID.lines
    assert result == told.stdout.strip()
    said = [line for line in told.stderr.splitlines() if re.search(r" INFO |Warning: ", line)]
    assert all(any(pages.shown_as([one]).fullmatch(line) for line in said) for one in noise)
    assert all(any(pages.shown_as([one]).fullmatch(line) for one in noise) for line in said)


def test_the_silhouette_does_not_look_for_the_species():
    in_text(r"(alors qu'il y a trois espèces)", HOME)
    assert FLOWERS.target.nunique() == 3 != max(SCORES, key=SCORES.get)


@pytest.mark.slow
def test_with_a_table_of_ones_own_it_compares_every_sweep(tmp_path):
    """La deuxième fois, sans `k=2` : le meilleur est encore celui du premier balayage."""
    pattern = r'`(import pandas .*?)`, et remplacez `(X)` par `(pd.read_csv\("mes-donnees.csv"\))`'
    imported, name, loaded = in_text(pattern, HOME)
    FLOWERS.data.sample(100, random_state=0).to_csv(tmp_path / "mes-donnees.csv", index=False)
    ours = "X = load_iris(as_frame=True).data"
    assert ours in PROGRAM.lines
    mine = PROGRAM.text.replace(ours, f"{imported}\n{name} = {loaded}")
    run_in(tmp_path, mine)
    again = run_in(tmp_path, mine.replace("range(2, 6)", "range(4, 6)"))
    runs = runs_of(tmp_path)
    found = {run.info.run_name: run.data.metrics.get("silhouette", -1) for run in runs}
    best = max(found, key=found.get)
    assert len(runs) == 5 + 3 and best == "kmeans k=2"
    assert again.stdout == f"{best} {found[best]:.3f}\n"
    in_text(r"(les enfants compris)\. Relancé, il compare tous vos balayages\.", HOME)
