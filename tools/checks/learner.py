"""Retrouver ce qu'une personne a laissé dans le magasin : par l'étiquette `exercise`, par
l'expérience, ou par ce qu'un run contient.
"""

from collections import defaultdict
from functools import cached_property

from checks.remarks import Remark, Untouched

ENDINGS = {
    "RUNNING": "n'est pas fini (RUNNING) : interrompu, ou encore en cours ?",
    "FAILED": "a échoué (FAILED) : relancez-le et lisez sa dernière ligne.",
    "KILLED": "a été arrêté (KILLED) : relancez-le.",
}


class Course:
    """Le magasin, lu une fois : ses expériences, et les runs qui portent l'étiquette `exercise`,
    par personne.
    """

    def __init__(self, client):
        self.client, self._versions, self._users = client, {}, {}
        self.experiments = {
            each.experiment_id: each.name for each in pages(client.search_experiments)
        }
        self.answers = defaultdict(list)  # (personne, exercice) -> runs, le plus récent d'abord
        for run in self.search("tags.exercise LIKE '%-%'"):
            self.answers[
                run.data.tags.get("mlflow.user", ""), run.data.tags["exercise"].strip()
            ].append(run)

    def search(
        self,
        query: str = "",
        lesson: str = "",
        most: int = 20_000,
        order_by: list[str] | None = None,
    ) -> list:
        """Les runs que trouve `query`, le plus récent d'abord, dans toutes les expériences ou dans
        celle de `lesson`.
        """
        ids = [
            number
            for number, name in self.experiments.items()
            if not lesson or name == lesson or name.endswith(f"/{lesson}")
        ]
        if not ids:
            return []
        return pages(
            self.client.search_runs,
            ids,
            query,
            most=most,
            order_by=order_by or ["attributes.start_time DESC"],
        )

    @cached_property
    def registered(self) -> list:
        """Les modèles inscrits, le dernier modifié d'abord."""
        found = pages(self.client.search_registered_models)
        return sorted(found, key=lambda each: each.last_updated_timestamp or 0, reverse=True)

    def versions(self, model: str) -> dict:
        """Les versions d'un modèle inscrit, numéro -> version, de la plus ancienne à la plus
        récente.
        """
        if model not in self._versions:
            found = self.client.search_model_versions(f"name = {quoted(model)}")
            self._versions[model] = {
                str(each.version): each
                for each in sorted(found, key=lambda each: int(each.version))
            }
        return self._versions[model]

    def users(self, model: str) -> set[str]:
        """Ceux dont les runs ont donné les versions d'un modèle inscrit."""
        if model not in self._users:
            ids = {each.run_id for each in self.versions(model).values() if each.run_id}
            self._users[model] = {self.user_of(run_id) for run_id in ids}
        return self._users[model]

    def user_of(self, run_id: str) -> str:
        """Qui a fait un run ; personne, s'il a été effacé."""
        from mlflow import MlflowException

        try:
            return self.client.get_run(run_id).data.tags.get("mlflow.user", "")
        except MlflowException:
            return ""

    def learners(self) -> list[str]:
        """Qui a répondu à un exercice, ou commencé une leçon ; par ordre alphabétique."""
        users = {user for user, _ in self.answers}
        for script in ("first_run", "kmeans_sweep", "run_project", "register_models"):
            users |= {
                run.data.tags.get("mlflow.user", "")
                for run in self.search(f"tags.mlflow.source.name LIKE '%{script}%'")
            }
        return sorted(users - {""})


class Learner:
    """Ce qu'une personne a laissé ; `user=None` : le magasin entier, celui de la machine de
    l'apprenant.
    """

    def __init__(self, course: Course, user: str | None = None):
        self.course, self.client, self.user = course, course.client, user

    def owns(self, run) -> bool:
        return self.user is None or run.data.tags.get("mlflow.user") == self.user

    def tagged(self, number: str) -> list:
        """Les runs étiquetés `exercise = number`, le plus récent d'abord."""
        found = [
            run
            for (user, tag), runs in self.course.answers.items()
            if tag == number and self.user in (None, user)
            for run in runs
        ]
        return sorted(found, key=lambda run: run.info.start_time, reverse=True)

    def search(
        self, query: str = "", lesson: str = "", most: int = 200, order_by: list[str] | None = None
    ) -> list:
        """Comme `Course.search`, pour les runs de cette personne."""
        if self.user is not None and not {"'", '"'} <= set(self.user):
            query = " AND ".join(filter(None, (query, f"tags.mlflow.user = {quoted(self.user)}")))
        return [run for run in self.course.search(query, lesson, most, order_by) if self.owns(run)]

    def children(self, run) -> list:
        """Les enfants finis d'un run."""
        query = f"tags.mlflow.parentRunId = '{run.info.run_id}' AND attributes.status = 'FINISHED'"
        return pages(self.client.search_runs, [run.info.experiment_id], query)

    def model_name(self, number: str) -> str:
        """Le nom du modèle inscrit pour un exercice : son étiquette `exercise`, ou son nom
        (`exercise_04_1...`).

        Lève `Untouched`.
        """
        prefix = f"exercise_{number.replace('-', '_')}"
        for model in self.course.registered:
            named = model.tags.get("exercise") == number or model.name.split(".")[-1].startswith(
                prefix
            )
            if named and (self.user is None or self.user in self.course.users(model.name)):
                return model.name
        raise Untouched(
            f"aucun modèle inscrit ne porte l'étiquette `exercise = {number}`, ni ne s'appelle `{prefix}`."
        )


def quoted(text: str) -> str:
    """Un nom, tel qu'un filtre de MLflow l'attend : `O'Brien` se met entre guillemets doubles."""
    return f"'{text}'" if '"' in text else f'"{text}"'


def pages(search, *arguments, most: int = 20_000, **options) -> list:
    """Tout ce que rend une recherche de MLflow, page après page, `most` au plus."""
    found, token = [], None
    while len(found) < most:
        page = search(
            *arguments, max_results=min(1000, most - len(found)), page_token=token, **options
        )
        found += page
        token = page.token
        if not token:
            break
    return found


def finished(runs: list) -> list:
    """Ceux qui sont allés au bout. Lève `Remark` s'il y en a, mais aucun qui le soit."""
    done = [run for run in runs if run.info.status == "FINISHED"]
    if runs and not done:
        raise Remark(
            f"le run « {runs[0].info.run_name} » {ENDINGS.get(runs[0].info.status, runs[0].info.status)}"
        )
    return done


def first_right(learner: Learner, number: str, judge, untagged: list = ()) -> str:
    """Ce que `judge` dit du premier run qui convient, le plus récent d'abord ; sinon, sa remarque
    sur le plus récent.

    Sans run étiqueté, `untagged` (ce que le magasin contient de semblable) peut convenir aussi.
    """
    remark = Untouched(f"aucun run ne porte l'étiquette `exercise = {number}`.")
    tagged = finished(learner.tagged(number))
    for run in (tagged or list(untagged))[:10]:
        try:
            return judge(run)
        except Remark as found:
            if tagged and isinstance(remark, Untouched):
                remark = found
    raise remark
