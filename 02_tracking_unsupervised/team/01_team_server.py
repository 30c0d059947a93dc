# databricks: non (là-bas, le serveur de l'équipe est Databricks lui-même)
# %% [markdown]
# # Leçon 2, script 1 : le serveur d'une équipe
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

# %% tags=["local"]
from store import ROOT  # en premier : Ctrl-C se dit alors en une ligne

# %%
import argparse
import os
import secrets
import sys

from options import existing_file, full_path, short_text, whole_number
from postgres import (
    check_base,
    create_base,
    postgres_program,
    refuse_another_version,
    restore,
    start_postgres,
)
from team import (
    account, database, has_account, host_names, if_interrupted, kept_secrets, private_folder, refuse_taken_port, run, start,
    wait_for_ctrl_c, wait_until_ready, write_private,
)  # fmt: skip

# %% tags=["parameters"]
parser = argparse.ArgumentParser(
    description="Un serveur MLflow d'équipe : PostgreSQL, fichiers, comptes."
)
parser.add_argument("--users", type=account, nargs="*", default=[], help="les comptes à créer")
parser.add_argument(
    "--folder",
    type=full_path,
    default=str(ROOT / "team_data"),
    help="où sont la base, les fichiers et les secrets",
)
parser.add_argument(
    "--database",
    type=database,
    help="une base PostgreSQL à vous : postgresql://compte@machine/base",
)
parser.add_argument(
    "--host",
    type=short_text,
    default="127.0.0.1",
    help="127.0.0.1 : cette machine seulement ; 0.0.0.0 : tout le réseau",
)
parser.add_argument("--port", type=whole_number(1, 65535), default=5050)
parser.add_argument(
    "--allowed-hosts",
    type=host_names,
    help="les noms par lesquels on l'appelle : mlflow.lan,mlflow.lan:5050",
)
parser.add_argument(
    "--workers", type=whole_number(1, 32), default=2, help="combien de programmes répondent"
)
parser.add_argument(
    "--restore", type=existing_file, help="remettre d'abord la base d'une sauvegarde de pg_dump"
)
parser.add_argument(
    "--upgrade", action="store_true", help="mettre d'abord la base à la version de ce MLflow"
)
args = parser.parse_args()

# %% tags=["local"]
if_interrupted("Interrompu avant d'être prêt : rien ne tourne.")
folder = private_folder(args.folder)
refuse_taken_port(args.host, args.port, folder / "server.pid")

# %% [markdown]
# ## Ce qui se cherche : PostgreSQL
#
# SQLite est un fichier : un seul programme y écrit à la fois. PostgreSQL est un programme qui
# écoute, fait passer chacun à son tour et garde ce qu'il a accepté, même si la machine s'arrête.
# Celui-ci vient d'un paquet Python, sans installation ; `--database` prend le vôtre. Les comptes
# vont dans la même base que les runs : une seule sauvegarde suffit.

# %%
postgres = None if args.database else start_postgres(folder / "postgres")
base = args.database or create_base(postgres, "mlflow")
check_base(base)
if args.restore:
    restore(base, args.restore)
if args.upgrade:
    run(sys.executable, "-m", "mlflow", "db", "upgrade", base)
refuse_another_version(base)

# %% [markdown]
# ## Qui a le droit : les secrets et les comptes
#
# Aucun secret dans une commande, où la liste des programmes le montrerait : des fichiers que vous
# seul pouvez lire. Par défaut, chacun lit les runs de tous (`READ`) et n'écrit que dans les
# expériences qu'il a créées. Un mot de passe vérifié est retenu une minute.

# %%
secret_file = folder / "secrets.env"
admin_password = kept_secrets(secret_file)["MLFLOW_AUTH_ADMIN_PASSWORD"]
rules = f"[mlflow]\ndatabase_uri = {base.replace('%', '%%')}\ndefault_permission = READ\nauth_cache_ttl_seconds = 60\n"
write_private(folder / "auth.ini", rules)

# %% [markdown]
# ## Le serveur
#
# Une commande de MLflow, que vous pourriez taper. `--artifacts-destination` : les fichiers aussi
# passent par le serveur, qui les range ; un collègue n'a besoin que de son adresse.
# `--allowed-hosts` : une page web piégée ne peut pas lui parler sous un autre nom.

# %%
names = [
    args.allowed_hosts,
    f"{args.host}:{args.port}",
    f"127.0.0.1:{args.port}",
    f"localhost:{args.port}",
]
command = [
    sys.executable, "-m", "mlflow", "--env-file", str(secret_file), "server",
    "--app-name", "basic-auth",
    "--backend-store-uri", base,
    "--artifacts-destination", str(folder / "artifacts"),
    "--workers", str(args.workers),
    "--host", args.host, "--port", str(args.port),
    "--allowed-hosts", ",".join(filter(None, names)),
]  # fmt: skip
settings = {
    "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"), "MLFLOW_AUTH_ADMIN_USERNAME": "admin",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true",
}  # fmt: skip
log, address = (
    folder / "server.log",
    f"http://{args.host.replace('0.0.0.0', '127.0.0.1')}:{args.port}",
)
server = start(command, log, **settings)
wait_until_ready(server, address, log)

# %% [markdown]
# ## Des comptes
#
# L'administrateur les crée, par une adresse du serveur. MLflow n'en garde qu'une empreinte : le mot
# de passe ne se relit nulle part.

# %%
from mlflow.server.auth.client import AuthServiceClient

os.environ.update(MLFLOW_TRACKING_USERNAME="admin", MLFLOW_TRACKING_PASSWORD=admin_password)
accounts = AuthServiceClient(address)
for name in args.users:
    if has_account(accounts, name):
        print(f"{name} a déjà un compte.")
        continue
    password = secrets.token_urlsafe(12)
    accounts.create_user(name, password)
    print(
        f"Montré cette seule fois : MLFLOW_TRACKING_USERNAME={name} MLFLOW_TRACKING_PASSWORD={password}"
    )

# %%
if args.host not in ("127.0.0.1", "localhost"):
    print("Ouvert au réseau : sans HTTPS devant, les mots de passe y circulent en clair.")
print(
    f"Sauvegarder la base, sans rien arrêter : {postgres_program('pg_dump')} --format=custom --file=mlflow.dump '{base}'"
)
print(
    f"Le serveur est prêt : MLFLOW_TRACKING_URI={address} ; Ctrl-C l'arrête, les données restent dans {folder}."
)

# %% tags=["local"]
wait_for_ctrl_c(server, postgres, log)

# %% [markdown]
# ## À retenir
#
# Les scripts des leçons n'ont pas changé d'une ligne : trois variables d'environnement les envoient
# ici.
#
# Ce serveur est un vrai, pour essayer chez soi. Pour de bon, il reste à mettre HTTPS devant (un
# proxy), les secrets dans un coffre, les sauvegardes à heure fixe sur une autre machine, et
# quelqu'un qui les restaure parfois pour voir. `team/compose.yaml`, à côté de ce dossier, décrit le
# même montage avec Docker : PostgreSQL, un magasin de fichiers compatible S3, le serveur. Nous ne
# l'avons pas lancé nous-mêmes : un test le relit contre le schéma de Compose et lance sa commande
# sans Docker.
