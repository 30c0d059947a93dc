"""Les exercices de la leçon 4 : la bonne réponse, une autre, et ce que l'on dit aux réponses fausses."""

import re
from functools import cache

import pandas as pd
import pytest
from checks.lesson_04 import REFUSED, UNDONE
from classroom import Classroom
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from wines import load_wines

WINES = load_wines()


@pytest.fixture(scope="module")
def room(tmp_path_factory) -> Classroom:
    return Classroom(tmp_path_factory.mktemp("classe"))


@pytest.fixture(autouse=True)
def opened(room):
    room.open()


@cache
def fitted(name: str):
    model = {
        "forest": RandomForestClassifier(n_estimators=50, random_state=0),
        "neighbor": KNeighborsClassifier(1),
        "svm": make_pipeline(StandardScaler(), SVC()),
        "stump": DecisionTreeClassifier(max_depth=1, random_state=0),
        "tree": DecisionTreeClassifier(random_state=0),
    }[name]
    return make_pipeline(model).fit(WINES.X_train, WINES.y_train)


def register(room, user, number, model, **metrics) -> str:
    """Un run, son modèle, et la version inscrite sous le nom de l'apprenant ; renvoie le numéro."""
    run_id = room.run(user, number, name=model, metrics=metrics, model=fitted(model))
    return room.version(f"exercise_{number.replace('-', '_')}_{user}", run_id)


# --- 04-1

CLAIMED = {"forest": 0.9666, "neighbor": 1.0, "svm": 0.9699}
REASON = "recalculée sur 25 plis, elle ne gagne pas assez"


def promote(room, user, champion="forest", decisions=("refused", "refused"), reasons=(REASON, REASON), teams=("forest", "neighbor", "svm")):
    name = f"exercise_04_1_{user}"
    versions = {team: register(room, user, "04-1", team, accuracy=CLAIMED[team]) for team in teams}
    for team, decision, reason in zip([team for team in teams if team != champion], decisions, reasons, strict=False):
        for key, value in (("decision", decision), ("reason", reason)):
            if value is not None:
                room.client.set_model_version_tag(name, versions[team], key, value)
    if champion:
        room.client.set_registered_model_alias(name, "champion", versions[champion])
    return name, versions


@pytest.mark.slow
def test_promotion_right(room):
    promote(room, "juste")
    found = room.verdict("04-1", "juste")
    said = "@champion reste à la version 1 (0.967) ; la version 2 annonçait 1.000, elle vaut 0.773"
    assert (found.state, found.text) == ("fait", said)


def test_a_refusal_is_said_in_many_words():
    assert all(re.search(UNDONE, word, re.IGNORECASE) for word in ("rolled back", "Retirée", "retrait", "abandonnée"))
    assert not re.search(UNDONE, "promoted", re.IGNORECASE)
    refusals = ("refused", "Refusée", "rejetée", "écartée", "non retenue", "pas promue", "not promoted", "no")
    assert all(re.search(REFUSED, decision, re.IGNORECASE) for decision in refusals)
    assert not any(re.search(REFUSED, decision, re.IGNORECASE) for decision in ("promoted", "promue, exactitude annoncée"))


@pytest.mark.slow
def test_promotion_other_ways(room):
    promote(room, "en français", decisions=("refusé", "non retenue"))
    assert room.verdict("04-1", "en français").state == "fait"
    promote(room, "deux fois", champion="neighbor", decisions=())
    promote(room, "deux fois")
    assert room.verdict("04-1", "deux fois").state == "fait"
    name, versions = promote(room, "un autre nom")
    room.client.rename_registered_model(name, "vins_de_paul")
    assert room.verdict("04-1", "un autre nom").state == "à faire"
    room.client.set_registered_model_tag("vins_de_paul", "exercise", "04-1")
    assert room.verdict("04-1", "un autre nom").state == "fait"


PROMOTION = {
    "sur parole": ({"champion": "neighbor"}, "annonce 1.000 ; sur 25 plis elle vaut 0.773. Sur quelles données l'annonce"),
    "la meilleure exactitude": (
        {"champion": "svm"},
        "en baisse sur cultivar_2). C'est la meilleure exactitude, mais la règle a deux conditions",
    ),
    "sans décision": ({"decisions": (None, None)}, "il manque l'étiquette `decision` sur la version 2, que vous n'avez pas promue"),
    "sans raison": ({"reasons": (None, REASON)}, "il manque l'étiquette `reason` sur la version 2 : refusée, mais pourquoi ?"),
    "raison trop brève": ({"reasons": (REASON, "non")}, "dit « non » : dans six mois, personne n'en saura plus"),
    "décision contraire": ({"decisions": ("promoted", "refused")}, "n'est pas en service, mais son étiquette `decision` dit « promoted »"),
    "un seul refus": ({"decisions": ("refused",)}, "il manque l'étiquette `decision` sur la version 3"),
    "plus de champion": ({"champion": None, "decisions": ()}, "plus aucune version de exercise_04_1_plus de champion ne porte @champion"),
    "deux modèles": ({"teams": ("forest", "svm")}, "n'a que 2 sortes de modèles"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PROMOTION)
def test_promotion_wrong(room, name):
    options, said = PROMOTION[name]
    promote(room, name, **options)
    assert said in room.remark("04-1", name)


@pytest.mark.slow
def test_promotion_left_on_an_earlier_version(room):
    name, versions = promote(room, "d'avant")
    promote(room, "d'avant", champion=None, decisions=())
    assert "@champion est resté sur la version 1, d'un lancement précédent" in room.remark("04-1", "d'avant")


# --- 04-2

STORY = "2026-11-21 10:00 UTC, @champion : {} -> {}"


def roll_back(room, user, champion="1", decision="rolled back", reason="elle ne répond jamais cultivar_2", history=("2", "1")):
    name = f"exercise_04_2_{user}"
    for model in ("forest", "stump"):
        register(room, user, "04-2", model)
    room.client.set_registered_model_tag(name, "history_20261121_100000_000000", STORY.format(1, 2))
    if champion:
        room.client.set_registered_model_alias(name, "champion", champion)
    for key, value in (("decision", decision), ("reason", reason)):
        if value is not None:
            room.client.set_model_version_tag(name, "2", key, value)
    if history:
        room.client.set_registered_model_tag(name, "history_20261121_110000_000000", STORY.format(*history))
    return name


def test_rollback_right(room):
    roll_back(room, "juste")
    found = room.verdict("04-2", "juste")
    assert (found.state, found.text) == ("fait", "@champion est revenu de la version 2 à la 1, et l'histoire le dit")


@pytest.mark.slow
def test_rollback_other_way(room):
    """À la main, dans l'interface, avec ses mots."""
    name = roll_back(room, "interface", decision="Retirée", history=None)
    room.client.set_registered_model_tag(name, "history", "retour le 21 novembre, version 2 vers 1, décidé par Anne")
    assert room.verdict("04-2", "interface").state == "fait"


ROLLBACK = {
    "rien de fait": (
        {"champion": "2", "decision": None, "reason": None, "history": None},
        "@champion désigne toujours la version 2, qui ne répond jamais cultivar_2",
    ),
    "plus de champion": ({"champion": None}, "ne porte @champion : le service, qui le demande par ce nom, n'a plus de modèle"),
    "sans décision": ({"decision": None}, "il manque l'étiquette `decision` sur la version 2 : qu'en a-t-on fait ?"),
    "décision d'avant": ({"decision": "promoted"}, "la version 2 est retirée, mais son étiquette `decision` dit « promoted »"),
    "sans raison": ({"reason": None}, "il manque l'étiquette `reason` sur la version 2 : retirée, mais pourquoi ?"),
    "raison trop brève": ({"reason": "bug"}, "dit « bug » : dans six mois"),
    "sans histoire": ({"history": None}, "l'histoire ne dit pas le retour de 2 à 1"),
    "histoire à l'envers": ({"history": ("1", "2")}, "l'histoire ne dit pas le retour de 2 à 1"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ROLLBACK)
def test_rollback_wrong(room, name):
    options, said = ROLLBACK[name]
    roll_back(room, name, **options)
    assert said in room.remark("04-2", name)


@pytest.mark.slow
def test_rollback_by_erasing(room):
    room.client.delete_model_version(roll_back(room, "effacée"), "2")
    assert "la version fautive (1) a été supprimée" in room.remark("04-2", "effacée")
    room.client.delete_model_version(roll_back(room, "effacée avant", champion=None), "1")
    assert "la version d'avant la 2 a disparu : il n'y a plus où revenir" in room.remark("04-2", "effacée avant")


@pytest.mark.slow
def test_rollback_by_registering_again(room):
    name = roll_back(room, "réinscrite")
    version = register(room, "réinscrite", "04-2", "forest")
    room.client.set_registered_model_alias(name, "champion", version)
    assert "est sur la version 3, inscrite après coup ; revenir, c'est rendre l'alias à la 1" in room.remark("04-2", "réinscrite")


# --- 04-3


@cache
def answers(name: str) -> list[str]:
    return list(fitted(name).predict(WINES.X_test))


DIFFER = sum(one != other for one, other in zip(answers("tree"), answers("forest"), strict=True))
SEEN = {"before": "tree", "moved": "tree", "restarted": "forest"}


def serve(room, user, seen=None, metrics=None, params=None, live="2", pair=("tree", "forest"), number="04-3", columns=SEEN):
    name = f"exercise_04_3_{user}"
    for model in pair:
        room.version(name, room.run(user, lesson="04_model_registry_azureml", name=model, model=fitted(model)))
    if live:
        room.client.set_registered_model_alias(name, "live", live)
    table = pd.DataFrame({moment: answers({**SEEN, **(seen or {})}[moment]) for moment in columns})
    given = {"model": name, "old_version": 1, "new_version": 2}
    numbers = {"changed_after_move": 0, "changed_after_restart": DIFFER, **(metrics or {})}
    files = {"answers.csv": table.to_csv(index=False)}
    given = given if params is None else params
    room.run(user, number, lesson="04_model_registry_azureml", params=given, metrics=numbers, files=files)


@pytest.mark.slow
def test_alias_right(room):
    serve(room, "juste")
    found = room.verdict("04-3", "juste")
    assert (found.state, found.text) == ("fait", "sur 45 réponses, 0 change quand l'alias bouge, 5 après le redémarrage")


@pytest.mark.slow
def test_alias_other_way(room):
    """De la forêt vers l'arbre."""
    serve(room, "à l'envers", pair=("forest", "tree"), seen={"before": "forest", "moved": "forest", "restarted": "tree"})
    assert room.verdict("04-3", "à l'envers").state == "fait"
    serve(room, "sans étiquette", number=None)
    assert room.verdict("04-3", "sans étiquette").state == "fait"


ALIAS = {
    "redémarré trop tôt": (
        {"seen": {"moved": "forest"}, "metrics": {"changed_after_move": DIFFER}},
        "c'est déjà la nouvelle version qui répond : le service a été redémarré trop tôt",
    ),
    "alias immobile": (
        {"seen": {"restarted": "tree"}, "metrics": {"changed_after_restart": 0}},
        "ne répond pas comme la version 2 : @live avait-il",
    ),
    "jamais redémarré": (
        {"columns": ("before", "moved")},
        "answers.csv n'a pas de colonne `restarted` : reposez les questions après le redémarrage",
    ),
    "jamais déplacé": ({"columns": ("before",)}, "n'a pas de colonne `moved` : reposez les questions après le déplacement de l'alias"),
    "prévu, pas mesuré": (
        {"metrics": {"changed_after_move": DIFFER}},
        "compte les différences entre versions : personne n'a encore redémarré",
    ),
    "compté à l'envers": ({"metrics": {"changed_after_restart": 45 - DIFFER}}, "compte les réponses qui n'ont pas changé"),
    "inventé": ({"metrics": {"changed_after_restart": 12}}, "la métrique `changed_after_restart` vaut 12, mais"),
    "alias remis": ({"live": "1"}, "@live est revenu à la version 1 : laissez-le où le service le lit"),
    "alias effacé": ({"live": None}, "ne porte @live"),
    "sans paramètres": ({"params": {}}, "le run ne dit pas ce qu'il a servi : paramètres `model`, `old_version` et `new_version`"),
    "versions jumelles": (
        {"pair": ("tree", "tree"), "seen": {"restarted": "tree"}, "metrics": {"changed_after_restart": 0}},
        "répondent pareil aux 45 vins : rien ne pourrait changer",
    ),
    "mauvais départ": ({"seen": {"before": "forest", "moved": "forest"}}, "avant tout, le service ne répondait pas comme la version 1"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ALIAS)
def test_alias_wrong(room, name):
    options, said = ALIAS[name]
    serve(room, name, **options)
    assert said in room.remark("04-3", name)
