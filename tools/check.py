"""Lit votre magasin MLflow et dit, exercice par exercice, ce qui est fait et la première chose qui
manque.

N'y écrit jamais.

    uv run tools/check.py                        tout
    uv run tools/check.py --lesson 01            une leçon
    uv run tools/check.py --exercise 01-1        un exercice
    uv run tools/check.py --exercise 01-1 --hint un indice en plus
    uv run tools/check.py --project              le projet final (PROJET.md)
    uv run tools/check.py --by-user              une classe : une ligne par apprenant ; --csv FICHIER l'écrit aussi

Le magasin est celui de la racine, ou celui de MLFLOW_TRACKING_URI. Code de sortie 0 quand tout ce
qui est demandé est fait.
"""

import argparse
import atexit
import gc
import os
import sys

gc.set_threshold(50_000)  # il part et finit plus vite : voir store.py
atexit.register(gc.freeze)
for library in ("OMP", "OPENBLAS", "MKL"):  # de petites matrices : un seul fil va plus vite
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Dit, d'après votre magasin MLflow, quels exercices sont faits."
    )
    parser.add_argument("--lesson", help="une seule leçon : 01, 02, 03 ou 04")
    parser.add_argument("--exercise", help="un seul exercice : 01-1, par exemple")
    parser.add_argument("--project", action="store_true", help="le projet final")
    parser.add_argument("--hint", action="store_true", help="un indice pour ce qui n'est pas fait")
    parser.add_argument(
        "--by-user", action="store_true", help="une ligne par apprenant (étiquette mlflow.user)"
    )
    parser.add_argument("--csv", help="avec --by-user : le fichier où écrire le tableau")
    args = parser.parse_args()
    if args.csv and not args.by_user:
        raise SystemExit("--csv va avec --by-user.")
    if sum(map(bool, (args.lesson, args.exercise, args.project))) > 1:
        raise SystemExit("Une seule de ces options à la fois : --lesson, --exercise, --project.")
    sys.stdout.reconfigure(errors="replace")

    from checks import catalog, project, report

    exercises = list(project.STEPS) if args.project else catalog.chosen(args.lesson, args.exercise)

    from checks.store import explain, open_read_only

    client = open_read_only()
    from checks.learner import Course, Learner
    from mlflow import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        course = Course(client)
        if args.by_user:
            done = report.to_teacher(course, exercises, args.csv)
        else:
            done = report.to_learner(
                Learner(course), exercises, args.hint, scripts=not (args.exercise or args.project)
            )
    except (OSError, MlflowException, SQLAlchemyError) as error:
        raise SystemExit(
            explain(os.environ.get("MLFLOW_TRACKING_URI", "mlflow.db"), error)
        ) from None
    return 0 if done else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrompu. Rien n'a été écrit.")
