# databricks: non (il part d'un fichier SQLite, et arrive sur un serveur d'équipe)
# %% [markdown]
# # Leçon 2, script 2 : déménager un magasin
#
# **Question.** Vos runs sont dans `mlflow.db` ; l'équipe a maintenant un serveur. MLflow n'a pas de
# commande pour les y porter. Votre pronostic : une base, ce sont des tables ; suffit-il de les
# copier ? Qu'est-ce qui ne serait plus vrai ensuite ?

# %% [markdown] tags=["local"]
# ```
# uv run --group team 02_tracking_unsupervised/team/02_move_store.py --owner alice
# ```
#
# Quinze secondes, `01_team_server.py` étant lancé dans un autre terminal. Le magasin de départ n'est
# que lu. Celui d'arrivée doit être neuf : si le serveur a déjà servi, donnez aux deux scripts le
# même `--folder`, nouveau. Interrompu, il se relance : il reprend.

# %% tags=["local"]
from store import ROOT, open_store  # en premier : Ctrl-C se dit alors en une ligne

# %%
import argparse
import os
import tempfile
from pathlib import Path

import mlflow
import numpy as np
import sqlalchemy
from mlflow import MlflowClient
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from rich.console import Console
from rich.progress import track

from moving import (
    SHOWN,
    already_there,
    check_same,
    counters,
    files_to_send,
    local_folder,
    owned,
    photograph,
    rows_of,
    shared_tables,
)
from options import full_path
from postgres import base_of
from team import account, admin_password, has_account, if_interrupted

# après team, qui fait taire un avertissement de Starlette
from mlflow.server.auth.client import AuthServiceClient

# %% tags=["parameters"]
parser = argparse.ArgumentParser(
    description="Copie un magasin SQLite et ses artefacts sur le serveur d'une équipe."
)
parser.add_argument(
    "--source", type=full_path, default=str(ROOT / "mlflow.db"), help="le magasin à copier"
)
parser.add_argument(
    "--folder",
    type=full_path,
    default=str(ROOT / "team_data"),
    help="le dossier de 01_team_server.py",
)
parser.add_argument("--server", default="http://127.0.0.1:5050", help="l'adresse du serveur")
parser.add_argument(
    "--owner",
    type=account,
    help="qui pourra écrire dans ce qui est copié ; sinon, l'administrateur seul",
)
args = parser.parse_args()

# %% tags=["local"]
if_interrupted("Interrompu. Relancez la même commande : elle reprendra où elle en était.")
password = admin_password(Path(args.folder))
os.environ.update(
    MLFLOW_TRACKING_URI=args.server,
    MLFLOW_TRACKING_USERNAME="admin",
    MLFLOW_TRACKING_PASSWORD=password,
)
open_store()
accounts = AuthServiceClient(args.server)
if args.owner and not has_account(accounts, args.owner):
    raise SystemExit(
        f"{args.owner} n'a pas de compte : relancez 01_team_server.py avec --users {args.owner}."
    )

# %% [markdown]
# ## Lire le départ, sans y toucher
#
# Une photographie de la base : si un script y écrit pendant ce temps, ce sera pour la prochaine
# fois. Deux bases de MLflow n'ont les mêmes tables que si leur révision (`alembic_version`) est la
# même.

# %%
temporary = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)  # Windows garde la base ouverte
source = photograph(args.source, Path(temporary.name) / "photo.db")
target = sqlalchemy.create_engine(base_of(Path(args.folder)))
tables, arrival = shared_tables(source, target)
with source.connect() as connection, target.connect() as team_base:
    places = {
        row.artifact_location: row.experiment_id
        for row in connection.execute(tables["experiments"].select())
    }
    moved = {
        place: f"mlflow-artifacts:/{number}"
        for place, number in places.items()
        if local_folder(place)
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
to_send = []
for place, address in moved.items():
    repository = get_artifact_repository(address)
    to_send += [
        (repository, *found)
        for found in files_to_send(local_folder(place), repository.list_artifacts)
    ]
for repository, file, parent in track(
    to_send, "Fichiers", transient=True, console=Console(stderr=True)
):
    repository.log_artifact(file, parent)
print(f"{len(to_send)} fichiers envoyés : ceux que le serveur n'avait pas encore.")

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
            connection.execute(
                sqlalchemy.text(
                    f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) FROM {table}"
                )
            )
    check_same(connection, arrival, leaving)
print(
    ", ".join(f"{shown} {len(leaving[name])}" for name, shown in SHOWN.items())
    + " : les mêmes des deux côtés, au bit près."
)

# %% [markdown]
# ## À travers le serveur
#
# Ce qu'un collègue verra : les droits de `--owner`, les runs, et un modèle chargé par l'adresse du
# serveur, qui prédit comme l'original.

# %%
for kind, name in owned(leaving):
    if args.owner and accounts.get_user_permission(args.owner, kind, name).permission != "MANAGE":
        accounts.grant_user_permission(args.owner, kind, name, "MANAGE")

models = mlflow.search_logged_models(
    experiment_ids=[str(number) for number in places.values()], output_format="list"
)
described = ((model, mlflow.models.get_model_info(model.model_uri)) for model in models)
chosen = next(
    (
        model
        for model, info in described
        if "sklearn" in info.flavors and info.saved_input_example_info
    ),
    None,
)
if chosen:
    here = MlflowClient(str(source.url)).get_logged_model(chosen.model_id).artifact_location
    served, original = mlflow.pyfunc.load_model(chosen.model_uri), mlflow.pyfunc.load_model(here)
    example = original.input_example
    verdict = (
        "égales"
        if np.array_equal(served.predict(example), original.predict(example))
        else "DIFFÉRENTES"
    )
    print(
        f"Le modèle {chosen.name}, chargé à travers le serveur : prédictions {verdict} à celles de l'original."
    )

# %% [markdown]
# ## À retenir
#
# Copier les tables ne suffit pas : les adresses des fichiers, les compteurs et les droits seraient
# faux. Le magasin de départ est intact : gardez-le jusqu'à ce que l'équipe ait travaillé quelques
# jours sur l'autre. Le fichier `MLmodel` de chaque modèle garde l'ancien chemin (`artifact_path`) :
# MLflow ne le lit pas pour charger.
