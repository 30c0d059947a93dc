# databricks: non (il lance ses propres serveurs ; là-bas, le serveur est un service)
# %% [markdown]
# # Leçon 2, équipe, script 4 : ce que coûte un serveur
#
# **Question.** Entre vos scripts et la base, il y a maintenant un serveur, une autre base, des
# comptes. Lequel des trois coûte, et qu'y gagne-t-on ? Votre pronostic : quand huit personnes
# écrivent à la fois, qui va le plus vite, le fichier SQLite ou le serveur ?

# %% [markdown] tags=["local"]
# ```
# uv run --group team 02_tracking_unsupervised/team/04_measure_server.py
# ```
#
# Quatre minutes. Tout se passe dans un dossier à part, effacé à la fin ; seuls des rapports sont
# enregistrés.

# %%
import argparse
import os
import secrets
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import mlflow
from mlflow import MlflowClient

from postgres import create_base, start_postgres
from processes import free_port, start, wait_until_ready
from measure_server import Writers, draw_ratios, milliseconds, multiply, relative, show_ratios
from writer import write_run

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %% tags=["parameters"]
WRITERS = (1, 4, 8)  # combien écrivent à la fois
parser = argparse.ArgumentParser(
    description="Compare SQLite, un serveur sur SQLite, puis sur PostgreSQL, avec ou sans comptes."
)
parser.add_argument("--runs", type=int, default=10_000, help="combien de runs dans chaque magasin")
parser.add_argument("--rounds", type=int, default=3, help="combien de tours de mesure")
args = parser.parse_args()

# %% [markdown]
# ## Quatre montages
#
# Le magasin de la leçon (un fichier SQLite, sans serveur), puis trois serveurs. Les deux derniers
# ont la même base PostgreSQL ; un seul demande un compte.

# %%
temporary = tempfile.TemporaryDirectory(prefix="mlflow")
folder = Path(temporary.name)
base = create_base(start_postgres(folder / "postgres"), "mlflow")
bases = {
    "sqlite": f"sqlite:///{folder / 'direct.db'}",
    "server_sqlite": f"sqlite:///{folder / 'served.db'}",
    "server_postgres": base,
}
options = {
    "server_sqlite": [],
    "server_postgres": [],
    "server_postgres_accounts": ["--app-name", "basic-auth"],
}
rules = f"""[mlflow]
database_uri = {base.replace("%", "%%")}
default_permission = READ
auth_cache_ttl_seconds = 60
"""
(folder / "auth.ini").write_text(rules)
password = secrets.token_urlsafe(12)
settings = {
    "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"), "MLFLOW_AUTH_ADMIN_USERNAME": "admin",
    "MLFLOW_AUTH_ADMIN_PASSWORD": password,
    "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_urlsafe(12),
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true",
}  # fmt: skip
stores = {"sqlite": bases["sqlite"]}
for name, more in options.items():
    port, log = free_port(), folder / f"{name}.log"
    command = [
        sys.executable, "-m", "mlflow", "server", *more,
        "--backend-store-uri", bases.get(name, base),
        "--artifacts-destination", str(folder / "files"),
        "--workers", "2", "--port", str(port),
    ]  # fmt: skip
    stores[name] = f"http://127.0.0.1:{port}"
    wait_until_ready(start(command, log, **settings), stores[name], log)

# %% [markdown]
# ## Les remplir pareillement
#
# MLflow écrit un run dans chaque base ; ses lignes y sont recopiées autant de fois qu'il faut, avec
# d'autres métriques.

# %%
before = dict(os.environ)
os.environ["MLFLOW_TRACKING_USERNAME"] = "admin"
os.environ["MLFLOW_TRACKING_PASSWORD"] = password
os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "300"  # une réponse lente se mesure aussi
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # des centaines de runs
clients = {name: MlflowClient(uri) for name, uri in stores.items()}
for name, uri in bases.items():
    # un serveur range lui-même les fichiers
    place = (folder / "direct").as_uri() if name == "sqlite" else None
    # la première : même numéro partout
    experiment = clients[name].create_experiment("volume", artifact_location=place)
    multiply(uri, write_run(clients[name], experiment, 0), args.runs - 1)

# %% [markdown]
# ## Mesurer tour à tour
#
# Chaque montage à son tour, plusieurs fois : ce qui gêne la machine les gêne tous. On garde la plus
# courte durée, et on la rapporte à celle de SQLite. Les écrivains sont des programmes à part, comme
# des collègues ; ils se partagent le même nombre de runs.

# %%
best = {"experiment_ids": [experiment], "order_by": ["metrics.silhouette DESC"], "max_results": 10}
writers, durations = Writers(max(WRITERS)), {name: defaultdict(list) for name in stores}
for _ in range(args.rounds):
    for name, client in clients.items():
        durations[name]["child"].append(milliseconds(write_run, client, experiment, 1, repeat=10))
        durations[name]["best"].append(milliseconds(client.search_runs, **best))
        for count in WRITERS:
            durations[name][f"writers_{count}"].append(
                writers.milliseconds(count, stores[name], experiment)
            )
ratios = relative(durations)

# %%
os.environ.update(before)  # le compte de votre magasin, s'il en demande un
described = "Ce que coûtent un serveur, PostgreSQL et des comptes, rapporté à SQLite sans serveur."
mlflow.set_experiment("measurements")
with mlflow.start_run(run_name="serveur", description=described):
    mlflow.log_params(
        {"runs": args.runs, "writers": " ".join(map(str, WRITERS)), "rounds": args.rounds}
    )
    for name, row in ratios.iterrows():
        mlflow.log_metrics({f"{name}.{measure}": value for measure, value in row.items()})
    mlflow.log_table(ratios.rename_axis("store").reset_index(), "ratios.json")
    mlflow.log_figure(draw_ratios(ratios, WRITERS), "ratios.png")

# %%
print(f"Durées d'un run et d'une recherche, débit à plusieurs ; SQLite vaut 1 ({args.runs} runs) :")
print(show_ratios(ratios, WRITERS))

# %% [markdown]
# ## À retenir
#
# | montage | un run | les dix meilleurs | 1 écrivain | 4 écrivains | 8 écrivains |
# |---|---|---|---|---|---|
# | SQLite, sans serveur | 1 | 1 | 1 | 1 | 1 |
# | serveur, SQLite | 12 | 1 | 0.067 | 0.25 | 0.39 |
# | serveur, PostgreSQL | 12 | 0.022 | 0.068 | 0.24 | 0.41 |
# | serveur, PostgreSQL, comptes | 12 | 0.021 | 0.066 | 0.21 | 0.37 |
#
# Deux durées, puis des débits ; 10 000 runs, machine à deux cœurs, au repos. Un run écrit par un
# serveur dure douze fois plus. Ses six appels HTTP demandent trois à cinq fois plus de processeur,
# selon la machine ; le reste est de l'attente. Sous Linux, dès que deux programmes répondent
# (`--workers`), au moins la moitié des réponses partent 40 ms trop tard : c'est un défaut
# d'uvicorn, dont MLflow se sert.
#
# Les trois serveurs se valent : ni PostgreSQL ni les comptes n'y changent grand-chose. Plus on est
# nombreux à écrire, plus le serveur rattrape le fichier, où un seul écrit à la fois : l'attente de
# l'un sert à l'autre. Trier, c'est l'affaire de la base, et de ce qu'elle sait de ses tables :
# PostgreSQL avait ici compté ses lignes, SQLite non. Une fois comptées, SQLite trie aussi vite.
#
# Seul, gardez le fichier SQLite, et son `ANALYZE`. À plusieurs, il faut un serveur, pour se
# partager les runs et non pour aller plus vite.
