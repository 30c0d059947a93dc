# databricks: non (là-bas, le serveur de l'équipe est Databricks lui-même)
# %% [markdown]
# # Leçon 2, équipe, script 1 : le serveur d'une équipe
#
# **Question.** `mlflow.db` est un fichier de votre disque. Que faut-il pour que deux personnes
# écrivent dans le même magasin ? Votre pronostic : combien de lignes des scripts de la leçon 1
# faudra-t-il changer ?

# %% [markdown] tags=["local"]
# ```
# uv run --group team 02_tracking_unsupervised/team/01_team_server.py --users alice bob
# ```
#
# Vingt secondes, puis il attend : laissez-lui ce terminal, et travaillez dans un autre. Ctrl-C
# arrête tout ; relancé, il retrouve ses données, dans `team_data/`.

# %%
import argparse
import os
import re
import secrets
import socket
import subprocess
import sys
from pathlib import Path

from dotenv import dotenv_values
from mlflow.exceptions import RestException
from mlflow.server.auth.client import AuthServiceClient

from postgres import create_base, postgres_program, start_postgres
from processes import start, wait_until_ready

# %% tags=["local"]
from store import ROOT


# %% tags=["parameters"]
def account(text: str) -> str:
    """Un nom qui passe tel quel dans une adresse et dans un terminal."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}", text):
        return text
    raise argparse.ArgumentTypeError("lettres sans accent, chiffres, « . », « _ » ou « - »")


parser = argparse.ArgumentParser(description="Un serveur d'équipe : PostgreSQL, comptes.")
parser.add_argument("--users", type=account, nargs="*", default=[], help="les comptes à créer")
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
# SQLite est un fichier : un seul programme y écrit à la fois. PostgreSQL est un programme qui
# écoute, fait passer chacun à son tour et garde ce qu'il a accepté, même si la machine s'arrête.
# Celui-ci vient d'un paquet Python, sans installation. Les comptes vont dans la même base que les
# runs : une seule sauvegarde suffit.

# %%
base = create_base(start_postgres(folder / "postgres"), "mlflow")
if args.restore:
    restore = [postgres_program("pg_restore"), "--single-transaction", "--no-owner"]
    subprocess.run([*restore, "--dbname", base, args.restore], check=True)

# %% [markdown]
# ## Qui a le droit : les secrets et les comptes
#
# Aucun secret dans une commande, où la liste des programmes le montrerait : des fichiers que vous
# seul pouvez lire. Par défaut, chacun lit les runs de tous (`READ`) et n'écrit que dans les
# expériences qu'il a créées. Un mot de passe vérifié est retenu une minute.

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
# Une commande de MLflow, que vous pourriez taper. `--artifacts-destination` : les fichiers aussi
# passent par le serveur, qui les range ; un collègue n'a besoin que de son adresse.
# `--allowed-hosts` : une page web piégée ne peut pas lui parler sous un autre nom.

# %%
here = (args.host, "127.0.0.1", "localhost")
hosts = [*args.allowed_hosts, *(f"{name}:{args.port}" for name in here)]
command = [
    sys.executable, "-m", "mlflow", "--env-file", str(secret_file), "server",
    "--app-name", "basic-auth",
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

# %% [markdown]
# ## Des comptes
#
# L'administrateur les crée, par une adresse du serveur. MLflow n'en garde qu'une empreinte : le mot
# de passe ne se relit nulle part.

# %%
os.environ["MLFLOW_TRACKING_USERNAME"] = "admin"
os.environ["MLFLOW_TRACKING_PASSWORD"] = dotenv_values(secret_file)["MLFLOW_AUTH_ADMIN_PASSWORD"]
accounts = AuthServiceClient(address)
for name in args.users:
    password = secrets.token_urlsafe(12)
    try:
        accounts.create_user(name, password)
    except RestException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        print(f"{name} a déjà un compte.")
    else:
        shown = f"MLFLOW_TRACKING_USERNAME={name} MLFLOW_TRACKING_PASSWORD={password}"
        print(f"Montré cette seule fois : {shown}")

# %%
if args.host not in ("127.0.0.1", "localhost"):
    print("Ouvert au réseau : sans HTTPS devant, les mots de passe y circulent en clair.")
backup = f"{postgres_program('pg_dump')} --format=custom --file=mlflow.dump '{base}'"
print(f"Sauvegarder la base, sans rien arrêter : {backup}")
print(
    f"Le serveur est prêt : MLFLOW_TRACKING_URI={address} ;"
    f" Ctrl-C l'arrête, les données restent dans {folder}."
)

# %% tags=["local"]
try:
    server.wait()
    sys.exit(f"Le serveur s'est arrêté : la fin de {log} dit pourquoi.")
except KeyboardInterrupt:
    print("\nArrêt : le serveur, puis la base. Les données restent.")

# %% [markdown]
# ## À retenir
#
# Les scripts des leçons n'ont pas changé d'une ligne : trois variables d'environnement les envoient
# ici.
#
# Ce serveur est un vrai, pour essayer chez soi. Pour de bon, il reste à mettre HTTPS devant (un
# proxy), les secrets dans un coffre, les sauvegardes à heure fixe sur une autre machine, et
# quelqu'un qui les restaure parfois pour voir. `compose.yaml`, à côté de ce script, décrit le même
# montage avec Docker : PostgreSQL, un magasin de fichiers compatible S3, le serveur. Nous ne
# l'avons pas lancé nous-mêmes : un test le relit contre le schéma de Compose et lance sa commande
# sans Docker.
