"""Les « À regarder » d'une page, suivis dans un seul navigateur : l'interface garde son état d'un
script à l'autre, comme chez le lecteur.

Un test dit ses gestes (`walk`) : script -> l'introduction de son « À regarder », puis chaque point.
Un geste est un clic de images.json (voir tools/pictures.py), ou l'un de ceux de `Walker.act`.
"""

import json
import re
import shutil
from pathlib import Path

import browser
import pytest
from copies import Course
from make_images import newest_run
from playwright.sync_api import expect
from texts import ROOT, heading, path_of

from course import named

needs_chromium = pytest.mark.skipif(
    not shutil.which("chromium"), reason="Chromium manque : apt-get install chromium"
)
# l'interface montre l'auteur des runs
AUTHOR = dict.fromkeys(("LOGNAME", "USER", "USERNAME"), "vous")

BAR = "[data-component-id$='runssearchautocomplete.tsx_236']"
RUNS = {"role": "link", "name": "Runs", "exact": True}
COLUMNS = {"role": "button", "name": "Columns"}
CLOSED = {"placeholder": "Search columns", "press": "Escape"}
ARTIFACTS = {"role": "tab", "name": "Artifacts"}


def seen(text: str) -> dict:
    return {"contains": text, "wait": True}


def fold(name: str, sign: str) -> dict:
    css = f".ag-row:has-text('{name}') button[data-component-id*='runnamecellrenderer']"
    return {"css": css, "sign": sign}


# deux clics, et la liste est neuve : ni filtre, ni tri, ni graphique, et tous les runs
CLEAN = [
    {"css": f"{BAR}:placeholder-shown", "wait": True},
    seen("Sort: Created"),
    COLUMNS | {"wait": True},
]
BACK = [RUNS, RUNS, *CLEAN, {"matching": "all"}]
# un run tout neuf n'attend pas la demi-minute
RELOADED = [RUNS, RUNS, *CLEAN, {"reload": True}, *CLEAN, {"matching": "all"}]


def items(lesson: str, title: str) -> list[str]:
    """L'introduction d'un « À regarder », puis ses points."""
    page = (ROOT / lesson / "README.md").read_text(encoding="utf-8")
    section = page.partition(f"\n## {title}")[2].partition("\n## ")[0]
    text = re.sub(r"^!\[.*$", "", section.rpartition("**À regarder.**")[2], flags=re.M)
    text = re.split(r"^(?:\*\*|\|)", text, flags=re.M)[0]
    return [re.sub(r"\s+", " ", each).strip() for each in re.split(r"^\d\. ", text, flags=re.M)]


def words(item: str) -> set[str]:
    """Ce qu'un point montre ou fait taper : *Columns*, `cost`, « svm complet », **+**."""
    item = item.replace("« À regarder »", "")
    found = re.findall(r"« (.+?) »|`([^`]+)`|\*\*([+−])\*\*|(?<!\*)\*([^*]+)\*(?!\*)", item)
    return {"".join(each).partition("...")[0].replace(" = ", "=") for each in found}


class Walk:
    """Les gestes d'une leçon : `steps`, script -> les gestes de chaque point ; `elsewhere`, script
    -> le titre de la section où est son « À regarder », si ce n'est la sienne.
    """

    def __init__(
        self, lesson: str, steps: dict[str, list], elsewhere: dict[str, str] | None = None
    ):
        self.lesson, self.steps, self.elsewhere = lesson, steps, elsewhere or {}

    def points(self, name: str) -> list[tuple[str, list]]:
        """Chaque point de la page, et ses gestes. Lève `ValueError` s'il n'y en a pas autant."""
        said = items(self.lesson, self.elsewhere.get(name, heading(name)))
        return list(zip(said, self.steps[name], strict=True))

    def forgotten(self) -> list[tuple[str, str]]:
        """Les mots de la page qu'aucun geste ne clique, ne tape ni ne voit."""
        return [
            (item, word)
            for name in self.steps
            for item, step in self.points(name)
            for word in words(item)
            if word not in json.dumps(step, ensure_ascii=False).replace(" = ", "=")
        ]

    def follow(self, folder: Path) -> Course:
        """Lance les scripts dans une copie faite dans `folder`, et fait chaque geste à sa place ;
        renvoie la copie.
        """
        course = Course(folder / "cours-mlflow")
        course.fork(path_of("first_run"), **AUTHOR)  # la page d'accueil
        with browser.ui(course.root) as address, browser.chromium() as chromium:
            memory = browser.step_one(chromium, address)
            with browser.fresh_page(chromium, memory=memory, scale=1) as page:
                expect.set_options(timeout=browser.PATIENCE * 1000)
                walker = Walker(self.lesson, course, page, address)
                for name in self.steps:
                    walker.follow(name, self.points(name), folder / "vu.png")
        return course


class Walker:
    """Une copie du cours, son interface, et la page d'un navigateur qui a passé l'étape 1."""

    def __init__(self, lesson: str, course: Course, page, address: str):
        self.lesson, self.course, self.page, self.address = lesson, course, page, address
        self.client = course.client()

    def follow(self, name: str, points: list[tuple[str, list]], picture: Path) -> None:
        """Lance ce script, puis fait ses gestes ; `picture` : l'écran, si l'un échoue."""
        start = self.course.run if "tensorflow" in named(name).needs else self.course.fork
        # un avertissement de MLflow est l'affaire d'autres tests
        told = start(path_of(name), fails=True, **AUTHOR)
        assert told.returncode == 0, told.stderr
        for item, step in points:
            for each in step:
                try:
                    self.act(each, told.stdout)
                except BaseException as error:
                    self.page.screenshot(path=picture)
                    error.add_note(f"{name} : {item}\n{each}\n{picture}")
                    raise

    def act(self, each: dict | str, printed: str) -> None:
        page = self.page
        match each:
            case {"printed": _}:
                route = re.search(r"http://127\.0\.0\.1:5000(/#\S+)", printed)[1]
                page.goto(self.address + route, wait_until="domcontentloaded")
            case {"open": route}:
                page.goto(f"{self.address}/{route}", wait_until="domcontentloaded")
            case {"reload": _}:
                page.reload(wait_until="domcontentloaded")
            case {"matching": told}:
                every = f"{len(self.course.runs(self.lesson))} matching runs"
                told = every if told == "all" else told
                expect(page.locator("body")).to_contain_text(re.compile(rf"(?<!\d){told}"))
            case {"shown": pattern}:  # tel que les styles l'écrivent : la page dit « test »
                expect(page.locator("body")).to_contain_text(
                    re.compile(pattern), use_inner_text=True
                )
            case {"run": name}:
                browser.do(page, name)
                newest = newest_run(self.client, self.lesson, name).info.run_id
                expect(page).to_have_url(re.compile(f"/runs/{newest}"))
            case {"commit": _}:
                browser.do(page, {"text": self.course.git("rev-parse", "HEAD")[:7], "wait": True})
            case {"header": name, "count": count}:
                expect(page.locator(f".ag-header-cell:has-text('{name}')")).to_have_count(count)
            case {"cell": [run, column, value]}:
                row = page.locator(f".ag-row:has(span:text-is('{run}'))").first
                place = f".ag-row[row-index='{row.get_attribute('row-index')}']"
                cell = page.locator(f"{place} [col-id*='{column}']").first
                expect(cell).to_have_text(value)
            case {"children": parent, "count": count}:
                found = self.course.children(newest_run(self.client, self.lesson, parent))
                assert count in (0, len(found))
                for child in found:
                    place = page.get_by_text(child.info.run_name, exact=True)
                    expect(place).to_have_count(int(count > 0))
            case {"figure": _}:
                shown = page.locator("img[src*='artifact'], img[src^='blob:']").first
                shown.wait_for()
                shown = shown.element_handle()
                page.wait_for_function("image => image.naturalWidth > 300", arg=shown)
            case {"css": css, "count": count}:
                expect(page.locator(css).filter(visible=True)).to_have_count(count)
            case {"css": css, "type": text}:
                page.locator(css).click()
                page.keyboard.press("ControlOrMeta+a")
                page.keyboard.type(text)
                page.keyboard.press("Enter")
            case {"css": css, "paste": start}:
                page.locator(css).click()
                page.keyboard.insert_text(re.search(rf"{start}[^']+'", printed)[0])
                page.keyboard.press("Enter")  # ferme la liste des propositions
                page.keyboard.press("Enter")
            case {"points": [count, places]}:
                drawn = page.evaluate(POINTS)
                assert (len(drawn), len({tuple(point[:2]) for point in drawn})) == (count, places)
                best = max(drawn, key=lambda point: point[1])
                page.mouse.move(*best[2:], steps=5)
                expect(page.locator(".hoverlayer")).to_contain_text("breast_cancer")
            case _:
                browser.do(page, each)


# les points d'un nuage : leurs coordonnées, et leur place à l'écran
POINTS = """() => {
  const plot = [...document.querySelectorAll('.js-plotly-plot')].find(each => each.offsetWidth);
  const {left, top} = plot.getBoundingClientRect();
  const {xaxis, yaxis} = plot._fullLayout;
  return plot.data.flatMap(({x, y}) => x.map((_, i) => [x[i], y[i],
    left + xaxis._offset + xaxis.d2p(x[i]), top + yaxis._offset + yaxis.d2p(y[i])]));
}"""
