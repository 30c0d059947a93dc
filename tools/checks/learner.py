"""Retrouver ce qu'une personne a laissé dans le magasin : ses réponses portent l'étiquette
`exercise`, que les points de départ posent.
"""

from collections import defaultdict
from functools import cached_property, wraps

from checks.remarks import Remark, Untouched, require

NEWEST = ["attributes.start_time DESC"]
DONE = "attributes.status = 'FINISHED'"


class Course:
    """Le magasin, lu une fois : ses expériences, et les runs qui portent l'étiquette `exercise`,
    par personne.
    """

    def __init__(self, client):
        self.client, self._versions, self._users = client, {}, {}
        found = pages(client.search_experiments)
        self.experiments = {each.experiment_id: each.name for each in found}
        self.answers = defaultdict(list)  # (personne, exercice) -> runs, le plus récent d'abord
        for run in self.search("tags.exercise LIKE '%-%'"):
            self.answers[user_of(run), run.data.tags["exercise"].strip()].append(run)

    def search(self, query: str, lesson: str = "", most: int = 20_000) -> list:
        """Les runs que trouve `query`, le plus récent d'abord, dans toutes les expériences ou dans
        celle de `lesson` (sur Databricks : `/Shared/...`).
        """
        ids = [
            number
            for number, name in self.experiments.items()
            if not lesson or f"/{name}".endswith(f"/{lesson}")
        ]
        search = self.client.search_runs
        return pages(search, ids, query, most=most, order_by=NEWEST) if ids else []

    @cached_property
    def registered(self) -> list:
        """Les modèles inscrits, le dernier modifié d'abord."""
        found = pages(self.client.search_registered_models)
        return sorted(found, key=lambda each: each.last_updated_timestamp or 0, reverse=True)

    def versions(self, model: str) -> dict:
        """Les versions d'un modèle inscrit, numéro -> version, dans l'ordre."""
        if model not in self._versions:
            found = self.client.search_model_versions(f'name = "{model}"')
            found = sorted(found, key=lambda each: int(each.version))
            self._versions[model] = {str(each.version): each for each in found}
        return self._versions[model]

    def users(self, model: str) -> set[str]:
        """Ceux dont les runs ont donné les versions d'un modèle inscrit."""
        if model not in self._users:
            ids = {each.run_id for each in self.versions(model).values() if each.run_id}
            query = f"attributes.run_id IN ({str(sorted(ids))[1:-1]})"  # sans ceux qui sont effacés
            self._users[model] = set(map(user_of, self.search(query))) if ids else set()
        return self._users[model]

    def learners(self) -> list[str]:
        """Qui a répondu à un exercice, ou commencé une leçon ; par ordre alphabétique."""
        users = {user for user, _ in self.answers}
        for script in ("first_run", "kmeans_sweep", "run_project", "register_models"):
            users |= set(map(user_of, self.search(f"tags.mlflow.source.name LIKE '%{script}%'")))
        return sorted(users - {""})


def classroom(client):
    """Chaque apprenant : son nom, et ce qu'il a laissé.

    Sur un serveur à espaces de travail, un par espace, dont le nom ne se contrefait pas ; ailleurs,
    un par étiquette `mlflow.user`.
    """
    import mlflow
    from mlflow.tracking._tracking_service.utils import _get_store

    found = mlflow.list_workspaces() if _get_store().supports_workspaces else []
    names = sorted({each.name for each in found} - {"default"})
    for name in names:
        mlflow.set_workspace(name)  # cette copie se lira là
        yield name, Learner(Course(client))
    if not names:
        course = Course(client)
        for user in course.learners():
            yield user, Learner(course, user)


class Learner:
    """Ce qu'une personne a laissé ; `user=None` : le magasin entier, celui de la machine de
    l'apprenant.
    """

    def __init__(self, course: Course, user: str | None = None):
        self.course, self.client, self.user = course, course.client, user

    def tagged(self, number: str) -> list:
        """Les runs étiquetés `exercise = number`, le plus récent d'abord."""
        found = [
            run
            for (user, tag), runs in self.course.answers.items()
            if tag == number and self.user in (None, user)
            for run in runs
        ]
        return sorted(found, key=lambda run: run.info.start_time, reverse=True)

    def search(self, query: str, lesson: str = "", most: int = 200) -> list:
        """Comme `Course.search`, pour les runs de cette personne."""
        if self.user is None:
            return self.course.search(query, lesson, most)
        if '"' not in self.user:  # une requête ne sait pas l'écrire
            query += f' AND tags.mlflow.user = "{self.user}"'
        found = self.course.search(query, lesson, most)
        return [run for run in found if user_of(run) == self.user]

    def children(self, run) -> list:
        """Les enfants finis d'un run."""
        query = f"tags.mlflow.parentRunId = '{run.info.run_id}' AND {DONE}"
        return pages(self.client.search_runs, [run.info.experiment_id], query)

    def model_name(self, number: str) -> str:
        """Le nom du modèle inscrit pour un exercice : son étiquette `exercise`, ou son nom
        (`exercise_04_1...`).

        Lève `Untouched`.
        """
        prefix = f"exercise_{number.replace('-', '_')}"
        for model in self.course.registered:
            last = model.name.split(".")[-1]  # sur Databricks : catalogue.schéma.nom
            named = model.tags.get("exercise") == number or last.startswith(prefix)
            if named and (self.user is None or self.user in self.course.users(model.name)):
                return model.name
        raise Untouched(number)


def user_of(run) -> str:
    return run.data.tags.get("mlflow.user", "")


def pages(search, *arguments, most: int = 20_000, **options) -> list:
    """Tout ce que rend une recherche de MLflow, page après page, `most` au plus."""
    found, token = [], None
    while len(found) < most:
        size = min(1000, most - len(found))
        page = search(*arguments, max_results=size, page_token=token, **options)
        found, token = found + list(page), page.token
        if not token:
            break
    return found


def answers(learner: Learner, number: str) -> list:
    """Les runs finis d'un exercice, le plus récent d'abord.

    Lève `Untouched` s'il n'a aucun run, `Remark` si aucun n'est allé au bout.
    """
    tagged = learner.tagged(number)
    if not tagged:
        raise Untouched(number)
    last, found = tagged[0].info, [run for run in tagged if run.info.status == "FINISHED"]
    require(found, f"le run « {last.run_name} » n'est pas fini ({last.status}) : relancez-le.")
    return found


def one_run(number: str):
    """Un exercice auquel un seul run répond : fait si l'un de ceux qui portent son étiquette
    convient ; sinon, la remarque sur le plus récent.
    """

    def decorate(judge):
        @wraps(judge)
        def check(learner: Learner) -> str:
            remarks = []
            for run in answers(learner, number)[:10]:
                try:
                    return judge(learner, run)
                except Remark as remark:
                    remarks.append(remark)
            raise remarks[0]

        return check

    return decorate
