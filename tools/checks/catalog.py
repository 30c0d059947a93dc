"""Tous les exercices, dans l'ordre du cours, et le verdict de chacun."""

from typing import NamedTuple

from checks import lesson_01, lesson_02, lesson_03, lesson_04
from checks.learner import Learner
from checks.remarks import Exercise, Remark, Untouched

EXERCISES: tuple[Exercise, ...] = (*lesson_01.EXERCISES, *lesson_02.EXERCISES, *lesson_03.EXERCISES, *lesson_04.EXERCISES)


class Verdict(NamedTuple):
    """`state` : « fait », « à revoir » ou « à faire ». `text` : ce qui a été trouvé, ou ce qui manque."""

    exercise: Exercise
    state: str
    text: str


def verdict(exercise: Exercise, learner: Learner) -> Verdict:
    try:
        return Verdict(exercise, "fait", exercise.check(learner))
    except Untouched:
        return Verdict(exercise, "à faire", f"{exercise.title} : {exercise.start}")
    except Remark as remark:
        return Verdict(exercise, "à revoir", str(remark))


def chosen(lesson: str | None, number: str | None) -> list[Exercise]:
    """Les exercices demandés. Lève `SystemExit`, en une ligne, s'il n'y en a pas."""
    if number is not None:
        found = [exercise for exercise in EXERCISES if exercise.number == number.strip().replace("_", "-")]
        if not found:
            raise SystemExit(f"« {number[:40]} » n'est pas un exercice. Il y a : {', '.join(each.number for each in EXERCISES)}.")
        return found
    if lesson is None:
        return list(EXERCISES)
    found = [exercise for exercise in EXERCISES if exercise.lesson[:2] == lesson.strip().zfill(2)]
    if not found:
        raise SystemExit(f"« {lesson[:40]} » n'est pas une leçon. Il y a : {', '.join(sorted({each.lesson[:2] for each in EXERCISES}))}.")
    return found
