"""Un petit routeur, à l'image de celui qu'Azure ML met devant les déploiements d'un point de
terminaison : il vérifie la clé, choisit un déploiement, d'après le trafic ou l'en-tête
`azureml-model-deployment`, lui passe la requête telle quelle, et dit par cet en-tête qui répond.
"""

import asyncio
import random
import secrets
import threading
from contextlib import contextmanager

import requests
from aiohttp import web

HEADER = "azureml-model-deployment"


class Router:
    """`deployments` : nom -> adresse. `traffic` : nom -> pour cent. `url` : son adresse, sur
    127.0.0.1, une fois lancé. `seed` : graine du tirage, pour des comptes qui se rejouent.

    Il répond lui-même 401 sans la clé `key` (`Authorization: Bearer ...`), 404 pour un déploiement
    inconnu, 503 si celui qui est choisi ne répond pas ou si aucun ne reçoit de trafic. aiohttp
    ajoute, en texte, 400, 404, 405, et 413 au-delà de 1 Mio. Le reste vient du déploiement.
    """

    def __init__(self, key: str, seed: int | None = None):
        self.key, self.random, self.url = key, random.Random(seed), ""
        self.deployments, self.traffic = {}, {}

    def set_traffic(self, **percent: int) -> None:
        """Répartit le trafic ; lève `ValueError`, sans rien changer, si ce n'est pas possible."""
        known = percent.keys() <= self.deployments.keys()
        if not known or sum(percent.values()) != 100 or min(percent.values()) < 0:
            raise ValueError(f"répartition refusée : {percent}, pour {sorted(self.deployments)}")
        self.traffic = percent

    def delete(self, name: str) -> None:
        """Oublie un déploiement ; lève `ValueError` s'il reçoit du trafic, comme Azure."""
        if name not in self.deployments or self.traffic.get(name):
            raise ValueError(f"{name} est inconnu, ou reçoit encore du trafic : {self.traffic}")
        del self.deployments[name]

    async def score(self, request: web.Request) -> web.Response:
        """Une requête : de la clé au déploiement, et retour."""
        given = request.headers.get("Authorization", "").encode(errors="replace")
        if not secrets.compare_digest(given, f"Bearer {self.key}".encode()):
            return refusal(401, "clé absente ou fausse")
        name = request.headers.get(HEADER)
        if name is None:
            if not any(self.traffic.values()):
                return refusal(503, "aucun déploiement ne reçoit de trafic")
            [name] = self.random.choices(list(self.traffic), list(self.traffic.values()))
        if name not in self.deployments:
            return refusal(404, f"déploiement inconnu : {name}")
        url, body = f"{self.deployments[name]}/score", await request.read()
        kept = {each: request.headers.get(each) for each in ("Content-Type", "Content-Encoding")}
        try:
            answer = await asyncio.to_thread(requests.post, url, body, headers=kept, timeout=30)
        except requests.RequestException:
            return refusal(503, f"le déploiement {name} ne répond pas", {HEADER: name})
        headers = {HEADER: name, "Content-Type": answer.headers["Content-Type"]}
        return web.Response(body=answer.content, status=answer.status_code, headers=headers)

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/score", self.score)
        runner = web.AppRunner(app, access_log=None, auto_decompress=False)  # le corps, tel quel
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/score"
        return runner

    @contextmanager
    def listening(self):
        """Le temps du bloc, le routeur répond à `self.url`, dans un fil d'exécution."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        runner = asyncio.run_coroutine_threadsafe(self.start(), loop).result()
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


def refusal(status: int, message: str, headers: dict | None = None) -> web.Response:
    """La réponse du routeur quand aucun déploiement n'a répondu."""
    return web.json_response({"message": message}, status=status, headers=headers)
