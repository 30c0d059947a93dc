"""Un Azure ML en mémoire, pour lancer `deploy_azure.py` avec le vrai SDK, sans compte ni réseau.

    python azure_simulated.py JOURNAL SCRIPT [OPTIONS DU SCRIPT]

Toute requête `https://` du SDK reçoit ici sa réponse ; le JOURNAL (JSON) en garde l'ordre et les corps. Ce que cela prouve :
les requêtes du SDK, l'ordre des étapes, les erreurs. Ce que cela ne prouve pas : l'image, les quotas, les droits d'Azure.
Réglages, dans l'environnement : SIMULATED_FAILURE (le déploiement qui échoue), SIMULATED_SERVERS (le Python de
l'environnement du serveur : les modèles et le code déposés sont alors servis pour de bon).
"""

import json
import os
import random
import re
import runpy
import sys
import time
import urllib.parse
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import azure.identity
import requests
import responses
from azure.core.credentials import AccessToken

KEY = "cle-de-l-azure-simule"
STORAGE = "https://simulated.blob.core.windows.net"
SCORING = "https://wines.simulated.inference.ml.azure.com/score"


class Credential:
    """Ce que le SDK demande à une identité, et rien de plus."""

    def __init__(self, *_, **__):
        pass

    def get_token(self, *_, **__) -> AccessToken:
        return AccessToken("jeton-simule", int(time.time()) + 3600)


class Azure:
    def __init__(self, stack: ExitStack, folder: Path):
        self.stack, self.folder = stack, folder
        self.journal: list[dict] = []
        self.resources: dict[str, dict] = {}
        self.servers: dict[str, str] = {}
        self.random = random.Random(0)

    def __call__(self, request):
        url = urllib.parse.urlsplit(request.url)
        path = urllib.parse.unquote(url.path)
        body = request.body.read() if hasattr(request.body, "read") else request.body or b""
        body = body.encode() if isinstance(body, str) else body
        is_json = url.netloc == "management.azure.com" and body
        self.journal.append({"method": request.method, "host": url.netloc, "path": path, "body": json.loads(body) if is_json else None})
        if f"{url.scheme}://{url.netloc}" == STORAGE:
            return self.blob(request, path, url.query, body)
        if request.url.startswith(SCORING):
            return self.score(request, body)
        status, headers, reply = self.manage(request.method, path, json.loads(body) if body else None)
        return status, headers, json.dumps(reply)

    # --- le stockage
    def blob(self, request, path, query, body):
        file = self.folder / path.lstrip("/")
        if request.method == "PUT" and "comp=metadata" in query:
            return 200, {"ETag": '"1"', "Last-Modified": "Sat, 01 Jan 2028 00:00:00 GMT"}, ""
        if request.method == "PUT":
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)
            return 201, {"ETag": '"1"', "Last-Modified": "Sat, 01 Jan 2028 00:00:00 GMT"}, ""
        if request.method == "GET" and "comp=list" in query:
            return (
                200,
                {"Content-Type": "application/xml"},
                '<?xml version="1.0"?><EnumerationResults><Blobs/><NextMarker/></EnumerationResults>',
            )
        return (200 if file.is_file() else 404), {"ETag": '"1"'}, ""

    # --- le plan de gestion
    def manage(self, method, path, body):
        name, kind = path.rsplit("/", 1)[-1], path.rsplit("/", 2)[-2]
        if path.startswith("/operations/"):
            failed = name == os.environ.get("SIMULATED_FAILURE")
            error = {"error": {"code": "ImageBuildFailure", "message": f"l'image de {name} ne se bâtit pas"}}
            return 200, {}, {"status": "Failed", **error} if failed else {"status": "Succeeded"}
        if name == "listSecrets":
            return 200, {}, {"secretsType": "AccountKey", "key": "c2ltdWxl"}
        if name == "listKeys":
            return 200, {}, {"primaryKey": KEY, "secondaryKey": KEY}
        if name == "startPendingUpload":
            container = f"{STORAGE}/uploads-{len(self.journal)}"
            reference = {
                "blobUri": container,
                "credential": {"credentialType": "SAS", "sasUri": f"{container}?sig=simule"},
                "storageAccountArmId": "/simule",
            }
            return (
                200,
                {},
                {"blobReferenceForConsumption": reference, "pendingUploadId": "1", "pendingUploadType": "TemporaryBlobReference"},
            )
        if method == "DELETE":
            gone = [each for each in self.resources if each.startswith(path)]
            for each in gone:
                del self.resources[each]
            return (
                (202, {"Azure-AsyncOperation": f"https://management.azure.com/operations/{name}"}, {}) if gone else (404, {}, missing(name))
            )
        if method == "PUT":
            properties = {**(body or {}).get("properties", {}), "provisioningState": "Succeeded"}
            reply = {**(body or {}), "id": path, "name": name, "type": "simulated", "properties": properties}
            headers = {}
            if kind == "onlineEndpoints":
                properties |= {"scoringUri": SCORING, "swaggerUri": SCORING.replace("score", "swagger.json")}
            if kind == "deployments":
                properties["scaleSettings"] = {"scaleType": "Default"}
                if os.environ.get("SIMULATED_SERVERS"):
                    self.serve(name, properties)
            if kind in ("onlineEndpoints", "deployments"):
                headers = {"Azure-AsyncOperation": f"https://management.azure.com/operations/{name}"}
            if "/models/" in path:
                properties["flavors"] = {}
            self.resources[path] = reply
            return 201, headers, reply
        if name in ("versions", "deployments"):
            return 200, {}, {"value": [each for under, each in self.resources.items() if under.startswith(path + "/")]}
        versions = [each for each in self.resources if each.startswith(path + "/versions/")]
        if kind == "models" and versions:
            return 200, {}, {"id": path, "name": name, "type": "simulated", "properties": {"nextVersion": str(len(versions) + 1)}}
        if path in self.resources:
            return 200, {}, self.resources[path]
        if kind == "workspaces":
            workspace = {
                "id": path,
                "name": name,
                "type": "simulated",
                "location": "francecentral",
                "properties": {"provisioningState": "Succeeded"},
            }
            return 200, {}, workspace
        if name == "workspaceblobstore":
            store = {"datastoreType": "AzureBlob", "accountName": "simulated", "containerName": "store", "isDefault": True,
                     "credentials": {"credentialsType": "AccountKey"}, "endpoint": "core.windows.net", "protocol": "https"}  # fmt: skip
            return 200, {}, {"id": path, "name": name, "type": "simulated", "properties": store}
        return 404, {}, missing(name)

    # --- le service
    def serve(self, name, properties):
        from servers import deployment

        def uploaded(asset: str) -> Path:
            uri = self.resources[asset]["properties"].get("modelUri") or self.resources[asset]["properties"]["codeUri"]
            return self.folder / re.sub(
                r".*blob.core.windows.net/|.*/datastores/workspaceblobstore/paths/", "store/" if "/paths/" in uri else "", uri
            )

        if name in self.servers:
            return
        url, _ = self.stack.enter_context(deployment(uploaded(properties["model"]), uploaded(properties["codeConfiguration"]["codeId"])))
        self.servers[name] = url

    def score(self, request, body):
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return 401, {}, json.dumps({"message": "clé absente ou fausse"})
        endpoint = next(each for path, each in self.resources.items() if path.rsplit("/", 2)[-2] == "onlineEndpoints")
        traffic = endpoint["properties"].get("traffic") or {}
        name = request.headers.get("azureml-model-deployment") or self.random.choices(list(traffic), list(traffic.values()))[0]
        if name not in self.servers:
            return 200, {"azureml-model-deployment": name}, json.dumps({"predictions": ["simulé"], "model_id": name})
        answer = requests.post(f"{self.servers[name]}/score", data=body, timeout=30)
        return answer.status_code, {"azureml-model-deployment": name}, answer.text


def missing(name: str) -> dict:
    return {"error": {"code": "ResourceNotFound", "message": f"{name} est introuvable"}}


def main(journal: str, script: str, *arguments: str) -> None:
    azure.identity.DefaultAzureCredential = Credential
    sys.path.insert(0, str(Path(script).parent))
    sys.argv = [script, *arguments]
    with ExitStack() as stack, TemporaryDirectory() as folder:
        mock = stack.enter_context(responses.RequestsMock(assert_all_requests_are_fired=False))
        mock.add_passthru("http://127.0.0.1")
        simulated = Azure(stack, Path(folder))
        for method in ("GET", "PUT", "POST", "PATCH", "DELETE", "HEAD"):
            mock.add_callback(method, re.compile("https://.*"), callback=simulated, content_type=None)
        try:
            runpy.run_path(script, run_name="__main__")
        finally:
            Path(journal).write_text(json.dumps(simulated.journal, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
