"""Tue un script de la leçon 4 à chacun de ses appels au registre, le relance, et dit ce que devient le registre.

    python tests/killed.py COPIE_DU_COURS SCORES.json SCRIPT [OPTIONS]

Pour n = 1, 2, ... : le magasin est remis dans l'état de départ, le script meurt (`os._exit`, que rien n'attrape) juste avant son
n-ième appel qui écrit au registre, puis il est relancé en entier. Sortie : une liste JSON, un objet par appel.
Les processus sont des copies de celui-ci (`fork`), qui a déjà tout importé ; les métriques viennent de SCORES.json, et les figures sont
laissées de côté : les refaire à chaque lancement prendrait des minutes.
"""

import contextlib
import json
import os
import runpy
import shutil
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot  # noqa: F401
import mlflow
import mlflow.sklearn  # noqa: F401
import pandas  # noqa: F401
import sklearn.ensemble  # noqa: F401
import sklearn.linear_model
import sklearn.model_selection
import skops.io  # noqa: F401
from mlflow import MlflowClient

WRITES = (
    "create_registered_model", "rename_registered_model", "update_registered_model", "delete_registered_model",
    "create_model_version", "_create_model_version", "update_model_version", "delete_model_version",
    "set_registered_model_alias", "delete_registered_model_alias", "set_registered_model_tag", "set_model_version_tag",
)  # fmt: skip
MODEL = "wine_cultivars"


def warm_up():
    """Enregistre un modèle ailleurs : ce que MLflow prépare à son premier appel l'est alors pour toutes les copies."""
    model = sklearn.linear_model.LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        with mlflow.start_run():
            mlflow.sklearn.log_model(model, name="model", pip_requirements=["scikit-learn"], serialization_format="skops")
    mlflow.set_tracking_uri(None)


def forked(action) -> int:
    """Exécute `action` dans une copie de ce processus et renvoie son code de sortie."""
    child = os.fork()
    if child == 0:
        try:
            action()
            os._exit(0)
        except SystemExit as error:
            print(error, flush=True)
            os._exit(1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_at(number: int | None):
    """Arrête ce processus juste avant son `number`-ième appel qui écrit au registre ; les appels imbriqués n'en font qu'un."""
    state = {"calls": 0, "inside": False}

    def watched(method):
        def call(*args, **kwargs):
            if state["inside"]:
                return method(*args, **kwargs)
            state["calls"] += 1
            if state["calls"] == number:
                os._exit(9)
            state["inside"] = True
            try:
                return method(*args, **kwargs)
            finally:
                state["inside"] = False

        return call

    for name in WRITES:
        setattr(MlflowClient, name, watched(getattr(MlflowClient, name)))


def run(script: Path, options: list[str], scores: dict, number: int | None, output: Path):
    sys.argv, sys.path[0] = [str(script), *options], str(script.parent)
    import wines

    wines.cross_validated = lambda model, X, y: scores[type(model[-1]).__name__]
    sklearn.model_selection.cross_val_predict = lambda model, X, y, cv: y  # ne sert qu'à une figure,
    mlflow.log_figure = lambda figure, name: None  # que personne ne regarde ici
    die_at(number)
    with open(output, "w", encoding="utf-8") as written, contextlib.redirect_stdout(written):
        runpy.run_path(str(script), run_name="__main__")


def look(root: Path, told: Path):
    """Le registre, en JSON : alias, histoire (sans les dates), décisions, noms."""
    mlflow.set_tracking_uri(f"sqlite:///{root / 'mlflow.db'}")
    client = MlflowClient()
    names = [each.name for each in client.search_registered_models()]
    state = {"names": sorted(names), "aliases": {}, "history": [], "decisions": {}, "versions": 0, "half": []}
    if MODEL in names:
        model = client.get_registered_model(MODEL)
        lines = [line for key, line in sorted(model.tags.items()) if key.startswith("history_")]
        versions = client.search_model_versions(f"name = '{MODEL}'")
        state["aliases"] = {alias: int(version) for alias, version in model.aliases.items()}
        state["history"] = [line.split("@champion : ")[1].split(",")[0] for line in lines]
        state["decisions"] = {str(each.version): each.tags["decision"] for each in versions if "decision" in each.tags}
        state["versions"] = len(versions)
        state["half"] = [each.version for each in versions if not each.description or "family" not in each.tags]
    told.write_text(json.dumps(state), encoding="utf-8")


def main(root: str, scores: str, script: str, *options: str):
    root, told = Path(root), []
    known = json.loads(Path(scores).read_text(encoding="utf-8"))
    database, saved, note = root / "mlflow.db", root / "départ.db", root / "état.json"
    if database.exists():
        shutil.copy2(database, saved)
    warm_up()
    number, code = 0, 9
    while code == 9:
        number += 1
        if saved.exists():
            shutil.copy2(saved, database)
        else:
            database.unlink(missing_ok=True)
        code = forked(lambda number=number: run(root / script, list(options), known, number, root / "tué.txt"))
        step = {"call": number, "code": code}
        if code == 9:
            step["relaunched"] = forked(lambda: run(root / script, list(options), known, None, root / "relancé.txt"))
            step["output"] = (root / "relancé.txt").read_text(encoding="utf-8")
        forked(lambda: look(root, note))
        told.append({**step, "registry": json.loads(note.read_text(encoding="utf-8"))})
    if saved.exists():
        shutil.copy2(saved, database)
        saved.unlink()
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
