"""Ce que l'on dit à l'apprenant : un exercice, et la première chose qui lui manque."""

from collections.abc import Callable
from typing import NamedTuple


class Remark(Exception):
    """La première chose qui manque ou qui est fausse, en une phrase ou deux."""


class Untouched(Remark):
    """Rien dans le magasin ne répond encore à la question."""


class Exercise(NamedTuple):
    """`check` reçoit un `Learner` ; il rend ce qui a été trouvé, en une ligne, ou lève `Remark`.

    `forgeable` : ce qu'une personne pourrait écrire dans le magasin sans l'avoir fait ; vide si
    tout est recalculé.
    """

    lesson: str  # 01_tracking_supervised, ou PROJET.md
    number: str  # 01-1 ; pour le projet, le numéro de l'étape
    name: str  # scaler
    title: str
    hint: str
    forgeable: str
    check: Callable

    @property
    def start(self) -> str:
        """Par où commencer : la commande du point de départ, ou l'étape de PROJET.md."""
        if self.lesson == "PROJET.md":
            return f"PROJET.md, étape {self.number}"
        return f"uv run {self.lesson}/exercises/ex_{self.number.replace('-', '_')}_{self.name}.py"
