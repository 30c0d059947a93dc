"""Un magasin où chacun a rendu sa copie : les tests y écrivent ce qu'un apprenant aurait laissé,
juste ou faux.

Un modèle n'y est enregistré qu'une fois, puis lié aux runs suivants ; un run déjà écrit par MLflow
est recopié en SQL.
"""

import copy
import io
import itertools
import logging
import os
import sqlite3
import subprocess
import sys
import tempfile
import uuid
from contextlib import redirect_stderr, closing, redirect_stdout
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import check
import mlflow
import pytest
from checks.catalog import EXERCISES, Verdict, verdict
from checks.learner import Course, Learner
from checks.models import TRUSTED
from checks.project import STEPS
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, Metric, Param
from sqlalchemy import event
from sqlalchemy.engine import Engine
from texts import ROOT
from threadpoolctl import threadpool_limits
from warm import forked

from course import LESSONS

# de petites matrices : un seul fil va plus vite, surtout quand d'autres tests tournent
threadpool_limits(1)

PROJECT = {
    "mlflow.project.entryPoint": "train",
    "mlflow.source.git.commit": "c" * 40,
    "git.dirty": "false",
}
TABLES = dict.fromkeys(("runs", "metrics", "latest_metrics", "params", "tags"), "run_uuid") | {
    "inputs": "source_id"
}


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


def call(*arguments: str, uri: str, start=forked) -> subprocess.CompletedProcess:
    """`uv run tools/check.py ...`, pour le magasin `uri`."""
    told = start(
        [sys.executable, str(ROOT / "tools/check.py"), *arguments],
        ROOT,
        300,
        MLFLOW_TRACKING_URI=uri,
    )
    assert "Traceback" not in told.stderr, told.stderr
    return told


def each(
    right: dict[str, tuple], wrong: dict[str, tuple], untouched: dict[str, tuple] | None = None
):
    """Un test par réponse, `case` : ce que reçoit `Classroom.judged`.

    « 01-1 sans modèle » est une réponse à l'exercice 01-1.
    """
    states = {"fait": right, "à revoir": wrong, "à faire": untouched or {}}
    cases = [
        (name, state, *told) for state, answers in states.items() for name, told in answers.items()
    ]
    return pytest.mark.parametrize("case", cases, ids=lambda case: case[0])


class Classroom:
    """Un magasin SQLite neuf, vu par `user` : ce que l'on y écrit porte son étiquette
    `mlflow.user`.
    """

    def __init__(self, folder: Path):
        self.folder, self.uri, self.user = folder, f"sqlite:///{folder / 'mlflow.db'}", None
        (folder / "mlflow.db").write_bytes(empty_store())
        self.open()
        self.experiments = {
            name: self.client.create_experiment(name, (folder / "mlruns" / name).as_uri())
            for name in LESSONS
        }
        self.models, self.written, self.names = {}, {}, set()
        # un run par seconde : le plus récent est toujours connu
        self.times = itertools.count(1_700_000_000_000, 1000)

    def open(self):
        """Les fonctions de `mlflow.*` visent ce magasin."""
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        mlflow.set_tracking_uri(self.uri)
        self.client = MlflowClient(self.uri)

    def of(self, user: str) -> "Classroom":
        """Le même magasin, vu par `user`."""
        seen = copy.copy(self)
        seen.user = user
        return seen

    def base(self):
        """La base, en SQL."""
        base = sqlite3.connect(self.folder / "mlflow.db")
        base.execute("PRAGMA synchronous = OFF")
        return closing(base)

    def run(self, number=None, *, lesson=None, parent=None, **content) -> str:
        """Un run, étiqueté `exercise = number`, dans l'expérience de sa leçon ou de `lesson` ;
        `content` : voir `write`.
        """
        lesson = lesson or next(each for each in LESSONS if each[:2] == number[:2])
        told = repr(
            (number, lesson, parent is None, {**content, "model": id(content.get("model"))})
        )
        if told in self.written:
            return self.again(parent, *self.written[told])
        start = next(self.times)
        run_id = self.write(number, lesson, parent, start, **content)
        with self.base() as base:
            rows = {
                table: base.execute(f"SELECT * FROM {table} WHERE {key} = ?", (run_id,)).fetchall()
                for table, key in TABLES.items()
            }
        # `content` garde le modèle en vie, et son `id`
        self.written[told] = (run_id, self.user, parent, start), rows, content
        return run_id

    def write(
        self,
        number,
        lesson,
        parent,
        start,
        *,
        name="essai",
        params=None,
        metrics=None,
        tags=None,
        model=None,
        history=None,
        files=None,
        status="FINISHED",
        project=False,
    ) -> str:
        """Écrit un run par MLflow ; `model` : un estimateur ; `history` : une métrique et ses
        valeurs, pas par pas.
        """
        given = (
            {"mlflow.user": self.user, "mlflow.source.name": "ailleurs.py"}
            | (PROJECT if project else {})
            | (tags or {})
        )
        given |= ({"exercise": number} if number else {}) | (
            {"mlflow.parentRunId": parent} if parent else {}
        )
        run_id = self.client.create_run(self.experiments[lesson], start, given, name).info.run_id
        key, values = history or ("", {})
        points = [Metric(key, value, 0, step) for step, value in values.items()]
        points += [Metric(key, float(value), 0, 0) for key, value in (metrics or {}).items()]
        if points or params:
            self.client.log_batch(
                run_id, points, [Param(key, str(value)) for key, value in (params or {}).items()]
            )
        for path, text in (files or {}).items():
            self.client.log_text(run_id, text, path)
        if model is not None:
            self.log(run_id, model)
        self.client.set_terminated(run_id, status)
        return run_id

    def again(self, parent, known: tuple, rows: dict[str, list], _) -> str:
        """Le même run, au nom d'un autre, plus tard : les mêmes lignes de la base."""
        run_id = uuid.uuid4().hex
        changed = dict(zip(known, (run_id, self.user, parent, next(self.times)), strict=True))
        with self.base() as base, base:
            for table, line in ((table, line) for table, lines in rows.items() for line in lines):
                copied = [changed.get(value, value) for value in line]
                base.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(copied))})", copied)
        return run_id

    def opened(self, run_id: str):
        """Un run, rouvert pour les fonctions de `mlflow.*`."""
        # un autre test a pu en choisir une
        mlflow.set_experiment(experiment_id=self.client.get_run(run_id).info.experiment_id)
        return mlflow.start_run(run_id=run_id)

    def log(self, run_id: str, model, step=0, own=False) -> str:
        """Donne à un run un estimateur, au format skops ; `own` : à lui seul, et non lié.

        Renvoie l'identifiant du modèle.
        """
        if not own and id(model) in self.models:
            self.client.log_outputs(run_id, [LoggedModelOutput(self.models[id(model)], step)])
            return self.models[id(model)]
        with self.opened(run_id):
            logged = mlflow.sklearn.log_model(
                model,
                name="model",
                step=step,
                serialization_format="skops",
                skops_trusted_types=TRUSTED,
                pip_requirements=["mlflow"],
            )
        if not own:
            self.models[id(model)] = logged.model_id
        return logged.model_id

    def version(self, name: str, run_id: str) -> str:
        """Inscrit le modèle d'un run sous `name` ; renvoie le numéro de version."""
        if name not in self.names:
            self.client.create_registered_model(name)
            self.names.add(name)
        [model] = [output.model_id for output in self.client.get_run(run_id).outputs.model_outputs]
        return str(
            self.client.create_model_version(
                name, f"models:/{model}", run_id, model_id=model
            ).version
        )

    def verdict(self, number: str) -> Verdict:
        """Ce que check.py dit de l'exercice, ou de l'étape du projet, de cette personne."""
        [exercise] = [exercise for exercise in (*EXERCISES, *STEPS) if exercise.number == number]
        return verdict(exercise, Learner(Course(self.client), self.user))

    def judged(self, name: str, state: str, answer, said=""):
        """Quelqu'un, `name`, répond à l'exercice par lequel son nom commence ; check.py doit lui
        dire `state` et `said`, ou `said()`.
        """
        me = self.of(name)
        answer(me)
        found = me.verdict(name.split()[0])
        assert found.state == state and (said() if callable(said) else said) in found.text, found

    def check(self, *arguments: str) -> SimpleNamespace:
        """`check.py` et ses options sur ce magasin, sans lancer de programme ; comme lui : un code,
        une sortie, une erreur.
        """
        written, code, error = (
            io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True),
            1,
            "",
        )
        ours = mock.patch("checks.store.open_read_only", lambda: self.client)
        with (
            mock.patch.object(sys, "argv", ["check.py", *arguments]),
            ours,
            redirect_stdout(written),
            redirect_stderr(io.StringIO()) as told,
        ):
            try:
                code = check.main()
            except SystemExit as refused:  # argparse a déjà écrit, et rend un nombre
                text = isinstance(refused.code, str)
                code, error = (1, refused.code) if text else (refused.code, told.getvalue())
        return SimpleNamespace(
            returncode=code, stdout=written.buffer.getvalue().decode(), stderr=error
        )
