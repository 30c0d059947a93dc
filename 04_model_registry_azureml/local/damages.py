"""Un magasin et un dépôt Git à jeter, où l'on peut changer, supprimer et abîmer sans rien toucher de vrai."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
from mlflow import MlflowClient, MlflowException

# Un run et son modèle inscrit, comme dans register_models.py, puis un modèle inscrit sans aucun run.
TRAIN = """
import io, logging
from contextlib import redirect_stderr
import mlflow
from wines import candidates, cross_validated, load_wines, trusted_types
logging.getLogger("mlflow").setLevel(logging.WARNING)
wines = load_wines()
model = candidates()["random_forest"].fit(wines.X_train, wines.y_train)
given = dict(name="forest", serialization_format="skops", skops_trusted_types=trusted_types, pip_requirements=["scikit-learn"])
with redirect_stderr(io.StringIO()):
    with mlflow.start_run():
        mlflow.log_params({"family": "random_forest", **{key: str(value) for key, value in model[-1].get_params().items()}})
        mlflow.log_metrics(cross_validated(model, wines.X_train, wines.y_train))
        mlflow.log_input(mlflow.data.from_pandas(wines.X_train.assign(cultivar=wines.y_train), targets="cultivar"))
        inside = mlflow.sklearn.log_model(model, **given)
    outside = mlflow.sklearn.log_model(model, **given)
    for each in (inside, outside):
        mlflow.register_model(each.model_uri, "damaged")
print(inside.model_id, outside.model_id)
"""


@contextmanager
def throwaway_store(folder: Path) -> Iterator[MlflowClient]:
    """Le temps du bloc, MLflow écrit dans `folder`, puis de nouveau là où il écrivait."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'throwaway.db'}")
    try:
        client = MlflowClient()
        client.create_experiment("Default_throwaway", artifact_location=(folder / "artifacts").as_uri())
        yield client
    finally:
        mlflow.set_tracking_uri(before)


def train_on_a_dirty_tree(folder: Path, local: Path) -> tuple[Path, str, str]:
    """Copie `local` dans un dépôt neuf, valide, modifie wines.py SANS valider, et y entraîne une forêt.

    Renvoie le dépôt, le modèle du run (qui porte le commit propre) et le modèle inscrit hors de tout run. Lève
    `SystemExit` si git manque.
    """
    if shutil.which("git") is None:
        raise SystemExit("git est introuvable : cette mesure en a besoin, voir https://git-scm.com.")
    repository = folder / "repository"
    code = repository / "local"
    shutil.copytree(local, code, ignore=shutil.ignore_patterns("__pycache__"))
    (code / "train.py").write_text(TRAIN, encoding="utf-8")
    git = ["git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x@localhost"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "propre"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    wines = (code / "wines.py").read_text(encoding="utf-8")
    (code / "wines.py").write_text(wines.replace("n_estimators=50", "n_estimators=5"), encoding="utf-8")
    environment = {**os.environ, "MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(), "MLFLOW_EXPERIMENT_NAME": "Default_throwaway"}
    ended = subprocess.run([sys.executable, str(code / "train.py")], env=environment, cwd=folder, capture_output=True, text=True, check=True)
    return repository, *ended.stdout.split()


def history(client: MlflowClient) -> dict[str, bool]:
    """Change ou supprime sept choses dans le magasin de `client` : peut-on ravoir l'ancienne valeur, par MLflow seul ?"""
    run_id = client.create_run(client.get_experiment_by_name("Default_throwaway").experiment_id).info.run_id
    kept = {}

    client.log_param(run_id, "gamma", "ancien")
    try:
        client.log_param(run_id, "gamma", "nouveau")
    except MlflowException:
        pass  # refusé : un paramètre ne change pas, c'est ce que l'on vérifie à la ligne suivante
    kept["parameter"] = client.get_run(run_id).data.params["gamma"] == "ancien"

    client.log_metric(run_id, "accuracy", 0.8)
    client.log_metric(run_id, "accuracy", 0.9)
    kept["metric"] = 0.8 in [each.value for each in client.get_metric_history(run_id, "accuracy")]

    for name, tag in {"tag": "decision", "description": "mlflow.note.content"}.items():
        client.set_tag(run_id, tag, "ancien")
        client.set_tag(run_id, tag, "nouveau")
        kept[name] = "ancien" in client.get_run(run_id).data.tags.values()

    client.create_registered_model("changes")
    for _ in range(2):
        client.create_model_version("changes", f"runs:/{run_id}/model", run_id)
    client.set_registered_model_alias("changes", "champion", "1")
    client.set_registered_model_alias("changes", "champion", "2")
    kept["alias"] = "champion" in client.get_model_version("changes", "1").aliases

    client.delete_run(run_id)
    client.restore_run(run_id)
    kept["run deletion"] = client.get_run(run_id).data.params == {"gamma": "ancien"}

    client.delete_model_version("changes", "1")
    kept["version deletion"] = "1" in [str(each.version) for each in client.search_model_versions("name = 'changes'")]
    return kept
