"""Écrire les verdicts : pour l'apprenant, ligne à ligne ; pour l'enseignant, un tableau, une ligne
par personne.
"""

import csv

from checks.catalog import Verdict, verdict
from checks.learner import Course, Learner
from checks.remarks import Exercise
from checks.scripts import summary

MARKS = {"fait": "✓", "à revoir": "✗", "à faire": "·"}


def to_learner(learner: Learner, exercises: list[Exercise], hint: bool, scripts: bool) -> bool:
    """Écrit une ligne par exercice, sous celle de sa leçon ; vrai si tous sont faits."""
    lesson, all_done = None, True
    for exercise in exercises:
        if scripts and exercise.lesson != lesson:
            lesson = exercise.lesson
            print(summary(learner, lesson))
        found = verdict(exercise, learner)
        all_done &= found.state == "fait"
        print(f"  {exercise.number}  {found.state:8}  {found.text}")
        if hint and (found.state != "fait" or len(exercises) == 1):
            print(f"                   indice : {exercise.hint}")
    return all_done


def to_teacher(course: Course, exercises: list[Exercise], path: str | None) -> bool:
    """Écrit le tableau de la classe, et dans `path` le même en CSV ; vrai si tous ont tout fait.

    Lève `SystemExit`.
    """
    from rich.console import Console
    from rich.progress import track
    from rich.table import Table

    learners = course.learners()
    if not learners:
        raise SystemExit(
            "Personne n'a encore laissé de run des leçons ni des exercices dans ce magasin."
        )
    rows = {}
    for user in track(learners, "Copies", console=Console(stderr=True), transient=True):
        rows[user] = [verdict(exercise, Learner(course, user)) for exercise in exercises]
    table = Table("apprenant", *(exercise.number for exercise in exercises), "faits")
    for user, verdicts in rows.items():
        count = sum(each.state == "fait" for each in verdicts)
        table.add_row(user, *(MARKS[each.state] for each in verdicts), f"{count}/{len(verdicts)}")
    console = Console(highlight=False, markup=False, width=max(80, 22 + 8 * len(exercises)))
    console.print(table)
    console.print(
        f"{len(rows)} apprenant{'s' * (len(rows) > 1)}. ✓ fait, ✗ à revoir, · à faire. Ce qui manque à chacun : --csv FICHIER."
    )
    forged = [exercise for exercise in exercises if exercise.forgeable]
    sure = [exercise.number for exercise in exercises if not exercise.forgeable]
    if sure:
        console.print(
            f"Recalculés depuis les modèles : {', '.join(sure)}. Une métrique inventée y est vue.",
            soft_wrap=True,
        )
    for exercise in forged:
        console.print(f"Peut être forgé, {exercise.number} : {exercise.forgeable}.", soft_wrap=True)
    if path:
        write(path, exercises, rows)
        console.print(f"{path} : une ligne par apprenant.", soft_wrap=True)
    return all(each.state == "fait" for verdicts in rows.values() for each in verdicts)


def write(path: str, exercises: list[Exercise], rows: dict[str, list[Verdict]]):
    """Le tableau en CSV : « fait », « à faire », ou ce qui manque.

    Lève `SystemExit` si le fichier ne s'écrit pas.
    """
    try:
        # le BOM : Excel y reconnaît l'UTF-8
        with open(path, "w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["apprenant", *(exercise.number for exercise in exercises), "faits"])
            for user, verdicts in rows.items():
                cells = [each.text if each.state == "à revoir" else each.state for each in verdicts]
                writer.writerow(
                    [
                        plain(user),
                        *map(plain, cells),
                        sum(each.state == "fait" for each in verdicts),
                    ]
                )
    except OSError as error:
        raise SystemExit(f"{path} : écriture impossible ({error.strerror}).") from None


def plain(text: str) -> str:
    """Un texte qu'un tableur n'exécutera pas comme une formule : le nom d'un apprenant est ce qu'il
    a voulu.
    """
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
