"""Les exercices de la leçon 2."""

from checks.learner import Learner, answers, one_run
from checks.models import last_step, load, model_of, models_of, predict
from checks.recompute import digits
from checks.remarks import Remark, require
from checks.values import close, compare, metric, number

# indice -> vrai s'il doit être élevé
HIGH = {"silhouette": True, "davies_bouldin": False, "calinski_harabasz": True, "ari": True}


def ari(model) -> float:
    """L'ARI des groupes qu'un modèle donne aux images."""
    from sklearn.metrics import adjusted_rand_score

    X, y, _ = digits()
    return float(adjusted_rand_score(y, predict(model, X)))


@one_run("02-1")
def indices(learner: Learner, run) -> str:
    """Quatre indices d'accord.

    `make_pipeline(PCA(8, random_state=0), KMeans(...))` ; ce que K-Means voit est
    `model[:-1].transform(X)`. Silhouette et Calinski-Harabasz doivent être élevés, Davies-Bouldin
    bas ; pour le coude, `elbow` est dans digits.py.
    """
    from sklearn.metrics import silhouette_score

    children = {}
    for child in learner.children(run):
        children.setdefault(int(number(child, "n_clusters")), child)
    missing = [k for k in range(2, 21) if k not in children]
    shown = ", ".join(map(str, missing[:5])) + "..." * (len(missing) > 5)
    require(not missing, f"un run enfant par nombre de groupes, de 2 à 20 ; il manque {shown}.")
    table = {name: {k: metric(each, name) for k, each in children.items()} for name in HIGH}
    best = {
        name: (max if high else min)(table[name], key=table[name].get)
        for name, high in HIGH.items()
    }
    X, _, _ = digits()
    for k in sorted({best["silhouette"], best["ari"]}):
        model = model_of(learner, children[k])
        columns = last_step(model).cluster_centers_.shape[1]
        require(columns == 8, f"K-Means voit {columns} colonnes : il lui faut huit composantes.")
        groups = predict(model, X)
        told = "se mesure ici sur les pixels, non sur ce que K-Means voit."
        truth = silhouette_score(model[:-1].transform(X), groups)
        compare(children[k], "silhouette", truth, {told: silhouette_score(X, groups)})
        compare(children[k], "ari", ari(model))
    metric(run, "k_elbow")
    for name, high in HIGH.items():
        chosen = round(metric(run, f"k_{name}"))
        if chosen != best[name]:
            worst = (min if high else max)(table[name], key=table[name].get)
            told, way = f"`k_{name}` vaut {chosen}", "élevé" if high else "bas"
            require(chosen != worst, f"{told}, le pire : cet indice doit être {way}.")
            seen = f"{told}, ce que préfère l'ARI, qui voit les vrais chiffres."
            require(chosen != best["ari"], seen)
            raise Remark(f"{told}, mais d'après vos runs enfants c'est {best[name]}.")
    told = ", ".join(f"{name.replace('_', '-')} {best[name]}" for name in HIGH if name != "ari")
    k, kept = best["ari"], best["silhouette"]
    scores = f"ARI {table['ari'][k]:.3f} contre {table['ari'][kept]:.3f} à {kept}"
    return f"{told} ; les vrais chiffres préfèrent {k} groupes ({scores})"


def seeds(learner: Learner) -> str:
    """Une autre graine, un autre sommet.

    `mlflow.log_metric("ari", score, step=k)` range chaque valeur à son nombre de groupes ;
    `max(scores, key=scores.get)` donne le sommet, dont `models[best]` est le modèle.
    """
    runs, by_seed = answers(learner, "02-2"), {}
    for run in runs:
        by_seed.setdefault(round(number(run, "seed")), run)
    count = f"{len(by_seed)} graine{'s' * (len(by_seed) > 1)} sur 10"
    require(len(by_seed) >= 10, f"{count} ({len(runs)} runs) : une seule ne dit rien du hasard.")
    tops = [judged_seed(learner, seed, run) for seed, run in sorted(by_seed.items())]
    counts = ", ".join(f"{tops.count(k)} fois à {k}" for k in sorted(set(tops)))
    return f"sur {len(tops)} graines, le sommet est {counts} groupes"


def judged_seed(learner: Learner, seed: int, run) -> int:
    """Le nombre de groupes au sommet, si la courbe, le paramètre et le modèle du run s'accordent.

    Lève sinon `Remark`.
    """
    history = learner.client.get_metric_history(run.info.run_id, "ari")
    curve, who = {point.step: point.value for point in history}, f"graine {seed} :"
    missing = [k for k in range(8, 16) if k not in curve]
    told = f"l'historique de `ari` va du pas 8 au pas 15 (`step=k`) ; le vôtre : {sorted(curve)}."
    require(not missing, f"{who} {told}")
    chosen, top = round(number(run, "n_clusters")), max(curve, key=curve.get)
    told = f"{who} `n_clusters` vaut {chosen}, mais la courbe a son sommet à {top}."
    require(curve.get(chosen, -1) >= curve[top] - 1e-9, told)
    model = model_of(learner, run)
    fitted = last_step(model)
    kept = (fitted.n_clusters, fitted.n_init, fitted.random_state)
    told = "{} groupes, {} départ(s), graine {}"
    require(
        kept == (chosen, 1, seed),
        f"{who} le modèle gardé a {told.format(*kept)} ; il faut {told.format(chosen, 1, seed)}.",
    )
    truth = ari(model)
    told = f"la courbe dit {curve[chosen]:.3f} à {chosen} groupes, le modèle gardé {truth:.3f}."
    require(close(truth, curve[chosen]), f"{who} {told}")
    return chosen


@one_run("02-3")
def checkpoints(learner: Learner, run) -> str:
    """Le meilleur point de reprise.

    `log_model(..., step=epoch)` rend un objet dont `model_id` va à `log_metric(..., model_id=...)`.
    Puis `mlflow.search_logged_models(..., order_by=[{"field_name": "metrics.valid_mse",
    "ascending": True}])` met le meilleur en tête.
    """
    from sklearn.metrics import mean_squared_error

    def mse(model, part) -> float:
        return mean_squared_error(part, predict(model, part))

    models = models_of(learner, run)
    told = "points de reprise : il faut un modèle toutes les 40 époques (`step=epoch`)."
    require(len(models) >= 4, f"{len(models)} {told}")
    steps = {output.model_id: output.step for output in run.outputs.model_outputs}
    told = "vos points de reprise n'ont pas chacun leur époque (`step=epoch`)."
    require(len(set(steps.values())) == len(models), told)
    _, _, images = digits()
    errors = {}
    for model in models:
        step, fitted = steps[model.model_id], load(model)
        noted = [each.value for each in model.metrics or [] if each.key == "valid_mse"]
        told = "`log_metric(..., model_id=...)`"
        require(noted, f"le modèle de l'époque {step} n'a pas de métrique `valid_mse` : {told}.")
        valid, test = mse(fitted, images.X_valid), mse(fitted, images.X_test)
        if not close(noted[0], valid):
            told = f"à l'époque {step}, `valid_mse`"
            learned = close(noted[0], mse(fitted, images.X_train.head(60)))
            require(not learned, f"{told} porte sur l'apprentissage : mesurez sur X_valid.")
            require(not close(noted[0], test), f"{told} porte sur le test, qui s'ouvre à la fin.")
            raise Remark(f"{told} vaut {noted[0]:.4f}, mais le modèle gardé donne {valid:.4f}.")
        errors[step] = (valid, test)
    best, last = min(errors, key=errors.get), max(errors)
    told = f"le dernier point de reprise ({last}) est encore le meilleur"
    require(best != last, f"{told} : il n'a pas assez appris par cœur (60 images, 200 époques).")
    chosen = round(metric(run, "best_step"))
    told = f"`best_step` vaut {chosen} ; d'après `valid_mse`, le meilleur est à l'époque {best}."
    require(chosen == best, told)
    (best_valid, best_test), (last_valid, last_test) = errors[best], errors[last]
    swapped = "et celle du dernier point de reprise sont échangées."
    validation = "porte sur la validation."
    compare(run, "test_mse_best", best_test, {swapped: last_test, validation: best_valid})
    compare(run, "test_mse_last", last_test, {validation: last_valid})
    told = f"{best_test:.4f} sur le test, contre {last_test:.4f} au dernier ({last})"
    return f"le meilleur est à l'époque {best} : {told}"
