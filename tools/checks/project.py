"""Le projet final, « votre tableau » : cinq étapes, et ce que chacune laisse dans le magasin
(PROJET.md).
"""

from checks.learner import Learner
from checks.lesson_03 import part, rmse_of
from checks.models import last_step, model_of
from checks.project_registry import project_runs, promotion, trace
from checks.remarks import Exercise, Remark, Untouched
from checks.values import metric, text_tag

PAGE = "PROJET.md"
DONE = "attributes.status = 'FINISHED'"


# --- 1 : comparer


def compare_models(learner: Learner) -> str:
    runs = [
        run
        for run in learner.search(f"tags.comparison LIKE '%' AND {DONE}")
        if run.data.params.get("data") != "breast_cancer"
    ]
    if not runs:
        raise Untouched("aucune comparaison sur un autre tableau que celui de la leçon 1.")
    chosen = [run for run in runs if run.data.tags.get("choice")]
    latest = (chosen or runs)[0].data.tags["comparison"]
    together = [run for run in runs if run.data.tags["comparison"] == latest]
    if len(together) < 6:
        raise Remark(
            f"la comparaison « {latest} » n'a que {len(together)} classifieurs finis : il en faut six au moins."
        )
    perfect = [run for run in together if metric(run, "accuracy") > 0.999]
    if len(perfect) >= 3:
        raise Remark(
            f"{len(perfect)} classifieurs sur {len(together)} ne font aucune faute : une colonne donne-t-elle la réponse ? (--drop)"
        )
    picked = [run for run in together if run.data.tags.get("choice")]
    if len(picked) != 1:
        count = "aucun run n'est retenu" if not picked else f"{len(picked)} runs sont retenus"
        raise Remark(
            f"la comparaison est là, mais {count} : une étiquette `choice`, sur un seul run, dit lequel et pourquoi."
        )
    text_tag(
        picked[0].data.tags, "choice", f"au run « {picked[0].info.run_name} » : pourquoi lui ?"
    )
    return f"« {picked[0].info.run_name} » retenu parmi {len(together)} (sensibilité {metric(picked[0], 'sensitivity'):.3f})"


# --- 2 : grouper


def group(learner: Learner) -> str:
    runs = [
        run
        for run in learner.search(f"params.n_clusters LIKE '%' AND {DONE}")
        if not run.data.tags.get("exercise")
    ]
    runs = [run for run in runs if run.data.tags.get("choice")]
    if not runs:
        raise Untouched(
            "aucun run de K-Means n'est retenu : une étiquette `choice`, qui dit pourquoi ce nombre de groupes."
        )
    run = runs[0]
    text_tag(
        run.data.tags, "choice", f"au run « {run.info.run_name} » : pourquoi ce nombre de groupes ?"
    )
    kmeans = last_step(model_of(learner, run))
    if not hasattr(kmeans, "cluster_centers_"):
        raise Remark(
            f"le modèle de « {run.info.run_name} » est un {type(kmeans).__name__}, pas un K-Means."
        )
    count, columns = kmeans.cluster_centers_.shape
    if columns == 64:
        raise Remark(
            f"« {run.info.run_name} » groupe les images de la leçon 2 : il faut votre tableau."
        )
    if str(count) != run.data.params["n_clusters"].strip("'"):
        raise Remark(
            f"`n_clusters` vaut {run.data.params['n_clusters']}, mais le modèle a {count} groupes."
        )
    parent = run.data.tags.get("mlflow.parentRunId")
    others = learner.children(learner.client.get_run(parent)) if parent else []
    if len({each.data.params.get("n_clusters") for each in others}) < 3:
        raise Remark(
            "un seul nombre de groupes ne se compare à rien : un run parent, et un enfant par nombre de groupes essayé."
        )
    return f"{count} groupes retenus, d'après {columns} colonnes, parmi {len(others)} essais"


# --- 3 : un run du projet, depuis Git


def from_git(learner: Learner) -> str:
    from sklearn.metrics import root_mean_squared_error

    runs = project_runs(learner)
    clean = [
        run
        for run in runs
        if run.data.tags.get("git.dirty") == "false"
        and run.data.tags.get("mlflow.source.git.commit")
    ]
    if not clean:
        raise Remark(
            "le run est là, mais son code n'est pas celui d'un commit (`git.dirty`) : lancez le projet depuis Git."
        )
    if len(clean) < 2:
        raise Remark(
            "un seul run propre : il en faut deux au moins, de réglages différents, pour avoir de quoi choisir."
        )
    best = min(clean, key=lambda run: metric(run, "valid_rmse"))
    rmse = rmse_of(learner, best, course=False)
    target = best.data.params["target"].strip("'")
    train, valid = part(learner, best, "train")[target], part(learner, best, "valid")[target]
    mean = root_mean_squared_error(valid, [train.mean()] * len(valid))
    if rmse >= mean:
        raise Remark(
            f"le meilleur de vos runs (RMSE {rmse:.2f}) ne fait pas mieux que la moyenne ({mean:.2f})."
        )
    return f"{len(clean)} runs depuis un commit ; le meilleur, « {best.info.run_name} » : RMSE {rmse:.2f}, contre {mean:.2f} pour la moyenne"


STEPS = (
    Exercise(
        PAGE,
        "1",
        "compare_models",
        "comparer des classifieurs",
        "un classifieur sans faute est une question, pas une réponse : quelle colonne n'existerait pas encore au moment de prédire ?",
        "les métriques : votre tableau n'est pas dans le magasin",
        compare_models,
    ),
    Exercise(
        PAGE,
        "2",
        "group",
        "trouver des groupes",
        "mettez les nombres à l'échelle, comparez la silhouette de plusieurs nombres de groupes, puis lisez les centres.",
        "le choix du nombre de groupes",
        group,
    ),
    Exercise(
        PAGE,
        "3",
        "from_git",
        "un run du projet, depuis Git",
        "`csv` est un chemin absolu et `target` une colonne de nombres ; essayez plusieurs `alpha`, et la forêt.",
        "",
        from_git,
    ),
    Exercise(
        PAGE,
        "4",
        "promotion",
        "inscrire et promouvoir",
        "`mlflow.register_model(f\"runs:/{run_id}/model\", nom)`, deux fois ; puis l'alias et l'étiquette `reason`, qui donne des nombres.",
        "la raison, que check.py lit sans la comprendre",
        promotion,
    ),
    Exercise(
        PAGE,
        "5",
        "trace",
        "servir, et remonter d'une prédiction",
        "`client.get_model_version_by_alias` donne la version, dont `run_id` mène au run, à son commit et à `run.inputs.dataset_inputs`.",
        "rien n'oblige la prédiction à venir du service : elle est recalculée d'après le modèle",
        trace,
    ),
)
