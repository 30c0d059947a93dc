"""Le projet final, « votre tableau » : cinq étapes, et ce que chacune laisse dans le magasin
(PROJET.md).
"""

from checks.learner import DONE, Learner
from checks.lesson_03 import TRAIN, error, part, rmse_of
from checks.models import fetch, last_step, model_of, model_of_version, predict
from checks.remarks import Exercise, Untouched, require
from checks.values import close, metric, param, text_tag


def found(runs: list) -> list:
    """Ces runs, le plus récent d'abord. Lève `Untouched` s'il n'y en a pas."""
    if not runs:
        raise Untouched("aucun run")
    return runs


def compare_models(learner: Learner) -> str:
    """Comparer des classifieurs.

    Un classifieur sans faute est une question, pas une réponse : quelle colonne n'existerait pas
    encore au moment de prédire ?
    """
    runs = learner.search(f"tags.comparison LIKE '%' AND {DONE}")
    runs = found([run for run in runs if param(run, "data") != "breast_cancer"])
    chosen = [run for run in runs if run.data.tags.get("choice")]
    latest = (chosen or runs)[0].data.tags["comparison"]
    together = [run for run in runs if run.data.tags["comparison"] == latest]
    count = len(together)
    told = f"la comparaison « {latest} » n'a que {count} classifieurs finis : il en faut trois."
    require(count >= 3, told)
    perfect = sum(metric(run, "accuracy") > 0.999 for run in together)
    told = f"{perfect} classifieurs sur {count} ne font aucune faute"
    require(perfect < 3, f"{told} : une colonne donne-t-elle la réponse ?")
    picked = [run for run in together if run.data.tags.get("choice")]
    told = f"{len(picked)} runs sont retenus : l'étiquette `choice`, sur un seul, dit pourquoi lui."
    require(len(picked) == 1, told)
    run, name = picked[0], picked[0].info.run_name
    text_tag(run.data.tags, "choice", f"au run « {name} » : pourquoi lui ?")
    told = f"sensibilité {metric(run, 'sensitivity'):.3f}"
    return f"« {name} » retenu parmi {count} ({told})"


def group(learner: Learner) -> str:
    """Trouver des groupes.

    Mettez les nombres à l'échelle, comparez la silhouette de plusieurs nombres de groupes, puis
    lisez les centres.
    """
    query = f"params.n_clusters LIKE '%' AND tags.choice LIKE '%' AND {DONE}"
    run = found(learner.search(query))[0]
    name = f"« {run.info.run_name} »"
    text_tag(run.data.tags, "choice", f"au run {name} : pourquoi ce nombre de groupes ?")
    kmeans = last_step(model_of(learner, run))
    told = f"le modèle de {name} est un {type(kmeans).__name__}, pas un K-Means."
    require(hasattr(kmeans, "cluster_centers_"), told)
    count, columns = kmeans.cluster_centers_.shape
    require(columns != 64, f"{name} groupe les images de la leçon 2 : il faut votre tableau.")
    noted = param(run, "n_clusters")
    told = f"`n_clusters` vaut {noted}, mais le modèle a {count} groupes."
    require(noted == str(count), told)
    parent = run.data.tags.get("mlflow.parentRunId")
    others = learner.children(learner.client.get_run(parent)) if parent else []
    require(
        len({param(each, "n_clusters") for each in others}) >= 3,
        "un seul nombre de groupes ne se compare à rien : un parent, un enfant par nombre essayé.",
    )
    return f"{count} groupes retenus, d'après {columns} colonnes, parmi {len(others)} essais"


def from_git(learner: Learner) -> str:
    """Un run du projet, depuis Git.

    `csv` est un chemin absolu et `target` une colonne de nombres ; essayez plusieurs `alpha`, et la
    forêt.
    """
    runs = project_runs(learner)
    clean = [run for run in runs if run.data.tags.get("git.dirty") == "false"]
    require(clean, "le code du run n'est pas celui d'un commit (`git.dirty`) : lancez depuis Git.")
    require(len(clean) > 1, "un seul run propre : il en faut deux, de réglages différents.")
    best = min(clean, key=lambda run: metric(run, "valid_rmse"))
    rmse, valid = rmse_of(learner, best, course=False), part(learner, best, "valid")[1]
    mean = ((valid - part(learner, best, "train")[1].mean()) ** 2).mean() ** 0.5
    told = f"RMSE {rmse:.2f}, contre {mean:.2f} pour la moyenne"
    require(rmse < mean, f"le meilleur de vos runs ne fait pas mieux que la moyenne ({told}).")
    return f"{len(clean)} runs depuis un commit ; le meilleur, « {best.info.run_name} » : {told}"


def project_runs(learner: Learner) -> list:
    """Les runs `train` finis sur un autre tableau que celui de la leçon. Lève `Untouched`."""
    runs = learner.search(TRAIN)
    return found([run for run in runs if param(run, "csv", "diabetes") != "diabetes"])


def registered(learner: Learner) -> tuple[str, dict]:
    """Le nom du modèle inscrit d'après un run du projet, et ses versions. Lève `Untouched`."""
    ids = {run.info.run_id for run in project_runs(learner)}
    for model in learner.course.registered:
        versions = learner.course.versions(model.name)
        if ids & {each.run_id for each in versions.values()}:
            return model.name, versions
    raise Untouched("version")


def promotion(learner: Learner) -> str:
    """Inscrire et promouvoir.

    `mlflow.register_model(f"runs:/{run_id}/model", nom)`, deux fois ; puis l'alias et l'étiquette
    `reason`, qui donne des nombres.
    """
    name, versions = registered(learner)
    told = f"{name} n'a qu'une version : promouvoir, c'est choisir entre deux au moins."
    require(len(versions) > 1, told)
    champion = str(learner.client.get_registered_model(name).aliases.get("champion"))
    told = f"aucune version de {name} ne porte @champion : rien n'est promu."
    require(champion in versions, told)
    where = f"sur la version {champion}, promue : pourquoi elle ?"
    reason = text_tag(versions[champion].tags, "reason", where)
    rmse = {
        number: error(learner, learner.client.get_run(version.run_id), "valid")
        for number, version in versions.items()
    }
    best = min(rmse, key=rmse.get)
    require(
        rmse[best] >= rmse[champion] * 0.98,
        f"@champion (version {champion}) a une RMSE de {rmse[champion]:.2f}, la version {best} de"
        f" {rmse[best]:.2f}.",
    )
    return f"{name}, version {champion} promue : RMSE {rmse[champion]:.2f} ; {reason}"


def trace(learner: Learner) -> str:
    """Servir, et remonter d'une prédiction.

    `client.get_model_version_by_alias` donne la version, dont `run_id` mène au run, à son commit et
    à `run.inputs.dataset_inputs`.
    """
    import pandas as pd

    name, versions = registered(learner)
    run = found(learner.search(f"tags.project = 'trace' AND {DONE}"))[0]
    given = {each: param(run, each) for each in ("model", "version", "run_id", "commit", "data")}
    absent = [each for each in given if not given[each]]
    require(not absent, f"la trace ne dit pas {absent} : chaque maillon est un paramètre.")
    number = given["version"]
    told = f"la trace parle de {given['model']}, version {number} : le registre a {name}, versions"
    require(given["model"] == name and number in versions, f"{told} {', '.join(versions)}.")
    version = versions[number]
    source = learner.client.get_run(version.run_id)
    told = f"le run de la version {number} n'est pas celui que dit la trace."
    require(given["run_id"] == version.run_id, told)
    commit = source.data.tags.get("mlflow.source.git.commit")
    require(given["commit"] == commit, "le commit de la trace n'est pas celui du run du modèle.")
    told = "l'empreinte des données (`data`) n'est pas celle du jeu de données du run du modèle."
    require(given["data"] in [each.dataset.digest for each in source.inputs.dataset_inputs], told)

    known, _ = part(learner, source, "valid")
    # vide, un texte se relirait comme un nombre
    texts = known.select_dtypes(exclude="number").dtypes.to_dict()
    asked = pd.read_csv(fetch(run.info.artifact_uri, "request.csv"), dtype=texts)
    told = "request.csv contient le client prédit : une ligne de titres et une ligne de valeurs."
    require(len(asked) == 1, told)
    missing = [column for column in known if column not in asked]
    require(not missing, f"request.csv n'a pas les colonnes {missing} que le modèle demande.")
    noted = metric(run, "prediction")
    model, client = model_of_version(learner, version), asked[known.columns]
    # lu d'un fichier, un texte absent est NaN ; reçu par un service, il est `None`
    served = (
        client.astype(object)
        .where(client.notna(), None)
        .astype({column: float for column in client if column not in texts})
    )
    replies = [float(predict(model, each)[0]) for each in (client, served)]
    told = f"la prédiction notée est {noted:.2f} ; la version {number} répond {replies[0]:.2f}."
    require(any(close(noted, reply) for reply in replies), told)
    source = f"du run {version.run_id[:8]}, du commit {given['commit'][:8]}"
    return f"la prédiction {noted:.2f} vient de {name}, version {number}, {source}"


STEPS = tuple(
    Exercise(str(rank), check)
    for rank, check in enumerate((compare_models, group, from_git, promotion, trace), 1)
)
