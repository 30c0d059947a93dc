"""Écrire les verdicts : pour l'apprenant, ligne à ligne ; pour l'enseignant, un tableau, une ligne
par personne.
"""

import csv
from pathlib import Path

from checks.catalog import Verdict, verdict
from checks.learner import Learner, classroom
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


def to_teacher(client, exercises: list[Exercise], path: Path | None) -> bool:
    """Écrit le tableau de la classe, et dans `path` le même en CSV ; vrai si tous ont tout fait.

    Lève `SystemExit`.
    """
    from rich.console import Console
    from rich.progress import track
    from rich.table import Table

    rows = {}
    shown = Console(stderr=True)
    for user, learner in track(classroom(client), "Copies", console=shown, transient=True):
        rows[user] = [verdict(exercise, learner) for exercise in exercises]
    if not rows:
        raise SystemExit(
            "Personne n'a encore laissé de run des leçons ni des exercices dans ce magasin."
        )
    table = Table("apprenant", *(exercise.number for exercise in exercises), "faits")
    for user, verdicts in rows.items():
        marks = [MARKS[each.state] for each in verdicts]
        table.add_row(user, *marks, f"{marks.count('✓')}/{len(marks)}")
    console = Console(highlight=False, markup=False, width=max(80, 22 + 8 * len(exercises)))
    console.print(table)
    console.print("✓ fait, ✗ à revoir, · à faire. Ce qui manque à chacun : --csv FICHIER.")
    if path:
        write(path, exercises, rows)
        console.print(f"{path} : une ligne par apprenant.", soft_wrap=True)
    return all(each.state == "fait" for verdicts in rows.values() for each in verdicts)


def write(path: Path, exercises: list[Exercise], rows: dict[str, list[Verdict]]):
    """Le tableau en CSV : « fait », « à faire », ou ce qui manque.

    Lève `SystemExit` si le fichier ne s'écrit pas.
    """
    try:
        with open(path, "w", encoding="utf-8-sig", newline="") as file:  # Excel y lit l'UTF-8
            writer = csv.writer(file)
            writer.writerow(["apprenant", *(exercise.number for exercise in exercises), "faits"])
            for user, verdicts in rows.items():
                told = [each.text if each.state == "à revoir" else each.state for each in verdicts]
                writer.writerow([*map(plain, [user, *told]), told.count("fait")])
    except OSError as error:
        raise SystemExit(f"{path} : écriture impossible ({error.strerror}).") from None


def plain(text: str) -> str:
    """Un texte qu'un tableur n'exécutera pas : le nom d'un apprenant est ce qu'il a voulu."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
