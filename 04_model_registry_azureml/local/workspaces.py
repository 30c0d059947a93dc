# %% [markdown]
# # L'espace de travail Azure ML du lecteur
#
# Un abonnement, un groupe de ressources, un espace de travail : de l'environnement, ou du
# `config.json` que le portail d'Azure donne à télécharger. Rien de secret ici : l'identité, elle,
# vient de `DefaultAzureCredential`.

# %%
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

variables = {
    "subscription_id": "AZURE_SUBSCRIPTION_ID",
    "resource_group": "AZURE_RESOURCE_GROUP",
    "workspace_name": "AZURE_ML_WORKSPACE",
}


def workspace(config: str) -> dict[str, str | None]:
    """Les trois noms de `variables`, None pour qui manque ; l'environnement l'emporte sur le
    fichier `config`.

    Lève `SystemExit`, en une ligne, si le fichier existe sans être un objet JSON lisible.
    """
    saved = {}
    if Path(config).exists():
        try:
            saved = json.loads(Path(config).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SystemExit(f"{config} n'est pas un JSON lisible : {error}") from None
        if not isinstance(saved, dict):
            raise SystemExit(f"{config} doit être un objet JSON, avec {', '.join(variables)}.")
    return {
        name: os.environ.get(variable) or saved.get(name) for name, variable in variables.items()
    }


def required(place: dict[str, str | None], config: str) -> dict[str, str]:
    """`place`, si rien n'y manque. Lève sinon `SystemExit`, en une ligne qui dit quoi."""
    if missing := [f"{variables[name]} ({name})" for name, value in place.items() if not value]:
        raise SystemExit(
            f"Il manque, dans l'environnement ou dans {config} : {', '.join(missing)}."
        )
    return place


def unique_name(name: str, place: dict[str, str | None]) -> str:
    """`name`, et six chiffres hexadécimaux propres à l'espace de travail.

    Le nom d'un point de terminaison est unique dans sa région d'Azure : deux lecteurs ne peuvent
    prendre le même.
    """
    return f"{name}-{hashlib.sha256(json.dumps(place, sort_keys=True).encode()).hexdigest()[:6]}"


@contextmanager
def in_one_line(what: str) -> Iterator[None]:
    """Dans ce bloc, un refus d'Azure ou de son SDK, ou une interruption, arrête le script en une
    ligne : `what`, puis la raison.
    """
    from azure.ai.ml.exceptions import MlException
    from azure.core.exceptions import AzureError
    from marshmallow import ValidationError
    from requests import RequestException

    try:
        yield
    except (
        AzureError,
        MlException,
        ValidationError,
        RequestException,
        OSError,
        KeyboardInterrupt,
    ) as error:
        raise SystemExit(
            f"{what} : {type(error).__name__} {' '.join(str(error).split())[:250]}"
        ) from None
