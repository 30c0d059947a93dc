"""Donne aux scripts d'une leçon leur numéro, et le change partout où il est écrit.

    uv run tools/renumber.py 01_tracking_supervised first_run autolog full_run

Les scripts nommés viennent d'abord, dans cet ordre ; les autres gardent le leur, à leur suite. Un
script neuf s'écrit sous le numéro zéro (`local/00_autolog.py`) : cette commande lui donne le sien.
Elle change le nom des scripts et de leurs notebooks Jupyter, les titres (« Leçon 1, script 2 ») et
chaque nom numéroté des pages, des scripts et des tests.
"""

import argparse
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# produits, ou qui parlent d'autrefois
KEPT = re.compile(
    r"^0\d_[^/]+/(databricks|jupyter|exercises)/|^(GLOSSAIRE|CHANGELOG)\.md$|^tools/renumber\.py$"
)
TEXT = {".py", ".md", ".json", ".toml", ".txt", ".yml", ".yaml", ""}


def order(folder: Path, first: list[str]) -> list[str]:
    """Les noms, sans numéro, des scripts de `folder` : ceux de `first`, puis les autres."""
    kept = [path.stem[3:] for path in sorted(folder.glob("[0-9][0-9]_*.py"))]
    return [*first, *(name for name in kept if name not in first)]


def stems(folder: Path, names: list[str]) -> dict[str, tuple[Path, str]]:
    """Nom -> (son fichier, son nom numéroté). Lève `SystemExit` si l'un n'existe pas."""
    found = {}
    for number, name in enumerate(names, 1):
        paths = [*folder.glob(f"[0-9][0-9]_{name}.py")]
        if not paths:
            raise SystemExit(f"{folder.name}/ n'a pas de script 00_{name}.py")
        found[name] = paths[0], f"{number:02}_{name}"
    return found


def rewritten(text: str, new: dict[str, str]) -> str:
    """`text`, où chaque script porte son nouveau numéro : `02_x.py`, `02_x.ipynb`, et l'ancre
    `02_xpy` ; `x.py`, sans numéro, est un module, et le reste.
    """
    names = "|".join(sorted(new, key=len, reverse=True))
    return re.sub(
        rf"(?<![A-Za-z0-9_%])\d\d_({names})(?=\.?(?:py|ipynb)\b)",
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
        if name and not KEPT.match(name) and Path(name).suffix in TEXT and (ROOT / name).is_file()
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
    # en deux temps : le nom que l'un prend est encore celui d'un autre
    moves = []
    for old, stem in found.values():
        notebook = ROOT / lesson / "jupyter" / f"{old.stem}.ipynb"  # ses sorties restent bonnes
        for path in (old, notebook):
            if old.stem != stem and path.is_file():
                moves.append((path.rename(path.with_suffix(".moved")), f"{stem}{path.suffix}"))
    for path, name in moves:
        path.rename(path.with_name(name))


if __name__ == "__main__":
    main()
