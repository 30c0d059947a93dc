"""Un petit routeur, à l'image de celui qu'Azure ML met devant les déploiements d'un point de
terminaison.

Il vérifie la clé, choisit un déploiement d'après la répartition du trafic ou l'en-tête
`azureml-model-deployment`, lui passe la requête telle quelle, et dit par le même en-tête qui a
répondu. Il écoute sur 127.0.0.1, dans un fil d'exécution.
"""

import asyncio
import random
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import ClientError, ClientSession, ClientTimeout, web

HEADER = "azureml-model-deployment"


class Router:
    """`deployments` : nom -> adresse.

    `traffic` : nom -> pour cent. `url` : l'adresse du routeur, une fois lancé.

    `key` : la clé attendue dans `Authorization: Bearer ...`. `seed` : graine du tirage, pour des
    comptes qui se rejouent. Ce que le routeur répond lui-même, en JSON : 401 sans la bonne clé, 404
    pour un déploiement inconnu, 503 si celui qui est choisi ne répond pas ou si aucun ne reçoit de
    trafic. En texte, par aiohttp : 400 si ce n'est pas du HTTP, 404 pour un autre chemin que
    `/score`, 405 pour une autre méthode que POST, 413 au-delà de 1 Mio. Le reste vient du
    déploiement.
    """

    def __init__(self, key: str, seed: int | None = None):
        self.key = key
        self.deployments: dict[str, str] = {}
        self.traffic: dict[str, int] = {}
        self.url = ""
        self._random = random.Random(seed)

    def set_traffic(self, **percent: int) -> None:
        """Répartit le trafic.

        Lève `ValueError`, sans rien changer, si un nom est inconnu ou si la somme n'est pas 100.
        """
        if (
            not set(percent) <= set(self.deployments)
            or sum(percent.values()) != 100
            or min(percent.values()) < 0
        ):
            raise ValueError(f"répartition refusée : {percent}, pour {sorted(self.deployments)}")
        self.traffic = percent

    def delete(self, name: str) -> None:
        """Oublie un déploiement.

        Lève `ValueError` s'il est inconnu ou reçoit encore du trafic, comme Azure le refuse.
        """
        if name not in self.deployments or self.traffic.get(name):
            raise ValueError(f"{name} est inconnu, ou reçoit encore du trafic : {self.traffic}")
        del self.deployments[name]

    async def score(self, request: web.Request) -> web.Response:
        """Une requête : de la clé au déploiement, et retour."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not secrets.compare_digest(
            given.encode(errors="replace"), self.key.encode()
        ):
            return refusal(401, "clé absente ou fausse")
        name = request.headers.get(HEADER)
        if name is None:
            if not any(self.traffic.values()):
                return refusal(503, "aucun déploiement ne reçoit de trafic")
            name = self._random.choices(list(self.traffic), list(self.traffic.values()))[0]
        if name not in self.deployments:
            return refusal(404, f"déploiement inconnu : {name}")
        body = await request.read()
        headers = {
            name: request.headers[name]
            for name in ("Content-Type", "Content-Encoding")
            if name in request.headers
        }
        try:
            async with self._session.post(
                f"{self.deployments[name]}/score", data=body, headers=headers
            ) as answer:
                return web.Response(
                    body=await answer.read(),
                    status=answer.status,
                    headers={HEADER: name, "Content-Type": answer.headers["Content-Type"]},
                )
        except (ClientError, TimeoutError):
            return refusal(503, f"le déploiement {name} ne répond pas", {HEADER: name})

    async def _start(self) -> web.AppRunner:
        self._session = ClientSession(timeout=ClientTimeout(total=30))
        app = web.Application()
        app.router.add_post("/score", self.score)
        # le corps passe tel quel, compressé ou non
        runner = web.AppRunner(app, access_log=None, auto_decompress=False)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/score"
        return runner

    async def _stop(self, runner: web.AppRunner) -> None:
        await runner.cleanup()
        await self._session.close()

    @contextmanager
    def listening(self) -> Iterator["Router"]:
        """Le temps du bloc, le routeur répond à `self.url`."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        runner = asyncio.run_coroutine_threadsafe(self._start(), loop).result(10)
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._stop(runner), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()


def refusal(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """La réponse du routeur quand il n'interroge personne, ou que personne ne répond."""
    return web.json_response({"message": message}, status=status, headers=headers)
