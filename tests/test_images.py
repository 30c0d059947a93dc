"""Les images : chacune est faite d'une liste, montrée par une page, et ressemble encore à ce que l'interface montre."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import make_images
import pictures
import pytest
from conftest import ROOT, clean_environment
from PIL import Image, ImageChops

PICTURES = pictures.pictures()
VIEWS = [picture for picture in PICTURES if "page" in picture.entry]
COMMON = {"name", "needs"}
KEYS = {
    "drawn_by": COMMON | {"drawn_by"},
    "figure": COMMON | {"figure"},
    "page": COMMON | {"page", "steps", "clicks", "shows", "counts", "mark", "crop", "window", "before_step_one"},
}
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")


def markdown(folder: str) -> str:
    """Les pages du dossier qui contient `folder` (`Images`, `0X_.../Images`), bout à bout, blancs réduits à un."""
    pages = sorted((ROOT / folder).parent.glob("*.md"))
    return re.sub(r"\s+", " ", "\n".join(page.read_text(encoding="utf-8") for page in pages))


def names(listed) -> list[str]:
    return [picture.path for picture in listed]


def test_lists_are_well_formed():
    assert len(set(names(PICTURES))) == len(PICTURES)
    for picture in PICTURES:
        kinds = [kind for kind in KEYS if kind in picture.entry]
        assert len(kinds) == 1, f"{picture.path} : d'où vient-elle ? {kinds}"
        assert set(picture.entry) <= KEYS[kinds[0]], f"{picture.path} : {set(picture.entry) - KEYS[kinds[0]]}"
        assert picture.commands or kinds == ["drawn_by"], f"{picture.path} : needs"
        if kinds == ["page"]:
            assert picture.entry["shows"] and picture.entry["steps"], picture.path


@pytest.mark.parametrize("picture", PICTURES, ids=names(PICTURES))
def test_picture_is_there(picture):
    path = ROOT / picture.path
    assert path.is_file(), f"uv run --group test tools/make_images.py --only {picture.name}"
    assert path.stat().st_size <= make_images.LIMIT
    with Image.open(path) as image:
        assert image.format == "PNG"
        if "figure" in picture.entry:
            assert 400 <= image.width <= make_images.WIDTH
        else:
            assert image.width == make_images.WIDTH
        assert make_images.ink(image) >= 0.005


@pytest.mark.parametrize("picture", PICTURES, ids=names(PICTURES))
def test_picture_is_shown(picture):
    """Une page du même dossier la montre, dit ce que l'on y voit, et donne les clics qui y mènent, mot pour mot."""
    text = markdown(picture.folder)
    described = {link: alternative for alternative, link in IMAGE.findall(text)}
    assert f"Images/{picture.name}" in described, f"aucune page ne montre {picture.path}"
    assert len(described[f"Images/{picture.name}"]) >= 30
    steps = [re.sub(r"\s+", " ", step) for step in picture.entry.get("steps", [])]
    assert [step for step in steps if step not in text] == [], f"{picture.path} : ces clics ne sont pas dans la page"
    assert [text.index(step) for step in steps] == sorted(text.index(step) for step in steps), f"{picture.path} : clics dans le désordre"


def test_no_picture_without_a_list():
    known = set(names(PICTURES))
    for folder in [ROOT / "Images", *ROOT.glob("0*/Images")]:
        for path in folder.iterdir():
            assert path.name == "images.json" or path.relative_to(ROOT).as_posix() in known, f"{path} n'est dans aucune liste"


def changed(kept: Path, made: Path) -> float:
    """La part d'une image qui n'est plus la même dans une autre, vues de loin : les heures et les identifiants y comptent peu."""
    with Image.open(kept) as before, Image.open(made) as after:
        if abs(before.height - after.height) > 0.05 * before.height:
            return 1.0
        small = [image.convert("L").resize((120, 80), Image.Resampling.BOX) for image in (before, after)]
    return sum(count for level, count in enumerate(ImageChops.difference(*small).histogram()) if level > 24) / (120 * 80)


@pytest.mark.slow
def test_a_picture_made_again_looks_the_same(tmp_path):
    """L'outil, comme on le lance, pour la vue qui demande le moins. Les autres : test_ui.py les compare à ce qu'il voit."""
    if not shutil.which("chromium"):
        pytest.skip("Chromium manque : apt-get install chromium")
    picture = min(VIEWS, key=pictures.position)
    options = ["--lesson", pictures.lesson_of(picture), "--only", picture.name, "--to", str(tmp_path)]
    ended = subprocess.run(
        [sys.executable, ROOT / "tools/make_images.py", *options],
        cwd=ROOT, env=clean_environment(), capture_output=True, text=True, timeout=900, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert changed(ROOT / picture.path, tmp_path / picture.name) < 0.05


def test_two_views_are_not_the_same():
    """La comparaison n'accepte pas n'importe quoi : d'une vue à l'autre, tout change."""
    one, *others = [ROOT / picture.path for picture in VIEWS]
    assert changed(one, one) == 0 and all(changed(one, other) > 0.05 for other in others)


def test_a_view_of_the_wrong_side_is_refused():
    """La liste des textes du côté GenAI est celle que l'interface installée emploie : le fichier qu'elle sert les contient."""
    import mlflow

    build = ROOT.__class__(mlflow.__file__).parent / "server/js/build/static/js"
    source = "".join(path.read_text(encoding="utf-8", errors="replace") for path in build.glob("*.js"))
    from browser import CLOSE_ASSISTANT, GENAI

    for text in (*GENAI, CLOSE_ASSISTANT.split('"')[1]):
        assert text in source, text


def test_the_lists_are_read_as_json_by_anyone():
    for path in [ROOT / "Images/images.json", *ROOT.glob("0*/Images/images.json")]:
        assert isinstance(json.loads(path.read_text(encoding="utf-8")), list)
