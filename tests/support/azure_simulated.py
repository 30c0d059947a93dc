"""Un Azure ML en mémoire, pour lancer `10_deploy_azure.py` avec le vrai SDK, sans compte ni réseau.

    python azure_simulated.py JOURNAL SCRIPT [OPTIONS DU SCRIPT]

Toute requête `https://` du SDK reçoit ici sa réponse ; le JOURNAL (JSON) en garde l'ordre et les
corps. Ce que cela prouve : les requêtes du SDK, l'ordre des étapes, les erreurs. Ce que cela ne
prouve pas : l'image, les quotas, les droits d'Azure. Réglages, dans l'environnement :
SIMULATED_FAILURE (le déploiement qui échoue), SIMULATED_SERVERS (les modèles et le code déposés
sont servis pour de bon, par le serveur d'Azure ML).
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
MANAGEMENT = "https://management.azure.com"
STORAGE = "https://simulated.blob.core.windows.net"
SCORING = "https://wines.simulated.inference.ml.azure.com/score"
WRITTEN = {"ETag": '"1"', "Last-Modified": "Sat, 01 Jan 2028 00:00:00 GMT"}
DATASTORE = {
    "datastoreType": "AzureBlob",
    "accountName": "simulated",
    "containerName": "store",
    "isDefault": True,
    "credentials": {"credentialsType": "AccountKey"},
    "endpoint": "core.windows.net",
    "protocol": "https",
}
EMPTY = "<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>"


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
        sent = request.body.read() if hasattr(request.body, "read") else request.body or b""
        sent = sent.encode() if isinstance(sent, str) else sent
        body = json.loads(sent) if sent and request.url.startswith(MANAGEMENT) else None
        self.journal.append(
            {"method": request.method, "host": url.netloc, "path": path, "body": body}
        )
        if request.url.startswith(STORAGE):
            return self.blob(request.method, path, url.query, sent)
        if request.url.startswith(SCORING):
            return self.score(request, sent)
        status, headers, reply = self.manage(request.method, path, body)
        return status, headers, json.dumps(reply)

    # --- le stockage
    def blob(self, method, path, query, sent):
        file = self.folder / path.lstrip("/")
        if method == "PUT" and "comp=metadata" in query:
            return 200, WRITTEN, ""
        if method == "PUT":
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(sent)
            return 201, WRITTEN, ""
        if method == "GET" and "comp=list" in query:
            return 200, {"Content-Type": "application/xml"}, f'<?xml version="1.0"?>{EMPTY}'
        if file.is_file():
            return 200, {"ETag": '"1"'}, ""
        return 404, {"x-ms-error-code": "BlobNotFound"}, ""

    # --- le plan de gestion
    def manage(self, method, path, body):
        *_, kind, name = path.split("/")
        described = {"id": path, "name": name, "type": "simulated"}
        under = [each for each in self.resources if each.startswith(f"{path}/")]
        later = {"Azure-AsyncOperation": f"{MANAGEMENT}/operations/{name}"}
        if path.startswith("/operations/"):
            failed = name == os.environ.get("SIMULATED_FAILURE")
            error = {
                "error": {
                    "code": "ImageBuildFailure",
                    "message": f"l'image de {name} ne se bâtit pas",
                }
            }
            return 200, {}, {"status": "Failed", **error} if failed else {"status": "Succeeded"}
        if name == "listSecrets":
            return 200, {}, {"secretsType": "AccountKey", "key": "c2ltdWxl"}
        if name == "listKeys":
            return 200, {}, {"primaryKey": KEY, "secondaryKey": KEY}
        if name == "startPendingUpload":
            place = f"{STORAGE}/uploads-{len(self.journal)}"
            granted = {"credentialType": "SAS", "sasUri": f"{place}?sig=simule"}
            reference = {"blobUri": place, "credential": granted, "storageAccountArmId": "/simule"}
            pending = {"pendingUploadId": "1", "pendingUploadType": "TemporaryBlobReference"}
            return 200, {}, {"blobReferenceForConsumption": reference, **pending}
        if method == "DELETE":
            gone = [each for each in self.resources if each.startswith(path)]
            for each in gone:
                del self.resources[each]
            return (202, later, {}) if gone else (404, {}, missing(name))
        if method == "PUT":
            properties = {**(body or {}).get("properties", {}), "provisioningState": "Succeeded"}
            if kind == "onlineEndpoints":
                properties |= {
                    "scoringUri": SCORING,
                    "swaggerUri": SCORING.replace("score", "swagger.json"),
                }
            if kind == "deployments":
                properties["scaleSettings"] = {"scaleType": "Default"}
                if os.environ.get("SIMULATED_SERVERS"):
                    self.serve(name, properties)
            if "/models/" in path:
                properties["flavors"] = {}
            self.resources[path] = {**(body or {}), **described, "properties": properties}
            return (
                201,
                later if kind in ("onlineEndpoints", "deployments") else {},
                self.resources[path],
            )
        if name in ("versions", "deployments"):
            return 200, {}, {"value": [self.resources[each] for each in under]}
        if kind == "models" and under:
            return 200, {}, {**described, "properties": {"nextVersion": str(len(under) + 1)}}
        if path in self.resources:
            return 200, {}, self.resources[path]
        if kind == "workspaces":
            return (
                200,
                {},
                {
                    **described,
                    "location": "francecentral",
                    "properties": {"provisioningState": "Succeeded"},
                },
            )
        if name == "workspaceblobstore":
            return 200, {}, {**described, "properties": DATASTORE}
        return 404, {}, missing(name)

    # --- le service
    def serve(self, name, properties):
        from servers import deployment

        def uploaded(asset: str) -> Path:
            stored = self.resources[asset]["properties"]
            uri = stored.get("modelUri") or stored["codeUri"]
            return self.folder / re.sub(
                r".*/datastores/workspaceblobstore/paths/",
                "store/",
                re.sub(r".*blob.core.windows.net/", "", uri),
            )

        if name not in self.servers:
            model, code = (
                uploaded(properties["model"]),
                uploaded(properties["codeConfiguration"]["codeId"]),
            )
            self.servers[name], _ = self.stack.enter_context(deployment(model, code))

    def score(self, request, sent):
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return 401, {}, json.dumps({"message": "clé absente ou fausse"})
        endpoint = next(
            each
            for path, each in self.resources.items()
            if path.split("/")[-2] == "onlineEndpoints"
        )
        traffic = endpoint["properties"].get("traffic") or {}
        name = (
            request.headers.get("azureml-model-deployment")
            or self.random.choices(list(traffic), list(traffic.values()))[0]
        )
        if name not in self.servers:
            return (
                200,
                {"azureml-model-deployment": name},
                json.dumps({"predictions": ["simulé"], "model_id": name}),
            )
        answer = requests.post(f"{self.servers[name]}/score", data=sent, timeout=30)
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
            mock.add_callback(
                method, re.compile("https://.*"), callback=simulated, content_type=None
            )
        try:
            runpy.run_path(script, run_name="__main__")
        finally:
            Path(journal).write_text(json.dumps(simulated.journal, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
