# databricks: non (il part d'un fichier SQLite, et arrive sur un serveur d'équipe)
# %% [markdown]
# # Leçon 2, équipe, script 3 : déménager un magasin
#
# **Question.** Vos runs sont dans `mlflow.db` ; l'équipe a maintenant un serveur. Une base, ce sont
# des tables ; suffit-il de les copier ? Qu'est-ce qui ne serait plus vrai ensuite ?
#
# **Attention.** Les tables de MLflow sont privées : ce script ne vaut qu'entre deux bases de la
# même version, et vers un serveur neuf. Gardez le magasin de départ.

# %% [markdown] tags=["local"]
# ```
# uv run --group team 02_tracking_unsupervised/team/03_move_store.py --workspace alice
# ```
#
# Quinze secondes, le serveur étant arrêté (Ctrl-C). Le magasin de départ n'est que lu. Interrompu,
# il se relance.

# %%
import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import sqlalchemy

from move_store import (
    counters, different_files, local_folder, photograph, rewrite, rows_of, shared_tables,
    still_local, unserved,
)  # fmt: skip
from postgres import create_base, start_postgres

# %% tags=["local"]
from store import ROOT

# %% tags=["parameters"]
SOURCE = ROOT / "mlflow.db"  # le magasin à copier
parser = argparse.ArgumentParser(description="Copie mlflow.db et ses artefacts dans team_data.")
parser.add_argument("--workspace", required=True, help="l'espace qui les reçoit")
parser.add_argument("--folder", type=Path, default=ROOT / "team_data", help="celui du serveur")
args = parser.parse_args()

# %%
if not SOURCE.is_file():
    sys.exit("Lancez d'abord : uv run 01_tracking_supervised/local/01_first_run.py")
if not (args.folder / "secrets.env").is_file():
    server = "uv run --group team 02_tracking_unsupervised/team/01_team_server.py"
    sys.exit(f"Lancez d'abord : {server}")
if (args.folder / "postgres/postmaster.pid").exists():
    sys.exit("La base de ce serveur est ouverte : arrêtez-le (Ctrl-C), puis relancez cette copie.")

# %% [markdown]
# ## Lire le départ, sans y toucher
#
# Une photographie de la base : si un script y écrit pendant ce temps, ce sera pour la prochaine
# fois.

# %%
temporary = tempfile.TemporaryDirectory()
source = photograph(SOURCE, Path(temporary.name) / "photo.db")
folder = args.folder.resolve()
target = sqlalchemy.create_engine(create_base(start_postgres(folder / "postgres"), "mlflow"))
tables, arrival = shared_tables(source, target)
with source.connect() as connection, target.connect() as there:
    rows = {name: rows_of(connection, table) for name, table in tables.items()}
    used = [name for name in ("runs", "registered_models") if rows_of(there, arrival[name])]
    used += ["experiments"] * (len(rows_of(there, arrival["experiments"])) > 1)
    spaces = there.scalars(sqlalchemy.text("SELECT name FROM workspaces")).all()
if used:
    sys.exit(f"La base de l'équipe n'est pas vide ({', '.join(used)}) : donnez un dossier neuf.")
if args.workspace not in spaces:
    sys.exit(f"Il n'y a pas d'espace {args.workspace} : 02_accounts.py add {args.workspace}")

# %% [markdown]
# ## Les fichiers d'abord
#
# Le dossier de chaque expérience est copié tel quel, à la place où le serveur le cherchera. Puis
# chaque fichier est relu des deux côtés : même nom, même empreinte (SHA-256), aucun de plus.

# %%
moved, awkward = {}, []
for row in rows["experiments"]:
    # `Default` reste à l'administrateur : le serveur l'attend là
    default = row["name"] == "Default"
    row["workspace"] = "default" if default else args.workspace
    place = "" if default else f"workspaces/{args.workspace}/"
    old, new = row["artifact_location"], f"{place}{row['experiment_id']}"
    if (here := local_folder(old)) is None:
        continue  # ailleurs que sur cette machine : son adresse reste bonne
    moved[old] = f"mlflow-artifacts:/{new}"
    if here.is_dir():
        shutil.copytree(here, folder / "artifacts" / new, dirs_exist_ok=True)
        if wrong := different_files(here, folder / "artifacts" / new):
            sys.exit(f"Fichiers différents après la copie : {', '.join(wrong[:5])}. Rien d'écrit.")
        awkward += unserved(here)

# %% [markdown]
# ## Les tables, tout ou rien
#
# Toute valeur qui est l'adresse d'un fichier déménagé devient celle du serveur, quelle que soit la
# colonne. PostgreSQL numérote avec des compteurs (*sequences*) : il faut leur dire où ils en sont,
# ou la prochaine expérience prendrait un numéro déjà pris. Une seule transaction : interrompue, il
# n'en reste rien.

# %%
changed = rewrite(rows, moved, args.workspace)
if left := still_local(rows, changed):
    sys.exit(f"Adresses hors des dossiers déménagés : {', '.join(left[:5])}. Rien d'écrit.")
with target.begin() as connection:
    connection.execute(sqlalchemy.text(f"LOCK TABLE {', '.join(arrival)}"))
    for table in reversed(arrival.values()):
        connection.execute(table.delete())
    for name, table in arrival.items():
        if rows[name]:
            connection.execute(table.insert(), rows[name])
    for table, column in counters(arrival):
        sequence = f"pg_get_serial_sequence('{table}', '{column}')"
        last = sqlalchemy.text(f"SELECT setval({sequence}, max({column})) FROM {table}")
        connection.execute(last)
    found = {name: rows_of(connection, table) for name, table in arrival.items()}
    # `repr` distingue deux nombres à un bit près
    wrong = [
        name for name in rows if sorted(map(repr, rows[name])) != sorted(map(repr, found[name]))
    ]
    if wrong:
        sys.exit(f"Des lignes ont changé en route ({', '.join(wrong)}) : rien d'écrit.")

# %%
counts = ("experiments", "runs", "metrics", "logged_models", "registered_models", "model_versions")
print(", ".join(f"{name} {len(rows[name])}" for name in counts), "et les autres tables :", end=" ")
print("les mêmes des deux côtés, au bit près.")
print(f"{len(moved)} dossiers d'artefacts : chaque fichier a la même empreinte.")
print("Adresses changées :", ", ".join(f"{name} {count}" for name, count in changed.items()))
if awkward:
    print(f"Copiés, mais que MLflow ne sait pas servir sous ce nom : {', '.join(awkward)}")

# %% [markdown]
# ## À retenir
#
# Copier les tables ne suffit pas : les adresses des fichiers et les compteurs seraient faux. Le
# magasin de départ est intact : gardez-le jusqu'à ce que l'équipe ait travaillé quelques jours sur
# l'autre. Le fichier `MLmodel` de chaque modèle garde l'ancien chemin (`artifact_path`) : MLflow ne
# le lit pas pour charger.
