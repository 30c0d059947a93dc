# databricks: non (ne sert qu'à 02_move_store.py)
"""Ce que `02_move_store.py` lit, réécrit, envoie et compare, MLflow mis à part."""

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
    "experiments": "expériences", "runs": "runs", "params": "paramètres", "metrics": "valeurs de métriques", "tags": "étiquettes",
    "datasets": "jeux de données", "logged_models": "modèles enregistrés", "registered_models": "modèles inscrits",
    "model_versions": "versions", "registered_model_aliases": "alias",
}  # fmt: skip


def photograph(source: str, copy: Path) -> sqlalchemy.Engine:
    """Une copie de la base SQLite, juste même si l'on y écrit pendant ce temps
    (`sqlite3.Connection.backup`).

    Lève `SystemExit`, en une ligne, s'il n'y a pas de magasin de MLflow à cet endroit.
    """
    if not Path(source).is_file():
        raise SystemExit("Lancez d'abord : uv run 01_tracking_supervised/local/01_first_run.py")
    try:
        with (
            closing(sqlite3.connect(f"{Path(source).as_uri()}?mode=ro", uri=True)) as base,
            closing(sqlite3.connect(copy)) as target,
        ):
            base.execute("SELECT version_num FROM alembic_version")
            base.backup(target)
    except sqlite3.Error as error:
        raise SystemExit(f"{source} n'est pas un magasin de MLflow : {error}") from None
    return sqlalchemy.create_engine(f"sqlite:///{copy}")


def revision(engine: sqlalchemy.Engine) -> str:
    """La révision des tables d'une base de MLflow."""
    with engine.connect() as connection:
        return connection.scalar(sqlalchemy.text("SELECT version_num FROM alembic_version"))


def shared_tables(
    source: sqlalchemy.Engine, target: sqlalchemy.Engine
) -> list[dict[str, sqlalchemy.Table]]:
    """Les tables de la source, puis les mêmes dans la cible, rangées pour qu'aucune ne renvoie à
    une table qui la suit.

    Lève `SystemExit`, en une ligne, si les deux bases ne sont pas de la même version de MLflow.
    """
    if revision(source) != revision(target):
        raise SystemExit(
            "Deux versions de MLflow : après une copie, mettez la base la plus ancienne à niveau (mlflow db upgrade)."
        )
    names, found = (
        [name for name in sqlalchemy.inspect(source).get_table_names() if name not in OWN],
        [],
    )
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

    Lève `SystemExit`, en une ligne, si un texte contient le caractère NUL : SQLite l'accepte,
    PostgreSQL non.
    """
    columns = [column for column in table.columns if column.computed is None]
    rows = [dict(row) for row in connection.execute(sqlalchemy.select(*columns)).mappings()]
    for row in rows:
        if any("\0" in value for value in row.values() if isinstance(value, str)):
            raise SystemExit(
                f"PostgreSQL refuse le caractère NUL, qui est dans {table.name} : {str(list(row.values())[:3])[:150]}"
            )
        for name in ADDRESSES.get(table.name, ()):
            for old, new in (moved or {}).items():
                if row[name] == old or str(row[name]).startswith(f"{old}/"):
                    row[name] = new + row[name][len(old) :]
    return rows


def counters(tables: dict[str, sqlalchemy.Table]) -> list[tuple[str, str]]:
    """Les colonnes que PostgreSQL numérote lui-même : (table, colonne)."""
    columns = [column for table in tables.values() for column in table.columns]
    return [
        (each.table.name, each.name)
        for each in columns
        if each.identity or "nextval" in str(getattr(each.server_default, "arg", ""))
    ]


def differences(source: dict[str, list[dict]], target: dict[str, list[dict]]) -> list[str]:
    """Les tables dont les lignes ne sont pas les mêmes, dans un ordre quelconque ; `repr` distingue
    deux nombres à un bit près.
    """

    def counted(rows: list[dict]) -> Counter:
        return Counter(repr(sorted(row.items())) for row in rows)

    return [name for name in source if counted(source[name]) != counted(target[name])]


def already_there(
    connection, tables: dict[str, sqlalchemy.Table], rows: dict[str, list[dict]]
) -> bool:
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
            f"La base de l'équipe n'est pas vide ({', '.join(shown or used)}) : rien n'y est copié. Donnez un dossier neuf (--folder)."
        )
    return bool(used)


def check_same(
    connection, tables: dict[str, sqlalchemy.Table], rows: dict[str, list[dict]]
) -> None:
    """Relit tout ; lève `SystemExit`, en une ligne, si une seule valeur n'est pas celle de `rows`,
    au bit près.
    """
    if wrong := differences(
        rows, {name: rows_of(connection, table) for name, table in tables.items()}
    ):
        raise SystemExit(
            f"Des lignes ont changé en route ({', '.join(wrong)}) : la copie est annulée."
        )


def owned(rows: dict[str, list[dict]]) -> list[tuple[str, str]]:
    """Ce dont on peut donner les droits : les expériences, par numéro, et les modèles inscrits, par
    nom.
    """
    experiments = [("experiment", str(row["experiment_id"])) for row in rows["experiments"]]
    return experiments + [("registered_model", row["name"]) for row in rows["registered_models"]]


def files_to_send(folder: Path, listed) -> list[tuple[str, str]]:
    """Les fichiers de `folder` que le serveur n'a pas, ou pas entiers : (chemin, sous-dossier).

    `listed` rend les fichiers du serveur dans un sous-dossier (`repository.list_artifacts`).
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    there = {}
    for parent in sorted({path.parent.relative_to(folder).as_posix() for path in files}):
        there |= {
            file.path: file.file_size
            for file in listed(None if parent == "." else parent)
            if not file.is_dir
        }
    missing = [
        path
        for path in files
        if there.get(path.relative_to(folder).as_posix()) != path.stat().st_size
    ]
    return [(str(path), path.parent.relative_to(folder).as_posix()) for path in missing]
