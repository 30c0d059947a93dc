# databricks: non (ne sert qu'à 06_measure_storage.py)
"""Ce que `06_measure_storage.py` compte, chronomètre et dessine, MLflow mis à part."""

import gc
import shutil
import sqlite3
import timeit
from contextlib import closing
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd


def milliseconds(call, *arguments, repeat: int = 1, **options) -> float:
    """La durée d'un appel, en millisecondes : la plus courte de `repeat`."""
    once = partial(call, *arguments, **options)
    # `timeit` arrête le ramasse-miettes ; un programme ordinaire, non
    return 1000 * min(timeit.repeat(once, gc.enable, number=1, repeat=repeat))


def total_bytes(folder: Path) -> int:
    """Les octets de tous les fichiers d'un dossier, sous-dossiers compris."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def rows_by_table(path: Path) -> pd.Series:
    """Le nombre de lignes de chaque table d'une base SQLite."""
    with closing(sqlite3.connect(path)) as base:
        names = [
            name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return pd.Series(
            {name: base.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}
        )


def analyzed_copy(database: Path, copy: Path) -> Path:
    """Une copie de la base où `ANALYZE` a compté les lignes, ce qui guide l'optimiseur de SQLite.

    L'original reste intact.
    """
    shutil.copy(database, copy)
    with closing(sqlite3.connect(copy)) as base:
        base.execute("ANALYZE")
    return copy


def show_costs(table: pd.DataFrame) -> str:
    """Le tableau en texte, une ligne par taille, pour 80 colonnes ; `table` : les colonnes de
    `06_measure_storage.py`, dans l'ordre.
    """
    short = "base fichiers écrire lire trouver 10-meilleurs avec-ANALYZE tous".split()
    return table.set_axis(short, axis=1).round().astype(int).to_string()


def draw_costs(table: pd.DataFrame):
    """Octets, écriture et lectures selon le nombre de runs ; `table` : une ligne par taille, les
    colonnes de `06_measure_storage.py`.
    """
    figure, axes = plt.subplots(1, 3, figsize=(12, 5), layout="constrained")
    labels = {
        "database_bytes_per_run": "base",
        "artifact_bytes_per_run": "fichiers",
        "write_ms": "écrire",
        "get_ms": "lire un run",
        "find_ms": "en trouver un",
        "best_ms": "les dix meilleurs",
        "best_analyzed_ms": "les dix meilleurs, après ANALYZE",
        "table_ms": "tous, en tableau",
    }
    named = table.rename(columns=labels)
    named.iloc[:, :2].plot(ax=axes[0], marker="o", ylim=(0, None), ylabel="octets par run")
    named.iloc[:, 2:3].plot(ax=axes[1], marker="o", ylim=(0, None), ylabel="millisecondes par run")
    named.iloc[:, 3:].plot(ax=axes[2], marker="o", logy=True, ylabel="millisecondes")
    for ax in axes:
        ax.set(xlabel="runs dans le magasin", xscale="log")
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), fontsize="small")
    return figure
