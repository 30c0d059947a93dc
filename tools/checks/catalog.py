"""Tous les exercices, dans l'ordre du cours, et le verdict de chacun."""

from typing import NamedTuple

from checks import lesson_01, lesson_02, lesson_03, lesson_04
from checks.learner import Learner
from checks.remarks import Exercise, Remark, Untouched

EXERCISES: tuple[Exercise, ...] = (
    *lesson_01.EXERCISES,
    *lesson_02.EXERCISES,
    *lesson_03.EXERCISES,
    *lesson_04.EXERCISES,
)

GONE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class Verdict(NamedTuple):
    """`state` : « fait », « à revoir » ou « à faire ».

    `text` : ce qui a été trouvé, ou ce qui manque.
    """

    exercise: Exercise
    state: str
    text: str


def verdict(exercise: Exercise, learner: Learner) -> Verdict:
    """Ce que vaut la réponse d'une personne ; celle de l'un ne peut empêcher de juger les autres."""
    from mlflow import MlflowException

    try:
        return Verdict(exercise, "fait", exercise.check(learner))
    except Untouched:
        return Verdict(exercise, "à faire", f"{exercise.title} : {exercise.start}")
    except Remark as remark:
        return Verdict(exercise, "à revoir", str(remark))
    except MlflowException as error:
        if error.error_code not in GONE:
            raise  # le magasin lui-même ne répond plus
        return Verdict(
            exercise,
            "à revoir",
            f"un run, un modèle ou une version de cette réponse n'existe plus. Reprenez : {exercise.start}",
        )
    # écrit à la main, ou par un autre programme
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        shape = f"n'a pas la forme attendue ({type(error).__name__})"
        return Verdict(
            exercise, "à revoir", f"ce qui est dans le magasin {shape}. Reprenez : {exercise.start}"
        )


def chosen(lesson: str | None, number: str | None) -> list[Exercise]:
    """Les exercices demandés. Lève `SystemExit`, en une ligne, s'il n'y en a pas."""
    if number is not None:
        found = [
            exercise
            for exercise in EXERCISES
            if exercise.number == number.strip().replace("_", "-")
        ]
        if not found:
            raise SystemExit(
                f"« {number[:40]} » n'est pas un exercice. Il y a : {', '.join(each.number for each in EXERCISES)}."
            )
        return found
    if lesson is None:
        return list(EXERCISES)
    found = [exercise for exercise in EXERCISES if exercise.lesson[:2] == lesson.strip().zfill(2)]
    if not found:
        raise SystemExit(
            f"« {lesson[:40]} » n'est pas une leçon. Il y a : {', '.join(sorted({each.lesson[:2] for each in EXERCISES}))}."
        )
    return found
