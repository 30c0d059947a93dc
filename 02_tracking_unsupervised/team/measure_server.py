# databricks: non (ne sert qu'à 04_measure_server.py)
"""Ce que `04_measure_server.py` remplit, fait écrire ensemble et dessine, MLflow mis à part."""

import atexit
import gc
import subprocess
import sys
import timeit
import uuid
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import psutil
import sqlalchemy

from processes import stop

NAMES = {
    "sqlite": "SQLite, sans serveur",
    "server_sqlite": "serveur, SQLite",
    "server_postgres": "serveur, PostgreSQL",
    "server_postgres_accounts": "serveur, PostgreSQL, comptes",
}


def multiply(base: str, run_id: str, copies: int) -> None:
    """Ajoute à une base `copies` runs pareils à celui-ci, que MLflow a écrit, chacun avec ses
    valeurs de métriques.

    Suit un `ANALYZE`, sur PostgreSQL seulement : PostgreSQL compte ses lignes de lui-même
    (*autovacuum*), mais dans la minute, que l'on n'attend pas ; SQLite ne le fait jamais.
    """
    engine = sqlalchemy.create_engine(base)
    metadata = sqlalchemy.MetaData()
    metadata.reflect(engine, only=["runs", "params", "metrics", "latest_metrics", "tags"])
    names = [uuid.uuid4().hex for _ in range(copies)]
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            if "run_uuid" not in table.columns:
                continue  # `experiments`, que `runs` appelle
            rows = connection.execute(table.select().where(table.c.run_uuid == run_id)).mappings()
            rows = [dict(row) for row in rows]
            new = [row | {"run_uuid": name} for name in names for row in rows]
            if "is_nan" in table.columns:
                new = [row | {"value": int(row["run_uuid"][:8], 16) / 2**32} for row in new]
            connection.execute(table.insert(), new)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sqlalchemy.text("ANALYZE"))
    engine.dispose()


def milliseconds(call, *arguments, repeat: int = 1, **options) -> float:
    """La durée d'un appel, en millisecondes : la plus courte de `repeat`."""
    once = partial(call, *arguments, **options)
    # `timeit` arrête le ramasse-miettes ; un programme ordinaire, non
    return 1000 * min(timeit.repeat(once, gc.enable, number=1, repeat=repeat))


class Writers:
    """Des programmes `writer.py` qui attendent, MLflow déjà importé : ce qui est mesuré n'est que
    l'écriture.
    """

    def __init__(self, count: int):
        command = [sys.executable, str(Path(__file__).with_name("writer.py"))]
        pipe = subprocess.PIPE
        options = {"stdin": pipe, "stdout": pipe, "text": True, "start_new_session": True}
        self.programs = [psutil.Popen(command, **options) for _ in range(count)]
        for program in self.programs:
            atexit.register(stop, program)
        for program in self.programs:
            program.stdout.readline()

    def milliseconds(self, count: int, uri: str, experiment: str) -> float:
        """Ce que dure un run, du premier début à la dernière fin, quand `count` écrivains partis
        ensemble se partagent le travail.

        Ce travail est le même quel que soit `count` : six runs pour chacun des écrivains, s'ils
        écrivaient tous.
        """
        busy, each = self.programs[:count], 6 * len(self.programs) // count
        for program in busy:
            print(uri, experiment, each, file=program.stdin, flush=True)
        spans = [map(float, program.stdout.readline().split()) for program in busy]
        starts, ends = zip(*spans, strict=True)
        return 1000 * (max(ends) - min(starts)) / (each * count)


def relative(durations: dict[str, dict[str, list[float]]]) -> pd.DataFrame:
    """Change en rapports des durées, par montage puis par mesure : la plus courte, divisée par
    celle de SQLite ; des écrivains, le débit.

    Le débit de 1 est celui de SQLite au premier nombre d'écrivains, la première mesure `writers_`.
    """
    shortest = {name: {key: min(each[key]) for key in each} for name, each in durations.items()}
    table = pd.DataFrame(shortest).T
    writers = [name for name in table if name.startswith("writers_")]
    times = table.drop(columns=writers)
    rates = table.at["sqlite", writers[0]] / table[writers]
    return pd.concat([times / times.loc["sqlite"], rates], axis=1)


def show_ratios(ratios: pd.DataFrame, writers: list[int]) -> str:
    """Le tableau de `relative`, en texte, deux chiffres chacun."""
    columns = [f"{count} écrivain{'s' * (count > 1)}" for count in writers]
    table = ratios.rename(index=NAMES).set_axis(["un run", "les dix meilleurs", *columns], axis=1)
    return table.to_string(float_format=lambda value: f"{value:.2g}")


def draw_ratios(ratios: pd.DataFrame, writers: list[int]):
    """Un dessin par question ; `ratios` : ce que renvoie `relative`."""
    table = ratios.rename(index=NAMES)
    figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
    titles = {"child": "un run enfant : durée", "best": "les dix meilleurs : durée"}
    for ax, (name, title) in zip(axes, titles.items(), strict=False):
        table[name].iloc[::-1].plot.barh(ax=ax, color="tab:blue", title=title, logx=True)
        ax.set(xlabel="fois SQLite", ylabel="")
        ax.axvline(1, color="black", linewidth=1)
        ax.bar_label(ax.containers[0], fmt="%.2g", padding=3)
        ax.margins(x=0.2)
    axes[1].set_yticklabels([])
    rates = table[[f"writers_{count}" for count in writers]].T.set_axis(writers)
    rates.plot(ax=axes[2], marker="o", title="runs par seconde", ylim=(0, None), xticks=writers)
    axes[2].set(xlabel="écrivains à la fois", ylabel="fois SQLite, un seul écrivain")
    return figure
