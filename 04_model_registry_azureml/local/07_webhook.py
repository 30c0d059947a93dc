# databricks: non (il lance un serveur et un récepteur sur la machine du lecteur)
# %% [markdown]
# # Leçon 4, script 7 : une promotion qui prévient quelqu'un
#
# **Question.** Quand `@champion` change, comment celui qui éprouve les modèles l'apprend-il ? Et
# s'il est en panne à ce moment-là ?
#
# Pronostiquez : combien de fois le serveur de MLflow réessaie-t-il, et que devient le message
# ensuite ?

# %% [markdown]
# ```
# uv run 04_model_registry_azureml/local/07_webhook.py
# ```
#
# Trente secondes. Le serveur et son magasin sont à jeter : le vôtre n'est pas touché.

# %%
from store import open_store  # en premier : Ctrl-C se dit alors en une ligne

# %%
import argparse
import base64
import hmac
import io
import json
import secrets
import sys
import threading
import time
from contextlib import redirect_stderr
from tempfile import TemporaryDirectory

import mlflow
import requests
from mlflow import MlflowClient

from options import whole_number
from servers import free_port, receiving, running, wait_until
from wines import candidates, load_wines, requirements

# %% tags=["parameters"]
parser = argparse.ArgumentParser(
    description="Un webhook signé : à chaque promotion, un récepteur éprouve le modèle et répond."
)
parser.add_argument(
    "--wait",
    type=whole_number(0, 600),
    default=10,
    help="secondes laissées au message perdu pour arriver",
)
args = parser.parse_args()

# %%
open_store()  # pour ses réglages ; la suite écrit dans un magasin à jeter
wines = load_wines()
secret = secrets.token_urlsafe(32)  # connu du serveur et du récepteur seuls
down = threading.Event()  # levé : le récepteur est en panne

# %% [markdown]
# ## Le récepteur : vérifier la signature, éprouver le modèle, répondre par une étiquette
#
# N'importe qui peut écrire à une adresse. Le serveur signe donc chaque message : HMAC-SHA256, avec
# le secret, de « identifiant. heure.corps ». Le récepteur refait le calcul, et refuse ce qui n'est
# pas signé ainsi, ou qui date de plus de cinq minutes : un vieux message, intercepté, ne se rejoue
# pas.


# %%
def receive(headers, body: str) -> int:
    if down.is_set():
        return 503
    signed = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.{body}"
    expected = (
        "v1," + base64.b64encode(hmac.digest(secret.encode(), signed.encode(), "sha256")).decode()
    )
    if not hmac.compare_digest(expected, headers.get("X-MLflow-Signature", "")):
        return 401
    if abs(time.time() - int(headers["X-MLflow-Timestamp"])) > 5 * 60:  # secondes
        return 401
    data = json.loads(body)["data"]
    model = mlflow.pyfunc.load_model(f"models:/{data['name']}/{data['version']}")
    right = (model.predict(wines.X_test) == wines.y_test).sum()
    client.set_model_version_tag(
        data["name"], data["version"], "retested", f"{right} vins sur {len(wines.y_test)}"
    )
    return 200


# %% [markdown]
# ## Le serveur et le webhook
#
# Les webhooks demandent `mlflow server`. Par défaut, ils ne partent que vers une adresse publique,
# en https : deux variables les ouvrent à cette machine.

# %%
port = free_port()
allowed = {
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http",
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # rien à voir : un serveur plus léger
}
with (
    TemporaryDirectory(ignore_cleanup_errors=True) as folder,
    receiving(receive) as (address, codes),
):
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/webhook.db",
        "--artifacts-destination",
        f"{folder}/artifacts",
    ]
    print("Le serveur démarre...")
    with running(command, f"http://127.0.0.1:{port}/health", **allowed):
        mlflow.set_tracking_uri(f"http://127.0.0.1:{port}")
        client = MlflowClient()
        model = candidates()["logistic_regression"].fit(wines.X_train, wines.y_train)
        for _ in range(2):
            with redirect_stderr(io.StringIO()), mlflow.start_run():
                mlflow.sklearn.log_model(
                    model,
                    name="model",
                    registered_model_name="wines",
                    pip_requirements=requirements,
                )
        client.create_webhook("promotion", address, ["model_version_alias.created"], secret=secret)

        client.set_registered_model_alias("wines", "champion", "1")
        wait_until(lambda: len(codes) == 1)
        print(
            f"Version 1 promue : le récepteur répond {codes[0]}, et la version porte {client.get_model_version('wines', '1').tags}"
        )
        print(
            f"Un message sans signature : {requests.post(address, data='{}', timeout=10).status_code}"
        )

        down.set()
        client.set_registered_model_alias("wines", "champion", "2")
        print("Récepteur en panne, version 2 promue : la promotion a lieu.")
        wait_until(lambda: codes.count(503) == 4)
        print(f"Le serveur a essayé {codes.count(503)} fois.")
        answered = len(codes)
        down.clear()
        time.sleep(args.wait)
        print(
            f"Récepteur réparé, {args.wait} secondes plus tard : {len(codes) - answered} message."
        )
        untested = [
            each.version
            for each in client.search_model_versions("name = 'wines'")
            if "retested" not in each.tags
        ]
        print(f"Le registre, relu, dit ce qui n'a pas été éprouvé : version {untested[0]}.")

# %% [markdown]
# ## À retenir
#
# Le serveur envoie le message, signé, dès que l'alias est écrit ; la promotion n'attend pas la
# réponse. Récepteur en panne : 4 essais, le premier et 3 autres, en quelques secondes ; puis le
# message est perdu, il n'y a pas de file d'attente. Un webhook est donc un signal, pas une preuve :
# à son démarrage, un récepteur relit le registre, et éprouve les versions qui n'ont pas son
# étiquette.
