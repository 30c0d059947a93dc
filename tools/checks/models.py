"""Recharger les modèles d'un apprenant, sans lui faire confiance.

Un pickle exécute ce qu'il contient : il n'est jamais ouvert. skops ne reconstruit que des types
déclarés ; MLflow lit cette déclaration dans le modèle lui-même, donc chez l'apprenant : ici, la
liste est la nôtre. Ce n'est pas une preuve d'innocuité (un arbre fabriqué peut faire tomber
Python), mais aucun code ne vient du fichier.
"""

import tempfile
from pathlib import Path

from checks.remarks import Remark

TRUSTED = [
    "numpy.dtype",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
]
_loaded: dict = {}  # identifiant -> estimateur : deux exercices peuvent demander le même modèle
LOG = 'mlflow.sklearn.log_model(..., serialization_format="skops")'


def fetch(location: str, name: str) -> Path:
    """Le fichier `name` d'un dossier d'artefacts, sur ce disque. Lève `Remark` s'il manque."""
    import mlflow

    local = Path(location.removeprefix("file://"), name)
    if local.is_file():
        return local
    try:
        if "://" in location or ":/" in location:
            return Path(
                mlflow.artifacts.download_artifacts(
                    artifact_uri=f"{location}/{name}", dst_path=tempfile.mkdtemp(prefix="check_")
                )
            )
    except (mlflow.MlflowException, OSError):
        pass  # dit à la ligne suivante, de la même façon que pour un fichier de ce disque
    raise Remark(
        f"le fichier `{name}` d'un modèle ou d'un run manque dans le magasin (dossier déplacé, effacé, ou resté ailleurs ?)."
    )


def models_of(learner, run) -> list:
    """Les modèles enregistrés d'un run, du dernier au premier."""
    import mlflow

    found = []
    for output in run.outputs.model_outputs if run.outputs else []:
        try:
            found.append(learner.client.get_logged_model(output.model_id))
        except mlflow.MlflowException:
            continue  # supprimé depuis
    return sorted(found, key=lambda model: model.creation_timestamp, reverse=True)


def load(model):
    """L'estimateur scikit-learn d'un modèle enregistré, lu une seule fois.

    Lève `Remark` s'il ne se recharge pas.
    """
    if model.model_id not in _loaded:
        _loaded[model.model_id] = read(model)
    return _loaded[model.model_id]


def read(model):
    """Relit le fichier d'un modèle enregistré, au format skops et avec notre liste de types.

    Lève `Remark`.
    """
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        path = fetch(model.artifact_location, "model.skops")
    except Remark:
        described = fetch(model.artifact_location, "MLmodel").read_text(encoding="utf-8")
        if "mlflow.sklearn" not in described:
            raise Remark(
                f"le modèle `{model.name}` n'est pas de scikit-learn : check.py ne sait recalculer que ceux-là."
            ) from None
        if "serialization_format: skops" in described:
            raise
        raise Remark(
            f"le modèle `{model.name}` est un pickle, que check.py n'ouvre pas (il exécute ce qu'il contient) : {LOG}."
        ) from None
    try:
        return skops.io.load(path, trusted=TRUSTED)
    except UntrustedTypesFoundException:
        unknown = sorted(set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED))
        raise Remark(
            f"le modèle `{model.name}` contient {unknown[0]}, un type que check.py ne charge pas."
        ) from None
    except Exception as error:  # un fichier abîmé, ou fabriqué, peut tout lever
        raise Remark(
            f"le modèle `{model.name}` ne se relit pas ({type(error).__name__})."
        ) from None


def model_of(learner, run):
    """L'estimateur du dernier modèle d'un run. Lève `Remark` s'il n'en a pas."""
    found = models_of(learner, run)
    if not found:
        raise Remark(
            f"le run « {run.info.run_name} » n'a pas de modèle : sans lui, rien ne se recalcule. {LOG}."
        )
    return load(found[0])


def model_of_version(learner, version):
    """L'estimateur d'une version du registre. Lève `Remark` s'il ne se recharge pas."""
    import mlflow

    identifier = version.model_id or version.source.removeprefix("models:/")
    try:
        return load(learner.client.get_logged_model(identifier))
    except mlflow.MlflowException:
        raise Remark(
            f"la version {version.version} de {version.name} ne mène plus à un modèle enregistré."
        ) from None


def predict(model, X):
    """Ce que répond un modèle rechargé. Lève `Remark` s'il n'accepte pas les données du cours."""
    try:
        return model.predict(X)
    except Exception as error:  # d'autres colonnes, un autre type : scikit-learn lève ce qu'il veut
        raise Remark(
            f"le modèle n'accepte pas les données de la leçon ({str(error).splitlines()[0][:100]})."
        ) from None


def last_step(model):
    """L'estimateur lui-même, au bout de son `Pipeline` s'il en a un."""
    return model.steps[-1][1] if hasattr(model, "steps") else model


def preparation(model) -> list:
    """Ce qui prépare les données avant l'estimateur."""
    return (
        [step for _, step in model.steps[:-1] if step not in (None, "passthrough")]
        if hasattr(model, "steps")
        else []
    )
