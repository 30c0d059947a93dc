"""Les pages Markdown, lues comme un lecteur les suit : leurs blocs de code, leurs liens, leurs
images.

uv run --group test tests/support/pages.py      récrit tests/pages/external_links.txt, la liste des
liens vers l'extérieur
"""

import re
import subprocess
import textwrap
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[2]
LINKS = ROOT / "tests/pages/external_links.txt"
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
LINK = re.compile(
    r"(?<!!)\[(?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*\]\(([^)\s]+)\)|<((?:https?|mailto):[^>\s]+)>|(?:href|src)=\"([^\"]+)\""
)


class Block(NamedTuple):
    """Un bloc de code : sa langue, ses lignes, sa première ligne dans la page, et s'il suit le
    précédent sous le même titre.
    """

    language: str
    lines: list[str]
    line: int
    follows: bool

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def remark(self) -> str:
        """Le commentaire de la première ligne, sans son `#`, ou une chaîne vide."""
        return (
            self.lines[0].lstrip("# ").strip()
            if self.lines and self.lines[0].startswith("#")
            else ""
        )

    @property
    def quoted(self) -> Path | None:
        """Le fichier du dépôt que ce bloc cite, ou None s'il ne cite rien."""
        named = re.fullmatch(r"[\w./-]+/[\w.-]+|[\w-]+\.\w+|MLproject", self.remark)
        return ROOT / self.remark if named and self.language not in ("bash", "text") else None

    @property
    def needs_more(self) -> bool:
        """Demande un compte, un outil ou un fichier que personne n'a ici : le bloc est relu, pas
        exécuté.
        """
        return self.remark.startswith("il faut ")

    @property
    def fails(self) -> bool:
        """Le texte annonce un échec : `# échoue` en première ligne."""
        return self.remark.startswith("échoue")


def tracked(*patterns: str) -> list[str]:
    """Les fichiers que Git suit ou suivrait."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
    )
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def markdown_pages() -> list[Path]:
    return sorted(ROOT / name for name in tracked("*.md"))


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(text: str) -> list[Block]:
    """Les blocs de code d'une page, dans l'ordre. Lève `ValueError` si l'un n'est pas fermé."""
    found, fence, language, lines, start, follows = [], None, "", [], 0, False
    for number, line in enumerate(text.splitlines(), 1):
        mark = re.match(r"( *)(`{3,}|~{3,})(.*)", line)
        if fence is None and mark:
            fence, language, lines, start = (len(mark[1]), mark[2]), mark[3].strip(), [], number
        elif fence is not None and line.strip() == fence[1]:
            found.append(Block(language, lines, start, follows))
            fence, follows = None, True
        elif fence is not None:
            lines.append(
                line[fence[0] :] if line[: fence[0]].isspace() or not fence[0] else line.lstrip()
            )
        elif line.startswith("#"):
            follows = False
    if fence is not None:
        raise ValueError(f"bloc ouvert ligne {start}, jamais fermé")
    return found


def outside(text: str) -> str:
    """La page sans ses blocs de code."""
    return re.sub(r"^ *(`{3,}|~{3,}).*?^ *\1 *$", "", text, flags=re.MULTILINE | re.DOTALL)


def shown(text: str, command: str) -> list[str]:
    """La sortie que la page montre après cette commande, la dernière de son bloc : les lignes du
    bloc `text` qui le suit.
    """
    found = blocks(text)
    at = next(
        place
        for place, block in enumerate(found)
        if block.language == "bash" and block.lines[-1] == command
    )
    assert found[at + 1].language == "text", command
    return found[at + 1].lines


def prose(text: str) -> str:
    """La page sans ses blocs de code ni son code en ligne."""
    return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", outside(text))


def inline_code(text: str) -> list[str]:
    """Ce que la page écrit entre accents graves, hors des blocs."""
    return [
        re.sub(r"\s+", " ", each) for each in re.findall(r"(?<!`)`([^`]+)`(?!`)", outside(text))
    ]


def anchors(text: str) -> set[str]:
    """Les ancres que GitHub donne aux titres de la page, et celles que la page pose elle-même."""
    found: dict[str, int] = {}
    text = outside(text)
    result = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))
    for title in re.findall(r"^#{1,6} +(.+?) *#*$", text, flags=re.MULTILINE):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        seen = found.get(slug, 0)
        found[slug] = seen + 1
        result.add(f"{slug}-{seen}" if seen else slug)
    return result


def links(text: str) -> list[str]:
    """Les cibles des liens de la page, images non comprises."""
    return [target for match in LINK.findall(prose(text)) for target in match if target]


def external(text: str) -> set[str]:
    """Ceux des liens qui sortent du dépôt et de la machine."""
    return {
        link
        for link in links(text)
        if re.match(r"https?://", link) and not re.match(r"https?://(127\.0\.0\.1|localhost)", link)
    }


def missing(page: Path, link: str) -> str | None:
    """Ce qui manque à un lien relatif, ou None s'il mène quelque part."""
    path, _, anchor = unquote(link).partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.is_relative_to(ROOT) or not target.exists():
        return f"{link} : ce fichier n'existe pas"
    if not anchor:
        return None
    if target.suffix == ".md":
        return (
            None
            if anchor in anchors(target.read_text(encoding="utf-8"))
            else f"{link} : ce titre n'existe pas"
        )
    lines = re.fullmatch(r"L(\d+)(?:-L(\d+))?", anchor)
    if not lines or int(lines[2] or lines[1]) > len(
        target.read_text(encoding="utf-8").splitlines()
    ):
        return f"{link} : cette ligne n'existe pas"
    return None


def quotation_error(block: Block) -> str | None:
    """Ce qui, d'une citation, n'est pas dans le fichier cité ; None si tout y est, en ordre."""
    if not block.quoted.is_file():
        return f"{block.remark} n'existe pas"
    source, start = block.quoted.read_text(encoding="utf-8").splitlines(), 0
    for passage in re.split(r"^ *# \.\.\. *$", "\n".join(block.lines[1:]), flags=re.MULTILINE):
        wanted = textwrap.dedent(passage.strip("\n").rstrip()).splitlines()
        places = range(start, len(source) - len(wanted) + 1)
        at = next(
            (place for place in places if same(source[place : place + len(wanted)], wanted)), None
        )
        if at is None:
            return f"{block.remark} ne contient pas, à cette place :\n{passage}"
        start = at + len(wanted)
    return None


def same(lines: list[str], wanted: list[str]) -> bool:
    return [line.rstrip() for line in textwrap.dedent("\n".join(lines)).splitlines()] == [
        line.rstrip() for line in wanted
    ]


def shown_as(expected: list[str]) -> re.Pattern:
    """Le motif d'une sortie : `…` vaut n'importe quoi dans une ligne ; seul sur la sienne, une ou
    plusieurs lignes.
    """
    lines = []
    for line in expected:
        if line.strip() == "…":
            lines.append(r"[^\n]*(?:\n[^\n]*)*?")
        else:
            lines.append(re.escape(line.rstrip()).replace("…", r"[^\n]*?") + r"[^\S\n]*")
    return re.compile("\n".join(lines))


def same_output(expected: list[str], output: str, errors: str = "") -> bool:
    """La sortie montrée est-elle, en entier, celle que l'on a eue ? Un avertissement montré avec
    elle est l'une des lignes de `errors`, la sortie d'erreur.
    """
    warned = [line for line in expected if " WARNING " in line]
    if not all(any(shown_as([one]).fullmatch(each) for each in errors.splitlines())
               for one in warned):  # fmt: skip
        return False
    expected = [line for line in expected if line not in warned]
    real = "\n".join(line.rstrip() for line in output.strip("\n").splitlines())
    return shown_as(expected).fullmatch(real) is not None


if __name__ == "__main__":
    everything = sorted(
        set().union(*(external(page.read_text(encoding="utf-8")) for page in markdown_pages()))
    )
    LINKS.write_text("".join(f"{link}\n" for link in everything), encoding="utf-8")
    print(f"{len(everything)} liens dans {LINKS.relative_to(ROOT)}")
