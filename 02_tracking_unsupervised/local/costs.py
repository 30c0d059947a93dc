# databricks: non (ne sert qu'à measure_storage.py)
"""Ce que `measure_storage.py` compte, chronomètre et dessine, MLflow mis à part."""

import argparse
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from digits import whole_number


def size(text: str) -> int:
    """Un nombre de runs entre 10 et 100 000."""
    return whole_number(text, 10, 100_000)


def new_folder(text: str) -> Path:
    """Un dossier vide ou à créer, résolu avant que le magasin ne change de dossier courant."""
    folder = Path(text).resolve()
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise argparse.ArgumentTypeError(f"{text} n'est pas un dossier vide")
    return folder


def milliseconds(call, *arguments, repeat: int = 1, **options) -> float:
    """La durée d'un appel, en millisecondes : la plus courte de `repeat`, celle que le reste de la machine gêne le moins."""
    durations = []
    for _ in range(repeat):
        start = time.perf_counter()
        call(*arguments, **options)
        durations.append(time.perf_counter() - start)
    return 1000 * min(durations)


def total_bytes(folder: Path) -> int:
    """Les octets de tous les fichiers d'un dossier, sous-dossiers compris."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def rows_by_table(path: Path) -> pd.Series:
    """Le nombre de lignes de chaque table d'une base SQLite."""
    with closing(sqlite3.connect(path)) as base:
        names = [name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return pd.Series({name: base.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names})


def analyzed_copy(database: Path, copy: Path) -> Path:
    """Une copie de la base où `ANALYZE` a compté les lignes, ce qui guide l'optimiseur de SQLite. L'original reste intact."""
    shutil.copy(database, copy)
    with closing(sqlite3.connect(copy)) as base:
        base.execute("ANALYZE")
    return copy


def draw_costs(table: pd.DataFrame):
    """Octets, écriture et lectures selon le nombre de runs ; `table` : une ligne par taille, les colonnes de `measure_storage.py`."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 5), layout="constrained")
    labels = {
        "database_bytes_per_run": "base", "artifact_bytes_per_run": "fichiers", "write_ms": "écrire", "get_ms": "lire un run",
        "find_ms": "en trouver un", "best_ms": "les dix meilleurs", "best_analyzed_ms": "les dix meilleurs, après ANALYZE",
        "table_ms": "tous, en tableau",
    }  # fmt: skip
    named = table.rename(columns=labels)
    named.iloc[:, :2].plot(ax=axes[0], marker="o", ylim=(0, None), ylabel="octets par run")
    named.iloc[:, 2:3].plot(ax=axes[1], marker="o", ylim=(0, None), ylabel="millisecondes par run")
    named.iloc[:, 3:].plot(ax=axes[2], marker="o", logy=True, ylabel="millisecondes")
    for ax in axes:
        ax.set(xlabel="runs dans le magasin", xscale="log")
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), fontsize="small")
    return figure
