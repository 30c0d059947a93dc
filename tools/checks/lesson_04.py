"""Les exercices de la leçon 4 : l'état du registre, et ce que valent les versions."""

import csv
import re

from checks.learner import Learner, first_right
from checks.models import fetch, last_step, model_of_version, predict
from checks.recompute import wine_answers, wine_scores, wines
from checks.remarks import Exercise, Remark
from checks.values import compare, text_tag

LESSON = "04_model_registry_azureml"
REFUSED = r"refus|rejet|reject|[ée]cart|\bpas\b|\bnon\b|\bnot?\b"
UNDONE = r"roll|retour|retir|retrait|revert|annul|abandon|refus|withdraw"


def aliased(learner: Learner, name: str, alias: str, versions: dict) -> str:
    """Le numéro de la version qui porte `alias`. Lève `Remark` si personne ne le porte."""
    number = learner.client.get_registered_model(name).aliases.get(alias)
    if number is None:
        raise Remark(
            f"plus aucune version de {name} ne porte @{alias} : le service, qui le demande par ce nom, n'a plus de modèle."
        )
    if str(number) not in versions:
        raise Remark(f"@{alias} désigne une version de {name} qui n'existe plus.")
    return str(number)


# --- 04-1 : une promotion qui ne doit pas se faire


def promotion(learner: Learner) -> str:
    from wines import compare as rule

    name = learner.model_name("04-1")
    everything = learner.course.versions(name)
    # la dernière de chacune
    families = {
        type(last_step(model_of_version(learner, each))).__name__: each
        for each in everything.values()
    }
    if len(families) < 3:
        raise Remark(
            f"{name} n'a que {len(families)} sortes de modèles : il faut la forêt, le plus proche voisin et le SVM."
        )
    latest = {str(each.version): each for each in families.values()}
    champion = aliased(learner, name, "champion", everything)
    if champion not in latest:
        raise Remark(
            f"@champion est resté sur la version {champion}, d'un lancement précédent : relancez, puis décidez."
        )
    scores = {
        number: wine_scores(model_of_version(learner, each)) for number, each in latest.items()
    }
    runs = {number: learner.client.get_run(each.run_id) for number, each in latest.items()}
    claimed = {number: run.data.metrics.get("accuracy", 0.0) for number, run in runs.items()}
    real, best = (
        scores[champion]["cv_accuracy"],
        max(scores, key=lambda number: scores[number]["cv_accuracy"]),
    )
    if claimed[champion] > real + 0.05:
        raise Remark(
            f"@champion désigne la version {champion}, qui annonce {claimed[champion]:.3f} ; sur 25 plis elle vaut {real:.3f}."
            " Sur quelles données l'annonce a-t-elle été mesurée ?"
        )
    for number in latest:
        verdict = rule(scores[champion], scores[number], 0.01)
        if number != champion and verdict.promoted:
            raise Remark(
                f"la version {number} bat @champion ({verdict.reason}) : la règle la promeut."
            )
    forest = (
        str(families["RandomForestClassifier"].version)
        if "RandomForestClassifier" in families
        else None
    )
    if forest and champion != forest:
        verdict = rule(scores[forest], scores[champion], 0.01)
        if not verdict.promoted:
            extra = (
                " C'est la meilleure exactitude, mais la règle a deux conditions."
                if champion == best
                else ""
            )
            raise Remark(
                f"la version {champion} ne devait pas remplacer la forêt ({verdict.reason}).{extra}"
            )
    for number in latest:
        if number == champion:
            continue
        tags = latest[number].tags
        decision = text_tag(
            tags, "decision", f"sur la version {number}, que vous n'avez pas promue", least=2
        )
        if not re.search(REFUSED, decision, re.IGNORECASE):
            raise Remark(
                f"la version {number} n'est pas en service, mais son étiquette `decision` dit « {decision} »."
            )
        text_tag(tags, "reason", f"sur la version {number} : refusée, mais pourquoi ?")
    suspect = max(latest, key=lambda number: claimed[number] - scores[number]["cv_accuracy"])
    return (
        f"@champion reste à la version {champion} ({real:.3f}) ; la version {suspect} annonçait {claimed[suspect]:.3f},"
        f" elle vaut {scores[suspect]['cv_accuracy']:.3f}"
    )


# --- 04-2 : revenir en arrière


def rollback(learner: Learner) -> str:
    name = learner.model_name("04-2")
    versions = learner.course.versions(name)
    tags = learner.client.get_registered_model(name).tags
    history = [line for key, line in sorted(tags.items()) if key.startswith("history")]
    moves = [
        move for line in history for move in re.findall(r"(\d+)\s*(?:->|→|vers)\s*(\d+)", line)
    ]
    answers = {
        number: set(predict(model_of_version(learner, each), wines().X_train))
        for number, each in versions.items()
    }
    faulty = [number for number, seen in answers.items() if len(seen) < 3]
    if not faulty:
        promoted = moves[-1][1] if moves else "?"
        raise Remark(
            f"la version fautive ({promoted}) a été supprimée : ses prédictions d'hier ne mènent plus nulle part. Relancez, sans effacer."
        )
    bad = faulty[-1]
    before = [number for number in versions if int(number) < int(bad) and number not in faulty]
    if not before:
        raise Remark(
            f"la version d'avant la {bad} a disparu : il n'y a plus où revenir. Relancez le point de départ."
        )
    champion = aliased(learner, name, "champion", versions)
    if champion in faulty:
        missing = min({"cultivar_0", "cultivar_1", "cultivar_2"} - answers[champion])
        raise Remark(
            f"@champion désigne toujours la version {champion}, qui ne répond jamais {missing}."
        )
    if champion not in before:
        raise Remark(
            f"@champion est sur la version {champion}, inscrite après coup ; revenir, c'est rendre l'alias à la {before[-1]}."
        )
    decision = text_tag(
        versions[bad].tags, "decision", f"sur la version {bad} : qu'en a-t-on fait ?", least=2
    )
    if not re.search(UNDONE, decision, re.IGNORECASE):
        raise Remark(
            f"la version {bad} est retirée, mais son étiquette `decision` dit « {decision} »."
        )
    text_tag(versions[bad].tags, "reason", f"sur la version {bad} : retirée, mais pourquoi ?")
    if (bad, champion) not in moves:
        told = f"la dernière ligne dit « {history[-1]} »" if history else "il n'y en a aucune"
        raise Remark(
            f"l'histoire ne dit pas le retour de {bad} à {champion} : une étiquette `history_<date>` sur {name} ({told})."
        )
    return f"@champion est revenu de la version {bad} à la {champion}, et l'histoire le dit"


# --- 04-3 : l'alias bouge, le service tourne


def alias(learner: Learner) -> str:
    alike = learner.search(
        "metrics.changed_after_restart >= 0 AND attributes.status = 'FINISHED'", LESSON, most=5
    )
    return first_right(learner, "04-3", lambda run: judged_alias(learner, run), alike)


def judged_alias(learner: Learner, run) -> str:
    name, pair = (
        run.data.params.get("model"),
        [run.data.params.get(each) for each in ("old_version", "new_version")],
    )
    if not name or None in pair:
        raise Remark(
            "le run ne dit pas ce qu'il a servi : paramètres `model`, `old_version` et `new_version`."
        )
    versions = learner.course.versions(name)
    if absent := [number for number in pair if number not in versions]:
        raise Remark(f"{name} n'a pas (ou plus) de version {absent[0]}.")
    old, new = (wine_answers(model_of_version(learner, versions[number])) for number in pair)
    if old == new:
        raise Remark(
            f"les versions {pair[0]} et {pair[1]} répondent pareil aux 45 vins : rien ne pourrait changer. Prenez-en deux qui diffèrent."
        )
    differ = sum(one != other for one, other in zip(old, new, strict=True))
    rows = list(
        csv.DictReader(
            fetch(run.info.artifact_uri, "answers.csv").read_text(encoding="utf-8").splitlines()
        )
    )
    columns = {
        moment: [row.get(moment) for row in rows] for moment in ("before", "moved", "restarted")
    }
    for moment, what in (
        ("moved", "après le déplacement de l'alias"),
        ("restarted", "après le redémarrage"),
    ):
        if None in columns[moment]:
            raise Remark(
                f"answers.csv n'a pas de colonne `{moment}` : reposez les questions {what}."
            )
    if columns["before"] != old:
        raise Remark(
            f"avant tout, le service ne répondait pas comme la version {pair[0]} : sur quelle version était @live au démarrage ?"
        )
    if columns["moved"] == new:
        raise Remark(
            "après le déplacement, c'est déjà la nouvelle version qui répond : le service a été redémarré trop tôt (ou le modèle rechargé)."
        )
    if columns["moved"] != old:
        raise Remark(
            "après le déplacement, les réponses ne sont celles d'aucune des deux versions."
        )
    if columns["restarted"] != new:
        raise Remark(
            f"après le redémarrage, le service ne répond pas comme la version {pair[1]} : @live avait-il bougé ?"
        )
    kept = float(len(old) - differ)
    compare(
        run,
        "changed_after_move",
        0.0,
        {"compte les différences entre versions : personne n'a encore redémarré.": float(differ)},
    )
    compare(
        run,
        "changed_after_restart",
        float(differ),
        {"compte les réponses qui n'ont pas changé.": kept},
    )
    if (now := aliased(learner, name, "live", versions)) != pair[1]:
        raise Remark(
            f"@live est revenu à la version {now} : laissez-le où le service le lit, à la {pair[1]}."
        )
    return f"sur 45 réponses, 0 change quand l'alias bouge, {differ} après le redémarrage"


EXERCISES = (
    Exercise(
        LESSON,
        "04-1",
        "promotion",
        "une promotion qui ne doit pas se faire",
        "`cross_validated(modèle, wines.X_train, wines.y_train)` mesure tout le monde de la même façon, `compare(champion, candidat, 0.01)`"
        ' applique la règle. `client.set_model_version_tag(nom, version, "decision", ...)` écrit la réponse.',
        "les raisons écrites : check.py les lit, il ne les comprend pas",
        promotion,
    ),
    Exercise(
        LESSON,
        "04-2",
        "rollback",
        "revenir en arrière",
        'un alias se déplace par `client.set_registered_model_alias(nom, "champion", version)`. Puis trois étiquettes : `decision` et'
        " `reason` sur la version retirée, `history_<date>` (« ... @champion : 2 -> 1, ... ») sur le nom.",
        "tout : c'est un état du registre, et l'interface suffit à l'écrire",
        rollback,
    ),
    Exercise(
        LESSON,
        "04-3",
        "alias",
        "l'alias bouge, le service tourne",
        "dans le premier bloc `with`, le service tourne : déplacez l'alias et redemandez. Un second `with running(...)` le redémarre."
        " Deux colonnes de pandas se comparent par `!=`.",
        "answers.csv : qui connaît les deux versions peut l'écrire sans lancer de service",
        alias,
    ),
)
