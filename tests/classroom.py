"""Un magasin où chacun a rendu sa copie : les tests y écrivent ce qu'un apprenant aurait laissé, juste ou faux."""

import io
import logging
import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import check
import mlflow
from checks.catalog import EXERCISES, Verdict, verdict
from checks.learner import Course, Learner
from conftest import ROOT, clean_environment
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from sqlalchemy import event
from sqlalchemy.engine import Engine
from threadpoolctl import threadpool_limits

threadpool_limits(1)  # de petites matrices : un seul fil va plus vite, surtout quand d'autres tests tournent

LESSONS = ("01_tracking_supervised", "02_tracking_unsupervised", "03_mlflow_project", "04_model_registry_azureml")
TRUSTED = [
    "numpy.dtype",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
]


@event.listens_for(Engine, "connect")
def hurry(connection, _):
    """Un magasin à jeter : inutile d'attendre que le disque ait tout écrit."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


@cache
def empty_store() -> bytes:
    """Une base vide, telle que MLflow la crée : en deux secondes, donc une seule fois."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        MlflowClient(f"sqlite:///{folder}/mlflow.db").search_experiments()
        return Path(folder, "mlflow.db").read_bytes()


def call(*arguments: str, uri: str) -> subprocess.CompletedProcess:
    """`uv run tools/check.py ...`, pour le magasin `uri` : un vrai programme."""
    ended = subprocess.run(
        [sys.executable, ROOT / "tools/check.py", *arguments], cwd=ROOT, env=clean_environment(MLFLOW_TRACKING_URI=uri),
        capture_output=True, text=True, encoding="utf-8", timeout=300, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended


class Classroom:
    """Un magasin SQLite neuf ; un apprenant par réponse, reconnu à l'étiquette `mlflow.user`."""

    def __init__(self, folder: Path):
        self.folder, self.uri = folder, f"sqlite:///{folder / 'mlflow.db'}"
        (folder / "mlflow.db").write_bytes(empty_store())
        self.open()
        self.experiments = {name: self.client.create_experiment(name, (folder / "mlruns" / name).as_uri()) for name in LESSONS}

    def open(self):
        """Les fonctions de `mlflow.*` visent ce magasin."""
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        mlflow.set_tracking_uri(self.uri)
        self.client = MlflowClient(self.uri)

    def run(
        self, user, number=None, *, lesson=None, name="essai", params=None, metrics=None, tags=None, model=None, parent=None,
        history=None, files=None, status="FINISHED", project=False,
    ) -> str:  # fmt: skip
        """Un run d'un apprenant ; `model` : un estimateur, enregistré au format skops. Renvoie son identifiant."""
        lesson = lesson or next(each for each in LESSONS if each[:2] == number[:2])
        given = {"mlflow.user": user, "mlflow.source.name": "ailleurs.py", **(tags or {})}
        given |= {"exercise": number} if number else {}
        given |= {"mlflow.parentRunId": parent} if parent else {}
        given |= (
            {"mlflow.project.entryPoint": "train", "mlflow.source.git.commit": "c" * 40, "git.dirty": "false"} | given if project else {}
        )
        run_id = self.client.create_run(self.experiments[lesson], tags=given, run_name=name).info.run_id
        key, values = history or ("", {})
        points = [Metric(key, value, 0, step) for step, value in values.items()]
        points += [Metric(key, float(value), 0, 0) for key, value in (metrics or {}).items()]
        self.client.log_batch(run_id, points, [Param(key, str(value)) for key, value in (params or {}).items()])
        for path, text in (files or {}).items():
            self.client.log_text(run_id, text, path)
        if model is not None:
            mlflow.set_experiment(experiment_id=self.experiments[lesson])  # un autre test a pu en choisir une
            with mlflow.start_run(run_id=run_id):
                self.log(model)
        self.client.set_terminated(run_id, status)
        return run_id

    def log(self, model, **options):
        """Enregistre un modèle dans le run ouvert."""
        given = {"name": "model", "serialization_format": "skops", "skops_trusted_types": TRUSTED, "pip_requirements": ["mlflow"]}
        return mlflow.sklearn.log_model(model, **{**given, **options})

    def version(self, name: str, run_id: str, tags=None) -> str:
        """Inscrit le modèle d'un run sous `name` ; renvoie le numéro de version."""
        if name not in {each.name for each in self.client.search_registered_models()}:
            self.client.create_registered_model(name)
        (output,) = self.client.get_run(run_id).outputs.model_outputs
        made = self.client.create_model_version(name, f"models:/{output.model_id}", run_id, model_id=output.model_id, tags=tags)
        return str(made.version)

    def verdict(self, number: str, user: str | None) -> Verdict:
        """Ce que check.py dit de l'exercice d'un apprenant."""
        (exercise,) = [each for each in EXERCISES if each.number == number]
        return verdict(exercise, Learner(Course(self.client), user))

    def check(self, *arguments: str) -> SimpleNamespace:
        """`check.py` et ses options sur ce magasin, sans lancer de programme ; comme lui : un code, une sortie, une erreur."""
        written, code, error = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True), 1, ""
        ours = mock.patch("checks.store.open_read_only", lambda: self.client)
        with mock.patch.object(sys, "argv", ["check.py", *arguments]), ours, redirect_stdout(written):
            try:
                code = check.main()
            except SystemExit as refused:
                error = str(refused)
        return SimpleNamespace(returncode=code, stdout=written.buffer.getvalue().decode(), stderr=error)

    def remark(self, number: str, user: str) -> str:
        """La remarque que mérite une réponse fausse : « à revoir », jamais « fait » ni « à faire »."""
        found = self.verdict(number, user)
        assert found.state == "à revoir", found
        return found.text
