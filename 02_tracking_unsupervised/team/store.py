"""Le magasin du cours : `mlflow.db` et `mlruns/`, à la racine du dépôt.

Même fichier dans chaque leçon ; un test y veille.
"""

import gc
import logging
import os
import sys
from pathlib import Path

import mlflow
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]


def open_store() -> None:
    """Envoie les runs au magasin du cours, ou à celui de `MLFLOW_TRACKING_URI` si elle est définie.

    Lève `SystemExit`, en une ligne, si le dossier du cours a été déplacé.
    """
    gc.freeze()  # Python n'examinera plus ce qui est importé : le script finit une seconde plus tôt
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # ce cours n'appelle personne
    # un modèle note les mêmes dépendances, que le script soit lancé par uv ou par pip
    os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # des sorties brèves
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return
    os.chdir(ROOT)  # MLflow range dans le dossier courant
    # sans adresse, MLflow créerait un dossier vide, `Jean%20Dupont`, à côté de `Jean Dupont`
    mlflow.set_tracking_uri(f"sqlite:///{ROOT.as_posix()}/mlflow.db")
    with FileLock("mlflow.db.lock"):  # deux scripts qui créeraient la base ensemble l'abîmeraient
        places = [Path(each.artifact_location) for each in mlflow.search_experiments()]
    away = [each for each in places if each.is_absolute() and not each.is_relative_to(ROOT)]
    if away:
        sys.exit(
            f"Ce magasin a été créé dans {away[0].parents[1]}. Remettez-y le dossier,"
            " ou arrêtez l'interface et supprimez mlflow.db et mlruns/."
        )
