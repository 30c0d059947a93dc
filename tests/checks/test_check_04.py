"""Les exercices de la leçon 4 : la bonne réponse, une autre, et ce que l'on dit aux réponses
fausses.
"""

import re
from functools import cache

import pandas as pd
from checks.lesson_04 import REFUSED, UNDONE
from classroom import each
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from wines import load_wines

LESSON = "04_model_registry_azureml"
WINES = load_wines()


@cache
def fitted(name: str):
    model = {
        "forest": RandomForestClassifier(n_estimators=10, random_state=0),
        "neighbor": KNeighborsClassifier(1),
        "svm": make_pipeline(StandardScaler(), SVC()),
        "stump": DecisionTreeClassifier(max_depth=1, random_state=0),
        "tree": DecisionTreeClassifier(random_state=0),
    }[name]
    return make_pipeline(model).fit(WINES.X_train, WINES.y_train)


def named(me, number: str) -> str:
    return f"exercise_{number.replace('-', '_')}_{me.user}"


def register(me, number, model, **metrics) -> str:
    """Un run, son modèle, et la version inscrite sous le nom de l'apprenant ; renvoie le numéro."""
    return me.version(
        named(me, number), me.run(number, name=model, metrics=metrics, model=fitted(model))
    )


def tag(me, name, version, **tags):
    for key, value in tags.items():
        if value is not None:
            me.client.set_model_version_tag(name, version, key, value)


# --- 04-1

CLAIMED = {"forest": 0.9666, "neighbor": 1.0, "svm": 0.9699}
REASON = "recalculée sur 25 plis, elle ne gagne pas assez"


def promote(
    me,
    champion="forest",
    decisions=("refused", "refused"),
    reasons=(REASON, REASON),
    teams=tuple(CLAIMED),
) -> str:
    name, versions = (
        named(me, "04-1"),
        {team: register(me, "04-1", team, accuracy=CLAIMED[team]) for team in teams},
    )
    for team, decision, reason in zip(
        [team for team in teams if team != champion], decisions, reasons, strict=False
    ):
        tag(me, name, versions[team], decision=decision, reason=reason)
    if champion:
        me.client.set_registered_model_alias(name, "champion", versions[champion])
    return name


def renamed(me):
    me.client.rename_registered_model(promote(me), "vins")
    me.client.set_registered_model_tag("vins", "exercise", "04-1")


# --- 04-2


def roll_back(
    me,
    champion="1",
    decision="rolled back",
    reason="elle ne répond jamais cultivar_2",
    history="2 -> 1",
) -> str:
    name = named(me, "04-2")
    for model in ("forest", "stump"):
        register(me, "04-2", model)
    if champion:
        me.client.set_registered_model_alias(name, "champion", champion)
    tag(me, name, "2", decision=decision, reason=reason)
    for hour, move in ((10, "1 -> 2"), (11, history)):
        if move:
            me.client.set_registered_model_tag(
                name,
                f"history_20261121_{hour}0000_000000",
                f"2026-11-21 {hour}:00 UTC, @champion : {move}",
            )
    return name


def by_hand(me):
    """Dans l'interface, avec ses mots."""
    name = roll_back(me, decision="Retirée", history=None)
    me.client.set_registered_model_tag(
        name, "history", "retour le 21 novembre, version 2 vers 1, décidé par Anne"
    )


def again(me):
    """La bonne version, inscrite une troisième fois au lieu de revenir à la première."""
    name = roll_back(me)
    me.client.set_registered_model_alias(name, "champion", register(me, "04-2", "forest"))


# --- 04-3


@cache
def answers(name: str) -> list[str]:
    return list(fitted(name).predict(WINES.X_test))


def different() -> int:
    return sum(one != other for one, other in zip(answers("tree"), answers("forest"), strict=True))


def serve(
    me,
    pair=("tree", "forest"),
    *,
    live="2",
    params=None,
    number="04-3",
    move=0,
    restart=None,
    only=3,
    **seen,
):
    """Ce que le service a répondu à trois moments.

    `move`, `restart` : les changements annoncés ; `seen` : qui a répondu.
    """
    name = named(me, "04-3")
    for model in pair:
        me.version(name, me.run(lesson=LESSON, name=model, model=fitted(model)))
    if live:
        me.client.set_registered_model_alias(name, "live", live)
    told = {"before": pair[0], "moved": pair[0], "restarted": pair[1]} | seen
    given = {"model": name, "old_version": 1, "new_version": 2} if params is None else params
    restart = different() if restart is None else restart
    seen_by = pd.DataFrame({moment: answers(told[moment]) for moment in list(told)[:only]})
    me.run(
        number,
        lesson=LESSON,
        params=given,
        metrics={"changed_after_move": move, "changed_after_restart": restart},
        files={"answers.csv": seen_by.to_csv(index=False)},
    )


RIGHT = {
    "04-1 juste": (
        promote,
        "@champion reste à la version 1 (0.947) ; la version 2 annonçait 1.000, elle vaut 0.773",
    ),
    "04-1 en français": (lambda me: promote(me, decisions=("refusé", "non retenue")),),
    "04-1 deux fois": (lambda me: [promote(me, champion="neighbor", decisions=()), promote(me)],),
    "04-1 un autre nom": (renamed,),
    "04-2 juste": (roll_back, "@champion est revenu de la version 2 à la 1"),
    "04-2 à la main": (by_hand,),
    "04-3 juste": (serve, "sur 45 réponses, 0 change quand l'alias bouge, 5 après le redémarrage"),
    "04-3 à l'envers": (lambda me: serve(me, ("forest", "tree")),),
}

WRONG = {
    "04-1 sur parole": (
        lambda me: promote(me, champion="neighbor"),
        "annonce 1.000 ; sur 25 plis elle vaut 0.773",
    ),
    "04-1 la meilleure exactitude": (
        lambda me: promote(me, champion="svm"),
        "sensibilité en baisse sur cultivar_2)",
    ),
    "04-1 sans décision": (
        lambda me: promote(me, decisions=(None, None)),
        "il manque l'étiquette `decision` sur la version 2",
    ),
    "04-1 sans raison": (
        lambda me: promote(me, reasons=(None, REASON)),
        "il manque l'étiquette `reason` sur la version 2",
    ),
    "04-1 décision contraire": (
        lambda me: promote(me, decisions=("promoted", "refused")),
        "`decision` dit « promoted »",
    ),
    "04-1 plus de champion": (
        lambda me: promote(me, champion=None, decisions=()),
        "ne porte @champion",
    ),
    "04-1 deux modèles": (
        lambda me: promote(me, teams=("forest", "svm")),
        "n'a que 2 sortes de modèles",
    ),
    "04-1 champion d'avant": (
        lambda me: [promote(me), promote(me, champion=None)],
        "@champion est resté sur la version 1",
    ),
    "04-2 rien de fait": (
        lambda me: roll_back(me, "2", None, None, None),
        "toujours la version 2, qui ne répond jamais cultivar_2",
    ),
    "04-2 plus de champion": (lambda me: roll_back(me, champion=None), "ne porte @champion"),
    "04-2 sans décision": (
        lambda me: roll_back(me, decision=None),
        "il manque l'étiquette `decision` sur la version 2",
    ),
    "04-2 décision d'avant": (
        lambda me: roll_back(me, decision="promoted"),
        "`decision` dit « promoted »",
    ),
    "04-2 sans raison": (
        lambda me: roll_back(me, reason=None),
        "il manque l'étiquette `reason` sur la version 2",
    ),
    "04-2 sans histoire": (
        lambda me: roll_back(me, history=None),
        "l'histoire ne dit pas le retour de 2 à 1",
    ),
    "04-2 histoire à l'envers": (
        lambda me: roll_back(me, history="1 -> 2"),
        "l'histoire ne dit pas le retour de 2 à 1",
    ),
    "04-2 fautive effacée": (
        lambda me: me.client.delete_model_version(roll_back(me), "2"),
        "la version fautive a été supprimée",
    ),
    "04-2 bonne effacée": (
        lambda me: me.client.delete_model_version(roll_back(me, None), "1"),
        "la version d'avant la 2 a disparu",
    ),
    "04-2 réinscrite": (again, "est sur la version 3, inscrite après coup"),
    "04-3 redémarré trop tôt": (
        lambda me: serve(me, moved="forest", move=different()),
        "redémarré trop tôt",
    ),
    "04-3 alias immobile": (
        lambda me: serve(me, restarted="tree", restart=0),
        "ne répond pas comme la version 2",
    ),
    "04-3 jamais redémarré": (
        lambda me: serve(me, only=2),
        "answers.csv n'a pas de colonne `restarted`",
    ),
    "04-3 prévu, pas mesuré": (
        lambda me: serve(me, move=different()),
        "`changed_after_move` (5.000) compte les différences",
    ),
    "04-3 compté à l'envers": (
        lambda me: serve(me, restart=45 - different()),
        "compte les réponses qui n'ont pas changé",
    ),
    "04-3 alias remis": (lambda me: serve(me, live="1"), "@live est revenu à la version 1"),
    "04-3 alias effacé": (lambda me: serve(me, live=None), "ne porte @live"),
    "04-3 sans paramètres": (
        lambda me: serve(me, params={}),
        "paramètres `model`, `old_version`, `new_version`",
    ),
    "04-3 versions jumelles": (
        lambda me: serve(me, ("tree", "tree"), restart=0),
        "répondent pareil aux 45 vins",
    ),
    "04-3 mauvais départ": (
        lambda me: serve(me, before="forest", moved="forest"),
        "ne répondait pas comme la version 1",
    ),
}


@each(
    RIGHT,
    WRONG,
    {
        "04-1 un nom quelconque": (
            lambda me: me.client.rename_registered_model(promote(me), "vins de Paul"),
        )
    },
)
def test_answer(room, case):
    room.judged(*case)


def test_a_refusal_is_said_in_many_words():
    told = {
        UNDONE: (["rolled back", "Retirée", "retrait", "abandonnée"], ["promoted"]),
        REFUSED: (
            [
                "refused",
                "Refusée",
                "rejetée",
                "écartée",
                "non retenue",
                "pas promue",
                "not promoted",
                "no",
            ],
            ["promoted", "promue"],
        ),
    }
    for pattern, (yes, no) in told.items():
        assert all(re.search(pattern, word, re.IGNORECASE) for word in yes)
        assert not any(re.search(pattern, word, re.IGNORECASE) for word in no)
