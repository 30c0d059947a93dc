"""Le nom de chaque mesure, ce qu'elle veut dire, et comment elle se montre.

Une mesure qui n'est pas ici ne s'affiche pas.
"""

import re
from typing import NamedTuple


class Line(NamedTuple):
    """Une ligne du tableau : la métrique enregistrée, ce qu'elle dit, et son unité (`fois`, `ms`,
    `s`, `%`, ou rien pour un compte).
    """

    metric: str
    text: str
    unit: str = "fois"

    def shown(self, value: float) -> str:
        """La valeur, à deux chiffres significatifs, ou entière à partir de 10 : 51.6 -> « 52 ms »,
        0.013 -> « 1.3 % ».
        """
        value *= 100 if self.unit == "%" else 1
        number = (
            f"{value:,.0f}".replace(",", " ")
            if value >= 9.95 or value == int(value)
            else f"{value:.2g}"
        )
        return f"{number} {self.unit}".strip()


TABLE = {
    "Démarrer (1 : importer MLflow, pandas et scikit-learn, rien d'autre)": [
        Line("startup.script", "`01_first_run.py` en entier"),
        Line("startup.plain_gc", "le même, sans le `gc.freeze()` de `store.py`"),
    ],
    "Chaque leçon (1 : le même travail sans MLflow ; démarrage à part)": [
        Line("lesson.first_run", "leçon 1, `01_first_run.py` : quatre runs, sans modèle"),
        Line("lesson.svm_sweep", "leçon 1, `05_svm_sweep.py` : 35 runs, 35 modèles"),
        Line("lesson.kmeans_sweep", "leçon 2, `01_kmeans_sweep.py` : 19 runs, 19 modèles"),
        Line("lesson.train", "leçon 3, `train.py` : un run, un modèle"),
        Line(
            "lesson.run_project",
            "leçon 3, `01_run_project.py` : cinq variantes, un programme chacune",
        ),
        Line("lesson.register_models", "leçon 4, `01_register_models.py` : trois modèles inscrits"),
        Line(
            "lesson.svm_sweep_child_ms", "ce qu'ajoute chaque run enfant de `05_svm_sweep.py`", "ms"
        ),
        Line("lesson.svm_sweep_once_s", "ce que MLflow ajoute une fois à `05_svm_sweep.py`", "s"),
        Line(
            "lesson.kmeans_sweep_child_ms",
            "ce qu'ajoute chaque run enfant de `01_kmeans_sweep.py`",
            "ms",
        ),
        Line(
            "lesson.kmeans_sweep_once_s",
            "ce que MLflow ajoute une fois à `01_kmeans_sweep.py`",
            "s",
        ),
    ],
    "Un run enfant, pièce par pièce": [
        Line("child.bare_ms", "le run, ses paramètres, ses métriques", "ms"),
        Line("child.model_ms", "son modèle, dépendances données", "ms"),
        Line("child.signature_ms", "sa signature", "ms"),
        Line("child.example_ms", "un exemple d'entrée, que les balayages n'ont pas", "ms"),
        Line("child.ours_ms", "un run enfant de nos balayages, en tout", "ms"),
        Line("child.first_s", "le premier run avec modèle d'un programme", "s"),
    ],
    "La façon naïve (1 : la nôtre) : une valeur par appel, `log_model` sans dépendances": [
        Line("naive.svm", "les SVM de `05_svm_sweep.py`"),
        Line("naive.kmeans", "les K-Means de `01_kmeans_sweep.py`"),
    ],
    "Le magasin à {size} runs (1 : à 100)": [
        Line("volume_{size}.run", "un run de plus, nu"),
        Line("volume_{size}.child", "un run de plus, avec son modèle"),
        Line("volume_{size}.running", "chercher les runs RUNNING, comme `09_resume_sweep.py`"),
        Line("volume_{size}.by_name", "chercher un run par son nom"),
        Line("volume_{size}.children", "chercher les enfants d'un run, triés"),
        Line("volume_{size}.best", "les dix meilleurs de tous"),
        Line("volume_{size}.first_run", "`01_first_run.py` en entier"),
        Line("volume_{size}.search_runs", "`07_search_runs.py` en entier"),
    ],
    "Des serveurs (1 : SQLite sans serveur, un seul écrivain)": [
        Line("server.server_sqlite.child", "un run, serveur sur SQLite"),
        Line("server.server_postgres.child", "un run, serveur sur PostgreSQL"),
        Line("server.sqlite.writers_8", "débit de 8 écrivains, SQLite sans serveur"),
        Line("server.server_sqlite.writers_8", "débit de 8 écrivains, serveur sur SQLite"),
        Line("server.server_postgres.writers_8", "débit de 8 écrivains, serveur sur PostgreSQL"),
    ],
    "Endurance : huit écrivains, chaque valeur relue": [
        Line("soak.sqlite.values", "SQLite : valeurs écrites", ""),
        Line("soak.sqlite.lost", "SQLite : valeurs perdues ou changées", ""),
        Line("soak.server.values", "serveur sur PostgreSQL : valeurs écrites", ""),
        Line("soak.server.lost", "serveur sur PostgreSQL : valeurs perdues ou changées", ""),
    ],
    "Une opération dans un magasin de {size} runs, comme `06_measure_storage.py` la mesure": [
        Line("storage.{size}.write_ms", "écrire un run, en un envoi", "ms"),
        Line("storage.{size}.get_ms", "lire un run", "ms"),
        Line("storage.{size}.find_ms", "en trouver un par un paramètre", "ms"),
        Line("storage.{size}.best_ms", "chercher les dix meilleurs", "ms"),
        Line("storage.{size}.best_analyzed_ms", "les mêmes, après `ANALYZE`", "ms"),
        Line("storage.{size}.table_ms", "les lire tous, en tableau", "ms"),
    ],
    "Le reste de ce que les pages annoncent": [
        Line("storage.batch_ms", "les 100 premiers runs, écrits en un envoi : chacun", "ms"),
        Line("storage.by_hand_ms", "les mêmes, valeur par valeur", "ms"),
        Line(
            "storage.early_analyze_ms",
            "les dix meilleurs de 10 000 runs, `ANALYZE` fait à 100",
            "ms",
        ),
        Line("log_model.given_s", "`log_model`, dépendances données", "s"),
        Line("log_model.guessed_s", "`log_model`, dépendances devinées", "s"),
        Line("epoch.writes", "les métriques d'une époque (1 : une étiquette)"),
        Line(
            "system_metrics.share", "temps de processeur ajouté par un relevé chaque seconde", "%"
        ),
        Line("project.added_s", "ce que `mlflow run` ajoute au même script", "s"),
        Line("router.times", "une prédiction à travers le routeur (1 : sans lui)"),
        Line("team.calls_cpu", "processeur des six appels HTTP d'un run (1 : SQLite)"),
        Line("team.late_share", "réponses parties 40 ms trop tard, serveur à deux programmes", "%"),
        Line("team.late_share_alone", "les mêmes, serveur à un programme", "%"),
    ],
    "Pannes : un script tué à un instant quelconque, puis relancé": [
        Line("kills.tried", "scripts tués en plein travail", ""),
        Line("kills.left_running", "runs que cela a laissés RUNNING, avant de relancer", ""),
        Line(
            "kills.undescribed",
            "versions sans description, l'appel qui la donne n'ayant pas eu lieu",
            "",
        ),
        Line(
            "kills.lost",
            "après : valeurs manquantes, fausses ou en double, balayages ou versions incomplets",
            "",
        ),
    ],
}


LIMITS = {
    "child.ours_ms": 60,
    "startup.script": 1.6,  # quatre runs, depuis la deuxième édition : 1.4 n'en comptait qu'un
    "soak.sqlite.lost": 0,
    "soak.server.lost": 0,
    "kills.lost": 0,
}


def exceeded(metrics: dict[str, float]) -> list[str]:
    """Les mesures qui dépassent leur limite, une ligne chacune."""
    lines, told = {line.metric: line for line in sum(TABLE.values(), [])}, []
    for name, limit in LIMITS.items():
        if metrics.get(name, 0) > limit:
            text, value = lines[name].text.replace("`", ""), lines[name].shown(metrics[name])
            told.append(f"{text} : {value}, pour une limite de {limit:g}")
    return told


def sizes(pattern: str, metrics: dict[str, float]) -> list[int]:
    """Les tailles mesurées de cette métrique, croissantes : `storage.{size}.get_ms` -> [100, 1000,
    10000].
    """
    named = re.compile(re.escape(pattern).replace(r"\{size\}", r"(\d+)"))
    return sorted(int(found[1]) for name in metrics if (found := named.fullmatch(name)))


def measured(metrics: dict[str, float]):
    """Ce qui a été mesuré, dans l'ordre du tableau : (numéro de section, son titre, la ligne, sa
    valeur).
    """
    for number, (title, lines) in enumerate(TABLE.items()):
        for size in sizes(lines[0].metric, metrics) if "{size}" in title else [0]:
            for line in lines:
                name = line.metric.format(size=size)
                if name in metrics:
                    yield (
                        number,
                        title.format(size=f"{size:,}".replace(",", " ")),
                        line,
                        metrics[name],
                    )


def markdown(metrics: dict[str, float]) -> str:
    """Tout ce qui a été mesuré, en un tableau Markdown, une section après l'autre."""
    lines, section = ["| mesure | valeur |", "|---|---|"], ""
    for _, title, line, value in measured(metrics):
        if title != section:
            lines.append(f"| **{title}** | |")
        section = title
        lines.append(f"| {line.text} | {line.shown(value)} |")
    return "\n".join(lines)


def chart(metrics: dict[str, float]):
    """Les rapports, en barres sur une échelle logarithmique, une couleur par section, chacune
    nommée en légende.
    """
    import matplotlib.pyplot as plt

    bars = [
        (number, title, line.text.replace("`", ""), value)
        for number, title, line, value in measured(metrics)
        if line.unit == "fois"
    ]
    figure, axes = plt.subplots(figsize=(12, 0.3 * len(bars) + 2), layout="constrained")
    for title in dict.fromkeys(title for _, title, *_ in bars):
        places = [place for place, bar in enumerate(bars) if bar[1] == title]
        axes.barh(places, [bars[place][3] for place in places], label=title)
    axes.set_yticks(range(len(bars)), [text for *_, text, _ in bars])
    axes.set(xscale="log", xlabel="fois la référence de la section", title="Ce que MLflow ajoute")
    axes.axvline(1, color="black", linewidth=1)
    axes.invert_yaxis()
    figure.legend(loc="outside lower center")
    return figure
