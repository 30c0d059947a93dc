"""Lit votre magasin MLflow et dit, exercice par exercice, ce qui est fait et la première chose qui
manque.

N'y écrit jamais.

    uv run tools/check.py                        tout
    uv run tools/check.py --lesson 01            une leçon
    uv run tools/check.py --exercise 01-1        un exercice
    uv run tools/check.py --exercise 01-1 --hint un indice en plus
    uv run tools/check.py --project              le projet final (PROJET.md)
    uv run tools/check.py --by-user              une classe : une ligne par apprenant
    uv run tools/check.py --by-user --csv x.csv  la même, écrite aussi dans un fichier

Le magasin est celui de la racine, ou celui de MLFLOW_TRACKING_URI. Une classe y est faite de ses
espaces de travail ; s'il n'en a pas, des étiquettes `mlflow.user`. Code de sortie 0 quand tout ce
qui est demandé est fait.
"""

import argparse
import sys
from pathlib import Path

from checks import report, store
from checks.catalog import EXERCISES
from checks.learner import Course, Learner
from checks.project import STEPS
from course import LESSONS


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Dit, d'après votre magasin MLflow, quels exercices sont faits."
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--lesson", choices=[each[:2] for each in LESSONS], help="une seule leçon")
    numbers = [each.number for each in EXERCISES]
    what.add_argument("--exercise", choices=numbers, metavar="01-1", help="un seul exercice")
    what.add_argument("--project", action="store_true", help="le projet final")
    parser.add_argument("--hint", action="store_true", help="un indice pour ce qui n'est pas fait")
    parser.add_argument("--by-user", action="store_true", help="une ligne par apprenant")
    parser.add_argument("--csv", type=Path, help="avec --by-user : où écrire aussi le tableau")
    args = parser.parse_args()
    if args.csv and not args.by_user:
        parser.error("--csv va avec --by-user")
    sys.stdout.reconfigure(errors="replace")
    exercises = [
        each
        for each in EXERCISES
        if each.lesson[:2] == (args.lesson or each.lesson[:2])
        and each.number == (args.exercise or each.number)
    ]
    if args.project:
        exercises = list(STEPS)

    client = store.open_read_only()
    from mlflow import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        if args.by_user:
            done = report.to_teacher(client, exercises, args.csv)
        else:
            scripts = not (args.exercise or args.project)
            done = report.to_learner(Learner(Course(client)), exercises, args.hint, scripts)
    except (OSError, MlflowException, SQLAlchemyError) as error:
        raise SystemExit(store.unreadable(error)) from None
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
