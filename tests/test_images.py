"""Les images : chacune est faite d'une liste, montrée par une page, et ressemble encore à ce que l'interface montre."""

import json
import re
import shutil
import subprocess
import sys

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


# De chaque leçon, la vue qui demande le moins : c'est elle que l'on refait.
FIRST_VIEWS = {picture.folder: picture for picture in sorted(VIEWS, key=pictures.position, reverse=True)}


@pytest.mark.slow
@pytest.mark.parametrize("folder", sorted(FIRST_VIEWS))
def test_a_view_made_again_looks_the_same(folder, tmp_path):
    if not shutil.which("chromium"):
        pytest.skip("Chromium manque : apt-get install chromium")
    picture = FIRST_VIEWS[folder]
    command = [
        sys.executable,
        ROOT / "tools/make_images.py",
        "--lesson",
        pictures.lesson_of(picture),
        "--only",
        picture.name,
        "--to",
        tmp_path,
    ]
    ended = subprocess.run(
        command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, timeout=900, stdin=subprocess.DEVNULL
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    with Image.open(ROOT / picture.path) as kept, Image.open(tmp_path / picture.name) as made:
        assert abs(kept.height - made.height) <= 0.05 * kept.height
        small = [image.convert("L").resize((120, 80), Image.Resampling.BOX) for image in (kept, made)]
    change = ImageChops.difference(*small)
    # les heures, les durées et les identifiants changent : quelques points sur cent, jamais la disposition
    changed = sum(count for level, count in enumerate(change.histogram()) if level > 24) / (120 * 80)
    assert changed < 0.05, f"{changed:.0%} de l'image a changé"


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
