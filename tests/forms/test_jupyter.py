"""La forme Jupyter, sans rien exécuter : ce que devient chaque cellule, ce qui est gardé des
sorties, ce qui est dans le dépôt.
"""

import base64
import json
import re
from io import BytesIO
from pathlib import Path

import pytest
from build import outputs_of, read
from PIL import Image, ImageDraw
from texts import ROOT
from two_forms import cells_of, essences, with_form, write_scripts

from course import LESSONS, SCRIPTS, Script, after, spoken
from forms.arguments import read_arguments
from forms.cells import read_script
from forms.jupyter import notebooks
from forms.outputs import HEAVIEST, WIDTH, Unstable, kept, masked, steady
from forms.requirements import read_pins

WITH_NOTEBOOK = with_form("jupyter")


def notebook_of(script: Script) -> Path:
    return ROOT / script.lesson / "jupyter" / f"{script.stem}.ipynb"


# -------------------------------------------------------------------------------------------------
# de script à notebook

MODULE = "# %% [markdown]\n# # Un module\n\n# %%\ndef double(x):\n    return 2 * x\n"
OTHER = "# %% [markdown]\n# # Un autre\n\n# %%\nprint(1)\n"
STORE = "def open_store():\n    pass\n"
SCRIPT = """# %% [markdown]
# # Un script

# %%
from module import double

# %% tags=["local"]
from store import open_store

open_store()
print("Ensuite : uv run 01_essai/local/suite.py")

# %%
figure = double(3)
# databricks: display(figure)

# %% [markdown]
# ## À retenir
"""


@pytest.fixture
def lesson(tmp_path, monkeypatch):
    """Une leçon inventée ; `lesson(x="...")` en renvoie les notebooks."""
    monkeypatch.setattr("forms.jupyter.SCRIPTS", [Script("01_essai/local/01_script.py", 5)])

    def write(**scripts: str):
        scripts["01_script"] = scripts.pop("script")
        return notebooks(write_scripts(tmp_path, **scripts), read_pins(tmp_path))

    write.root = tmp_path
    return write


def test_a_value_that_the_script_does_not_show_is_not_shown(lesson):
    def last(code: str) -> str:
        return lesson(script=f"{OTHER}\n# %%\n{code}\n", store=STORE)[0].cells[-1][1]

    assert last("x = 1") == "x = 1"
    assert last("print(1)  # fin") == "print(1)  # fin"
    assert last("f('é')  # fin") == "f('é');  # fin"
    assert last("f(\n    1,\n)") == "f(\n    1,\n);"
    assert last("for x in y:\n    f(x)") == "for x in y:\n    f(x)"


def test_outputs_depend_on_code_and_versions_and_on_nothing_else(lesson):
    def sources(**scripts: str) -> str:
        return lesson(**({"module": MODULE, "script": SCRIPT, "store": STORE} | scripts))[0].sources

    before = sources()
    assert sources() == before
    assert sources(script=SCRIPT.replace("## À retenir", "## Retenez")) == before
    assert sources(module=MODULE.replace("Un module", "Le module") + "# fin\n") == before
    assert (
        sources(script=SCRIPT.replace("figure =", "drawing =").replace("(figure)", "(drawing)"))
        != before
    )
    assert sources(module=MODULE.replace("2 * x", "3 * x")) != before
    assert sources(store=STORE.replace("pass", "return 1")) != before
    assert sources(other=OTHER) == sources()
    numpy = SCRIPT.replace("from module", "import numpy as np\nfrom module")
    with_numpy = sources(script=numpy)
    pins = lesson.root / "requirements.txt"
    pins.write_text(
        re.sub(
            r"^numpy==.*$", "numpy==9.9.9", pins.read_text(encoding="utf-8"), flags=re.MULTILINE
        ),
        encoding="utf-8",
    )
    assert sources(script=numpy) != with_numpy


# -------------------------------------------------------------------------------------------------
# les sorties

MASKS = {
    "http://127.0.0.1:5000/#/experiments/12/runs/0123456789abcdef0123456789abcdef?x=1": "http://127.0.0.1:5000/#/experiments/…/runs/…?x=1",
    "models:/m-0123456789abcdef0123456789abcdef": "models:/m-…",
    "commit 0123456789abcdef0123456789abcdef01234567, propre": "commit …, propre",
    "run 123e4567-e89b-12d3-a456-426614174000.": "run ….",
    "données en 3.25 s, puis 12 ms, puis 2 minutes": "données en … s, puis … ms, puis … minutes",
    "le 2026-11-21 14:03:05.123 et le 2026-11-21": "le … et le …",
    "/clone du cours/mlruns et /tmp/tmpa1b2c3d4/x.csv": "…/mlruns et …/x.csv",
}
LASTING = [
    "sensibilité 0.953, 35 couples, 12 sur 30, version 2, C=1000, -0.5",
    "4 scripts, 3 semaines, 10 seuils, 5 mineurs",
    "m-…",
]


def test_what_changes_becomes_an_ellipsis_and_the_rest_is_shown():
    for text, shown in (MASKS | dict(zip(LASTING, LASTING, strict=True))).items():
        assert masked(text, "/clone du cours") == masked(shown, "/clone du cours") == shown


def stream(text: str, name: str = "stdout") -> dict:
    return {"output_type": "stream", "name": name, "text": text}


def display(alt: str | None = None, **data: str) -> dict:
    metadata = {"image/png": {"alt": alt}} if alt else {}
    return {
        "output_type": "display_data",
        "data": {kind.replace("_", "/"): value for kind, value in data.items()},
        "metadata": metadata,
    }


def picture(shift: int = 0, size=(WIDTH, 400)) -> str:
    drawn, written = Image.new("RGB", size, "white"), BytesIO()
    ImageDraw.Draw(drawn).line((0, shift, 200, 200 + shift), fill="black", width=3)
    drawn.save(written, format="PNG")
    return base64.b64encode(written.getvalue()).decode()


def test_what_is_kept_of_the_outputs():
    bar = {
        "output_type": "display_data",
        "data": {"text/plain": "Output()", "application/vnd.jupyter.widget-view+json": {}},
        "metadata": {},
    }
    erased = display(text_html="<pre></pre>", text_plain="")
    table = display(
        text_html="<table>0123456789abcdef0123456789abcdef</table>", text_plain="tableau en 3 s"
    )
    drawn = display(
        "Figure : y", image_png=picture() + "\n", text_plain="<Figure size 700x400 with 1 Axes>"
    )
    found = kept(
        [stream("en 2"), stream(".5 s\n"), bar, erased, stream("fin\n"), table, drawn], "/clone"
    )
    assert found == [
        stream("en … s\nfin\n"),
        display(text_html="<table>…</table>", text_plain="tableau en … s"),
        display("Figure : y", image_png=picture()),
    ]
    assert kept(found, "/clone") == found


def test_a_cell_that_warns_or_weighs_too_much_is_refused():
    with pytest.raises(Unstable, match="avertit :\nattention"):
        kept([stream("I0000 tensorflow/core : bonjour\nattention\n", "stderr")], "/clone")
    assert kept([stream("I0000 tensorflow/core : bonjour\n", "stderr")], "/clone") == []
    heavy = base64.b64encode(bytes(HEAVIEST + 1)).decode()
    with pytest.raises(Unstable, match="une image pèse 150 ko"):
        kept([display("Figure : y", image_png=heavy)], "/clone")


def test_a_figure_drawn_again_keeps_its_bytes_only_if_nothing_moved():
    noise = Image.open(BytesIO(base64.b64decode(picture())))
    noise.putpixel((5, 5), (250, 250, 250))
    written = BytesIO()
    noise.save(written, format="PNG")
    alike = base64.b64encode(written.getvalue()).decode()
    before = [stream("x"), display(image_png=picture())]
    assert alike != picture()
    assert steady([stream("y"), display(image_png=alike)], before) == [stream("y"), before[1]]
    moved, smaller = (
        display(image_png=picture(shift=60)),
        display(image_png=picture(size=(WIDTH, 300))),
    )
    assert steady([stream("x"), moved], before) == [stream("x"), moved]
    assert steady([stream("x"), smaller], before) == [stream("x"), smaller]
    assert steady([moved], before) == [moved]


# -------------------------------------------------------------------------------------------------
# les notebooks du cours


def test_every_script_has_its_notebook_or_its_reason():
    assert {path for path in ROOT.glob("0?_*/jupyter/*")} == {
        notebook_of(script) for script in WITH_NOTEBOOK
    }


def cells_in(script: Script) -> list[tuple[str, str]]:
    """Les cellules du notebook d'un script : (type, texte)."""
    written = json.loads(notebook_of(script).read_text(encoding="utf-8"))
    return [(cell["cell_type"], "".join(cell["source"])) for cell in written["cells"]]


@pytest.mark.parametrize("script", WITH_NOTEBOOK, ids=lambda script: script.name)
def test_the_cells_are_those_of_the_script(script):
    """Instruction par instruction, figures montrées comprises, et les options de la cellule `args`
    sont celles du script.
    """
    title, _, _, *ours = cells_in(script)
    declared = read_arguments(read_script(ROOT / script.path).parameters())
    parameters = [cell for cell in ours if "args = SimpleNamespace(" in cell[1]]
    assert len(parameters) == bool(declared)
    for cell in parameters:
        ours.remove(cell)
        exec(cell[1], scope := {})
        assert vars(scope["args"]) == {each.name: each.default for each in declared}
    theirs = [
        cell
        for cell in cells_of(ROOT / script.path)
        if cell[1] != "parameters" and cell[:2] != ("markdown", "local")
    ]
    assert essences([title, *ours]) == essences([(kind, text) for kind, _, text in theirs])
    marked = re.findall(
        r"# databricks: (display\(.*\))$",
        (ROOT / script.path).read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert (
        re.findall(
            r"^ *(display\(.*\))$",
            "\n".join(text for kind, text in ours if kind == "code"),
            re.MULTILINE,
        )
        == marked
    )


def test_a_notebook_says_how_to_open_it_and_what_comes_next():
    for script in WITH_NOTEBOOK:
        title, (_, opening), (_, first), *_, last = cells_in(script)
        path = f"{script.lesson}/jupyter/{script.stem}.ipynb"
        assert f"<!-- Généré depuis local/{script.stem}.py" in title[1]
        groups = "".join(f" --group {group}" for group in ("jupyter", *script.groups))
        assert f"`uv run{groups} jupyter lab {path}`" in opening, script.name
        assert spoken(script.seconds) in opening
        change, name, *_ = first.splitlines()
        assert change == "%cd -q ../local" and f"/{path}" in name
        following = after(script)
        if following in WITH_NOTEBOOK and following.lesson == script.lesson:
            assert last[1] == f"**Ensuite** : [{following.stem}]({following.stem}.ipynb)"
        for target in re.findall(r"\]\((?!http)([^)]+)\)", opening + last[1]):
            assert (notebook_of(script).parent / target).exists(), f"{script.name} : {target}"


def test_what_is_committed_is_light_of_one_width_and_says_nothing_of_a_machine():
    for script in WITH_NOTEBOOK:
        cells = outputs_of(read(notebook_of(script)))
        assert any(cells), script.name
        shown = [each for cell in cells for each in cell if "image/png" in each.get("data", {})]
        displays = "databricks: display(" in (ROOT / script.path).read_text(encoding="utf-8")
        assert shown or not displays, script.name
        for shown in cells:
            assert kept(shown, str(ROOT)) == shown, script.name
            for output in shown:
                if "image/png" in output.get("data", {}):
                    assert (
                        Image.open(BytesIO(base64.b64decode(output["data"]["image/png"]))).width
                        == WIDTH
                    ), script.name
    assert sum(notebook_of(script).stat().st_size for script in WITH_NOTEBOOK) < 5_000_000


def test_the_pages_of_the_lesson_link_the_forms_of_each_script():
    """Le script, le notebook et la forme Databricks, sur une ligne ; ce qui n'existe pas n'y est
    pas annoncé.
    """
    pages = {
        (lesson, core): (ROOT / lesson / name).read_text(encoding="utf-8")
        for lesson in LESSONS
        for core, name in ((True, "README.md"), (False, "PLUS_LOIN.md"))
    }
    for script in SCRIPTS:
        here = script.path.removeprefix(f"{script.lesson}/")
        forms = {
            "le script": here,
            "le notebook et ses figures": f"jupyter/{script.stem}.ipynb",
            "la forme Databricks": f"databricks/{script.stem}.py",
        }
        links = [
            f"[{title}]({path})"
            for title, path in forms.items()
            if (ROOT / script.lesson / path).exists()
        ]
        said = f"\n\n{' · '.join(links)}\n\n" if len(links) > 1 else f"({here})"
        if "/team/" in script.path:  # une pièce à part : sa page est à côté
            room = (ROOT / script.path).with_name("README.md").read_text(encoding="utf-8")
            assert f"\n\n[le script]({script.stem}.py)\n\n" in room, script.name
        else:
            assert said in pages[script.lesson, script.core], script.name
