"""Des origines abîmées, dans un dépôt Git et un magasin à jeter : rien de vrai n'est touché."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd

DAMAGES = {
    "changed_answer": "une réponse changée",
    "false_time": "une heure fausse",
    "one_value_changed": "un vin changé",
    "dirty_tree": "du code hors commit",
    "no_run": "pas de run",
}

# Un run et son modèle inscrit, comme dans 01_register_models.py, puis un modèle inscrit sans aucun
# run.
TRAIN = """
import io, logging, sys
from contextlib import redirect_stderr
import mlflow
from wines import candidates, cross_validated, load_wines, requirements, trusted_types
logging.getLogger("mlflow").setLevel(logging.WARNING)
wines = load_wines()
model = candidates()["random_forest"].fit(wines.X_train, wines.y_train)
given = dict(name="forest", serialization_format="skops", skops_trusted_types=trusted_types, pip_requirements=requirements)
with redirect_stderr(io.StringIO()):
    mlflow.create_experiment("damaged", artifact_location=sys.argv[1])
    mlflow.set_experiment("damaged")
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


def train_on_a_dirty_tree(folder: Path, local: Path, store: str) -> tuple[Path, str, str]:
    """Copie `local` dans un dépôt neuf, en fait un commit, modifie wines.py SANS commit, et y
    entraîne une forêt, dans le magasin `store`.

    Renvoie le dépôt, le modèle du run (qui porte le commit propre) et le modèle inscrit hors de
    tout run.
    """
    repository = folder / "repository"
    code = repository / "local"
    shutil.copytree(local, code, ignore=shutil.ignore_patterns("__pycache__"))
    (code / "train.py").write_text(TRAIN, encoding="utf-8")
    git = ["git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x@localhost"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "propre"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    wines = (code / "wines.py").read_text(encoding="utf-8")
    (code / "wines.py").write_text(
        wines.replace("n_estimators=50", "n_estimators=5"), encoding="utf-8"
    )
    command = [sys.executable, str(code / "train.py"), (folder / "artifacts").as_uri()]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": store}
    ended = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=True
    )
    return repository, *ended.stdout.split()


def one_value_changed(X: pd.DataFrame) -> pd.DataFrame:
    """Une copie de `X` où le premier vin a 0.01 degré d'alcool de plus."""
    changed = X.copy()
    changed.iloc[0, 0] += 0.01
    return changed
