"""Les exercices de la leçon 2."""

from collections import defaultdict
from functools import partial

from checks.learner import Learner, answers, one_run
from checks.models import last_step, load, model_of, models_of, predict, preparation
from checks.recompute import digits
from checks.remarks import Remark, require
from checks.sweeps import by_groups, first_right, recommended, sweeps
from checks.values import close, compare, metric, number, param

LESSON = "02_tracking_unsupervised"
# indice -> vrai s'il doit être élevé
HIGH = {"silhouette": True, "davies_bouldin": False, "calinski_harabasz": True, "ari": True}


def ari(model) -> float:
    """L'ARI des groupes qu'un modèle donne aux images."""
    from sklearn.metrics import adjusted_rand_score

    X, y, _ = digits()
    return float(adjusted_rand_score(y, predict(model, X)))


def mixtures(learner: Learner) -> str:
    """Suivre un balayage qui ne l'est pas.

    `mlflow.set_experiment`, un bloc `with mlflow.start_run() as parent:` et, dans ce bloc, un
    `mlflow.start_run(nested=True)` par nombre de groupes, comme dans `kmeans_sweep`. Pour retrouver
    le meilleur, `mlflow.search_runs` trie par `order_by=["metrics.bic ASC"]`, et filtre sur
    `tags.mlflow.parentRunId`.
    """
    return first_right(partial(judged_mixtures, learner), sweeps(learner, "02-0"))


def judged_mixtures(learner: Learner, run) -> str:
    """Ce qu'un balayage de 02-0 a trouvé, s'il est juste. Lève sinon `Remark`."""
    experiment = learner.client.get_experiment(run.info.experiment_id).name
    told = f"« {run.info.run_name} » est dans l'expérience « {experiment} », et non dans"
    require(experiment.removeprefix("/Shared/") == LESSON, f"{told} « {LESSON} ».")
    names, bic = ("n_components", "n_clusters", "n_groups", "k"), {}
    for k, child in sorted(by_groups(learner, run, names, range(1, 6)).items()):
        model, who = model_of(learner, child), f"« {child.info.run_name} »"
        mixture = last_step(model)
        told = f"le modèle de {who} est un {type(mixture).__name__}, pas un mélange"
        require(hasattr(mixture, "bic"), f"{told} (`GaussianMixture`).")
        groups = mixture.n_components
        require(groups == k, f"{who} note {k} groupes, mais son modèle en a {groups}.")
        seen, scaled = wine_views(model)
        told = "est celle du pipeline entier : enregistrez-le, et non le mélange seul."
        mistakes = {} if scaled is None else {told: mixture.bic(scaled)}
        bic[k] = compare(child, "bic", mixture.bic(seen), mistakes)
    best = recommended(run, "k_bic", bic, high=False)
    told = f"le BIC est le plus bas pour {best} groupes ({bic[best]:.1f})"
    return f"{told} ; les {len(bic)} modèles se rechargent, et le rendent"


def wine_views(model) -> tuple:
    """Les 178 vins comme le mélange de ce modèle les voit, forme (178, d) ; puis mis à l'échelle,
    pour un mélange seul, qui a pu l'apprendre ainsi : sinon, None.

    Lève `Remark` si le modèle n'accepte pas ces vins.
    """
    from sklearn.datasets import load_wine
    from sklearn.preprocessing import StandardScaler

    X = load_wine(as_frame=True).data
    named = hasattr(model, "feature_names_in_")  # appris sur un tableau, et non sur ses valeurs
    X = X if named else X.to_numpy()
    predict(model, X)
    if preparation(model):
        return model[:-1].transform(X), None
    return X, None if named else StandardScaler().fit_transform(X)


def indices(learner: Learner) -> str:
    """Quatre indices d'accord.

    `make_pipeline(PCA(8, random_state=0), KMeans(...))` ; ce que K-Means voit est
    `model[:-1].transform(X)`. Silhouette et Calinski-Harabasz doivent être élevés, Davies-Bouldin
    bas ; pour le coude, `elbow` est dans digits.py. Le run enfant et le parent rouvert s'écrivent
    comme dans `kmeans_sweep`.
    """
    return first_right(partial(judged_indices, learner), sweeps(learner, "02-1"))


def judged_indices(learner: Learner, run) -> str:
    """Ce qu'un balayage de 02-1 a trouvé, s'il est juste. Lève sinon `Remark`."""
    from sklearn.metrics import silhouette_score

    children = by_groups(learner, run, ("n_clusters", "k"), range(2, 21))
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
    elbow = number(run, "k_elbow") if param(run, "k_elbow") else metric(run, "k_elbow")
    told = f"`k_elbow` vaut {elbow:.4g} : notez le nombre de groupes où la courbe fait un coude."
    require(elbow in children, told)
    for name, high in HIGH.items():
        recommended(run, f"k_{name}", table[name], high, best["ari"])
    told = ", ".join(f"{name.replace('_', '-')} {best[name]}" for name in HIGH if name != "ari")
    k, kept = best["ari"], best["silhouette"]
    scores = f"ARI {table['ari'][k]:.3f} contre {table['ari'][kept]:.3f} à {kept}"
    return f"{told} ; les vrais chiffres préfèrent {k} groupes ({scores})"


# --- Une courbe par graine


def seeds(learner: Learner) -> str:
    """Une autre graine, un autre sommet.

    Un `mlflow.start_run` par graine, dans la boucle. `mlflow.log_metric("ari", score, step=k)`
    range chaque valeur à son nombre de groupes ; `models[best]` est le modèle du sommet.
    """
    runs, by_seed, remarks = answers(learner, "02-2"), defaultdict(list), []
    for run in runs:
        try:
            by_seed[round(number(run, "seed"))].append(run)
        except Remark as remark:  # un essai de plus, ou le parent des autres
            remarks.append(remark)
    if not by_seed:
        raise remarks[0]
    count = f"{len(by_seed)} graine{'s' * (len(by_seed) > 1)} sur 10"
    told = f"{count}, en {len(runs)} run{'s' * (len(runs) > 1)}"
    require(len(by_seed) >= 10, f"{told} : une seule ne dit rien du hasard.")
    tops = [
        first_right(partial(judged_seed, learner, seed), tries)
        for seed, tries in sorted(by_seed.items())
    ]
    counts = ", ".join(f"k={k} ({tops.count(k)} fois)" for k in sorted(set(tops)))
    return f"{len(tops)} graines ; sommet de la courbe : {counts}"


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


# --- Des points de reprise


@one_run("02-3")
def checkpoints(learner: Learner, run) -> str:
    """Le meilleur point de reprise.

    `log_model(..., step=epoch)` rend un objet dont `model_id` va à `log_metric(..., model_id=...)`.
    Puis `mlflow.search_logged_models(..., order_by=[{"field_name": "metrics.valid_mse"}])` met le
    meilleur en tête.
    """
    models = sorted(noted_models(learner, run))
    errors, learned = {}, 0
    for step, network, valid in models:
        told = f"le modèle de l'époque {step} est un {type(network).__name__}, pas un réseau"
        require(hasattr(network, "coefs_"), f"{told} (`MLPRegressor`).")
        told = f"le réseau de l'époque {step} n'a pas appris plus longtemps que le précédent."
        age = network.t_ or network.n_iter_  # images vues ; avec lbfgs, qui n'en compte pas, tours
        require(age > learned, told)
        errors[step], learned = (valid, mse(network, "test")), age
    best, last = min(errors, key=errors.get), max(errors)
    (best_valid, best_test), (last_valid, last_test) = errors[best], errors[last]
    # sans avoir vu ni l'une ni l'autre, un réseau s'y trompe à peu près autant : de 0.91 à 1.06
    for part, ratio in (("validation", last_valid / last_test), ("test", last_test / last_valid)):
        told = f"le dernier réseau se trompe bien moins sur les images de {part} que sur celles de"
        other = "test" if part == "validation" else "validation"
        require(ratio > 0.9, f"{told} {other} : il a dû les apprendre.")
    told = f"le dernier point de reprise ({last}) est encore le meilleur"
    require(best != last, f"{told} : il n'a pas assez appris par cœur (60 images, 200 époques).")
    chosen = number(run, "best_step") if param(run, "best_step") else metric(run, "best_step")
    told = (
        f"`best_step` vaut {chosen:.4g} ; d'après `valid_mse`, le meilleur est à l'époque {best}."
    )
    require(chosen == best, told)
    swapped = "et celle du dernier point de reprise sont échangées."
    validation = "porte sur la validation."
    compare(run, "test_mse_best", best_test, {swapped: last_test, validation: best_valid})
    compare(run, "test_mse_last", last_test, {validation: last_valid})
    told = f"{best_test:.4f} sur le test, contre {last_test:.4f} au dernier ({last})"
    return f"le meilleur est à l'époque {best} : {told}"


def mse(model, part: str) -> float:
    """L'erreur d'un réseau sur les images de `part` : `train` (les 60), `valid` ou `test`."""
    from sklearn.metrics import mean_squared_error

    _, _, images = digits()
    seen = images.X_train.head(60) if part == "train" else getattr(images, f"X_{part}")
    return mean_squared_error(seen, predict(model, seen))


def noted_models(learner: Learner, run) -> list[tuple]:
    """`(époque, estimateur, erreur de validation)` de chaque point de reprise, si chacun a son
    époque, et la métrique `valid_mse` qu'il mérite. Lève sinon `Remark`.
    """
    models, found = models_of(learner, run), []
    told = f"{len(models)} point{'s' * (len(models) > 1)} de reprise"
    require(len(models) >= 4, f"{told} : il faut un modèle toutes les 40 époques (`step=epoch`).")
    steps = {output.model_id: output.step for output in run.outputs.model_outputs}
    told = "vos points de reprise n'ont pas chacun leur époque (`step=epoch`)."
    require(len(set(steps.values())) == len(models), told)
    for model in models:
        step, fitted = steps[model.model_id], load(model)
        noted = [each.value for each in model.metrics or [] if each.key == "valid_mse"]
        told = "`log_metric(..., model_id=...)`"
        require(noted, f"le modèle de l'époque {step} n'a pas de métrique `valid_mse` : {told}.")
        valid, told = mse(fitted, "valid"), f"à l'époque {step}, `valid_mse`"
        if not close(noted[0], valid):
            learned, test = (close(noted[0], mse(fitted, part)) for part in ("train", "test"))
            require(not learned, f"{told} porte sur l'apprentissage : mesurez sur X_valid.")
            require(not test, f"{told} porte sur le test, qui s'ouvre à la fin.")
            raise Remark(f"{told} vaut {noted[0]:.4f}, mais le modèle gardé donne {valid:.4f}.")
        found.append((step, fitted, valid))
    return found
