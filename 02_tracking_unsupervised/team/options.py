# %% [markdown]
# # Les options : ce que `type=` vérifie
#
# Même fichier dans chaque leçon : un test y veille. Chaque fonction rend la valeur lue, ou arrête
# le script en une ligne.

# %%
import math
from pathlib import Path


def quoted(text: str) -> str:
    """Ce qui a été tapé, entre guillemets : 40 caractères au plus, sans ceux qui ne s'affichent
    pas.
    """
    return f"« {''.join(letter if letter.isprintable() else '?' for letter in text[:40])} »"


def number(low: float, high: float):
    """Le `type=` d'un réel entre `low` et `high`, bornes comprises ; il lève `SystemExit`, en une
    ligne, pour le reste.
    """

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            hint = (
                f" ; les décimales s'écrivent avec un point : {text[:40].replace(',', '.')}"
                if "," in text and text.isprintable()
                else ""
            )
            raise SystemExit(f"{quoted(text)} n'est pas un nombre{hint}.") from None
        if math.isnan(value) or not low <= value <= high:
            raise SystemExit(f"{quoted(text)} : il faut un nombre entre {low:g} et {high:g}.")
        return value

    return parse


def whole_number(low: int, high: int):
    """Le `type=` d'un entier entre `low` et `high`, bornes comprises ; il lève `SystemExit`, en une
    ligne, pour le reste.
    """

    def parse(text: str) -> int:
        if text.isdecimal() and len(text) <= 20 and low <= int(text) <= high:
            return int(text)
        raise SystemExit(f"{quoted(text)} : il faut un entier entre {low} et {high}.")

    return parse


# %%
def short_text(text: str) -> str:
    """Un nom (expérience, modèle, alias) : de 1 à 250 caractères affichables ; lève sinon
    `SystemExit`, en une ligne.
    """
    if text.strip() and text.isprintable() and len(text) <= 250:  # au-delà, MLflow refuse ou coupe
        return text
    raise SystemExit(f"{quoted(text)} : il faut un nom de 1 à 250 caractères affichables.")


def full_path(text: str) -> str:
    """Le chemin complet, vu du dossier où la commande est tapée ; lève `SystemExit`, en une ligne,
    s'il n'en est pas un.
    """
    if text.strip() and text.isprintable():
        return str(Path(text).absolute())
    raise SystemExit(f"{quoted(text)} n'est pas un chemin.")


def existing_file(text: str) -> str:
    """Comme `full_path`, pour un fichier qui existe ; lève sinon `SystemExit`, en une ligne."""
    if Path(full_path(text)).is_file():
        return full_path(text)
    raise SystemExit(f"{quoted(text)} : il n'y a pas de fichier à cet endroit.")


def new_folder(text: str) -> str:
    """Comme `full_path`, pour un dossier vide ou à créer ; lève sinon `SystemExit`, en une ligne."""
    folder = Path(full_path(text))
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise SystemExit(f"{quoted(text)} n'est pas un dossier vide.")
    return str(folder)
