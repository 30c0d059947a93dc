"""Les exercices de la leçon 3."""

import statistics

from checks.learner import Learner, finished, first_right
from checks.models import fetch, last_step, model_of, predict
from checks.recompute import once
from checks.remarks import Exercise, Remark, Untouched
from checks.values import close, compare, metric, number

LESSON = "03_mlflow_project"
TRAIN = "tags.mlflow.project.entryPoint = 'train' AND attributes.status = 'FINISHED'"


# --- Un run `train` : ses données sont dans le magasin, à côté de son modèle


def part(learner: Learner, run, name: str):
    """Le morceau `train` ou `valid` dont un run s'est servi. Lève `Remark` s'il manque."""
    import pandas as pd

    source = run.data.tags.get("data_run", run.info.run_id)
    location = (
        run.info.artifact_uri
        if source == run.info.run_id
        else learner.client.get_run(source).info.artifact_uri
    )
    return pd.read_csv(fetch(f"{location}/data", f"{name}.csv"))


def course_target() -> list[float]:
    """La progression des 89 patients de validation du cours, triée."""
    from sklearn.datasets import load_diabetes
    from splits import split

    def load():
        table = load_diabetes(as_frame=True, scaled=False).frame
        return sorted(split(table.drop(columns="target"), table["target"]).y_valid)

    return once(("diabetes",), load)


def rmse_of(learner: Learner, run, course: bool = True) -> float:
    """La RMSE de validation, recalculée.

    Lève `Remark` si le run note autre chose, ou (`course`) s'est servi d'autres données.
    """
    from sklearn.metrics import root_mean_squared_error

    def error(table) -> float:
        return root_mean_squared_error(table[target], predict(model, table.drop(columns=target)))

    model, valid, target = (
        model_of(learner, run),
        part(learner, run, "valid"),
        run.data.params.get("target", "progression").strip("'"),
    )
    if target not in valid:
        raise Remark(f"les données de « {run.info.run_name} » n'ont pas de colonne {target}.")
    if course and sorted(valid[target]) != course_target():
        raise Remark(
            f"« {run.info.run_name} » n'est pas jugé sur les 89 patients de validation du cours : rien à comparer."
        )
    truth = error(valid)
    if close(metric(run, "valid_rmse"), truth):
        return truth
    return compare(
        run,
        "valid_rmse",
        truth,
        {"porte sur l'apprentissage : d'où vient-elle ?": error(part(learner, run, "train"))},
    )


def kind(run) -> str:
    return run.data.params.get("model", "elastic_net").strip("'")


# --- 03-1 : jusqu'à quel alpha battre la forêt ?


def alpha(learner: Learner) -> str:
    tagged = finished(learner.tagged("03-1"))
    runs = [
        run
        for run in learner.search(TRAIN, LESSON)
        if run.data.params.get("csv", "diabetes") == "diabetes"
    ]
    # ceux de 03-2 mentent exprès
    runs = [run for run in runs if run.data.tags.get("exercise", "03-1") == "03-1"]
    if not tagged and not any(
        kind(run) == "elastic_net" and run.data.params.get("alpha") in ("0.42", "5") for run in runs
    ):
        raise Untouched("aucun run ne porte l'étiquette `exercise = 03-1`.")
    runs = list({run.info.run_id: run for run in [*tagged, *runs]}.values())
    if not [run for run in runs if run.data.tags.get("mlflow.project.entryPoint") == "train"]:
        raise Remark(
            'ces runs ne viennent pas du point d\'entrée `train` du projet : mlflow.projects.run(..., "train", ...).'
        )
    forests = [run for run in runs if kind(run) == "random_forest"]
    if not forests:
        raise Remark(
            "il manque un run de la forêt (`model=random_forest`) : à quoi comparer, sinon ?"
        )
    linear = {}
    for run in runs:
        if (
            kind(run) == "elastic_net"
            and run.data.params.get("l1_ratio", "0.5").strip("'") == "0.5"
        ):
            linear.setdefault(number(run, "alpha") if "alpha" in run.data.params else 0.1, run)
    if missing := [wanted for wanted in (0.42, 1.0, 5.0) if wanted not in linear]:
        raise Remark(
            f"il manque un run d'ElasticNet à alpha = {missing[0]:g} (l1_ratio à sa valeur d'origine, 0.5)."
        )
    forest = rmse_of(learner, forests[0])
    beats = sorted(value for value, run in linear.items() if metric(run, "valid_rmse") < forest)
    loses = sorted(value for value, run in linear.items() if metric(run, "valid_rmse") >= forest)
    if not beats or not loses or loses[0] < beats[-1]:
        raise Remark(
            "d'après vos métriques, la RMSE ne monte pas avec alpha : un de ces runs n'est pas ce qu'il dit être."
        )
    for value in (beats[-1], loses[0]):
        judged_alpha(learner, linear[value], value)
    if loses[0] - beats[-1] > 0.1 + 1e-9:
        raise Remark(
            f"vous savez qu'il est entre {beats[-1]:g} et {loses[0]:g} : continuez, il le faut à 0.1 près."
        )
    return f"la forêt ({forest:.2f}) gagne à partir d'un alpha compris entre {beats[-1]:g} et {loses[0]:g}"


def judged_alpha(learner: Learner, run, value: float):
    """Lève `Remark` si le modèle du run n'a pas l'alpha annoncé, ou pas la RMSE notée."""
    rmse_of(learner, run)
    used = getattr(last_step(model_of(learner, run)), "alpha", None)
    if used is None or not close(used, value):
        raise Remark(
            f"le run dit alpha = {value:g}, mais son modèle {'a ' + format(used, 'g') if used else 'n’en a pas'} : quel code a tourné ?"
        )


# --- 03-2 : une ligne hors commit


def dirty(learner: Learner) -> str:
    runs = finished(learner.tagged("03-2"))
    if not runs:
        raise Untouched("aucun run ne porte l'étiquette `exercise = 03-2`.")
    replays = [run for run in runs if run.data.tags.get("replay_of")]
    if not replays:
        state = runs[0].data.tags.get("git.dirty")
        if state == "false":
            raise Remark(
                "`git.dirty` vaut false : dans ce clone, aucune ligne n'a changé. Modifiez-en une, sans commit."
            )
        raise Remark(
            "le premier run est là, mais pas son rejeu : un second run, étiqueté `replay_of` = l'identifiant du premier."
        )
    again = replays[0]
    first = {run.info.run_id: run for run in runs}.get(again.data.tags["replay_of"].strip())
    if first is None or first is again:
        raise Remark(
            "`replay_of` ne désigne pas un autre run de l'exercice, fini et étiqueté `exercise = 03-2`."
        )
    if first.data.tags.get("git.dirty") != "true":
        raise Remark(
            "le run rejoué a `git.dirty` à false : son code est celui du commit, il n'y a rien à découvrir."
        )
    if again.data.tags.get("git.dirty") != "false":
        raise Remark(
            "le rejeu a tourné dans un dossier modifié lui aussi : rejouez depuis Git (`uri`), à la version du commit."
        )
    for name, tag in (
        ("commit", "mlflow.source.git.commit"),
        ("point d'entrée", "mlflow.project.entryPoint"),
    ):
        if first.data.tags.get(tag) != again.data.tags.get(tag):
            raise Remark(
                f"le rejeu n'a pas le même {name} que le premier run : on ne rejoue que d'après ce que le run a noté."
            )
    if first.data.params != again.data.params:
        raise Remark(
            "le rejeu n'a pas les mêmes paramètres que le premier run : prenez `run.data.params`."
        )
    before, after = rmse_of(learner, first, course=False), rmse_of(learner, again)
    if close(before, after):
        raise Remark(
            f"les deux runs ont la même RMSE, {before:.2f} : la ligne changée ne compte pas pour ce modèle. Une autre ?"
        )
    return f"RMSE {before:.2f} hors commit, {after:.2f} rejouée : mêmes paramètres, même commit, et seul `git.dirty` prévenait"


# --- 03-3 : un classement à une graine près ?


def seeds(learner: Learner) -> str:
    alike = learner.search("metrics.spread >= 0 AND attributes.status = 'FINISHED'", LESSON, most=5)
    return first_right(learner, "03-3", lambda run: judged_seeds(learner, run), alike)


def judged_seeds(learner: Learner, run) -> str:
    children = learner.children(run)
    networks, linear = (
        [each for each in children if kind(each) == "ann"],
        [each for each in children if kind(each) == "elastic_net"],
    )
    if not networks:
        raise Remark(
            "aucun run enfant du réseau (`model=ann`) : lancez le projet pendant que le run parent est ouvert."
        )
    given = {each.data.params.get("seed", "0").strip("'") for each in networks}
    if "none" in given:
        raise Remark(
            "une graine vaut `none` : le hasard n'est alors pas fixé, et personne ne refera ces runs."
        )
    if len(given) < 5:
        again = (
            f" ; {len(networks)} runs, mais la même graine revient"
            if len(networks) > len(given)
            else ""
        )
        raise Remark(
            f"il faut cinq graines différentes ; vous avez {', '.join(sorted(given))}{again}."
        )
    if not linear:
        raise Remark("il manque ElasticNet parmi les runs enfants : à quoi comparer, sinon ?")
    rmse, reference = [rmse_of(learner, each) for each in networks], rmse_of(learner, linear[0])
    spread, wins = max(rmse) - min(rmse), sum(value < reference for value in rmse)
    mistakes = {
        "est l'écart type : il faut la pire moins la meilleure.": statistics.pstdev(rmse),
        "est un écart type : il faut la pire moins la meilleure.": statistics.stdev(rmse),
        "est l'écart au modèle linéaire, pas l'écart entre les graines.": abs(
            statistics.mean(rmse) - reference
        ),
    }
    compare(run, "spread", spread, mistakes)
    compare(
        run,
        "wins",
        wins,
        {"compte les défaites : une RMSE plus petite est meilleure.": len(rmse) - wins},
    )
    return f"d'une graine à l'autre, la RMSE du réseau bouge de {spread:.2f} ; {wins} graine(s) sur {len(rmse)} battent ElasticNet"


EXERCISES = (
    Exercise(
        LESSON,
        "03-1",
        "alpha",
        "jusqu'à quel alpha battre la forêt ?",
        "coupez l'intervalle en deux : essayez le milieu de 1 et 5, gardez la moitié où la forêt est encadrée, recommencez. Six essais"
        " suffisent, et chacun reste dans le magasin.",
        "",
        alpha,
    ),
    Exercise(
        LESSON,
        "03-2",
        "dirty",
        "une ligne hors commit",
        "dans diabetes.py, `ElasticNet(alpha=alpha` : multipliez. Pour rejouer, `mlflow.projects.run(uri, ..., version=...)` avec le commit"
        ' noté dans `run.data.tags["mlflow.source.git.commit"]`.',
        "les étiquettes `git.dirty` et du commit : les RMSE, elles, sont recalculées",
        dirty,
    ),
    Exercise(
        LESSON,
        "03-3",
        "seeds",
        "un classement à une graine près ?",
        '`{"model": "ann", "seed": "3"}` est une variante ; `max(...) - min(...)` donne l\'écart, et une RMSE plus petite gagne.',
        "",
        seeds,
    ),
)
