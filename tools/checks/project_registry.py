"""Les étapes 4 et 5 du projet final : du run au registre, et d'une prédiction à ce qui l'a
produite.
"""

import csv
import io

from checks.learner import Learner
from checks.lesson_03 import TRAIN, part
from checks.models import fetch, model_of_version, predict
from checks.remarks import Remark, Untouched
from checks.values import close, metric, text_tag

DONE = "attributes.status = 'FINISHED'"


def project_runs(learner: Learner) -> list:
    """Les runs `train` finis sur un autre tableau que celui de la leçon. Lève `Untouched`."""
    runs = [
        run
        for run in learner.search(TRAIN)
        if run.data.params.get("csv", "diabetes").strip("'") != "diabetes"
    ]
    if not runs:
        raise Untouched(
            "aucun run `train` du projet de la leçon 3 sur votre tableau (paramètre `csv`)."
        )
    return runs


# --- 4 : inscrire et promouvoir


def registered(learner: Learner) -> tuple[str, dict]:
    """Le nom du modèle inscrit d'après un run du projet, et ses versions. Lève `Untouched`."""
    ids = {run.info.run_id for run in project_runs(learner)}
    for model in learner.course.registered:
        versions = learner.course.versions(model.name)
        if any(each.run_id in ids for each in versions.values()):
            return model.name, versions
    raise Untouched("aucun modèle inscrit ne vient d'un run du projet sur votre tableau.")


def promotion(learner: Learner) -> str:
    name, versions = registered(learner)
    if len(versions) < 2:
        raise Remark(f"{name} n'a qu'une version : promouvoir, c'est choisir entre deux au moins.")
    champion = learner.client.get_registered_model(name).aliases.get("champion")
    if champion is None or str(champion) not in versions:
        raise Remark(f"aucune version de {name} ne porte @champion : rien n'est promu.")
    text_tag(
        versions[str(champion)].tags,
        "reason",
        f"sur la version {champion}, promue : pourquoi elle ?",
    )
    scores = {}
    for number, version in versions.items():
        run = learner.client.get_run(version.run_id)
        table, target = part(learner, run, "valid"), run.data.params["target"].strip("'")
        errors = (
            predict(model_of_version(learner, version), table.drop(columns=target)) - table[target]
        )
        scores[number] = float((errors**2).mean() ** 0.5)
    best = min(scores, key=scores.get)
    if scores[best] < scores[str(champion)] * 0.98:
        raise Remark(
            f"@champion (version {champion}) a une RMSE de {scores[str(champion)]:.2f}, la version {best} de {scores[best]:.2f}."
        )
    return f"{name}, version {champion} promue : RMSE {scores[str(champion)]:.2f} ; {versions[str(champion)].tags['reason']}"


# --- 5 : servir, et remonter


def trace(learner: Learner) -> str:
    name, versions = registered(learner)
    runs = learner.search(f"tags.project = 'trace' AND {DONE}")
    if not runs:
        raise Untouched("aucun run étiqueté `project = trace`.")
    run, given = runs[0], runs[0].data.params
    if absent := [
        each for each in ("model", "version", "run_id", "commit", "data") if not given.get(each)
    ]:
        raise Remark(
            f"la trace ne dit pas `{absent[0]}` : de la réponse au commit et aux données, chaque maillon est un paramètre."
        )
    if given["model"] != name or given["version"] not in versions:
        raise Remark(
            f"la trace parle de {given['model']}, version {given['version']} : le registre a {name}, versions {', '.join(versions)}."
        )
    version = versions[given["version"]]
    source = learner.client.get_run(version.run_id)
    if given["run_id"] != version.run_id:
        raise Remark(f"le run de la version {given['version']} n'est pas celui que dit la trace.")
    if given["commit"] != source.data.tags.get("mlflow.source.git.commit"):
        raise Remark("le commit de la trace n'est pas celui du run d'où vient le modèle.")
    if given["data"] not in [each.dataset.digest for each in source.inputs.dataset_inputs]:
        raise Remark(
            "l'empreinte des données (`data`) n'est pas celle du jeu de données du run d'où vient le modèle."
        )
    answer, answers = metric(run, "prediction"), recomputed(learner, version, run, source)
    if not any(close(answer, each) for each in answers):
        raise Remark(
            f"la prédiction notée est {answer:.2f} ; la version {given['version']} répond {answers[0]:.2f}."
        )
    source = f"du run {version.run_id[:8]}, du commit {given['commit'][:8]}"
    return f"la prédiction {answer:.2f} vient de {name}, version {given['version']}, {source}"


def recomputed(learner: Learner, version, run, source) -> list[float]:
    """Ce que la version répond au client de `request.csv`.

    Lève `Remark` s'il n'y en a pas un, et un seul.

    Un texte absent a deux réponses possibles : lu d'un fichier, il est NaN ; reçu par un service,
    `None`, que scikit-learn n'impute pas.
    """
    import pandas as pd

    text = fetch(run.info.artifact_uri, "request.csv").read_text(encoding="utf-8")
    if len(list(csv.reader(io.StringIO(text)))) != 2:
        raise Remark(
            "request.csv contient le client prédit : une ligne de titres et une ligne de valeurs."
        )
    known, asked = (
        part(learner, source, "valid").drop(columns=source.data.params["target"].strip("'")),
        pd.read_csv(io.StringIO(text)),
    )
    if missing := [name for name in known if name not in asked]:
        raise Remark(f"request.csv n'a pas la colonne {missing[0]} que le modèle demande.")
    texts, model = known.select_dtypes(exclude="number").columns, model_of_version(learner, version)
    # vide, un texte se relirait comme un nombre
    read = asked[known.columns].astype({name: known[name].dtype for name in texts})
    served = read.astype({name: object for name in texts})
    served[texts] = served[texts].where(served[texts].notna(), None)
    return [float(predict(model, table)[0]) for table in (read, served)]
