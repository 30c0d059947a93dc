"""Donne aux scripts d'une leçon leur numéro, et le change partout où il est écrit.

    uv run tools/renumber.py 01_tracking_supervised first_run autolog full_run

Les scripts nommés viennent d'abord, dans cet ordre ; les autres gardent le leur, à leur suite. Un
script neuf s'écrit sans numéro (`local/autolog.py`) : cette commande le lui donne. Elle change le
nom des fichiers, les titres (« Leçon 1, script 2 ») et chaque `02_full_run.py` des pages, des
scripts et des tests. Reste à dire sa durée dans `tools/course.py`, à ajuster `CORE`, et à lancer
`tools/build.py`.
"""

import argparse
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GENERATED = re.compile(r"^0\d_[^/]+/(databricks|jupyter|exercises)/|^GLOSSAIRE\.md$")
TEXT = {".py", ".md", ".json", ".toml", ".txt", ".yml", ".yaml", ""}


def order(folder: Path, first: list[str]) -> list[str]:
    """Les noms, sans numéro, des scripts de `folder` : ceux de `first`, puis les autres."""
    kept = [path.stem[3:] for path in sorted(folder.glob("[0-9][0-9]_*.py"))]
    return [*first, *(name for name in kept if name not in first)]


def stems(folder: Path, names: list[str]) -> dict[str, tuple[Path, str]]:
    """Nom -> (son fichier, son nom numéroté). Lève `SystemExit` si l'un n'existe pas."""
    found = {}
    for number, name in enumerate(names, 1):
        paths = [*folder.glob(f"[0-9][0-9]_{name}.py"), *folder.glob(f"{name}.py")]
        if not paths:
            raise SystemExit(f"{folder.name}/ n'a pas de script {name}.py")
        found[name] = paths[0], f"{number:02}_{name}"
    return found


def rewritten(text: str, new: dict[str, str]) -> str:
    """`text`, où chaque script porte son nouveau numéro : `x.py`, `x.ipynb`, et l'ancre `xpy`."""
    names = "|".join(sorted(new, key=len, reverse=True))
    return re.sub(
        rf"(?<![A-Za-z0-9_%])(?:\d\d_)?({names})(?=\.?(?:py|ipynb)\b)",
        lambda found: new[found[1]],
        text,
    )


def tracked() -> list[Path]:
    """Les textes écrits à la main : ceux que Git suit, et ceux qu'il suivra."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = listed.stdout.decode().split("\0")
    return [
        ROOT / name
        for name in names
        if name
        and not GENERATED.match(name)
        and Path(name).suffix in TEXT
        and (ROOT / name).is_file()
    ]


def main():
    parser = argparse.ArgumentParser(description="Numérote les scripts d'une leçon.")
    parser.add_argument("lesson", help="01_tracking_supervised, ou 02_tracking_unsupervised/team")
    parser.add_argument("first", nargs="*", metavar="script", help="les premiers, sans numéro")
    args = parser.parse_args()
    lesson, _, room = args.lesson.partition("/")
    folder = ROOT / lesson / (room or "local")
    if not folder.is_dir():
        parser.error(f"{folder.relative_to(ROOT)} n'existe pas")
    found = stems(folder, order(folder, args.first))
    new = {name: stem for name, (_, stem) in found.items()}
    for path in tracked():
        text = path.read_text(encoding="utf-8")
        if (changed := rewritten(text, new)) != text:
            path.write_text(changed, encoding="utf-8")
            print(path.relative_to(ROOT))
    for old, stem in found.values():
        text = re.sub(
            r"(# # Leçon \d, .*?script )\d+",
            rf"\g<1>{int(stem[:2])}",
            old.read_text(encoding="utf-8"),
            count=1,
        )
        old.write_text(text, encoding="utf-8")
        if old.stem != stem:
            old.rename(folder / f"{stem}.py")


if __name__ == "__main__":
    main()
