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
# Trente secondes. Le serveur et son magasin sont jetables : le vôtre n'est pas touché.

# %%
import base64
import hmac
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from tempfile import TemporaryDirectory

import mlflow
import requests
from mlflow import MlflowClient

from servers import free_port, running
from store import open_store
from wines import candidates, load_wines, requirements

WAIT = 10  # secondes laissées au message perdu pour arriver

open_store()  # pour ses réglages ; la suite écrit dans un magasin jetable
port = free_port()
mlflow.set_tracking_uri(f"http://127.0.0.1:{port}")
client = MlflowClient()
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
    digest = hmac.digest(secret.encode(), signed.encode(), "sha256")
    expected = f"v1,{base64.b64encode(digest).decode()}"
    if not hmac.compare_digest(expected, headers.get("X-MLflow-Signature", "")):
        return 401
    if abs(time.time() - int(headers["X-MLflow-Timestamp"])) > 5 * 60:  # secondes
        return 401
    data = json.loads(body)["data"]
    model = mlflow.pyfunc.load_model(f"models:/{data['name']}/{data['version']}")
    right = (model.predict(wines.X_test) == wines.y_test).sum()
    retested = f"{right} vins sur {len(wines.y_test)}"
    client.set_model_version_tag(data["name"], data["version"], "retested", retested)
    return 200


codes = []  # ce que le récepteur a répondu, message par message


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        code = receive(self.headers, body)
        self.send_response(code)
        self.end_headers()
        codes.append(code)

    def log_message(self, *_):
        """Rien sur le terminal."""


def answered(code: int, times: int) -> int:
    """Combien de fois le récepteur a répondu `code` : `times`, ou moins après une minute."""
    end = time.monotonic() + 60
    while codes.count(code) < times and time.monotonic() < end:
        time.sleep(0.1)
    return codes.count(code)


receiver = HTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=receiver.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{receiver.server_port}"

# %% [markdown]
# ## Le serveur et le webhook
#
# Les webhooks demandent `mlflow server`. Par défaut, ils ne partent que vers une adresse publique,
# en https : deux variables les ouvrent à cette machine.

# %%
allowed = {
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http",
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # rien à voir : un serveur plus léger
}
with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    command = ["mlflow", "server", "--port", port, "--workers", 1]
    command += ["--backend-store-uri", f"sqlite:///{folder}/webhook.db"]
    command += ["--artifacts-destination", f"{folder}/artifacts"]
    print("Le serveur démarre...")
    with running(command, f"http://127.0.0.1:{port}/health", **allowed):
        model = candidates()["logistic_regression"].fit(wines.X_train, wines.y_train)
        kept = {"registered_model_name": "wines", "pip_requirements": requirements}
        for _ in range(2):
            mlflow.sklearn.log_model(model, name="model", **kept)
        client.create_webhook("promotion", address, ["model_version_alias.created"], secret=secret)

        client.set_registered_model_alias("wines", "champion", "1")
        answered(200, 1)
        tags = client.get_model_version("wines", "1").tags
        print(f"Version 1 promue : le récepteur répond {codes[0]}, et la version porte {tags}")
        unsigned = requests.post(address, data="{}", timeout=10)
        print(f"Un message sans signature : {unsigned.status_code}")

        down.set()
        client.set_registered_model_alias("wines", "champion", "2")
        print("Récepteur en panne, version 2 promue : la promotion a lieu.")
        print(f"Le serveur a essayé {answered(503, 4)} fois.")
        before = len(codes)
        down.clear()
        time.sleep(WAIT)
        print(f"Récepteur réparé, {WAIT} secondes plus tard : {len(codes) - before} message.")
        versions = client.search_model_versions("name = 'wines'")
        untested = [each.version for each in versions if "retested" not in each.tags]
        print(f"Le registre, relu, dit ce qui n'a pas été éprouvé : version {untested[0]}.")

# %% [markdown]
# ## À retenir
#
# Le serveur envoie le message, signé, dès que l'alias est écrit ; la promotion n'attend pas la
# réponse. Récepteur en panne : 4 essais, le premier et 3 autres, en quelques secondes ; puis le
# message est perdu, il n'y a pas de file d'attente. Un webhook est donc un signal, pas une preuve :
# à son démarrage, un récepteur relit le registre, et éprouve les versions qui n'ont pas son
# étiquette.
