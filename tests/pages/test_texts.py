"""Les pages Markdown : liens, images, citations, options nommées.

Leurs commandes sont exécutées par les tests voisins.
"""

import ast
import importlib.util
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pages
import pytest
from library import names_of
from texts import ROOT, numbers

PAGES = pages.markdown_pages()
LANGUAGES = {
    "bash",
    "text",
    "python",
    "yaml",
    "json",
    "toml",
    "ini",
    "mermaid",
    "powershell",
    "r",
    "java",
    "csv",
    "markdown",
}
TRACKED = pages.tracked()
# celui-là, DEPANNAGE.md dit de ne pas l'écrire
BASENAMES = {name.rpartition("/")[2] for name in TRACKED} | {"mlflow.py"}


def test_the_form_of_every_page():
    assert [
        f"{pages.name_of(page)} : {error}"
        for page in PAGES
        for error in errors(page, page.read_text(encoding="utf-8"))
    ] == []


def errors(page: Path, text: str) -> Iterator[str]:
    """Ce qui, dans une page, ne mène nulle part, ne se voit pas, n'est pas dans le fichier cité ou
    ne s'exécuterait pas.
    """
    for link in pages.links(text):
        if not re.match(r"(https?|mailto):", link) and (missing := pages.missing(page, link)):
            yield missing
    for alternative, target in pages.IMAGE.findall(text):
        if target.startswith("http") or not (page.parent / target).is_file():
            yield f"{target} : une image d'ailleurs, ou de nulle part"
        if len(alternative) < 30:
            yield f"{target} : « {alternative} » ne dit pas ce que l'on y voit"
    for number in re.findall(r"#/experiments/\d+", text):
        yield f"{number} : ce numéro dépend de ce qui a tourné d'abord"
    for code in pages.inline_code(text):
        if re.fullmatch(r"\w+\.py", code) and code not in BASENAMES:
            yield f"{code} n'existe pas"
        elif re.fullmatch(r"(0\d_\w+/|tests/|tools/|local/)[\w./-]+\.\w+", code) and not found(
            code, page
        ):
            yield f"{code} n'existe pas"
    drawn = [block.text for block in pages.blocks(text) if block.language == "mermaid"]
    said = text
    for diagram in drawn:
        said = said.replace(diagram, "")
    for number in numbers("\n".join(drawn)):
        if number not in numbers(said):
            yield f"{number} est dans un schéma, et nulle part ailleurs dans la page"
    for block in pages.blocks(text):
        where = f"ligne {block.line} :"
        if block.language not in LANGUAGES:
            yield f"{where} langue « {block.language} »"
        if block.quoted and (wrong := pages.quotation_error(block)):
            yield f"{where} {wrong}"
        # ce que l'on ne peut pas exécuter ici est au moins bien écrit
        if block.needs_more and block.language == "bash":
            yield from [f"{where} {each}" for each in syntax_errors(block.text)]
        if block.needs_more and block.language == "python":
            yield from [f"{where} {each} n'existe pas" for each in unknown_names(block.text)]
    for command in script_commands(text):
        script = re.search(r"[\w./-]+\.py\b", command)
        if not (path := found(script[0], page)):
            yield f"{command} : ce script n'existe pas"
            continue
        for option in re.findall(r"(?<=\s)--[a-z][\w-]*", command[script.end() :]):
            if f'"{option}"' not in path.read_text(encoding="utf-8"):
                yield f"{command} : {path.name} n'a pas d'option {option}"


def found(name: str, page: Path) -> Path | None:
    """Le fichier de ce nom, depuis la racine ou depuis la page."""
    return next((each for each in (ROOT / name, page.parent / name) if each.is_file()), None)


def script_commands(text: str) -> list[str]:
    """Les commandes de la page qui lancent un script du dépôt, en bloc ou en ligne."""
    lines = [
        line
        for block in pages.blocks(text)
        if block.language == "bash"
        for line in block.text.replace("\\\n", " ").splitlines()
    ]
    return [
        each
        for each in lines + pages.inline_code(text)
        if re.search(r"(uv run|python3?) .*\w+\.py\b", each)
        # « Chez vous », le script est celui du lecteur
        and not each.startswith(("#", "uv run --project "))
    ]


def syntax_errors(script: str) -> list[str]:
    return subprocess.run(
        ["bash", "-n"], input=script, capture_output=True, text=True
    ).stderr.splitlines()


def unknown_names(source: str) -> list[str]:
    """Ce que `source` importe d'une bibliothèque installée et qui n'y est pas.

    Lève `SyntaxError` s'il est mal écrit.
    """
    unknown = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and importlib.util.find_spec(
            node.module.partition(".")[0]
        ):
            offered = names_of(node.module)
            unknown += [
                f"{node.module}.{alias.name}" for alias in node.names if alias.name not in offered
            ]
    return unknown


def test_external_links_stand_in_one_list():
    used = set().union(*(pages.external(page.read_text(encoding="utf-8")) for page in PAGES))
    listed = pages.LINKS.read_text(encoding="utf-8").splitlines()
    assert listed == sorted(set(listed))
    assert used == set(listed), "à récrire : uv run --group test tests/support/pages.py"


# Le lecteur de pages lui-même


@pytest.mark.parametrize(
    "wrong, said",
    [
        ("[a](nulle_part.md)", "nulle_part.md : ce fichier n'existe pas"),
        ("[a](README.md#nul-titre)", "ce titre n'existe pas"),
        ("[a](tools/course.py#L9999)", "cette ligne n'existe pas"),
        ("![une image que personne n'a jamais mise là](absente.png)", "absente.png"),
        ("![courte](Images/etape_1.png)", "« courte »"),
        ("<http://127.0.0.1:5000/#/experiments/1>", "#/experiments/1"),
        ("`licorne.py`", "licorne.py n'existe pas"),
        ("`tools/licorne.txt`", "tools/licorne.txt n'existe pas"),
        ("```\nx\n```", "ligne 1 : langue «  »"),
        ("```python\n# tools/course.py\nlicorne = 1\n```", "tools/course.py ne contient pas"),
        (
            "```python\n# tools/course.py\ndef after(script: Script)\n```",
            "tools/course.py ne contient pas",
        ),
        (
            "```python\n# tools/course.py\nclass Script(NamedTuple):\n# ...\n"
            "from typing import NamedTuple\n```",
            "à cette place",
        ),
        ("```bash\n# il faut rien\nif\n```", "syntax error"),
        (
            "```python\n# il faut rien\nfrom pathlib import Path, Chemin\n```",
            "pathlib.Chemin n'existe pas",
        ),
        ("```mermaid\nA[x = 0.954]\n```\nx vaut 0.953.", "0.954 est dans un schéma"),
        ("```bash\nuv run tools/licorne.py\n```", "ce script n'existe pas"),
        ("`uv run tools/check.py --licorne`", "check.py n'a pas d'option --licorne"),
    ],
)
def test_an_error_is_seen(wrong, said):
    assert said in "\n".join(errors(ROOT / "README.md", wrong))


def test_blocks():
    text = "# Titre\n```bash\nuv run x.py\n```\nDit :\n```text\nok\n```\n"
    text += "## Autre\n```text\nseul\n```\n"
    found = [
        ("bash", "uv run x.py", 2, False),
        ("text", "ok", 6, True),
        ("text", "seul", 10, False),
    ]
    assert [
        (block.language, block.text, block.line, block.follows) for block in pages.blocks(text)
    ] == found
    assert pages.blocks("1. Tapez\n\n   ```bash\n   uv run x.py\n     --a\n   ```\n")[0].lines == [
        "uv run x.py",
        "  --a",
    ]
    with pytest.raises(ValueError, match="jamais fermé"):
        pages.blocks("```bash\nuv run x.py\n")


def test_outputs():
    equal = [
        ("a 0.953", "a 0.953\n"),
        ("run …", "run 1f2e\n"),
        ("a\n…\nz", "a\nb\nc\nz\n"),
        ("(…) s", "(3.2) s"),
    ]
    different = [
        ("a 0.953", "a 0.954\n"),
        ("a 0.953", "a 0.953\nb\n"),
        ("run …", "run 1f2e\nautre\n"),
        ("a\n…\nz", "a\nz\n"),
    ]
    for shown, real in equal + different:
        assert pages.same_output(shown.splitlines(), real) is ((shown, real) in equal)


def test_links_and_anchors():
    text = "# À retenir\n## `mlflow run` : l'échec ?\n## À retenir\n```text\n# pas un titre\n```\n"
    assert pages.anchors(text) == {"à-retenir", "mlflow-run--léchec-", "à-retenir-1"}
    text = "[a](b.md#c) ![image](d.png) `[code](e.md)` <https://f> [![g](h.png)](i.md)\n"
    text += "```text\n[j](k.md)\n```\n"
    assert pages.links(text) == ["b.md#c", "https://f", "i.md"]
