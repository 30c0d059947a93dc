"""Les exercices de la leçon 3."""

import statistics

from checks.learner import DONE, Learner, answers, one_run
from checks.models import fetch, last_step, model_of, predict
from checks.recompute import progressions
from checks.remarks import Remark, require
from checks.values import close, compare, metric, param

TRAIN = f"tags.mlflow.project.entryPoint = 'train' AND {DONE}"


def part(learner: Learner, run, name: str):
    """Le morceau `train` ou `valid` dont un run s'est servi : `(X, y)`.

    Lève `Remark` s'il manque.
    """
    import pandas as pd

    source = learner.client.get_run(run.data.tags.get("data_run", run.info.run_id))
    table = pd.read_csv(fetch(f"{source.info.artifact_uri}/data", f"{name}.csv"))
    target = param(run, "target", "progression")
    require(target in table, f"les données de « {run.info.run_name} » n'ont pas de {target}.")
    return table.drop(columns=target), table[target]


def error(learner: Learner, run, name: str) -> float:
    """La RMSE du modèle d'un run sur un morceau de ses données."""
    from sklearn.metrics import root_mean_squared_error

    X, y = part(learner, run, name)
    return root_mean_squared_error(y, predict(model_of(learner, run), X))


def rmse_of(learner: Learner, run, course: bool = True) -> float:
    """La RMSE de validation, recalculée.

    Lève `Remark` si le run note autre chose, ou (`course`) s'est servi d'autres données.
    """
    if course:
        same = sorted(part(learner, run, "valid")[1]) == progressions()
        told = "n'est pas jugé sur les 89 patients de validation du cours : rien à comparer."
        require(same, f"« {run.info.run_name} » {told}")
    wrong = {"porte sur l'apprentissage.": error(learner, run, "train")}
    return compare(run, "valid_rmse", error(learner, run, "valid"), wrong)


def kind(run) -> str:
    return param(run, "model", "elastic_net")


def alpha(learner: Learner) -> str:
    """Jusqu'à quel alpha battre la forêt ?

    Coupez l'intervalle en deux : essayez le milieu de 1 et 5, gardez la moitié où la forêt est
    encadrée, recommencez. Six essais suffisent, et chacun reste dans le magasin.
    """
    runs = answers(learner, "03-1")
    runs = [each for each in runs if each.data.tags.get("mlflow.project.entryPoint") == "train"]
    require(runs, "ces runs ne viennent pas du point d'entrée `train` du projet.")
    forests = [run for run in runs if kind(run) == "random_forest"]
    require(forests, "il manque un run de la forêt (`model=random_forest`) : à quoi comparer ?")
    linear = {}
    for run in runs:
        if kind(run) == "elastic_net" and param(run, "l1_ratio", "0.5") == "0.5":
            linear.setdefault(float(param(run, "alpha", "0.1")), run)
    for wanted in (0.42, 1.0, 5.0):
        told = f"il manque un run d'ElasticNet à alpha = {wanted:g} (l1_ratio à 0.5)."
        require(wanted in linear, told)
    forest = rmse_of(learner, forests[0])
    beats = sorted(value for value, run in linear.items() if metric(run, "valid_rmse") < forest)
    loses = sorted(set(linear) - set(beats))
    told = "d'après vos métriques, la RMSE ne monte pas avec alpha : un run dit faux."
    require(beats and loses and beats[-1] < loses[0], told)
    low, high = beats[-1], loses[0]
    for value in (low, high):
        rmse_of(learner, linear[value])
        used = getattr(last_step(model_of(learner, linear[value])), "alpha", None)
        told = f"le run dit alpha = {value:g}, mais son modèle a {used} : quel code a tourné ?"
        require(used is not None and close(used, value), told)
    told = f"vous savez qu'il est entre {low:g} et {high:g} : continuez, il le faut à 0.1 près."
    require(high - low <= 0.1 + 1e-9, told)
    return f"la forêt ({forest:.2f}) gagne à partir d'un alpha compris entre {low:g} et {high:g}"


def dirty(learner: Learner) -> str:
    """Une ligne hors commit.

    Dans diabetes.py, `ElasticNet(alpha=alpha` : multipliez. Pour rejouer,
    `mlflow.projects.run(uri, ..., version=...)` avec le commit noté dans
    `run.data.tags["mlflow.source.git.commit"]`.
    """
    runs = answers(learner, "03-2")
    replays = [run for run in runs if run.data.tags.get("replay_of")]
    if not replays:
        changed = runs[0].data.tags.get("git.dirty") != "false"
        require(changed, "`git.dirty` vaut false : dans ce clone, aucune ligne n'a changé.")
        raise Remark("il manque le rejeu : un second run, étiqueté `replay_of` = le premier.")
    again, before = replays[0], {run.info.run_id: run for run in runs}
    first = before.get(again.data.tags["replay_of"].strip())
    require(first not in (None, again), "`replay_of` ne désigne pas un autre run de l'exercice.")
    told = "le run rejoué a `git.dirty` à false : son code est celui du commit."
    require(first.data.tags.get("git.dirty") == "true", told)
    told = "le rejeu a tourné dans un dossier modifié lui aussi : rejouez depuis Git (`uri`)."
    require(again.data.tags.get("git.dirty") == "false", told)
    for name, tag in (
        ("commit", "mlflow.source.git.commit"),
        ("point d'entrée", "mlflow.project.entryPoint"),
    ):
        same = first.data.tags.get(tag) == again.data.tags.get(tag)
        require(same, f"le rejeu n'a pas le même {name} que le premier run.")
    told = "le rejeu n'a pas les mêmes paramètres que le premier run : prenez `run.data.params`."
    require(first.data.params == again.data.params, told)
    before, after = rmse_of(learner, first, course=False), rmse_of(learner, again)
    told = f"les deux runs ont la même RMSE, {before:.2f} : changez une ligne qui compte."
    require(not close(before, after), told)
    told = "mêmes paramètres, même commit, et seul `git.dirty` prévenait"
    return f"RMSE {before:.2f} hors commit, {after:.2f} rejouée : {told}"


@one_run("03-3")
def seeds(learner: Learner, run) -> str:
    """Un classement à une graine près ?

    `{"model": "ann", "seed": "3"}` est une variante ; `max(...) - min(...)` donne l'écart, et une
    RMSE plus petite gagne.
    """
    children = learner.children(run)
    networks = [each for each in children if kind(each) == "ann"]
    linear = [each for each in children if kind(each) == "elastic_net"]
    require(networks, "aucun run enfant du réseau (`model=ann`) : le parent doit être ouvert.")
    given = sorted({param(each, "seed", "0") for each in networks})
    require("none" not in given, "une graine vaut `none` : personne ne refera ces runs.")
    told = f"il faut cinq graines différentes ; vous avez {', '.join(given)}."
    require(len(given) >= 5, told)
    require(linear, "il manque ElasticNet parmi les runs enfants : à quoi comparer, sinon ?")
    rmse, reference = [rmse_of(learner, each) for each in networks], rmse_of(learner, linear[0])
    spread, wins = max(rmse) - min(rmse), sum(value < reference for value in rmse)
    told = "est un écart type : il faut la pire moins la meilleure."
    for deviation in (statistics.pstdev(rmse), statistics.stdev(rmse)):
        require(not close(metric(run, "spread"), deviation), f"`spread` {told}")
    compare(run, "spread", spread)
    told = "compte les défaites : une RMSE plus petite est meilleure."
    compare(run, "wins", wins, {told: len(rmse) - wins})
    told = f"{wins} graine(s) sur {len(rmse)} battent ElasticNet"
    return f"d'une graine à l'autre, la RMSE du réseau bouge de {spread:.2f} ; {told}"
