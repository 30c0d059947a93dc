"""Un balayage rendu comme réponse : son parent, ses enfants par nombre de groupes, ce qu'il
recommande.
"""

from checks.learner import Learner, answers
from checks.remarks import Remark, require
from checks.values import close, metric, number, param


def first_right(judge, runs: list):
    """Ce que `judge` rend du premier run qui convient ; sinon, lève la remarque sur le premier."""
    remarks = []
    for run in runs[:50]:
        try:
            return judge(run)
        except Remark as remark:
            remarks.append(remark)
    raise remarks[0]


def sweeps(learner: Learner, exercise: str) -> list:
    """Les balayages d'un exercice, le plus récent d'abord, que l'étiquette soit sur le parent, sur
    les enfants ou sur tous.
    """
    found, tagged = {}, answers(learner, exercise)
    for run in tagged:
        parent = run.data.tags.get("mlflow.parentRunId", run.info.run_id)
        known = {each.info.run_id: each for each in tagged} | found
        found[parent] = known.get(parent) or learner.client.get_run(parent)
    return list(found.values())


def by_groups(learner: Learner, sweep, names: tuple[str, ...], asked: range) -> dict:
    """Les enfants finis d'un balayage, nombre de groupes -> run.

    `names` : les noms que ce paramètre peut porter, le nôtre d'abord ; `asked` : ce qu'il faut
    avoir essayé. Lève `Remark` s'il manque un essai.
    """
    name, status, found = f"« {sweep.info.run_name} »", sweep.info.status, {}
    require(status == "FINISHED", f"le run {name} n'est pas fini ({status}) : relancez-le.")
    for child in learner.children(sweep):
        said = next((each for each in names if param(child, each)), names[0])
        found.setdefault(int(number(child, said)), child)
    missing = [k for k in asked if k not in found]
    if not missing:
        return found
    children = f"tags.mlflow.parentRunId = '{sweep.info.run_id}'"
    for child in learner.search(f"{children} AND attributes.status != 'FINISHED'"):
        stopped = f"« {child.info.run_name} », enfant de {name}, n'est pas fini"
        raise Remark(f"{stopped} ({child.info.status}) : relancez le balayage.")
    told = f"{name} n'a pas de run enfant : dans son bloc, un `start_run(..., nested=True)` par"
    require(found, f"{told} nombre de groupes, de {asked[0]} à {asked[-1]}.")
    shown = ", ".join(map(str, missing[:5])) + ", etc" * (len(missing) > 5)
    told = f"un run enfant par nombre de groupes, de {asked[0]} à {asked[-1]}"
    raise Remark(f"{told} ; il manque {shown}.")


def recommended(run, name: str, scores: dict[int, float], high: bool, classes=None) -> int:
    """Le nombre de groupes que le run dit sous `name`, métrique ou paramètre, si c'est celui que
    `scores` désigne.

    `classes` : celui que les vraies classes préfèrent. Lève sinon `Remark`, selon la méprise.
    """
    said = number(run, name) if param(run, name) else metric(run, name)
    best, worst = (way(scores, key=scores.get) for way in ((max, min) if high else (min, max)))
    if said != best:
        told = f"`{name}` vaut {said:.4g}"
        a_score = said not in scores and any(close(said, score) for score in scores.values())
        require(not a_score, f"{told}, une valeur de l'indice : notez le nombre de groupes.")
        way = "élevé" if high else "bas"
        require(said != worst, f"{told}, le pire : cet indice doit être {way}.")
        seen = f"{told}, ce que préfère l'ARI, qui voit les vrais chiffres."
        require(said != classes, seen)
        raise Remark(f"{told}, mais d'après vos runs enfants c'est {best}.")
    return best
