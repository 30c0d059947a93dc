"""Tous les exercices, dans l'ordre du cours, et le verdict de chacun."""

from typing import NamedTuple

from checks import lesson_01, lesson_02, lesson_03, lesson_04
from checks.learner import Learner
from checks.remarks import Exercise, Remark, Untouched

EXERCISES = (
    Exercise("01-0", lesson_01.tracking),
    Exercise("01-1", lesson_01.scaler),
    Exercise("01-2", lesson_01.threshold),
    Exercise("01-3", lesson_01.query),
    Exercise("02-0", lesson_02.mixtures),
    Exercise("02-1", lesson_02.indices),
    Exercise("02-2", lesson_02.seeds),
    Exercise("02-3", lesson_02.checkpoints),
    Exercise("03-1", lesson_03.alpha),
    Exercise("03-2", lesson_03.dirty),
    Exercise("03-3", lesson_03.seeds),
    Exercise("04-1", lesson_04.promotion),
    Exercise("04-2", lesson_04.rollback),
    Exercise("04-3", lesson_04.alias),
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
    """Ce que vaut la réponse d'une personne ; celle de l'un n'empêche pas de juger les autres."""
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
        wrong = "un run, un modèle ou une version de cette réponse n'existe plus"
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # écrit à la main, ou par un autre programme
        wrong = f"ce qui est dans le magasin n'a pas la forme attendue ({type(error).__name__})"
    return Verdict(exercise, "à revoir", f"{wrong}. Reprenez : {exercise.start}")
