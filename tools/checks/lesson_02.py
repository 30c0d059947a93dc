"""Les exercices de la leçon 2."""

from checks.learner import Learner, finished, first_right
from checks.models import last_step, load, model_of, models_of, predict, preparation
from checks.recompute import digits, once, silhouette
from checks.remarks import Exercise, Remark, Untouched
from checks.values import close, compare, metric, number

LESSON = "02_tracking_unsupervised"
DONE = "attributes.status = 'FINISHED'"
# élevé, ou bas ?
HIGH = {"silhouette": True, "davies_bouldin": False, "calinski_harabasz": True, "ari": True}


def ari(model) -> float:
    """L'ARI des groupes qu'un modèle donne aux images."""
    from sklearn.metrics import adjusted_rand_score

    X, y, _ = digits()
    groups = predict(model, X)
    return once(("ari", groups.tobytes()), lambda: float(adjusted_rand_score(y, groups)))


# --- 02-1 : quatre indices d'accord


def indices(learner: Learner) -> str:
    alike = learner.search(f"metrics.k_silhouette > 0 AND {DONE}", LESSON, most=5)
    return first_right(learner, "02-1", lambda run: judged_indices(learner, run), alike)


def judged_indices(learner: Learner, run) -> str:
    children = {}
    for child in learner.children(run):
        children.setdefault(int(number(child, "n_clusters")), child)
    if missing := [k for k in range(2, 21) if k not in children]:
        shown = ", ".join(map(str, missing[:5])) + ("..." if len(missing) > 5 else "")
        raise Remark(f"le balayage va de 2 à 20 groupes, un run enfant chacun ; il manque {shown}.")
    table = {name: {k: metric(child, name) for k, child in children.items()} for name in HIGH}
    best = {
        name: (max if high else min)(table[name], key=table[name].get)
        for name, high in HIGH.items()
    }
    models = {k: model_of(learner, children[k]) for k in sorted({best["silhouette"], best["ari"]})}
    for model in models.values():
        check_components(model)
    for k, model in models.items():
        X, _, _ = digits()
        groups = predict(model, X)
        truth = silhouette(model[:-1].transform(X), groups)
        if not close(metric(children[k], "silhouette"), truth):
            pixels = {
                "se mesure ici sur les pixels ; K-Means, lui, voit huit composantes.": silhouette(
                    X, groups
                )
            }
            compare(children[k], "silhouette", truth, pixels)
        compare(children[k], "ari", ari(model))
    metric(run, "k_elbow")
    for name, high in HIGH.items():
        chosen = round(metric(run, f"k_{name}"))
        if chosen == best[name]:
            continue
        other = (min if high else max)(table[name], key=table[name].get)
        if chosen == other:
            raise Remark(
                f"`k_{name}` vaut {chosen}, le pire : cet indice doit être {'élevé' if high else 'bas'}."
            )
        if name != "ari" and chosen == best["ari"]:
            raise Remark(
                f"`k_{name}` vaut {chosen}, ce que préfère l'ARI : un indice n'a pas à voir les vrais chiffres."
            )
        raise Remark(f"`k_{name}` vaut {chosen}, mais d'après vos runs enfants c'est {best[name]}.")
    told = ", ".join(f"{name.replace('_', '-')} {best[name]}" for name in HIGH if name != "ari")
    k, kept = best["ari"], best["silhouette"]
    return f"{told} ; les vrais chiffres préfèrent {k} groupes (ARI {table['ari'][k]:.3f} contre {table['ari'][kept]:.3f} à {kept})"


def check_components(model):
    """Lève `Remark` si K-Means ne voit pas huit composantes."""
    if not preparation(model):
        raise Remark(
            "K-Means voit les 64 pixels : l'ACP manque au modèle. Mise dans le pipeline, elle est enregistrée avec lui."
        )
    columns = last_step(model).cluster_centers_.shape[1]
    if columns != 8:
        raise Remark(
            f"K-Means voit {columns} colonnes : il en faut huit, les premières composantes."
        )


# --- 02-2 : une autre graine, un autre sommet


def seeds(learner: Learner) -> str:
    runs = finished(learner.tagged("02-2")) or learner.search(
        f"params.n_init = '1' AND metrics.ari > 0 AND {DONE}", LESSON, most=30
    )
    if not runs:
        raise Untouched("aucun run ne porte l'étiquette `exercise = 02-2`.")
    by_seed = {}
    for run in runs:
        by_seed.setdefault(round(number(run, "seed")), run)
    if len(by_seed) < 10:
        again = f" ({len(runs)} runs, mais la même graine revient)" if len(runs) >= 10 else ""
        raise Remark(
            f"{len(by_seed)} graine{'s' if len(by_seed) > 1 else ''} sur 10{again} : une seule ne dit rien du hasard."
        )
    tops = {seed: judged_seed(learner, seed, run) for seed, run in sorted(by_seed.items())}
    summits = sorted(set(tops.values()))
    counts = ", ".join(f"{list(tops.values()).count(k)} fois à {k}" for k in summits)
    return f"sur {len(tops)} graines, le sommet est {counts} groupes"


def judged_seed(learner: Learner, seed: int, run) -> int:
    """Le nombre de groupes au sommet, si la courbe, le paramètre et le modèle du run s'accordent.

    Lève sinon `Remark`.
    """
    metric(run, "ari")
    curve = {
        point.step: point.value
        for point in learner.client.get_metric_history(run.info.run_id, "ari")
    }
    if missing := [k for k in range(8, 16) if k not in curve]:
        steps = (
            "tous au pas 0 : donnez `step=k`" if set(curve) == {0} else f"sans le pas {missing[0]}"
        )
        raise Remark(
            f"graine {seed} : l'historique de `ari` va de 8 à 15 groupes, un par pas ; le vôtre est {steps}."
        )
    chosen, top = round(number(run, "n_clusters")), max(curve, key=curve.get)
    if curve.get(chosen, -1) < curve[top] - 1e-9:
        raise Remark(
            f"graine {seed} : `n_clusters` vaut {chosen}, mais la courbe a son sommet à {top}."
        )
    model = model_of(learner, run)
    kmeans = last_step(model)
    if kmeans.n_clusters != chosen:
        raise Remark(
            f"graine {seed} : le modèle gardé a {kmeans.n_clusters} groupes, le sommet est à {chosen} : gardez celui du sommet."
        )
    if kmeans.n_init != 1:
        raise Remark(
            f"graine {seed} : ce K-Means garde le meilleur de {kmeans.n_init} départs ; l'exercice en veut un seul (`n_init=1`)."
        )
    if kmeans.random_state != seed:
        raise Remark(
            f"le paramètre dit graine {seed}, le modèle a la graine {kmeans.random_state} : est-elle bien passée à KMeans ?"
        )
    truth = ari(model)
    if not close(truth, curve[chosen]):
        raise Remark(
            f"graine {seed} : la courbe dit {curve[chosen]:.3f} à {chosen} groupes, le modèle gardé {truth:.3f}."
        )
    return chosen


# --- 02-3 : le meilleur point de reprise


def checkpoints(learner: Learner) -> str:
    alike = learner.search(f"metrics.test_mse_best > 0 AND {DONE}", LESSON, most=5)
    return first_right(learner, "02-3", lambda run: judged_checkpoints(learner, run), alike)


def judged_checkpoints(learner: Learner, run) -> str:
    from sklearn.metrics import mean_squared_error

    models = models_of(learner, run)
    if len(models) < 4:
        kept = (
            "aucun point de reprise"
            if not models
            else f"{len(models)} point(s) de reprise seulement"
        )
        raise Remark(
            f"{kept} : il faut un modèle toutes les 40 époques, enregistré pendant l'apprentissage (`step=epoch`)."
        )
    steps = {output.model_id: output.step for output in run.outputs.model_outputs}
    if len(set(steps.values())) < len(models):
        raise Remark(
            "vos points de reprise n'ont pas chacun leur époque : donnez `step=epoch` à `log_model`."
        )
    _, _, images = digits()
    train, errors = images.X_train.head(60), {}
    for model in models:
        step, fitted = steps[model.model_id], load(model)
        noted = [each.value for each in model.metrics or [] if each.key == "valid_mse"]
        if not noted:
            raise Remark(
                f"le point de reprise de l'époque {step} n'a pas de métrique `valid_mse` : `log_metric(..., model_id=...)`."
            )
        valid = mean_squared_error(images.X_valid, predict(fitted, images.X_valid))
        if not close(noted[0], valid):
            if close(noted[0], mean_squared_error(train, predict(fitted, train))):
                raise Remark(
                    f"à l'époque {step}, `valid_mse` porte sur l'apprentissage : mesurez sur X_valid."
                )
            if close(noted[0], mean_squared_error(images.X_test, predict(fitted, images.X_test))):
                raise Remark(
                    f"à l'époque {step}, `valid_mse` porte sur le test : il ne s'ouvre qu'à la fin, pour juger."
                )
            raise Remark(
                f"à l'époque {step}, `valid_mse` vaut {noted[0]:.4f}, mais le modèle gardé donne {valid:.4f}."
            )
        errors[step] = (valid, mean_squared_error(images.X_test, predict(fitted, images.X_test)))
    best, last = min(errors, key=errors.get), max(errors)
    if best == last:
        raise Remark(
            f"le dernier point de reprise ({last}) est encore le meilleur : il n'a pas assez appris par cœur (60 images, 200 époques)."
        )
    chosen = round(metric(run, "best_step"))
    if chosen != best:
        hint = "le dernier" if chosen == last else "un autre"
        raise Remark(
            f"`best_step` vaut {chosen}, {hint} ; d'après `valid_mse`, le meilleur est à l'époque {best}."
        )
    swapped = "et celle du dernier point de reprise sont échangées."
    compare(
        run,
        "test_mse_best",
        errors[best][1],
        {swapped: errors[last][1], "porte sur la validation.": errors[best][0]},
    )
    compare(run, "test_mse_last", errors[last][1], {"porte sur la validation.": errors[last][0]})
    return f"le meilleur est à l'époque {best} : {errors[best][1]:.4f} sur le test, contre {errors[last][1]:.4f} au dernier ({last})"


EXERCISES = (
    Exercise(
        LESSON,
        "02-1",
        "indices",
        "quatre indices d'accord",
        "`make_pipeline(PCA(8, random_state=0), KMeans(...))` ; ce que K-Means voit est `model[:-1].transform(X)`. Silhouette et"
        " Calinski-Harabasz doivent être élevés, Davies-Bouldin bas ; pour le coude, `elbow` est dans digits.py.",
        "les indices des 17 autres nombres de groupes : seuls sont recalculés celui que la silhouette choisit et celui de l'ARI",
        indices,
    ),
    Exercise(
        LESSON,
        "02-2",
        "seeds",
        "une autre graine, un autre sommet",
        '`mlflow.log_metric("ari", score, step=k)` range chaque valeur à son nombre de groupes ; `max(scores, key=scores.get)` donne le'
        " sommet, dont `models[best]` est le modèle.",
        "les points de la courbe autres que le sommet : seul le modèle du sommet est gardé",
        seeds,
    ),
    Exercise(
        LESSON,
        "02-3",
        "checkpoints",
        "le meilleur point de reprise",
        "`log_model(..., step=epoch)` rend un objet dont `model_id` va à `log_metric(..., model_id=...)`. Puis"
        ' `mlflow.search_logged_models(..., order_by=[{"field_name": "metrics.valid_mse", "ascending": True}])` met le meilleur en tête.',
        "",
        checkpoints,
    ),
)
