"""Remonter d'une prédiction à ce qui l'a produite, et vérifier chaque maillon au lieu de le croire."""

import json
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import mlflow
import pandas as pd
from mlflow import MlflowClient, MlflowException
from packaging.requirements import Requirement

from wines import cross_validated

LINKS = ("model", "version", "run", "commit", "data", "parameters", "metrics", "environment", "author", "time")

# Rejoué avec le code du commit, dans un processus à part : les mêmes métriques, au bit près, disent que c'était lui.
REPLAY = """
import json, sys
sys.path.insert(0, sys.argv[1])
from wines import candidates, cross_validated, load_wines
wines = load_wines()
print(json.dumps({name: cross_validated(model, wines.X_train, wines.y_train) for name, model in candidates().items()}))
"""


class Prediction(NamedTuple):
    """Ce qu'un service a répondu : les mesures d'un vin (un tableau d'une ligne), son cultivar, le modèle, l'heure (ms)."""

    wine: pd.DataFrame
    cultivar: str
    model_id: str
    time: int


class Tracer:
    """Vérifie les maillons avec le magasin de `client`, les vins d'apprentissage `X`, `y` et le dépôt Git `repository`."""

    def __init__(self, client: MlflowClient, X: pd.DataFrame, y: pd.Series, repository: Path):
        self.client, self.X, self.y, self.repository = client, X, y, repository
        self._known: dict[str, tuple] = {}  # par modèle : ce qui ne dépend pas de la prédiction

    def trace(self, prediction: Prediction) -> dict[str, bool]:
        """Pour chaque maillon de `LINKS`, True s'il se retrouve et se vérifie."""
        if prediction.model_id not in self._known:
            self._known[prediction.model_id] = self._walk_back(prediction.model_id)
        model, links, dates = self._known[prediction.model_id]
        return links | {
            "model": model is not None and model.predict(prediction.wine).tolist() == [prediction.cultivar],
            "time": len(dates) == 4 and [*dates, prediction.time] == sorted([*dates, prediction.time]),
        }

    def _walk_back(self, model_id: str) -> tuple:
        """Le modèle rechargé, ses maillons, et les dates : commit, run, modèle, version, dans cet ordre s'il est juste."""
        links = dict.fromkeys(LINKS, False)
        try:
            model = self.client.get_logged_model(model_id)
        except MlflowException:
            return None, links, []
        loaded = mlflow.sklearn.load_model(f"models:/{model_id}")
        versions = [self.client.get_model_version(each["name"], each["version"]) for each in json.loads(model.tags.get("mlflow.modelVersions", "[]"))]
        infos = [mlflow.models.get_model_info(f"models:/{each.name}/{each.version}") for each in versions]
        links["version"] = bool(infos) and all(info.model_id == model_id for info in infos)
        links["environment"] = self._installed(model.artifact_location)
        if not model.source_run_id:
            return loaded, links, []
        run = self.client.get_run(model.source_run_id)
        tags, parameters = run.data.tags, {name: str(value) for name, value in loaded[-1].get_params().items()}
        metrics = {name: value for name, value in run.data.metrics.items() if name.startswith("cv_")}
        digest = mlflow.data.from_pandas(self.X.assign(**{self.y.name: self.y}), targets=self.y.name).digest
        committed = self._commit_time(commit := tags.get("mlflow.source.git.commit", ""))
        links |= {
            "run": model_id in [each.model_id for each in run.outputs.model_outputs],
            "commit": committed is not None and replay(self.repository, commit).get(run.data.params.get("family")) == metrics,
            "data": [each.dataset.digest for each in run.inputs.dataset_inputs] == [digest],
            "parameters": parameters.items() <= run.data.params.items(),
            "metrics": cross_validated(loaded, self.X, self.y) == metrics,
            "author": bool(tags.get("mlflow.user")) and tags["mlflow.user"] == model.tags.get("mlflow.user"),
        }
        dates = [committed, run.info.start_time, model.creation_timestamp, *(each.creation_timestamp for each in versions[:1])]
        return loaded, links, [date for date in dates if date is not None]

    def _installed(self, location: str) -> bool:
        """Vrai si tout ce que le modèle demande (requirements.txt) est installé ici, à ces versions."""
        path = mlflow.artifacts.download_artifacts(f"{location}/requirements.txt")
        asked = [Requirement(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
        try:
            return bool(asked) and all(version(each.name) in each.specifier for each in asked)
        except PackageNotFoundError:
            return False

    def _commit_time(self, commit: str) -> int | None:
        """L'heure du commit, en ms, ou None s'il n'est pas dans le dépôt."""
        seconds = git(self.repository, "show", "-s", "--format=%ct", f"{commit}^{{commit}}") if commit else None
        return int(seconds) * 1000 if seconds else None


def git(repository: Path, *arguments: str) -> str | None:
    """La sortie d'une commande git dans `repository`, ou None si elle échoue."""
    ended = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, text=True, encoding="utf-8", check=False)
    return ended.stdout if ended.returncode == 0 else None


@cache
def replay(repository: Path, commit: str) -> dict[str, dict[str, float]]:
    """Les métriques de chaque candidat, recalculées avec le wines.py de ce commit ; vide si ce n'est pas possible."""
    found = (git(repository, "ls-tree", "-r", "--name-only", commit) or "").splitlines()
    code = next((git(repository, "show", f"{commit}:{name}") for name in found if name.endswith("local/wines.py")), None)
    if code is None:
        return {}
    with TemporaryDirectory() as folder:
        Path(folder, "wines.py").write_text(code, encoding="utf-8")
        ended = subprocess.run([sys.executable, "-c", REPLAY, folder], capture_output=True, text=True, check=False)
    return json.loads(ended.stdout) if ended.returncode == 0 else {}
