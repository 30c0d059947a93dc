"""Les exercices de la leçon 4 : l'état du registre, et ce que valent les versions."""

import re

from checks.learner import Learner, one_run
from checks.models import fetch, last_step, model_of_version, predict
from checks.recompute import wine_answers, wine_scores, wines
from checks.remarks import require
from checks.values import compare, param, text_tag

REFUSED = r"refus|rejet|reject|[ée]cart|\bpas\b|\bnon\b|\bnot?\b"
UNDONE = r"roll|retour|retir|retrait|revert|annul|abandon|refus|withdraw"


def aliased(learner: Learner, name: str, alias: str, versions: dict) -> str:
    """Le numéro de la version qui porte `alias`. Lève `Remark` si personne ne le porte."""
    number = str(learner.client.get_registered_model(name).aliases.get(alias))
    told = f"plus aucune version de {name} ne porte @{alias} : le service n'a plus de modèle."
    require(number in versions, told)
    return number


def decided(version, pattern: str):
    """Lève `Remark` si les étiquettes `decision` et `reason` d'une version ne disent pas cela."""
    where = f"sur la version {version.version}"
    decision = text_tag(version.tags, "decision", f"{where} : qu'en a-t-on fait ?", least=2)
    told = f"{where}, qui n'est plus en service, `decision` dit « {decision} »."
    require(re.search(pattern, decision, re.IGNORECASE), told)
    text_tag(version.tags, "reason", f"{where} : pourquoi ?")


def promotion(learner: Learner) -> str:
    """Une promotion qui ne doit pas se faire.

    `cross_validated(modèle, wines.X_train, wines.y_train)` mesure tout le monde de la même façon,
    `compare(champion, candidat, 0.01)` applique la règle.
    `client.set_model_version_tag(nom, version, "decision", ...)` écrit la réponse.
    """
    from wines import compare as rule

    name = learner.model_name("04-1")
    everything = learner.course.versions(name)
    kinds = {  # la dernière version de chaque sorte de modèle
        type(last_step(model_of_version(learner, each))).__name__: number
        for number, each in everything.items()
    }
    told = f"{name} n'a que {len(kinds)} sortes de modèles : forêt, plus proche voisin, SVM."
    require(len(kinds) >= 3, told)
    latest = list(kinds.values())
    champion = aliased(learner, name, "champion", everything)
    told = f"@champion est resté sur la version {champion}, d'un lancement précédent."
    require(champion in latest, told)
    scores = {each: wine_scores(model_of_version(learner, everything[each])) for each in latest}
    real = {each: scores[each]["cv_accuracy"] for each in latest}
    claimed = {
        each: learner.client.get_run(everything[each].run_id).data.metrics.get("accuracy", 0.0)
        for each in latest
    }
    told = f"@champion désigne la version {champion}, qui annonce {claimed[champion]:.3f}"
    require(
        claimed[champion] <= real[champion] + 0.05,
        f"{told} ; sur 25 plis elle vaut {real[champion]:.3f}. Sur quelles données l'annonce"
        " a-t-elle été mesurée ?",
    )
    for number in latest:
        verdict = rule(scores[champion], scores[number], 0.01)
        told = f"la version {number} bat @champion ({verdict.reason}) : la règle la promeut."
        require(number == champion or not verdict.promoted, told)
    forest = kinds.get("RandomForestClassifier", champion)
    verdict = rule(scores[forest], scores[champion], 0.01)
    told = f"la version {champion} ne devait pas remplacer la forêt ({verdict.reason})."
    require(champion == forest or verdict.promoted, told)
    for number in latest:
        if number != champion:
            decided(everything[number], REFUSED)
    suspect = max(latest, key=lambda each: claimed[each] - real[each])
    told = f"la version {suspect} annonçait {claimed[suspect]:.3f}, elle vaut {real[suspect]:.3f}"
    return f"@champion reste à la version {champion} ({real[champion]:.3f}) ; {told}"


def rollback(learner: Learner) -> str:
    """Revenir en arrière.

    Un alias se déplace par `client.set_registered_model_alias(nom, "champion", version)`. Puis
    trois étiquettes : `decision` et `reason` sur la version retirée, `history_<date>` (« ...
    @champion : 2 -> 1, ... ») sur le nom.
    """
    name = learner.model_name("04-2")
    versions = learner.course.versions(name)
    tags = learner.client.get_registered_model(name).tags
    history = " ; ".join(tags[key] for key in sorted(tags) if key.startswith("history"))
    answers = {
        number: set(predict(model_of_version(learner, each), wines().X_train))
        for number, each in versions.items()
    }
    faulty = [number for number, seen in answers.items() if len(seen) < 3]
    require(faulty, "la version fautive a été supprimée : relancez, sans effacer.")
    bad = faulty[-1]
    before = [number for number in versions if int(number) < int(bad) and number not in faulty]
    require(before, f"la version d'avant la {bad} a disparu : il n'y a plus où revenir. Relancez.")
    champion = aliased(learner, name, "champion", versions)
    lost = ", ".join(sorted({"cultivar_0", "cultivar_1", "cultivar_2"} - answers[champion]))
    told = f"@champion désigne toujours la version {champion}, qui ne répond jamais {lost}."
    require(champion not in faulty, told)
    told = f"@champion est sur la version {champion}, inscrite après coup : revenez à {before[-1]}."
    require(champion in before, told)
    decided(versions[bad], UNDONE)
    moves = re.findall(r"(\d+)\s*(?:->|→|vers)\s*(\d+)", history)
    told = f"l'histoire ne dit pas le retour de {bad} à {champion} : une étiquette `history_<date>`"
    require((bad, champion) in moves, f"{told} sur {name} (elle dit : {history or 'rien'}).")
    return f"@champion est revenu de la version {bad} à la {champion}, et l'histoire le dit"


@one_run("04-3")
def alias(learner: Learner, run) -> str:
    """L'alias bouge, le service tourne.

    Dans le premier bloc `with`, le service tourne : déplacez l'alias et redemandez. Un second
    `with running(...)` le redémarre. Deux colonnes de pandas se comparent par `!=`.
    """
    import pandas as pd

    name, *pair = (param(run, each) for each in ("model", "old_version", "new_version"))
    told = "le run ne dit pas ce qu'il a servi : paramètres `model`, `old_version`, `new_version`."
    require(name and all(pair), told)
    versions = learner.course.versions(name)
    require(set(pair) <= set(versions), f"{name} n'a pas (ou plus) ces versions : {pair}.")
    old, new = (wine_answers(model_of_version(learner, versions[number])) for number in pair)
    differ = sum(one != other for one, other in zip(old, new, strict=True))
    require(differ, f"les versions {pair} répondent pareil aux 45 vins : il en faut deux autres.")
    table = pd.read_csv(fetch(run.info.artifact_uri, "answers.csv"), dtype=str)
    for moment, expected, wrong in (
        ("before", old, f"avant tout, le service ne répondait pas comme la version {pair[0]}."),
        ("moved", old, "alias déplacé, l'ancienne ne répond plus : redémarré trop tôt ?"),
        ("restarted", new, f"redémarré, le service ne répond pas comme la version {pair[1]}."),
    ):
        told = f"answers.csv n'a pas de colonne `{moment}` : reposez les questions à ce moment."
        require(moment in table, told)
        require(table[moment].tolist() == expected, wrong)
    told = "compte les différences entre versions : personne n'a encore redémarré."
    compare(run, "changed_after_move", 0, {told: differ})
    told = "compte les réponses qui n'ont pas changé."
    compare(run, "changed_after_restart", differ, {told: len(old) - differ})
    now = aliased(learner, name, "live", versions)
    require(now == pair[1], f"@live est revenu à la version {now} : laissez-le à la {pair[1]}.")
    return f"sur 45 réponses, 0 change quand l'alias bouge, {differ} après le redémarrage"
