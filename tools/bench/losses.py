"""Ce que dit un magasin, sous une forme qui se compare : avant et après, avec ou sans accident.

« Perdu » : ce qui manque après le relancement, ce qui est faux, ce qui est en double, ce qui reste
à moitié fait. Le but est zéro.
"""

import re
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from mlflow import MlflowClient


class Store:
    """Ce qu'il y a dans la base SQLite d'une copie du cours, à cet instant."""

    def __init__(self, root: Path):
        with tempfile.TemporaryDirectory() as folder:
            # une copie, à un nom neuf : SQLite garderait en mémoire des pages d'un état passé
            for file in root.glob("mlflow.db*"):
                shutil.copy2(file, folder)
            client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
            experiments = [each.experiment_id for each in client.search_experiments()]
            self.runs = {
                run.info.run_id: run for run in client.search_runs(experiments, max_results=50_000)
            }
            self.models = [
                each
                for page in experiments
                for each in client.search_logged_models([page], max_results=1000)
            ]
            self.registered = {each.name: each for each in client.search_registered_models()}
            self.versions = list(client.search_model_versions())

    def status(self, status: str) -> set[str]:
        return {run_id for run_id, run in self.runs.items() if run.info.status == status}

    def tell(self, run_id: str) -> tuple:
        """Ce qu'un run a reçu : nom, paramètres, métriques au bit près, étiquettes ; sans ce qui
        désigne un run, un modèle, un instant.
        """
        run = self.runs[run_id]
        told = ("mlflow.source.", "process")  # d'où il vient, qui l'écrit
        tags = {name: value for name, value in run.data.tags.items() if not name.startswith(told)}
        texts = [
            {name: neutral(value) for name, value in each.items()}.items()
            for each in (run.data.params, tags)
        ]
        metrics = frozenset((name, value.hex()) for name, value in run.data.metrics.items())
        return neutral(run.info.run_name), *map(frozenset, texts), metrics

    def children(self, run_id: str) -> Counter:
        """Ses enfants finis, chacun décrit, et combien de fois il y est."""
        finished = self.status("FINISHED")
        return Counter(
            self.tell(each)
            for each in finished
            if self.runs[each].data.tags.get("mlflow.parentRunId") == run_id
        )

    def broken_models(self) -> list[str]:
        """Les modèles que l'on croirait prêts (READY, ou d'un run fini) et dont les fichiers ou la
        fin manquent. Un modèle refusé, FAILED, le dit lui-même.
        """
        ready = {model.model_id for model in self.models if model.status == "READY"}
        refused = {model.model_id for model in self.models if model.status == "FAILED"}
        missing = [
            each.model_id
            for each in self.models
            if each.model_id in ready and not Path(each.artifact_location, "MLmodel").exists()
        ]
        outputs = [
            each
            for run_id in self.status("FINISHED")
            for each in self.runs[run_id].outputs.model_outputs
        ]
        return missing + [each.model_id for each in outputs if each.model_id not in ready | refused]

    def registry(self) -> dict:
        """Par nom inscrit : les alias, le nombre de lignes d'histoire, celles qui s'y trouvent deux
        fois, les versions qui n'ont ni fichiers ni famille. La description vient d'un autre appel :
        `undescribed` les compte.
        """
        told = {}
        for name, model in self.registered.items():
            lines = [
                line.partition(" : ")[2]
                for key, line in model.tags.items()
                if key.startswith("history_")
            ]
            versions = {str(each.version): each for each in self.versions if each.name == name}
            told[name] = {
                "aliases": sorted(model.aliases),
                "lines": len(lines),
                "twice": len(lines) - len(set(lines)),
                "half": [
                    n
                    for n, each in versions.items()
                    if each.status != "READY" or "family" not in each.tags
                ],
                "dangling": [
                    alias for alias, number in model.aliases.items() if str(number) not in versions
                ],
            }
        return told

    def undescribed(self) -> int:
        """Les versions sans description : leur programme a été tué juste après les avoir créées."""
        return sum(not each.description for each in self.versions)


def neutral(text: str) -> str:
    """Le même texte, où ce qui désigne un run, un modèle, un instant ou un dossier temporaire est
    devenu `*`.
    """
    return re.sub(r"[0-9a-f]{32}|/tmp\w{8}/|\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?", "*", text)


def part_of(one: tuple, whole: tuple) -> bool:
    return one[0] == whole[0] and all(
        mine <= others for mine, others in zip(one[1:], whole[1:], strict=True)
    )


def losses(before: Store, after: Store, expected: Store, done: dict[str, tuple]) -> dict[str, list]:
    """Ce qui, dans `after`, n'est pas ce qu'un lancement sans accident a laissé dans `expected` ;
    vide si rien n'est perdu.

    `before` : le magasin au départ ; `done` : ce qui était fini après chaque coup, et doit l'être
    encore.
    """
    wanted = {
        run_id: expected.tell(run_id) for run_id in expected.status("FINISHED") - set(before.runs)
    }
    found = {run_id: after.tell(run_id) for run_id in after.status("FINISHED") - set(before.runs)}
    told = {
        # un balayage interrompu se reprend : il porte l'étiquette `process`
        "restés RUNNING": [
            after.runs[each].info.run_name
            for each in after.status("RUNNING")
            if "process" in after.runs[each].data.tags
        ],
        "manquent": [each for each in set(wanted.values()) if each not in found.values()],
        "faux": [
            each
            for each in found.values()
            if not any(part_of(each, other) for other in wanted.values())
        ],
        "défaits": [
            run_id
            for run_id, each in done.items()
            if found.get(run_id) is None or not part_of(each, found[run_id])
        ],
        "anciens changés": [
            run_id for run_id in before.runs if after.tell(run_id) != expected.tell(run_id)
        ],
        "modèles": after.broken_models(),
    }
    counted = {each: expected.children(run_id) for run_id, each in wanted.items()}
    told["enfants en double ou manquants"] = [
        each
        for run_id, each in found.items()
        if each in counted and after.children(run_id) != counted[each]
    ]
    mine, theirs = after.registry(), expected.registry()
    told["registre"] = [
        (name, mine.get(name), theirs.get(name))
        for name in {**mine, **theirs}
        if mine.get(name) != theirs.get(name)
    ]
    return {name: each for name, each in told.items() if each}
