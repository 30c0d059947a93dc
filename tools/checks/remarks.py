"""Ce que l'on dit à l'apprenant : un exercice, et la première chose qui lui manque."""

from collections.abc import Callable
from typing import NamedTuple


class Remark(Exception):
    """La première chose qui manque ou qui est fausse, en une phrase ou deux."""


class Untouched(Remark):
    """Rien dans le magasin ne répond encore à la question."""


class Exercise(NamedTuple):
    """`check` reçoit un `Learner` ; il rend ce qui a été trouvé, en une ligne, ou lève `Remark`.

    `forgeable` : ce qu'une personne pourrait écrire dans le magasin sans l'avoir fait ; vide si tout est recalculé.
    """

    lesson: str  # 01_tracking_supervised
    number: str  # 01-1
    name: str  # scaler
    title: str
    hint: str
    forgeable: str
    check: Callable

    @property
    def path(self) -> str:
        """Le point de départ, depuis la racine du dépôt."""
        return f"{self.lesson}/exercises/ex_{self.number.replace('-', '_')}_{self.name}.py"
