"""Ce que les solutions disent avoir trouvé, recalculé sans elles : les nombres entiers de leur
dernière cellule, que test_exercises.py ne compare pas à l'écran.
"""

import re

import pytest
from answers_02 import EPOCHS, bic, mse
from digits import elbow, external_indices, internal_indices, load_images
from exercise_files import path_of
from patients import cost, known_patients
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from texts import ROOT, last_cell, numbers, tables

from course import LESSONS
from forms.cells import read_script


def found(number: str) -> list[dict[str, str]]:
    return tables(last_cell(path_of(number, "solutions")))


@pytest.mark.parametrize(("number", "said"), [("01-0", "Sept lignes"), ("02-0", "Seize lignes")])
def test_how_many_lines_tracking_adds(number, said):
    """Ce que la solution ajoute au script sans MLflow, qu'elle ne change pas."""
    solution, start = (
        [
            line
            for cell in read_script(ROOT / path_of(number, folder)).cells
            if cell.kind == "code"
            for line in cell.lines
            if line.strip() and not line.startswith("#")
        ]
        for folder in ("solutions", "exercises")
    )
    added = [line for line in solution if line not in start]
    assert [line for line in solution if line in start] == start
    assert "mlflow" not in "".join(start)
    words = {"Sept lignes": 7, "Seize lignes": 16}
    assert len(added) == words[said] and last_cell(path_of(number, "solutions")).count(said) == 1


def test_the_price_of_each_tumour():
    """« Les neuf premières donnent 48 fausses alertes de plus ; la dernière, à elle seule, 123 » ;
    et aucun seuil ne coûte moins que celui que la solution dit le meilleur.
    """
    X, y = known_patients()
    model, folds = (
        make_pipeline(StandardScaler(), SVC(gamma=0.03)),
        StratifiedKFold(5, shuffle=True, random_state=0),
    )
    distances = cross_val_predict(model, X, y, cv=folds, method="decision_function")
    ill, well = sorted(distances[y == 1.0]), distances[y == 0.0]
    alerts = [int((well >= ill[missed]).sum()) for missed in (10, 1, 0)]
    text = " ".join(last_cell(path_of("01-2", "solutions")).split())
    assert f"donnent {alerts[1] - alerts[0]} fausses alertes" in text
    assert f"en donne {alerts[2] - alerts[1]}" in text
    costs = {at: cost(y, (distances >= at).astype(float)) for at in distances}
    best = min(costs, key=costs.get)
    assert f"le seuil de {best:.3f} est le meilleur" in text
    assert f"| {best:.3f} | 3 | 12 | {costs[best]:.0f} |" in last_cell(path_of("01-2", "solutions"))


def test_the_best_mixture():
    """02-0 : « le BIC est le plus bas à 2 groupes : 5608.3, contre 5842.3 à 3 »."""
    assert min(range(1, 6), key=bic) == 2
    text = " ".join(last_cell(path_of("02-0", "solutions")).split())
    assert f"le plus bas à 2 groupes : {bic(2):.1f}, contre {bic(3):.1f} à 3" in text


@pytest.mark.slow
def test_what_each_index_recommends():
    """02-1 : le tableau, d'un balayage refait sans MLflow."""
    X, y = load_images()
    seen = PCA(8, random_state=0).fit_transform(X)
    models = {k: KMeans(k, n_init=10, random_state=0).fit(seen) for k in range(2, 21)}
    scores = {k: internal_indices(seen, model) for k, model in models.items()}
    ari = {k: external_indices(y, model.labels_)["ari"] for k, model in models.items()}

    def best(way, name: str) -> int:
        return way(scores, key=lambda k: scores[k][name])

    chosen = {
        "coude de l'inertie": elbow([*scores], [each["inertia"] for each in scores.values()]),
        "silhouette": best(max, "silhouette"),
        "Davies-Bouldin": best(min, "davies_bouldin"),
        "Calinski-Harabasz": best(max, "calinski_harabasz"),
        "ARI, qui voit les classes": max(ari, key=ari.get),
    }
    assert found("02-1") == [
        {"ce qui choisit": name, "groupes": str(k), "ARI": f"{ari[k]:.3f}"}
        for name, k in chosen.items()
    ]


@pytest.mark.slow
def test_where_each_seed_puts_the_top():
    """02-2 : aucune des dix graines ne met le sommet à 11, et le tableau dit où."""
    X, y = load_images()
    tops = {}
    for seed in range(10):
        models = {k: KMeans(k, n_init=1, random_state=seed).fit(X) for k in range(8, 16)}
        top = max(models, key=lambda k: external_indices(y, models[k].labels_)["ari"])
        tops.setdefault(top, []).append(str(seed))
    assert 11 not in tops
    assert found("02-2") == [
        {"sommet": f"{k} groupes", "graines": ", ".join(tops[k])} for k in sorted(tops)
    ]


def test_where_the_network_stops_learning():
    """02-3 : le tableau ; l'apprentissage descend toujours, la validation remonte."""
    train, valid = ([mse(epoch, part) for epoch in EPOCHS] for part in ("train", "valid"))
    assert found("02-3") == [
        {"époque": str(epoch), "apprentissage": f"{one:.4f}", "validation": f"{other:.4f}"}
        for epoch, one, other in zip(EPOCHS, train, valid, strict=True)
    ]
    assert train == sorted(train, reverse=True)
    assert valid.index(min(valid)) == 1 and valid[1:] == sorted(valid[1:])
    assert "remonte après l'époque 79" in last_cell(path_of("02-3", "solutions"))


@pytest.mark.parametrize("lesson", LESSONS[:2])
def test_the_page_says_no_other_number(lesson):
    """Ce que la page ajoute à la sortie d'une solution, sa dernière cellule le dit."""
    page = (ROOT / lesson / "README.md").read_text(encoding="utf-8")
    sections = re.split(
        r"^### Exercice (\d\d-\d) : ", page.partition("\n## Exercices\n")[2], flags=re.M
    )
    for number, section in zip(sections[1::2], sections[2::2], strict=True):
        solution = section.partition("<summary>Solution</summary>")[2].partition("</details>")[0]
        screen = "".join(re.findall(r"```text\n(.*?)```", solution, re.S))
        prose = re.sub(r"```.*?```", "", solution, flags=re.S)
        known = numbers(screen + last_cell(path_of(number, "solutions")))
        assert [each for each in numbers(prose) if each not in known] == [], number
