# databricks: non (là-bas, les comptes sont ceux de l'espace de travail)
# %% [markdown]
# # Leçon 2, équipe, script 2 : les comptes
#
# **Question.** Trente personnes lanceront les mêmes scripts, qui écrivent dans une expérience du
# même nom. Comment chacun garde-t-il la sienne, et qui lit qui ?
#
# Par un espace de travail (*workspace*) : un nom d'expérience ou de modèle n'y rencontre pas ceux
# des autres, et seul son compte y entre.

# %% [markdown] tags=["local"]
# ```
# uv run --group team 02_tracking_unsupervised/team/02_accounts.py add alice bob
# ```
#
# Cinq secondes, pendant que le serveur tourne : rien n'est arrêté.

# %%
import argparse
import os
import secrets
import sys
from pathlib import Path

import mlflow
import requests
from dotenv import dotenv_values
from mlflow.exceptions import RestException
from mlflow.server.auth.client import AuthServiceClient

# %% tags=["local"]
from store import ROOT

# %% tags=["parameters"]
ACTIONS = ["add", "reset", "remove", "share", "unshare", "join"]
parser = argparse.ArgumentParser(description="Les comptes d'un serveur d'équipe, sans l'arrêter.")
parser.add_argument("action", choices=ACTIONS)
parser.add_argument("names", nargs="+", help="les comptes : minuscules, chiffres ou tirets")
parser.add_argument("--workspace", default="commun", help="join : l'espace à rejoindre")
parser.add_argument("--server", default="http://127.0.0.1:5050", help="l'adresse du serveur")
parser.add_argument("--folder", type=Path, default=ROOT / "team_data", help="celui du serveur")
args = parser.parse_args()
if "admin" in args.names:
    parser.error("le mot de passe de l'administrateur est dans secrets.env")

# %%
try:
    requests.get(f"{args.server}/health", timeout=10).raise_for_status()
except requests.RequestException as error:
    sys.exit(f"Pas de serveur à {args.server} ({type(error).__name__}) : lancez 01_team_server.py.")
secret_file = args.folder / "secrets.env"
os.environ["MLFLOW_TRACKING_URI"] = args.server
os.environ["MLFLOW_TRACKING_USERNAME"] = "admin"
os.environ["MLFLOW_TRACKING_PASSWORD"] = dotenv_values(secret_file)["MLFLOW_AUTH_ADMIN_PASSWORD"]
accounts = AuthServiceClient(args.server)

# %% [markdown]
# ## Un compte, un espace, un rôle
#
# `owner` écrit partout dans un espace : expériences, modèles, invites (*prompts*). `reader` y lit ;
# `contributor` y lit, et crée. Le rôle `admin`, que MLflow crée avec chaque espace, permettrait de
# plus de créer des comptes : nous ne le donnons pas. D'un mot de passe, MLflow ne garde qu'une
# empreinte : il ne se relit nulle part.

# %%
KINDS = ["experiment", "registered_model", "prompt"]
RIGHTS = {
    "owner": {"workspace": "USE", **dict.fromkeys(KINDS, "MANAGE")},
    "reader": dict.fromkeys(KINDS, "READ"),
    "contributor": {"workspace": "USE", **dict.fromkeys(KINDS, "READ")},
}


def role(space: str, name: str) -> int:
    """Le numéro de ce rôle dans cet espace, créé avec ses droits s'il n'y est pas."""
    for each in accounts.list_roles(space):
        if each.name == name:
            return each.id
    made = accounts.create_role(space, name).id
    for kind, permission in RIGHTS[name].items():
        accounts.add_role_permission(made, kind, "*", permission)
    return made


def give(name: str, space: str, kind: str) -> None:
    """Donne à un compte ce rôle dans cet espace, s'il ne l'a pas."""
    number = role(space, kind)
    if number not in {each.id for each in accounts.list_user_roles(name)}:
        accounts.assign_role(name, number)


# %%
spaces = {each.name for each in mlflow.list_workspaces()}
for name in args.names:
    space = args.workspace if args.action == "join" else name
    if args.action in ("add", "join") and space not in spaces:
        spaces.add(mlflow.create_workspace(space).name)
    password = secrets.token_urlsafe(12)
    try:
        match args.action:
            case "add":
                accounts.create_user(name, password)
                give(name, name, "owner")
            case "reset":
                accounts.update_user_password(name, password)
            case "remove":
                accounts.delete_user(name)  # son espace et ses runs restent
            case "join":
                give(name, space, "contributor")
            case "share":  # chacun des comptes nommés lit les espaces des autres
                for other in args.names:
                    if other != name:
                        give(other, name, "reader")
            case "unshare":  # plus personne ne lit cet espace
                accounts.delete_role(role(name, "reader"))
    except RestException as error:
        sys.exit(f"{args.action} {name} : {error.error_code}")  # le reste dirait des empreintes
    if args.action in ("add", "reset"):
        print(f"Pour {name}, montré cette seule fois :")
        print(f"  MLFLOW_TRACKING_URI={args.server} MLFLOW_WORKSPACE={name}")
        print(f"  MLFLOW_TRACKING_USERNAME={name} MLFLOW_TRACKING_PASSWORD={password}")
    else:
        print(f"{args.action} {name} : fait")

# %% [markdown]
# ## À retenir
#
# Le nom de l'espace dit à qui est un run, et personne d'autre n'y écrit. L'étiquette `mlflow.user`,
# elle, est écrite par le programme de chacun, qui peut y mettre ce qu'il veut.
