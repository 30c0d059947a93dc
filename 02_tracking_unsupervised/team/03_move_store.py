# databricks: non (il part d'un fichier SQLite, et arrive sur un serveur d'équipe)
# %% [markdown]
# # Leçon 2, équipe, script 3 : déménager un magasin
#
# **Question.** Vos runs sont dans `mlflow.db` ; l'équipe a maintenant un serveur. MLflow n'a pas de
# commande pour les y porter. Votre pronostic : une base, ce sont des tables ; suffit-il de les
# copier ? Qu'est-ce qui ne serait plus vrai ensuite ?

# %% [markdown] tags=["local"]
# ```
# uv run --group team 02_tracking_unsupervised/team/03_move_store.py --owner alice
# ```
#
# Quinze secondes, `01_team_server.py` étant lancé dans un autre terminal. Le magasin de départ
# n'est que lu. Celui d'arrivée doit être neuf : si le serveur a déjà servi, donnez aux deux scripts
# le même `--folder`, nouveau. Interrompu, il se relance : il reprend.

# %%
import argparse
import os
import sys
import tempfile
from configparser import ConfigParser
from pathlib import Path

import mlflow
import numpy as np
import sqlalchemy
from dotenv import dotenv_values
from mlflow import MlflowClient
from mlflow.server.auth.client import AuthServiceClient
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from move_store import (
    SHOWN, already_there, check_same, counters, files_to_send, local_folder, photograph, rows_of,
    shared_tables,
)  # fmt: skip

# %% tags=["local"]
from store import ROOT, open_store

# %% tags=["parameters"]
SOURCE = ROOT / "mlflow.db"  # le magasin à copier
parser = argparse.ArgumentParser(description="Copie mlflow.db et ses artefacts sur un serveur.")
parser.add_argument("--folder", type=Path, default=ROOT / "team_data", help="celui du serveur")
parser.add_argument("--server", default="http://127.0.0.1:5050", help="l'adresse du serveur")
parser.add_argument("--owner", help="qui pourra y écrire ; sinon, l'administrateur seul")
args = parser.parse_args()

# %%
if not SOURCE.is_file():
    sys.exit("Lancez d'abord : uv run 01_tracking_supervised/local/01_first_run.py")
secret_file = args.folder / "secrets.env"
if not secret_file.is_file():
    server = "uv run --group team 02_tracking_unsupervised/team/01_team_server.py"
    sys.exit(f"Lancez d'abord : {server}")
os.environ["MLFLOW_TRACKING_URI"] = args.server
os.environ["MLFLOW_TRACKING_USERNAME"] = "admin"
os.environ["MLFLOW_TRACKING_PASSWORD"] = dotenv_values(secret_file)["MLFLOW_AUTH_ADMIN_PASSWORD"]
accounts = AuthServiceClient(args.server)
if args.owner:
    accounts.get_user(args.owner)  # MLflow refuse un compte inconnu avant que rien ne parte

# %% tags=["local"]
open_store()  # le serveur de MLFLOW_TRACKING_URI

# %% [markdown]
# ## Lire le départ, sans y toucher
#
# Une photographie de la base : si un script y écrit pendant ce temps, ce sera pour la prochaine
# fois. Deux bases de MLflow n'ont les mêmes tables que si leur révision (`alembic_version`) est la
# même.

# %%
temporary = tempfile.TemporaryDirectory()
source = photograph(SOURCE, Path(temporary.name) / "photo.db")
rules = ConfigParser()
rules.read(args.folder / "auth.ini")
target = sqlalchemy.create_engine(rules["mlflow"]["database_uri"])
tables, arrival = shared_tables(source, target)
with source.connect() as connection, target.connect() as team_base:
    experiments = connection.execute(tables["experiments"].select()).all()
    moved = {
        each.artifact_location: f"mlflow-artifacts:/{each.experiment_id}"
        for each in experiments
        if local_folder(each.artifact_location)
    }
    leaving = {name: rows_of(connection, table, moved) for name, table in tables.items()}
    # refuse une base qui a servi, avant que rien ne parte
    already_there(team_base, arrival, leaving)

# %% [markdown]
# ## Les fichiers d'abord
#
# Le serveur les range sous `mlflow-artifacts:/<expérience>` ; une base copiée avant eux promettrait
# des fichiers absents. Ceux qu'il a déjà, à la bonne taille, ne repartent pas : c'est ce qui permet
# de reprendre.

# %%
sent = 0
for place, address in moved.items():
    repository = get_artifact_repository(address)
    for file, parent in files_to_send(local_folder(place), repository.list_artifacts):
        repository.log_artifact(file, parent)
        sent += 1
print(f"{sent} fichiers envoyés : ceux que le serveur n'avait pas encore.")

# %% [markdown]
# ## Les tables, tout ou rien
#
# Dans une seule transaction : interrompue, il n'en reste rien. Les adresses des fichiers y sont
# déjà celles du serveur. PostgreSQL numérote avec des compteurs (*sequences*) : il faut leur dire
# où ils en sont, ou la prochaine expérience prendrait un numéro déjà pris.

# %%
with target.begin() as connection:
    if not already_there(connection, arrival, leaving):
        for table in reversed(arrival.values()):
            connection.execute(table.delete())
        for name, table in arrival.items():
            if leaving[name]:
                connection.execute(table.insert(), leaving[name])
        for table, column in counters(arrival):
            sequence = f"pg_get_serial_sequence('{table}', '{column}')"
            last = sqlalchemy.text(f"SELECT setval({sequence}, max({column})) FROM {table}")
            connection.execute(last)
    check_same(connection, arrival, leaving)
counts = ", ".join(f"{shown} {len(leaving[name])}" for name, shown in SHOWN.items())
print(f"{counts} : les mêmes des deux côtés, au bit près.")

# %% [markdown]
# ## À travers le serveur
#
# Ce qu'un collègue verra : les droits de `--owner`, les runs, et un modèle chargé par l'adresse du
# serveur, qui prédit comme l'original.

# %%
owned = [("experiment", str(row["experiment_id"])) for row in leaving["experiments"]]
owned += [("registered_model", row["name"]) for row in leaving["registered_models"]]
for kind, name in owned:
    if args.owner and accounts.get_user_permission(args.owner, kind, name).permission != "MANAGE":
        accounts.grant_user_permission(args.owner, kind, name, "MANAGE")

numbers = [str(each.experiment_id) for each in experiments]
for model in mlflow.search_logged_models(experiment_ids=numbers, output_format="list"):
    if model.status != "READY":
        continue  # refusé à l'enregistrement : il n'a pas de fichier
    info = mlflow.models.get_model_info(model.model_uri)
    if "sklearn" in info.flavors and info.saved_input_example_info:
        there = mlflow.pyfunc.load_model(model.model_uri)
        place = MlflowClient(str(source.url)).get_logged_model(model.model_id).artifact_location
        original = mlflow.pyfunc.load_model(place)
        example = original.input_example
        same = np.array_equal(there.predict(example), original.predict(example))
        verdict = "égales" if same else "DIFFÉRENTES"
        said = f"prédictions {verdict} à celles de l'original"
        print(f"Le modèle {model.name}, chargé à travers le serveur : {said}.")
        break

# %% [markdown]
# ## À retenir
#
# Copier les tables ne suffit pas : les adresses des fichiers, les compteurs et les droits seraient
# faux. Le magasin de départ est intact : gardez-le jusqu'à ce que l'équipe ait travaillé quelques
# jours sur l'autre. Le fichier `MLmodel` de chaque modèle garde l'ancien chemin (`artifact_path`) :
# MLflow ne le lit pas pour charger.
