"""Les pages Markdown : liens, images, citations, options nommées. Leurs commandes sont exécutées par test_texts_run.py."""

import ast
import importlib.util
import re
import subprocess

import pages
import pytest
from conftest import ROOT
from library import names_of

PAGES = pages.markdown_pages()
NAMES = [pages.name_of(page) for page in PAGES]
LANGUAGES = {"bash", "text", "python", "yaml", "json", "toml", "ini", "mermaid", "powershell", "r", "java", "csv", "markdown"}
TRACKED = subprocess.run(
    ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.splitlines()
each_page = pytest.mark.parametrize("page", PAGES, ids=NAMES)


def text_of(page) -> str:
    return page.read_text(encoding="utf-8")


@each_page
def test_links_lead_somewhere(page):
    targets = [link for link in pages.links(text_of(page)) if not re.match(r"(https?|mailto):", link)]
    assert [error for link in targets if (error := pages.missing(page, link))] == []


@each_page
def test_pictures_exist_and_say_what_is_to_be_seen(page):
    for alternative, target in pages.IMAGE.findall(text_of(page)):
        assert not target.startswith("http"), f"{target} : une image d'ailleurs peut disparaître"
        assert (page.parent / target).is_file(), target
        assert len(alternative) >= 30, f"{target} : « {alternative} » ne dit pas ce que l'on y voit"


def test_external_links_stand_in_one_list():
    used = set().union(*(pages.external(text_of(page)) for page in PAGES))
    listed = pages.LINKS.read_text(encoding="utf-8").splitlines()
    assert listed == sorted(set(listed))
    assert used == set(listed), "à récrire : uv run --group test tests/pages.py"


@each_page
def test_blocks_name_their_language(page):
    for block in pages.blocks(text_of(page)):
        assert block.language in LANGUAGES, f"ligne {block.line} : « {block.language} »"


@each_page
def test_quotations_are_what_the_files_say(page):
    errors = [
        f"ligne {block.line} : {error}" for block in pages.blocks(text_of(page)) if block.quoted and (error := pages.quotation_error(block))
    ]
    assert errors == []


@each_page
def test_no_address_depends_on_the_order_of_lessons(page):
    """Le numéro d'une expérience dépend de ce qui a tourné d'abord : une page ne peut pas le connaître."""
    assert re.findall(r"#/experiments/\d+", text_of(page)) == []


@each_page
def test_files_named_exist(page):
    """Un script nommé entre accents graves existe ; un chemin du dépôt aussi."""
    basenames = {name.rpartition("/")[2] for name in TRACKED} | {"mlflow.py"}  # celui-là, DEPANNAGE.md dit de ne pas l'écrire
    for code in pages.inline_code(text_of(page)):
        if re.fullmatch(r"\w+\.py", code):
            assert code in basenames, code
        elif re.fullmatch(r"(0\d_|tests/|tools/|local/)[\w./-]+\.\w+", code):
            assert (ROOT / code).is_file() or (page.parent / code).is_file(), code


def script_commands(text: str) -> list[str]:
    """Les commandes de la page qui lancent un script du dépôt, en bloc ou en ligne."""
    lines = [line for block in pages.blocks(text) if block.language == "bash" for line in block.text.replace("\\\n", " ").splitlines()]
    return [
        each for each in lines + pages.inline_code(text) if re.search(r"(uv run|python3?) .*\w+\.py\b", each) and not each.startswith("#")
    ]


@each_page
def test_commands_name_real_scripts_and_options(page):
    """Chaque script cité dans une commande existe, et chaque option qui le suit est dans son texte."""
    for command in script_commands(text_of(page)):
        script = re.search(r"[\w./-]+\.py\b", command)
        path = next((each for each in (ROOT / script[0], page.parent / script[0]) if each.is_file()), None)
        assert path, command
        source = path.read_text(encoding="utf-8")
        for option in re.findall(r"(?<=\s)--[a-z][\w-]*", command[script.end() :]):
            assert f'"{option}"' in source, f"{command} : {path.name} n'a pas d'option {option}"


@each_page
def test_blocks_that_need_more_are_well_written(page):
    """Ce que l'on ne peut pas exécuter ici est au moins bien écrit, et nomme des choses qui existent."""
    for block in pages.blocks(text_of(page)):
        if not block.needs_more:
            continue
        if block.language == "bash":
            checked = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
            assert (checked.returncode, checked.stderr) == (0, ""), f"ligne {block.line}"
        elif block.language == "python":
            assert unknown_names(block.text) == [], f"ligne {block.line}"


def unknown_names(source: str) -> list[str]:
    """Ce que `source` importe d'une bibliothèque installée et qui n'y est pas. Lève `SyntaxError` s'il est mal écrit."""
    unknown = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and importlib.util.find_spec(node.module.partition(".")[0]):
            offered = names_of(node.module)
            unknown += [f"{node.module}.{alias.name}" for alias in node.names if alias.name not in offered]
    return unknown


class TestReading:
    """Le lecteur de pages lui-même."""

    def test_blocks(self):
        text = "# Titre\n```bash\nuv run x.py\n```\nDit :\n```text\nok\n```\n## Autre\n```text\nseul\n```\n"
        found = pages.blocks(text)
        assert [(block.language, block.text, block.line, block.follows) for block in found] == [
            ("bash", "uv run x.py", 2, False),
            ("text", "ok", 6, True),
            ("text", "seul", 10, False),
        ]
        with pytest.raises(ValueError, match="jamais fermé"):
            pages.blocks("```bash\nuv run x.py\n")

    def test_indented_block(self):
        assert pages.blocks("1. Tapez\n\n   ```bash\n   uv run x.py\n     --a\n   ```\n")[0].lines == ["uv run x.py", "  --a"]

    @pytest.mark.parametrize(
        "shown, real, equal",
        [
            ("a 0.953", "a 0.953\n", True),
            ("a 0.953", "a 0.954\n", False),
            ("a 0.953", "a 0.953\nb\n", False),
            ("run …", "run 1f2e\n", True),
            ("run …", "run 1f2e\nautre\n", False),
            ("a\n…\nz", "a\nb\nc\nz\n", True),
            ("a\n…\nz", "a\nz\n", False),
            ("(…) s", "(3.2) s", True),
        ],
    )
    def test_output(self, shown, real, equal):
        assert pages.same_output(shown.splitlines(), real) is equal

    def test_anchors(self):
        text = "# À retenir\n## `mlflow run` : l'échec ?\n## À retenir\n```text\n# pas un titre\n```\n"
        assert pages.anchors(text) == {"à-retenir", "mlflow-run--léchec-", "à-retenir-1"}

    def test_links(self):
        text = "[a](b.md#c) ![image](d.png) `[code](e.md)` <https://f> [![g](h.png)](i.md)\n```text\n[j](k.md)\n```\n"
        assert pages.links(text) == ["b.md#c", "https://f", "i.md"]

    @pytest.mark.parametrize(
        "quoted, wrong",
        [
            ("def links(text: str) -> list[str]:", False),
            ('return [target for match in LINK.findall(prose(text)) for target in match if target]', False),
            ("def links(text: str) -> list[str]:\n# ...\ndef external(text: str) -> set[str]:", False),
            ("def external(text: str) -> set[str]:\n# ...\ndef links(text: str) -> list[str]:", True),
            ("def links(text):", True),
        ],
    )  # fmt: skip
    def test_quotation(self, quoted, wrong):
        block = pages.Block("python", ["# tests/pages.py", *quoted.splitlines()], 1, False)
        assert block.quoted == ROOT / "tests/pages.py"
        assert bool(pages.quotation_error(block)) is wrong

    def test_names(self):
        assert unknown_names("from pathlib import Path, Chemin") == ["pathlib.Chemin"]
