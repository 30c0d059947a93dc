# databricks: non (ne sert qu'à 03_move_store.py)
"""Ce que `03_move_store.py` lit, réécrit et compare."""

import hashlib
import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

import sqlalchemy

# Ce qu'un serveur écrit pour lui-même : cela ne déménage pas.
OWN = ("alembic_version", "job_locks", "scheduler_leases", "workspaces")
Tables = dict[str, sqlalchemy.Table]
Rows = dict[str, list[dict]]


def photograph(source: Path, copy: Path) -> sqlalchemy.Engine:
    """Une copie de la base SQLite, juste même si l'on y écrit pendant ce temps
    (`sqlite3.Connection.backup`).
    """
    address = f"{source.as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as base, closing(sqlite3.connect(copy)) as to:
        base.backup(to)
    return sqlalchemy.create_engine(f"sqlite:///{copy}")


def shared_tables(source: sqlalchemy.Engine, target: sqlalchemy.Engine) -> list[Tables]:
    """Les tables de la source, puis les mêmes dans la cible, rangées pour qu'aucune ne renvoie à
    une table qui la suit.

    Lève `SystemExit`, en une ligne, si les deux bases ne sont pas de la même version de MLflow.
    """
    revision = sqlalchemy.text("SELECT version_num FROM alembic_version")
    with source.connect() as here, target.connect() as there:
        same = here.scalar(revision) == there.scalar(revision)
    if not same:
        raise SystemExit(
            "Deux versions de MLflow : après une copie, mettez la base la plus ancienne à niveau"
            " (mlflow db upgrade)."
        )
    names = [name for name in sqlalchemy.inspect(source).get_table_names() if name not in OWN]
    found = []
    for engine in (source, target):
        metadata = sqlalchemy.MetaData()
        metadata.reflect(engine, only=names)
        found.append({table.name: table for table in metadata.sorted_tables if table.name in names})
    return found


def rows_of(connection, table: sqlalchemy.Table) -> list[dict]:
    """Les lignes d'une table, sans ses colonnes calculées, chacune par ordre de colonne."""
    columns = sorted(
        (column for column in table.columns if column.computed is None), key=lambda each: each.name
    )
    return [dict(row) for row in connection.execute(sqlalchemy.select(*columns)).mappings()]


def local_folder(address: str) -> Path | None:
    """Le dossier d'une adresse d'artefacts, ou None si elle n'est pas sur cette machine."""
    parts = urlsplit(address)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    # une seule lettre : un disque de Windows
    return Path(address) if len(parts.scheme) <= 1 else None


def different_files(here: Path, there: Path) -> list[str]:
    """Les fichiers de deux dossiers qui ne sont pas des deux côtés, avec la même empreinte."""
    digests = []
    for folder in (here, there):
        files = [path for path in folder.rglob("*") if path.is_file()]
        digests.append({str(path.relative_to(folder)): digest(path) for path in files})
    first, second = digests
    return sorted(name for name in first | second if first.get(name) != second.get(name))


def unserved(folder: Path) -> list[str]:
    """Les fichiers dont MLflow 3.17.2 abîme le nom quand il le met dans une adresse : un `#`, un
    `?`, ou un `%` suivi de deux chiffres hexadécimaux.
    """
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return sorted(name for name in names if re.search(r"[#?]|%[0-9A-Fa-f]{2}", name))


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def rewrite(rows: Rows, moved: dict[str, str], workspace: str) -> dict[str, int]:
    """Change dans `rows` toute valeur qui est une clé de `moved`, ou un chemin sous elle, et tout
    espace `default` en `workspace`, sauf celui d'une expérience, déjà réglé.

    Renvoie le nombre d'adresses changées, par `table.colonne`.
    """
    changed = Counter()
    for table, content in rows.items():
        for row in content:
            if table != "experiments" and "workspace" in row:
                row["workspace"] = workspace
            for column, value in row.items():
                for old, new in moved.items():
                    if isinstance(value, str) and (value == old or value.startswith(f"{old}/")):
                        row[column] = new + value[len(old) :]
                        changed[f"{table}.{column}"] += 1
                        break
    return dict(changed)


def still_local(rows: Rows, columns) -> list[str]:
    """Dans ces colonnes (`table.colonne`), les valeurs qui sont encore un chemin de ce disque."""
    found = []
    for name in columns:
        table, column = name.split(".")
        for value in (row[column] for row in rows[table]):
            place = local_folder(value) if isinstance(value, str) else None
            if place and place.is_absolute():
                found.append(value)
    return found


def counters(tables: Tables) -> list[tuple[str, str]]:
    """Les colonnes que PostgreSQL numérote lui-même : (table, colonne)."""
    columns = [column for table in tables.values() for column in table.columns]
    return [
        (each.table.name, each.name)
        for each in columns
        if each.identity or "nextval" in str(getattr(each.server_default, "arg", ""))
    ]
