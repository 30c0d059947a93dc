"""GLOSSAIRE.md, produit depuis tools/glossary.txt (les mots et leurs phrases) et depuis les scripts
(les liens, les appels).

Un mot mène au premier script, dans l'ordre de lecture, où il se lit, en français ou en anglais.
L'index des appels à MLflow vient des arbres syntaxiques des scripts : ce qui n'est qu'un texte ou
un commentaire n'y est pas.
"""

import ast
import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import NamedTuple

import course

PAGES = {
    "Accueil": "README.md",
    **{f"Leçon {number}": f"{name}/README.md" for number, name in enumerate(course.LESSONS, 1)},
}
LINKS = [f"[{title}]({path})" for title, path in PAGES.items()]
NAVIGATION = " · ".join([*LINKS, "**Glossaire**", "[Si ça coince](DEPANNAGE.md)"]) + "\n"
HEAD = f"""\
# Glossaire

{NAVIGATION}
Chaque mot en français et en anglais, une phrase ou deux, et le premier script qui le montre. À la
fin, l'[index](#index-des-appels-à-mlflow) dit quel script montre quel appel.
"""
INDEX = """\
## Index des appels à MLflow

`MlflowClient.x` se lit `client.x`, où `client = MlflowClient()`.
"""
CLIENT = "MlflowClient"


class Term(NamedTuple):
    """Une ligne de glossary.txt.

    `sought` : le texte exact à chercher, ou une chaîne vide pour chercher le mot lui-même.
    """

    part: str
    french: str
    english: str
    sentence: str
    sought: str = ""

    @property
    def forms(self) -> list[str]:
        """Les façons de l'écrire, simplifiées : « sensibilité (rappel) » -> sensibilite, rappel,
        sensitivity, recall.
        """
        return [
            plain(form.removeprefix("to "))
            for form in re.split(r"[,()]", f"{self.french},{self.english}")
            if form.strip()
        ]

    def stands_in(self, text: str) -> bool:
        """Ce texte contient-il le mot, au pluriel peut-être, ou dans un nom comme `val_loss` ?"""
        return any(
            re.search(rf"\b{re.escape(form)}(s|x|es)?\b", plain(text)) for form in self.forms
        )


@cache
def plain(text: str) -> str:
    """Sans accents ni majuscules, mot par mot : `log_batch` -> « log batch »."""
    decomposed = unicodedata.normalize("NFD", text.lower())
    return re.sub(
        r"[\W_]+", " ", "".join(each for each in decomposed if not unicodedata.combining(each))
    ).strip()


def read_terms(path: Path) -> list[Term]:
    """Les mots, dans l'ordre. Lève `ValueError` si une ligne n'a pas trois ou quatre colonnes."""
    terms, part = [], ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            part = line.removeprefix("## ")
        elif line and not line.startswith("#"):
            columns = [column.strip() for column in line.split(" | ")]
            if len(columns) not in (3, 4):
                raise ValueError(f"{path.name} : « {line} »")
            terms.append(Term(part, *columns))
    return terms


def sources(root: Path) -> dict[str, str]:
    """Chemin -> texte, dans l'ordre de lecture : les scripts d'une leçon, puis ce qu'ils importent
    ou lancent ; l'accueil et les pages des leçons à la fin.

    Un module que les leçons ont à l'identique (`store.py`) n'y est qu'une fois.
    """
    paths, found = [], {}
    for lesson in course.LESSONS:
        paths += [root / script.path for script in course.SCRIPTS if script.lesson == lesson]
        paths += [
            path
            for place in ("local/*.py", "*.py", "MLproject", "*.yml", "endpoint/*.py")
            for path in sorted((root / lesson).glob(place))
        ]
    for path in [*paths, *(root / page for page in PAGES.values())]:
        text = path.read_text(encoding="utf-8")
        if text not in found.values():
            found[path.relative_to(root).as_posix()] = text
    return found


def one_line(text: str) -> str:
    """Un texte recoupé se cherche comme s'il tenait sur une ligne, sans les `#` de ses
    commentaires.
    """
    return re.sub(r"\s*\n[# ]*", " ", text)


def first_place(term: Term, files: dict[str, str]) -> str:
    """Le fichier où le mot se lit d'abord. Lève `ValueError` s'il n'est dans aucun."""
    for path, text in files.items():
        if (
            (term.sought in text or term.sought in one_line(text))
            if term.sought
            else term.stands_in(text)
        ):
            return path
    raise ValueError(f"« {term.sought or term.french} » n'est dans aucun script")


def link(path: str) -> str:
    return f"[{Path(path).name}]({path})"


def calls(source: str) -> set[str]:
    """Les noms complets des appels à MLflow ; un client est reconnu à sa construction."""
    nodes, names = list(ast.walk(ast.parse(source))), {"mlflow": "mlflow"}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("mlflow."):
            names |= {
                alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names
            }
    for node in nodes:
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            several = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
            pairs = zip(target.elts, value.elts, strict=True) if several else [(target, value)]
            for each, made in pairs:
                if isinstance(each, ast.Name) and full_name(made, names) == CLIENT:
                    names[each.id] = CLIENT
    return {
        name
        for node in nodes
        if isinstance(node, ast.Call) and (name := full_name(node.func, names))
    }


def full_name(node: ast.expr, names: dict[str, str]) -> str:
    """`mlflow.data.from_pandas`, `MlflowClient.search_runs`, ou un texte vide."""
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute) and (owner := full_name(node.value, names)):
        return f"{owner}.{node.attr}"
    # MlflowClient().search_runs(...)
    if isinstance(node, ast.Call) and full_name(node.func, names).split(".")[-1] == CLIENT:
        return CLIENT
    return ""


def index(files: dict[str, str]) -> list[str]:
    """Le tableau : chaque appel, et les scripts qui le montrent."""
    places: dict[str, list[str]] = {}
    for path, text in files.items():
        for name in calls(text) if path.endswith(".py") else ():
            places.setdefault(name, []).append(path)
    lines = ["| appel | les scripts qui le montrent |", "|---|---|"]
    for name in sorted(
        places, key=lambda name: (name.startswith(CLIENT), name.count(".") > 1, name.lower())
    ):
        lines.append(f"| `{name}` | {', '.join(map(link, places[name]))} |")
    return lines


def build(root: Path) -> str:
    """La page entière."""
    files, lines, part = sources(root), [HEAD], ""
    for term in read_terms(root / "tools/glossary.txt"):
        if term.part != part:
            part = term.part
            lines += [
                f"\n## {part}\n",
                "| français | anglais | ce que c'est | vu d'abord |",
                "|---|---|---|---|",
            ]
        lines.append(
            f"| {term.french} | *{term.english}* | {term.sentence}"
            f" | {link(first_place(term, files))} |"
        )
    return "\n".join([*lines, "", INDEX, *index(files), "", NAVIGATION])
