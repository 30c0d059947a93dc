# databricks: non (là-bas, le serveur de l'équipe est Databricks lui-même)
# %% [markdown]
# # Leçon 2, équipe, script 1 : le serveur d'une équipe
#
# **Question.** `mlflow.db` est un fichier de votre disque. Que faut-il pour que deux personnes
# écrivent dans le même magasin ? Votre pronostic : combien de lignes des scripts de la leçon 1
# faudra-t-il changer ?

# %% [markdown] tags=["local"]
# ```
# uv run --group team 02_tracking_unsupervised/team/01_team_server.py
# ```
#
# Vingt secondes, puis il attend : laissez-lui ce terminal, et travaillez dans un autre. Ctrl-C
# arrête tout ; relancé, il retrouve ses données, dans `team_data/`.

# %%
import argparse
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path

import requests
from dotenv import dotenv_values

from postgres import create_base, postgres_program, start_postgres
from processes import start, wait_until_ready

# %% tags=["local"]
from store import ROOT

# %% tags=["parameters"]
parser = argparse.ArgumentParser(description="Un serveur d'équipe : PostgreSQL, comptes.")
parser.add_argument("--folder", type=Path, default=ROOT / "team_data", help="où tout est rangé")
parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 : ouvert à tout le réseau")
parser.add_argument("--port", type=int, default=5050)
parser.add_argument("--allowed-hosts", nargs="*", default=[], help="mlflow.lan,mlflow.lan:5050")
parser.add_argument("--restore", type=Path, help="une sauvegarde de pg_dump, à remettre d'abord")
args = parser.parse_args()
if args.restore and not args.restore.is_file():
    parser.error(f"--restore : il n'y a pas de fichier {args.restore}")

# %%
socket.create_server((args.host, args.port)).close()  # un port pris se dit avant tout le reste
os.umask(0o077)  # ce qui est créé ici, secrets compris, n'est lisible que de vous
folder = args.folder.resolve()
(folder / "artifacts").mkdir(parents=True, exist_ok=True)
(folder / ".gitignore").write_text("*\n")

# %% [markdown]
# ## Ce qui se cherche : PostgreSQL
#
# SQLite est un fichier, où un seul programme écrit à la fois. PostgreSQL est un programme, où
# plusieurs écrivent ensemble : chacun lit une version cohérente, et n'attend que si un autre change
# la même ligne. Celui-ci vient d'un paquet Python, sans installation. Les comptes vont dans la même
# base que les runs : une seule sauvegarde suffit.

# %%
base = create_base(start_postgres(folder / "postgres"), "mlflow")
if args.restore:
    restore = [postgres_program("pg_restore"), "--single-transaction", "--no-owner"]
    subprocess.run([*restore, "--dbname", base, args.restore], check=True)

# %% [markdown]
# ## Les secrets
#
# Aucun secret dans une commande, où la liste des programmes le montrerait : des fichiers que vous
# seul pouvez lire. Un mot de passe vérifié est retenu une minute.

# %%
secret_file = folder / "secrets.env"
if not secret_file.exists():
    names = ("MLFLOW_FLASK_SERVER_SECRET_KEY", "MLFLOW_AUTH_ADMIN_PASSWORD")
    secret_file.write_text("".join(f"{name}={secrets.token_urlsafe(24)}\n" for name in names))
rules = f"""[mlflow]
database_uri = {base.replace("%", "%%")}
default_permission = READ
auth_cache_ttl_seconds = 60
"""
(folder / "auth.ini").write_text(rules)

# %% [markdown]
# ## Le serveur
#
# Une commande de MLflow, que vous pourriez taper. `--enable-workspaces` : à chacun son espace, ses
# expériences, son registre. `--artifacts-destination` : les fichiers aussi passent par le serveur,
# qui les range. `--allowed-hosts` : il ne répond que sous ces noms.

# %%
here = (args.host, "127.0.0.1", "localhost")
hosts = [*args.allowed_hosts, *(f"{name}:{args.port}" for name in here)]
command = [
    sys.executable, "-m", "mlflow", "--env-file", str(secret_file), "server",
    "--app-name", "basic-auth",
    "--enable-workspaces",
    "--backend-store-uri", base,
    "--artifacts-destination", str(folder / "artifacts"),
    "--workers", "2",
    "--host", args.host, "--port", str(args.port),
    "--allowed-hosts", ",".join(hosts),
]  # fmt: skip
settings = {
    "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"), "MLFLOW_AUTH_ADMIN_USERNAME": "admin",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true",
}  # fmt: skip
log = folder / "server.log"
address = f"http://{args.host.replace('0.0.0.0', '127.0.0.1')}:{args.port}"
server = start(command, log, **settings)
wait_until_ready(server, address, log)

# %%
admin = ("admin", dotenv_values(secret_file)["MLFLOW_AUTH_ADMIN_PASSWORD"])
asked = requests.get(f"{address}/api/3.0/mlflow/workspaces", auth=admin, timeout=60)
if asked.status_code == 401:
    sys.exit(f"{secret_file} n'ouvre pas cette base : remettez le fichier qui allait avec elle.")
if args.host not in ("127.0.0.1", "localhost"):
    print("Ouvert au réseau : sans HTTPS devant, les mots de passe y circulent en clair.")
dump = f"{postgres_program('pg_dump')} --format=custom --file='{folder / 'mlflow.dump'}' '{base}'"
print(f"Sauvegarder la base, sans rien arrêter : (umask 077; {dump})")
print(f"Le serveur est prêt : {address}. Ctrl-C l'arrête ; les données restent dans {folder}.")
print("Ensuite, dans un autre terminal : uv run --group team", end=" ")
print("02_tracking_unsupervised/team/02_accounts.py add alice bob")

# %% tags=["local"]
try:
    server.wait()
    sys.exit(f"Le serveur s'est arrêté : la fin de {log} dit pourquoi.")
except KeyboardInterrupt:
    print("\nArrêt : le serveur, puis la base. Les données restent.")

# %% [markdown]
# ## À retenir
#
# Les scripts des leçons n'ont pas changé d'une ligne : quatre variables d'environnement les
# envoient ici. `compose.yaml`, à côté de ce script, décrit le même montage avec Docker. Nous ne
# l'avons pas lancé nous-mêmes : un test le relit contre le schéma de Compose et lance sa commande
# sans Docker.
