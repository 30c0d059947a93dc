"""Recharger les modèles d'un apprenant, sans lui faire confiance.

Un pickle exécute ce qu'il contient : il n'est jamais ouvert. skops ne reconstruit que des types
déclarés ; MLflow lit cette déclaration dans le modèle lui-même, donc chez l'apprenant : ici, la
liste est la nôtre. Ce n'est pas une preuve d'innocuité (un arbre fabriqué peut faire tomber
Python), mais aucun code ne vient du fichier.
"""

from pathlib import Path

from checks.remarks import Remark, require

TRUSTED = [
    "numpy.dtype",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
]
LOG = 'mlflow.sklearn.log_model(..., serialization_format="skops")'
_loaded: dict = {}  # identifiant -> estimateur : deux exercices peuvent demander le même modèle


def fetch(location: str, name: str) -> Path:
    """Le fichier `name` d'un dossier d'artefacts, sur ce disque. Lève `Remark` s'il manque."""
    import mlflow

    try:
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=f"{location}/{name}"))
    except (mlflow.MlflowException, OSError):
        raise Remark(
            f"le fichier `{name}` d'un modèle ou d'un run manque dans le magasin (dossier déplacé,"
            " effacé, ou resté ailleurs ?)."
        ) from None


def models_of(learner, run) -> list:
    """Les modèles enregistrés d'un run, du dernier au premier."""
    outputs = run.outputs.model_outputs if run.outputs else []
    found = [learner.client.get_logged_model(each.model_id) for each in outputs]
    return sorted(found, key=lambda model: model.creation_timestamp, reverse=True)


def load(model):
    """L'estimateur scikit-learn d'un modèle enregistré, lu une seule fois.

    Lève `Remark` s'il ne se recharge pas.
    """
    import skops.io

    if model.model_id not in _loaded:
        name, place = f"le modèle `{model.name}`", model.artifact_location
        described = fetch(place, "MLmodel").read_text(encoding="utf-8")
        require("mlflow.sklearn" in described, f"{name} n'est pas de scikit-learn.")
        skops_used = "serialization_format: skops" in described
        require(skops_used, f"{name} est un pickle, que check.py n'ouvre pas : {LOG}.")
        path = fetch(place, "model.skops")
        try:
            _loaded[model.model_id] = skops.io.load(path, trusted=TRUSTED)
        except Exception as error:  # un fichier abîmé, ou fabriqué, peut tout lever
            raise Remark(f"{name} ne se relit pas ({type(error).__name__} : {error}).") from None
    return _loaded[model.model_id]


def model_of(learner, run):
    """L'estimateur du dernier modèle d'un run. Lève `Remark` s'il n'en a pas."""
    found = models_of(learner, run)
    require(found, f"le run « {run.info.run_name} » n'a pas de modèle, qui se recalcule : {LOG}.")
    return load(found[0])


def model_of_version(learner, version):
    """L'estimateur d'une version du registre. Lève `Remark` s'il ne se recharge pas."""
    identifier = version.model_id or version.source.removeprefix("models:/")
    return load(learner.client.get_logged_model(identifier))


def predict(model, X):
    """Ce que répond un modèle rechargé. Lève `Remark` s'il n'accepte pas les données du cours."""
    try:
        return model.predict(X)
    except Exception as error:  # d'autres colonnes, un autre type : scikit-learn lève ce qu'il veut
        reason = str(error).splitlines()[0][:100]
        raise Remark(f"le modèle n'accepte pas les données de la leçon ({reason}).") from None


def last_step(model):
    """L'estimateur lui-même, au bout de son `Pipeline` s'il en a un."""
    return model.steps[-1][1] if hasattr(model, "steps") else model


def preparation(model) -> list:
    """Ce qui prépare les données avant l'estimateur."""
    steps = model.steps[:-1] if hasattr(model, "steps") else []
    return [step for _, step in steps if step not in (None, "passthrough")]
