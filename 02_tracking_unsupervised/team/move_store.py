# databricks: non (ne sert qu'à 03_move_store.py)
"""Ce que `03_move_store.py` lit, réécrit, envoie et compare, MLflow mis à part."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

import sqlalchemy

# Les colonnes qui contiennent l'adresse d'un fichier ou d'un dossier d'artefacts.
ADDRESSES = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("storage_location", "source"),
    "trace_tags": ("value",),
}
# Ce qu'un serveur écrit pour lui-même : cela ne déménage pas.
OWN = ("alembic_version", "job_locks", "scheduler_leases")
SHOWN = {
    "experiments": "expériences", "runs": "runs", "params": "paramètres",
    "metrics": "valeurs de métriques", "tags": "étiquettes", "datasets": "jeux de données",
    "logged_models": "modèles enregistrés", "registered_models": "modèles inscrits",
    "model_versions": "versions", "registered_model_aliases": "alias",
}  # fmt: skip
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


def local_folder(address: str) -> Path | None:
    """Le dossier d'une adresse d'artefacts, ou None si elle n'est pas sur cette machine."""
    parts = urlsplit(address)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    # une seule lettre : un disque de Windows
    return Path(address) if len(parts.scheme) <= 1 else None


def rows_of(connection, table: sqlalchemy.Table, moved: dict[str, str] | None = None) -> list[dict]:
    """Les lignes d'une table, sans ses colonnes calculées ; toute adresse qui commence comme une
    clé de `moved` prend sa valeur.
    """
    columns = [column for column in table.columns if column.computed is None]
    rows = [dict(row) for row in connection.execute(sqlalchemy.select(*columns)).mappings()]
    for row in rows:
        for name in ADDRESSES.get(table.name, ()):
            for old, new in (moved or {}).items():
                if row[name] == old or str(row[name]).startswith(f"{old}/"):
                    row[name] = new + row[name][len(old) :]
    return rows


def counters(tables: Tables) -> list[tuple[str, str]]:
    """Les colonnes que PostgreSQL numérote lui-même : (table, colonne)."""
    columns = [column for table in tables.values() for column in table.columns]
    return [
        (each.table.name, each.name)
        for each in columns
        if each.identity or "nextval" in str(getattr(each.server_default, "arg", ""))
    ]


def differences(source: Rows, target: Rows) -> list[str]:
    """Les tables dont les lignes ne sont pas les mêmes, dans un ordre quelconque ; `repr` distingue
    deux nombres à un bit près.
    """

    def counted(rows: list[dict]) -> Counter:
        return Counter(repr(sorted(row.items())) for row in rows)

    return [name for name in source if counted(source[name]) != counted(target[name])]


def already_there(connection, tables: Tables, rows: Rows) -> bool:
    """Ces lignes sont-elles déjà, toutes et seules, dans ces tables ?

    Lève `SystemExit`, en une ligne, s'il y en a d'autres.
    """
    found = {name: rows_of(connection, table) for name, table in tables.items()}
    # l'expérience « Default » et l'espace de travail « default » naissent avec la base
    born = {"experiments": 1, "workspaces": 1}
    used = [name for name, those in found.items() if len(those) > born.get(name, 0)]
    if used and differences(rows, found):
        shown = [f"{SHOWN[name]} {len(found[name])}" for name in SHOWN if name in used]
        raise SystemExit(
            f"La base de l'équipe n'est pas vide ({', '.join(shown or used)}) :"
            " rien n'y est copié. Donnez un dossier neuf (--folder)."
        )
    return bool(used)


def check_same(connection, tables: Tables, rows: Rows) -> None:
    """Relit tout ; lève `SystemExit`, en une ligne, si une seule valeur n'est pas celle de `rows`,
    au bit près.
    """
    wrong = differences(rows, {name: rows_of(connection, each) for name, each in tables.items()})
    if wrong:
        raise SystemExit(f"Des lignes ont changé en route ({', '.join(wrong)}) : copie annulée.")


def files_to_send(folder: Path, listed) -> list[tuple[str, str]]:
    """Les fichiers de `folder` que le serveur n'a pas, ou pas entiers : (chemin, sous-dossier).

    `listed` rend les fichiers du serveur dans un sous-dossier (`repository.list_artifacts`).
    """
    missing, there = [], {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        parent = path.parent.relative_to(folder).as_posix()
        if parent not in there:
            found = listed(None if parent == "." else parent)
            there[parent] = {each.path: each.file_size for each in found}
        if there[parent].get(path.relative_to(folder).as_posix()) != path.stat().st_size:
            missing.append((str(path), parent))
    return missing
