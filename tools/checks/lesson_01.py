"""Les exercices de la leçon 1."""

from checks.learner import DONE, Learner, answers, one_run
from checks.models import last_step, model_of, predict, preparation
from checks.recompute import cross_scores, patients, tumours
from checks.remarks import Remark, require
from checks.values import close, compare, metric, number, text_tag

LESSON = "01_tracking_supervised"
SWEEP = "uv run 01_tracking_supervised/local/05_svm_sweep.py"


@one_run("01-0")
def tracking(learner: Learner, run) -> str:
    """Suivre un script qui ne l'est pas.

    `mlflow.set_experiment`, puis un bloc `with mlflow.start_run():`, comme dans `first_run`. Pour
    le modèle, un arbre, pensez à la forêt de `full_run` : un type est à déclarer.
    """
    name = f"« {run.info.run_name} »"
    experiment = learner.client.get_experiment(run.info.experiment_id).name
    told = f"{name} est dans l'expérience « {experiment} », et non dans « {LESSON} »."
    require(experiment.removeprefix("/Shared/") == LESSON, told)
    model, depth = model_of(learner, run), number(run, "max_depth")
    tree = last_step(model)
    require(hasattr(tree, "tree_"), f"le modèle est un {type(tree).__name__}, pas un arbre.")
    told = f"{name} note max_depth = {depth:g}, mais l'arbre a {tree.max_depth}."
    require(tree.max_depth == depth, told)
    X, X_valid, y, y_valid = tumours()
    rows = tree.tree_.n_node_samples[0]
    require(rows == len(X), f"l'arbre a appris sur {rows} tumeurs : il en faut {len(X)}.")
    truth, learned = model.score(X_valid, y_valid), model.score(X, y)
    mistakes = {"porte sur les tumeurs apprises, non sur la validation.": learned}
    compare(run, "accuracy", truth, mistakes)
    return f"max_depth={depth:g}, exactitude {truth:.3f} ; l'arbre se recharge, et la rend"


def scaler(learner: Learner) -> str:
    """Sans mise à l'échelle.

    `make_pipeline(SVC(gamma=0.03))` suffit pour la première moitié. Pour la seconde, les distances
    sont plus grandes sans mise à l'échelle : essayez des `gamma` plus petits, en divisant chaque
    fois par trois.
    """
    svms = [(last_step(model), run, model) for run, model in bare_svms(learner)]
    flawed = [each for each in svms if (each[0].gamma, each[0].C) == (0.03, 1.0)]
    seen = ", ".join(sorted(f"gamma={svm.gamma}, C={svm.C:g}" for svm, _, _ in svms))
    require(flawed, f"pas de SVM brut aux réglages du cours (gamma=0.03, C=1), mais {seen}.")
    truth = judged(*flawed[0][1:])
    others = [(judged(*each)["sensitivity"], svm.gamma) for svm, *each in svms if svm.gamma != 0.03]
    best, gamma = max(others, default=(0.0, None))
    told = "la première moitié y est. Reste un gamma qui rende 0.90 de sensibilité"
    require(best >= 0.9, f"{told} sans mise à l'échelle ; votre meilleur essai : {best:.3f}.")
    return (
        f"sans mise à l'échelle, exactitude {truth['accuracy']:.3f}, sensibilité"
        f" {truth['sensitivity']:.3f} ; avec gamma={gamma}, sensibilité {best:.3f}"
    )


def bare_svms(learner: Learner) -> list[tuple]:
    """Les runs dont le modèle est un SVM que rien ne précède, et ce modèle.

    Lève `Remark` s'il n'y en a pas.
    """
    models, remarks = [], []
    for run in answers(learner, "01-1"):
        try:
            models.append((run, model_of(learner, run)))
        except Remark as remark:
            remarks.append(remark)
    if not models:
        raise remarks[0]
    bare = [(run, model) for run, model in models if not preparation(model)]
    require(bare, "les modèles de vos runs préparent tous les données avant le SVM : ôtez-le.")
    svms = [(run, model) for run, model in bare if hasattr(last_step(model), "shape_fit_")]
    require(svms, f"le modèle est un {type(last_step(bare[0][1])).__name__}, pas un SVM (`SVC`).")
    return svms


def judged(run, model) -> dict[str, float]:
    """Les métriques recalculées, si le run note les mêmes. Lève sinon `Remark`."""
    from patients import clinical_metrics

    data, _, _ = patients()
    rows = last_step(model).shape_fit_[0]
    title = f"le modèle de « {run.info.run_name} »"
    require(rows == 341, f"{title} a appris sur {rows} tumeurs : il en faut 341.")
    truth = clinical_metrics(data.y_valid, predict(model, data.X_valid))
    learned = clinical_metrics(data.y_train, predict(model, data.X_train))
    test = clinical_metrics(data.y_test, predict(model, data.X_test))
    for name in ("accuracy", "sensitivity"):
        mistakes = {
            "porte sur l'apprentissage, non sur la validation.": learned[name],
            "porte sur le test, qui ne s'ouvre pas pour choisir.": test[name],
        }
        compare(run, name, truth[name], mistakes)
    return truth


@one_run("01-2")
def threshold(learner: Learner, run) -> str:
    """Ne manquer aucune tumeur.

    `scores[y == 1.0]` donne les scores des tumeurs malignes : le plus petit décide. Les métriques
    se calculent sur `scores >= threshold`, pas sur `predict`.
    """
    model, limit = model_of(learner, run), number(run, "threshold")
    way = "decision_function" if hasattr(model, "decision_function") else "predict_proba"
    _, X, y = patients()
    ill, well = (y == 1.0).to_numpy(), (y == 0.0).to_numpy()
    score, learned = cross_scores(model, way), getattr(model, way)(X)
    learned = learned if learned.ndim == 1 else learned[:, 1]

    def rates(scores, at: float) -> dict[str, float]:
        found, silent = (scores[ill] >= at).mean(), (scores[well] < at).mean()
        return {"cv_sensitivity": found, "cv_specificity": silent}

    reached = limit - 1e-6  # une autre machine arrondit autrement
    missed = int((score[ill] < reached).sum())
    if missed:
        told = f"au seuil {limit:.3f}, {missed} tumeurs malignes sur 170"
        opposite = limit > 0 and (score[ill] >= -limit - 1e-6).all()
        require(not opposite, f"{told} sont manquées ; à l'opposé, aucune : quel signe ?")
        fits = (learned[ill] >= reached).all()
        require(not fits, f"{told} sont manquées : il suffit à celles que le modèle a apprises.")
        raise Remark(f"{told} restent manquées en validation croisée.")
    alerts, least = ((score[well] >= at).sum() for at in (reached, score[ill].min() - 1e-6))
    told = f"au seuil {limit:.3f}, 170 tumeurs malignes sur 170 et {alerts} fausses alertes"
    require(alerts <= least, f"{told} : il est plus bas que nécessaire.")
    origin = rates(score, 0.0 if way == "decision_function" else 0.5)
    seen, truth = rates(learned, reached), rates(score, reached)
    for name, value in truth.items():
        mistakes = {
            "est celle du seuil d'origine, celui de `predict`.": origin[name],
            "porte sur les tumeurs apprises, non sur la validation croisée.": seen[name],
            "est son complément : la part des fausses alertes.": 1 - value,
        }
        compare(run, name, value, mistakes)
    return f"{told} sur {well.sum()}"


def query(learner: Learner) -> str:
    """Retrouver un run par une question.

    Une fausse alerte sur 285, c'est une spécificité de 284/285 = 0.9965. Cherchez le dernier
    balayage fini, puis ses enfants, comme dans `search_runs` : le filtre compare aussi une métrique
    (`metrics.cv_specificity > ...`), et `order_by` trie (`metrics.cv_sensitivity DESC`).
    """
    run, *others = answers(learner, "01-3")
    require(not others, f"{1 + len(others)} runs portent l'étiquette `exercise = 01-3` : un seul.")
    name, parent = f"« {run.info.run_name} »", run.data.tags.get("mlflow.parentRunId")
    require(parent, f"{name} n'est pas un couple du balayage : désignez un de ses enfants.")
    children = learner.children(learner.client.get_run(parent))
    points = [each.data.metrics for each in children if "cv_specificity" in each.data.metrics]
    require(len(points) >= 35, f"ce balayage a {len(points)} couples finis sur 35 : {SWEEP}")
    least, sensitivity = 284 / 285 - 1e-9, metric(run, "cv_sensitivity")
    alerts = round(285 * (1 - metric(run, "cv_specificity")))
    require(alerts <= 1, f"{name} donne {alerts} fausses alertes sur 285 ; il en faut une au plus.")
    allowed = [each["cv_sensitivity"] for each in points if each["cv_specificity"] >= least]
    told = f"{name} tient la contrainte ; un autre couple qui la tient trouve plus de tumeurs."
    require(sensitivity >= max(allowed) - 1e-9, told)
    _, _, y = patients()
    found = ((cross_scores(model_of(learner, run), "decision_function") > 0) & (y == 1.0)).sum()
    told = f"la sensibilité notée par {name} n'est pas celle de son modèle : d'où vient-elle ?"
    require(close(found / 170, sensitivity), told)
    count = text_tag(run.data.tags, "candidates", f"à {name} : combien de couples ?", least=1)
    told = f"le bon run est trouvé, mais `candidates` dit {count} couples"
    everywhere = learner.search(f"metrics.cv_specificity >= {least} AND {DONE}", LESSON)
    others = count != str(len(allowed)) and count == str(len(everywhere))
    require(not others, f"{told}, ceux de tous les balayages : ne comptez que les siens.")
    require(count == str(len(allowed)), f"{told} : revoyez le filtre.")
    text_tag(run.data.tags, "mlflow.note.content", f"(la description) à {name} : pourquoi lui ?")
    return (
        f"{count} couples tiennent la contrainte ; {name} trouve {found} tumeurs malignes sur 170"
    )
