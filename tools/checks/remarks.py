"""Ce que l'on dit à l'apprenant : un exercice, et la première chose qui lui manque."""

from collections.abc import Callable
from typing import NamedTuple

from course import LESSONS


class Remark(Exception):
    """La première chose qui manque ou qui est fausse, en une phrase ou deux."""


class Untouched(Remark):
    """Rien dans le magasin ne répond encore à la question."""


def require(met, remark: str):
    """Lève `Remark` si une condition n'est pas remplie."""
    if not met:
        raise Remark(remark)


class Exercise(NamedTuple):
    """`check` reçoit un `Learner` ; elle rend ce qui a été trouvé, en une ligne, ou lève `Remark`.

    Son nom est celui que porte le fichier de l'exercice, sa documentation en dit le titre, puis
    l'indice que donne `--hint`.
    """

    number: str  # 01-1 ; pour le projet, le numéro de l'étape
    check: Callable

    @property
    def title(self) -> str:
        return self.check.__doc__.splitlines()[0].rstrip(".")

    @property
    def hint(self) -> str:
        return " ".join(self.check.__doc__.partition("\n")[2].split())

    @property
    def lesson(self) -> str:
        """Le dossier de sa leçon, ou PROJET.md."""
        return next((each for each in LESSONS if each[:2] == self.number[:2]), "PROJET.md")

    @property
    def start(self) -> str:
        """Par où commencer : la commande du point de départ, ou l'étape de PROJET.md."""
        if self.lesson == "PROJET.md":
            return f"PROJET.md, étape {self.number}"
        file = f"ex_{self.number.replace('-', '_')}_{self.check.__name__}.py"
        return f"uv run {self.lesson}/exercises/{file}"
