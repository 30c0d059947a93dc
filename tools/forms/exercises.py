"""Écrire un point de départ : la solution, moins ce qui est entre ses marques.

| dans `solutions/ex_01_1_scaler.py` | dans `exercises/ex_01_1_scaler.py` |
|---|---|
| `# solution : consigne`, sur une ligne ou plus | `# Votre code ici : consigne` |
| le code qui suit | rien |
| `# départ`, puis du code en commentaire | ce code, sans le `#` |
| `# fin` | rien |
| `# # Exercice 01-1, solution : titre` | `# # Exercice 01-1 : titre` |
| `uv run .../solutions/...` | `uv run .../exercises/...` |
| la dernière cellule, `# ## À retenir` | `# ## Votre réponse` |
"""

import re
from pathlib import Path

from forms.cells import Refused, where
from forms.names import Names, scan, symbols

OPEN, START, CLOSE = (
    re.compile(r"( *)# solution : (.+)"),
    re.compile(r" *# départ"),
    re.compile(r" *# fin"),
)
FINDING = "# %% [markdown]\n# ## À retenir\n"
ANSWER = """# %% [markdown]
# ## Votre réponse
#
# Notez ici ce que vous avez trouvé, en nombres, et ce que cela change à votre pronostic.
"""


def starting_point(path: Path) -> str:
    """Le texte du point de départ d'une solution. Lève `Refused`, avec le fichier et la ligne."""
    text = path.read_text(encoding="utf-8")
    number = "-".join(path.stem.split("_")[1:3])  # ex_01_1_scaler -> 01-1
    title = f"# # Exercice {number}, solution : "
    if title not in text:
        raise Refused(f"{where(path, 1)} : le titre commence par « {title.strip()} »")
    if text.count(FINDING) != 1 or "\n# %%" in text.partition(FINDING)[2]:
        raise Refused(
            f"{where(path, text.count(chr(10)))} :"
            " une solution finit par sa cellule « ## À retenir »"
        )
    body = text.partition(FINDING)[0]
    made = "\n".join([*without_solution(path, body.rstrip().splitlines()), "", ANSWER])
    made = re.sub(
        r"\n{4,}",
        "\n\n\n",
        made.replace(title, f"# # Exercice {number} : ").replace("/solutions/", "/exercises/"),
    )
    check_names(path, text, made)
    return made


def without_solution(path: Path, lines: list[str]) -> list[str]:
    """Les lignes, celles des solutions en moins, celles de départ hors de leur commentaire."""
    kept, opened, start, told, blocks = [], None, False, False, 0
    for number, line in enumerate(lines, start=1):
        if found := OPEN.fullmatch(line):
            if opened is not None:
                raise Refused(f"{where(path, number)} : une solution s'ouvre dans une autre")
            opened, start, told, blocks = found[1], False, True, blocks + 1
            kept.append(f"{opened}# Votre code ici : {found[2]}")
        elif START.fullmatch(line) or CLOSE.fullmatch(line):
            if opened is None or not line.startswith(f"{opened}#"):
                raise Refused(
                    f"{where(path, number)} : pas de « # solution » au-dessus, à la même marge"
                )
            told = False
            start, opened = (True, opened) if START.fullmatch(line) else (False, None)
        elif line.startswith("# %%") and opened is not None:
            raise Refused(
                f"{where(path, number)} : une solution tient dans sa cellule ; il manque « # fin »"
            )
        elif opened is None or (told and line.startswith(f"{opened}# ")):
            kept.append(line)
        elif start:
            if not line.startswith(f"{opened}# "):
                raise Refused(
                    f"{where(path, number)} :"
                    " le code de départ est en commentaire, à la marge de ses marques"
                )
            kept.append(opened + line.removeprefix(f"{opened}# "))
        else:
            told = False
    if opened is not None:
        raise Refused(f"{where(path, len(lines))} : il manque « # fin »")
    if not blocks:
        raise Refused(
            f"{where(path, 1)} : rien n'est marqué « # solution : ... » :"
            " le point de départ serait la solution"
        )
    return kept


def check_names(path: Path, solution: str, exercise: str):
    """Refuse un point de départ qui ne pourrait pas s'exécuter : il lit un nom que seule la
    solution lie, ou n'est plus du Python.
    """
    found = {}
    for kind, text in (("solution", solution), ("exercise", exercise)):
        found[kind] = Names()
        try:
            scan(symbols(text, path), found[kind], later=False)
        except SyntaxError as error:
            raise Refused(
                f"{where(path, error.lineno or 1)} :"
                f" le point de départ n'est pas du Python ({error.msg})"
            ) from None
    if missing := (found["exercise"].read & found["solution"].bound) - found["exercise"].bound:
        raise Refused(
            f"{where(path, 1)} : le point de départ lit `{min(missing)}`, que seule la solution lie"
        )


def starting_points(root: Path) -> dict[Path, bytes]:
    """Tous les points de départ : fichier -> contenu. Lève `Refused`, toutes raisons réunies."""
    made, reasons = {}, []
    for path in sorted(root.glob("0?_*/solutions/ex_*.py")):
        try:
            made[path.parents[1] / "exercises" / path.name] = starting_point(path).encode()
        except Refused as refused:
            reasons.append(str(refused))
    if reasons:
        raise Refused("\n".join(reasons))
    return made
