"""Les exercices de la leçon 1."""

from checks.learner import Learner, finished, first_right
from checks.models import last_step, model_of, predict, preparation
from checks.recompute import cross_scores, patients
from checks.remarks import Exercise, Remark, Untouched
from checks.values import close, compare, metric, number, text_tag

LESSON = "01_tracking_supervised"
SWEEP = "uv run 01_tracking_supervised/local/04_svm_sweep.py"
DONE = "attributes.status = 'FINISHED'"
TRAINED_ON = {
    455: "a appris aussi sur la validation",
    569: "a appris sur toutes les tumeurs, test compris",
    114: "a appris sur 114 tumeurs",
}


# --- 01-1 : sans mise à l'échelle


def scaler(learner: Learner) -> str:
    runs = finished(learner.tagged("01-1"))
    if not runs:  # sans étiquette : le défaut se reconnaît, aucune tumeur n'est trouvée
        runs = learner.search(f"metrics.sensitivity < 0.01 AND {DONE}", LESSON, most=5)
        runs += (
            learner.search(f"metrics.sensitivity >= 0.9 AND {DONE}", LESSON, most=20)
            if runs
            else []
        )
    if not runs:
        raise Untouched("aucun run ne porte l'étiquette `exercise = 01-1`.")
    svms = bare_svms(learner, runs[:40])
    same = [
        (run, model)
        for run, model in svms
        if (last_step(model).gamma, last_step(model).C) == (0.03, 1.0)
    ]
    if not same:
        seen = ", ".join(
            sorted(
                {f"gamma={last_step(model).gamma}, C={last_step(model).C:g}" for _, model in svms}
            )
        )
        raise Remark(
            f"pas de SVM brut aux réglages du cours (gamma=0.03, C=1), mais {seen} : on ne change qu'une chose à la fois."
        )
    truth = judged(*same[0])
    others = [(run, model) for run, model in svms if last_step(model).gamma != 0.03]
    sensitivities = [judged(run, model)["sensitivity"] for run, model in others]
    if max(sensitivities, default=0) < 0.9:
        best = f" ; votre meilleur essai : {max(sensitivities):.3f}" if sensitivities else ""
        raise Remark(
            f"la première moitié y est. Reste un gamma qui rende 0.90 de sensibilité, toujours sans mise à l'échelle{best}."
        )
    best = max(range(len(others)), key=sensitivities.__getitem__)
    return (
        f"sans mise à l'échelle, exactitude {truth['accuracy']:.3f}, sensibilité {truth['sensitivity']:.3f} ;"
        f" avec gamma={last_step(others[best][1]).gamma}, sensibilité {sensitivities[best]:.3f}"
    )


def bare_svms(learner: Learner, runs: list) -> list[tuple]:
    """Les runs dont le modèle est un SVM que rien ne précède, et ce modèle.

    Lève `Remark` s'il n'y en a pas.
    """
    models, remark = [], None
    for run in runs:
        try:
            models.append((run, model_of(learner, run)))
        except Remark as found:
            remark = remark or found
    if not models:
        raise remark
    bare = [(run, model) for run, model in models if not preparation(model)]
    if not bare:
        raise remark or Remark(
            "les modèles de vos runs préparent tous les données avant le SVM : le but est de s'en passer."
        )
    svms = [(run, model) for run, model in bare if hasattr(last_step(model), "shape_fit_")]
    if not svms:
        raise Remark(
            f"sans mise à l'échelle, il y a un {type(last_step(bare[0][1])).__name__}, pas un SVM (`SVC`)."
        )
    return svms


def judged(run, model) -> dict[str, float]:
    """Les métriques recalculées, si le run note les mêmes. Lève sinon `Remark`."""
    from patients import clinical_metrics

    data, _, _ = patients()
    rows = last_step(model).shape_fit_[0]
    if rows != len(data.X_train):
        raise Remark(
            f"le modèle de « {run.info.run_name} » {TRAINED_ON.get(rows, f'a appris sur {rows} tumeurs')} : il en faut 341."
        )
    truth = clinical_metrics(data.y_valid, predict(model, data.X_valid))
    for name in ("accuracy", "sensitivity"):
        if close(metric(run, name), truth[name]):
            continue
        learned = clinical_metrics(data.y_train, predict(model, data.X_train))
        test = clinical_metrics(data.y_test, predict(model, data.X_test))
        mistakes = {
            "porte sur l'apprentissage : d'où viennent vos prédictions ? Il faut celles de la validation.": learned[
                name
            ],
            "est celle des bénignes : quelle est la classe positive ?": truth["specificity"],
            "porte sur le test, qui ne s'ouvre pas pour choisir.": test[name],
        }
        compare(run, name, truth[name], mistakes)
    return truth


# --- 01-2 : le seuil qui n'en manque aucune


def threshold(learner: Learner) -> str:
    alike = learner.search(f"params.threshold LIKE '%' AND {DONE}", LESSON, most=10)
    return first_right(learner, "01-2", lambda run: judged_threshold(learner, run), alike)


def judged_threshold(learner: Learner, run) -> str:
    model, limit = model_of(learner, run), number(run, "threshold")
    way = next(
        (each for each in ("decision_function", "predict_proba") if hasattr(model, each)), None
    )
    if way is None:
        raise Remark(
            f"{type(last_step(model)).__name__} ne donne pas de distance : un seuil n'y a pas de sens."
        )
    _, X, y = patients()
    ill, well = (y == 1.0).to_numpy(), (y == 0.0).to_numpy()
    score, learned = cross_scores(model, way), getattr(model, way)(X)
    learned = learned if learned.ndim == 1 else learned[:, 1]
    reached = limit - 1e-6  # une autre machine arrondit autrement
    missed = int((score[ill] < reached).sum())
    if missed and limit > 0 and (score[ill] >= -limit - 1e-6).all():
        raise Remark(
            f"au seuil {limit:.3f}, {missed} tumeurs malignes sur 170 sont manquées ; à l'opposé, aucune : quel signe ?"
        )
    if missed and (learned[ill] >= reached).all():
        raise Remark(
            f"le seuil {limit:.3f} suffit aux tumeurs que le modèle a apprises ; en validation croisée, il en manque {missed}."
        )
    if missed:
        raise Remark(
            f"au seuil {limit:.3f}, {missed} tumeurs malignes sur 170 restent manquées en validation croisée."
        )
    alerts, fewest = (
        int((score[well] >= reached).sum()),
        int((score[well] >= score[ill].min() - 1e-6).sum()),
    )
    if alerts > fewest:
        raise Remark(
            f"le seuil {limit:.3f} n'en manque aucune, mais il est plus bas que nécessaire : {alerts} fausses alertes."
        )
    usual = 0.0 if way == "decision_function" else 0.5
    for name, part, truth in (
        ("cv_sensitivity", ill, 1.0),
        ("cv_specificity", well, 1 - alerts / well.sum()),
    ):
        shares = {
            kind: (scores[part] >= at).mean()
            for kind, scores, at in (("usual", score, usual), ("learned", learned, reached))
        }
        mistakes = {
            "est celle du seuil d'origine, celui de `predict` : comparez la distance à votre seuil.": shares[
                "usual"
            ],
            "porte sur les tumeurs apprises : prenez les distances de la validation croisée.": shares[
                "learned"
            ],
        }
        if part is well:
            mistakes = {remark: 1 - share for remark, share in mistakes.items()}
            mistakes["est la part des fausses alertes, son complément."] = 1 - truth
        compare(run, name, truth, mistakes)
    return f"au seuil {limit:.3f}, 170 tumeurs malignes sur 170 et {alerts} fausses alertes sur {well.sum()}"


# --- 01-3 : un run retrouvé par une question


def query(learner: Learner) -> str:
    runs = learner.tagged("01-3")
    if not runs:
        raise Untouched("aucun run ne porte l'étiquette `exercise = 01-3`.")
    if len(runs) > 1:
        raise Remark(
            f"{len(runs)} runs portent l'étiquette `exercise = 01-3` : une question, une réponse."
        )
    run, name, parent = runs[0], runs[0].info.run_name, runs[0].data.tags.get("mlflow.parentRunId")
    if not parent:
        raise Remark(
            f"« {name} » n'est pas un couple du balayage : c'est un de ses enfants qu'il faut désigner. ({SWEEP})"
        )
    points = [
        each
        for each in learner.children(learner.client.get_run(parent))
        if "cv_specificity" in each.data.metrics
    ]
    if len(points) < 35:
        raise Remark(
            f"ce balayage n'a que {len(points)} couples finis sur 35. Achevez-le : {SWEEP}"
        )
    specificity, sensitivity, least = (
        metric(run, "cv_specificity"),
        metric(run, "cv_sensitivity"),
        284 / 285 - 1e-9,
    )
    if specificity < least:
        raise Remark(
            f"« {name} » donne {round(285 * (1 - specificity))} fausses alertes sur 285 ; il en faut une au plus."
        )
    allowed = [
        each.data.metrics["cv_sensitivity"]
        for each in points
        if each.data.metrics["cv_specificity"] >= least
    ]
    if sensitivity < max(allowed) - 1e-9:
        raise Remark(
            f"« {name} » tient la contrainte, mais un autre couple qui la tient trouve plus de tumeurs : triez par sensibilité."
        )
    _, _, y = patients()
    if not close(
        ((cross_scores(model_of(learner, run), "decision_function") > 0) & (y == 1.0)).sum() / 170,
        sensitivity,
    ):
        raise Remark(
            f"la sensibilité notée par « {name} » n'est pas celle de son modèle : d'où vient-elle ?"
        )
    count = text_tag(
        run.data.tags,
        "candidates",
        f"à « {name} » : combien de couples tiennent la contrainte ?",
        least=1,
    )
    everywhere = len(learner.search(f"metrics.cv_specificity >= {least} AND {DONE}", LESSON))
    if count not in (str(len(allowed)), str(everywhere)):
        whole = (
            "c'est le balayage entier, que garde votre filtre ?"
            if count == str(len(points))
            else "revoyez le filtre."
        )
        raise Remark(
            f"le bon run est trouvé, mais l'étiquette `candidates` dit {count} couples : {whole}"
        )
    text_tag(
        run.data.tags, "mlflow.note.content", f"(la description) à « {name} » : pourquoi celui-là ?"
    )
    return f"{count} couples tiennent la contrainte ; « {name} » trouve {round(170 * sensitivity)} tumeurs malignes sur 170"


EXERCISES = (
    Exercise(
        LESSON,
        "01-1",
        "scaler",
        "sans mise à l'échelle",
        "`make_pipeline(SVC(gamma=0.03))` suffit pour la première moitié. Pour la seconde, pensez à la taille des distances : les"
        " mesures brutes vont jusqu'à plusieurs milliers, et le noyau calcule exp(-gamma × distance²).",
        "",
        scaler,
    ),
    Exercise(
        LESSON,
        "01-2",
        "threshold",
        "ne manquer aucune tumeur",
        "`distance[y == 1.0]` donne les distances des tumeurs malignes : la plus petite décide. Les métriques se calculent sur"
        " `distance >= threshold`, pas sur `predict`.",
        "",
        threshold,
    ),
    Exercise(
        LESSON,
        "01-3",
        "query",
        "retrouver un run par une question",
        "une fausse alerte sur 285, c'est une spécificité de 284/285 = 0.9965. Le filtre compare une métrique (`metrics.cv_specificity >"
        " ...`), `order_by` trie (`metrics.cv_sensitivity DESC`).",
        "l'étiquette `candidates` et la description : un voisin peut les souffler",
        query,
    ),
)
