"""Met à jour GLOSSAIRE.md : les liens vers les scripts, et l'index des appels à MLflow.

    uv run tools/make_glossary.py            récrit la page
    uv run tools/make_glossary.py --check    dit si elle est à jour, sans rien écrire

Les termes et leurs phrases s'écrivent à la main dans la page. Chaque lien y porte, entre guillemets, le texte à chercher :
`[full_run](...#L70 "infer_signature(")`. L'outil trouve le premier script, dans l'ordre de lecture, où ce texte apparaît.
L'index, lui, vient des arbres syntaxiques des scripts.
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import course

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "GLOSSAIRE.md"
LINK = re.compile(r'\[[^\]]*\]\([^\s)]*\s+"([^"]+)"\)')
START, END = "<!-- index : produit par tools/make_glossary.py -->", "<!-- fin de l'index -->"
CLIENT = "MlflowClient"


class Call(NamedTuple):
    """Un appel à MLflow : son nom complet, le fichier (depuis la racine), la ligne."""

    name: str
    path: str
    line: int


def sources() -> list[str]:
    """Les fichiers du cours, dans l'ordre de lecture : les scripts de chaque leçon, puis ce qu'ils importent ou lancent.

    Un fichier que plusieurs leçons ont à l'identique (`store.py`) n'y est qu'une fois.
    """
    found = []
    for lesson in course.LESSONS:
        scripts = [script.path for script in course.SCRIPTS if script.lesson == lesson and (ROOT / script.path).is_file()]
        places = (ROOT / lesson / "local", ROOT / lesson, ROOT / lesson / "endpoint")
        others = [path.relative_to(ROOT).as_posix() for place in places for path in sorted(place.glob("*.py"))]
        found += scripts + [path for path in others if path not in scripts]
    texts = {path: (ROOT / path).read_text(encoding="utf-8") for path in found}
    return [path for place, path in enumerate(found) if texts[path] not in [texts[earlier] for earlier in found[:place]]]


def short(path: str) -> str:
    return Path(path).stem


def first_place(text: str) -> tuple[str, int]:
    """Le fichier et la ligne où `text` apparaît pour la première fois. Lève `SystemExit` s'il n'apparaît nulle part."""
    for path in sources():
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
            if text in line:
                return path, number
    raise SystemExit(f"GLOSSAIRE.md cherche « {text} », qui n'est dans aucun script.")


def with_links(page: str) -> str:
    """La page, chaque lien menant à la première ligne où son texte apparaît."""

    def link(match: re.Match) -> str:
        path, line = first_place(match[1])
        return f'[{short(path)}]({path}#L{line} "{match[1]}")'

    return LINK.sub(link, page)


def calls(path: str, source: str) -> Iterator[Call]:
    """Les appels à MLflow de `source`, dans l'ordre des lignes ; un client est reconnu à sa construction."""
    tree = ast.parse(source)
    names = {"mlflow": "mlflow"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "mlflow":
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and is_client(full_name(node.value.func, names)):
            names.update({target.id: CLIENT for target in node.targets if isinstance(target, ast.Name)})
    made = sorted((node for node in ast.walk(tree) if isinstance(node, ast.Call)), key=lambda node: node.lineno)
    yield from (Call(name, path, node.lineno) for node in made if (name := full_name(node.func, names)))


def is_client(name: str | None) -> bool:
    return name is not None and name.split(".")[-1] == CLIENT


def full_name(node: ast.expr, names: dict[str, str]) -> str | None:
    """Le nom complet de ce qui est appelé (`mlflow.data.from_pandas`, `MlflowClient.search_runs`), ou None s'il n'est pas de MLflow."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = full_name(node.value, names)
        return f"{CLIENT if is_client(owner) else owner}.{node.attr}" if owner else None
    if isinstance(node, ast.Call):  # MlflowClient().search_runs(...)
        owner = full_name(node.func, names)
        return CLIENT if is_client(owner) else None
    return None


def index() -> str:
    """Le tableau : chaque appel, et les scripts qui le montrent, à la ligne de leur premier appel."""
    places: dict[str, dict[str, int]] = {}
    for path in sources():
        for call in calls(path, (ROOT / path).read_text(encoding="utf-8")):
            places.setdefault(call.name, {}).setdefault(path, call.line)
    lines = ["| appel | où le voir |", "|---|---|"]
    for name in sorted(places, key=lambda name: (name.startswith(CLIENT), name.count(".") > 1, name.lower())):
        by_lesson = {}
        for path, line in places[name].items():
            by_lesson.setdefault(int(path[:2]), []).append(f"[{short(path)}]({path}#L{line})")
        shown = " · ".join(f"leçon {lesson} : {', '.join(links)}" for lesson, links in by_lesson.items())
        lines.append(f"| `{name}` | {shown} |")
    return "\n".join(lines)


def updated(page: str) -> str:
    """La page, liens et index à jour."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{with_links(before)}{START}\n\n{index()}\n\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Met à jour les liens et l'index de GLOSSAIRE.md.")
    parser.add_argument("--check", action="store_true", help="dire si la page est à jour, sans rien écrire")
    args = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    if args.check:
        sys.exit(0 if updated(page) == page else "GLOSSAIRE.md n'est pas à jour : uv run tools/make_glossary.py")
    PAGE.write_text(updated(page), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
