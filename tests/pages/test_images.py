"""Les images : chacune est faite d'une liste, montrée par une page, dans ses dimensions. test_ui.py
dit si elles ressemblent encore.
"""

import re
from pathlib import Path

import make_images
import mlflow
import pages
import pictures
from browser import CLOSE_ASSISTANT, GENAI
from PIL import Image
from texts import ROOT

PICTURES = pictures.pictures()
COMMON = {"name", "needs"}
KEYS = {
    "figure": COMMON | {"figure"},
    "page": COMMON
    | {"page", "steps", "clicks", "shows", "counts", "mark", "crop", "window", "before_step_one"},
}


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_lists_are_well_formed():
    wrong = []
    for picture in PICTURES:
        [kind, *others] = [kind for kind in KEYS if kind in picture.entry]
        if others or not set(picture.entry) <= KEYS[kind] or not picture.commands:
            wrong.append(picture)
        if kind == "page" and not (picture.entry["shows"] and picture.entry["steps"]):
            wrong.append(picture)
    assert wrong == []


def test_pictures_and_lists_hold_the_same():
    # le schéma des composants n'est pas une image de l'interface : il est dessiné une fois
    listed = ["Images/MLFlow_quatre_composants.PNG", *(picture.path for picture in PICTURES)]
    kept = [
        path
        for folder in (ROOT / "Images", *ROOT.glob("0*/Images"))
        for path in folder.iterdir()
        if path.name != "images.json"
    ]
    assert sorted(listed) == sorted(path.relative_to(ROOT).as_posix() for path in kept)


def test_pictures_have_their_size():
    wrong = []
    for picture in PICTURES:
        path = ROOT / picture.path
        with Image.open(path) as image:
            least = 400 if "figure" in picture.entry else make_images.WIDTH
            if not (
                image.format == "PNG"
                and least <= image.width <= make_images.WIDTH
                and make_images.ink(image) >= 0.005
            ):
                wrong.append(f"{picture.path} : {image.width} pixels")
        if path.stat().st_size > make_images.LIMIT:
            wrong.append(f"{picture.path} : {path.stat().st_size} octets")
    assert wrong == []


def test_pictures_are_shown():
    """Une page de la même leçon la montre, et donne les clics qui y mènent, mot pour mot, dans
    l'ordre ; ce qu'elle en dit : test_texts.
    """
    wrong = []
    for picture in PICTURES:
        text = flat(
            "\n".join(
                page.read_text(encoding="utf-8")
                for pattern in ("*.md", "team/*.md")
                for page in sorted((ROOT / picture.folder).parent.glob(pattern))
            )
        )
        shown = [target.removeprefix("../") for _, target in pages.IMAGE.findall(text)]
        if f"Images/{picture.name}" not in shown:
            wrong.append(f"aucune page ne montre {picture.path}")
        places = [text.find(flat(step)) for step in picture.entry.get("steps", [])]
        if -1 in places or places != sorted(places):
            wrong.append(
                f"{picture.path} : ses clics ne sont pas dans la page, ou pas dans cet ordre"
            )
    assert wrong == []


def test_a_view_of_the_wrong_side_is_refused():
    """La liste des textes du côté GenAI est celle que l'interface installée emploie : le fichier
    qu'elle sert les contient.
    """
    build = Path(mlflow.__file__).parent / "server/js/build/static/js"
    source = "".join(
        path.read_text(encoding="utf-8", errors="replace") for path in build.glob("*.js")
    )
    assert [text for text in (*GENAI, CLOSE_ASSISTANT.split('"')[1]) if text not in source] == []
