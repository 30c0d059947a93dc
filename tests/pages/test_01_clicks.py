"""Tous les clics de la leçon 1, dans un seul navigateur : l'interface garde son état d'un script à
l'autre, comme chez le lecteur.

Chaque point des « À regarder » est fait à sa place, après son script ; chaque mot que la page y
montre (*Columns*, `cost`, « svm complet », **+**) est cliqué, tapé ou vu.
"""

import json
import re
import shutil

import browser
import pytest
from copies import Course
from make_images import newest_run
from playwright.sync_api import expect
from texts import ROOT, heading, path_of

from course import SCRIPTS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("chromium"), reason="Chromium manque : apt-get install chromium"
    ),
]
EXPERIMENT = "01_tracking_supervised"
README = (ROOT / EXPERIMENT / "README.md").read_text(encoding="utf-8")
CORE = [script.name for script in SCRIPTS if script.lesson == EXPERIMENT and script.core]
ELSEWHERE = {"svm_sweep": "Lire le balayage dans l'interface"}  # il a sa section
# l'interface montre l'auteur des runs
AUTHOR = dict.fromkeys(("LOGNAME", "USER", "USERNAME"), "vous")

BAR = "[data-component-id$='runssearchautocomplete.tsx_236']"
AXIS = "[role='dialog'] input[id^='dubois-select']"
FRAME = "[data-component-id='fullscreen_button_chartcard']"
OPTION = ".du-bois-light-select-item-option[title='{}']"
RUNS = {"role": "link", "name": "Runs", "exact": True}
COLUMNS = {"role": "button", "name": "Columns"}
CLOSED = {"placeholder": "Search columns", "press": "Escape"}


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

# script -> l'introduction de son « À regarder », puis chaque point
WALK = {
    "first_run": [
        [],
        [{"printed": True}, {"matching": "8 matching runs"}, {"header": "cost", "count": 0}],
        [
            {"run": "svm gamma=0.3"}, seen("Metrics (9)"), seen("Parameters (1)"),
            {"text": "gamma", "wait": True}, seen("Tags"), seen("question"), seen("Source"),
            seen("01_first_run.py"), {"commit": True},
        ],
        BACK,
        [
            COLUMNS, {"text": "Dataset", "nth": 1}, "cost", "sensitivity", CLOSED,
            {"header": "Dataset", "count": 0},
            {"cell": ["svm gamma=0.3", "cost", "12"]},
            {"cell": ["svm gamma=1", "sensitivity", "0"]},
        ],
    ],
    "autolog": [
        BACK,
        [
            {"run": "svm autolog"}, {"role": "tab", "name": "Artifacts"},
            {"css": ":text-matches('^training_.*[.]png$')", "count": 3},
            {"css": ":text-matches('[.]png$')", "count": 3},
        ],
        [
            *BACK, fold("grille autolog", "+"), {"children": "grille autolog", "count": 5},
            fold("grille autolog", "−"), {"children": "grille autolog", "count": 0},
        ],
    ],
    "full_run": [
        RELOADED,
        [
            {"run": "svm complet"}, seen("Le SVM de moindre coût du premier script"),
            seen("Datasets"), seen("breast_cancer_train"),
        ],
        [{"role": "tab", "name": "Artifacts"}, "confusion_matrix.png", {"figure": True}],
        [
            *BACK, COLUMNS, "roc_auc", CLOSED,
            {"cell": ["svm gamma=0.03", "roc_auc", "1"]}, {"cell": ["svm gamma=1", "roc_auc", "1"]},
        ],
    ],
    "open_model": [
        [],
        [
            {"role": "link", "name": "Models", "exact": True}, seen("Failed"),
            {"role": "link", "name": "svm_complet", "exact": True}, seen("Metrics (9)"),
            seen("svm complet"), seen("03_full_run.py"), seen("Ready"),
        ],
        [
            {"role": "link", "name": "Artifacts"}, "MLmodel",
            seen("python_function:"), seen("sklearn:"), seen("signature:"),
        ],
    ],
    "svm_sweep": [
        RELOADED,
        [fold("svm balayage", "+"), {"children": "svm balayage", "count": 35}],
        [{"css": BAR, "type": "metrics.cv_cost < 70"}, {"matching": "4 matching runs"}],
        [
            seen("Sort: Created"), {"contains": "Sort: Created"},
            {"placeholder": "Search", "exact": True, "fill": "cv_cost"},
            {"role": "menuitemcheckbox", "name": "cv_cost", "exact": True},
            {"matching": "3 matching runs"},
            {"contains": "Sort: cv_cost"}, {"role": "button", "name": "Sort ascending"},
            {"css": ".ag-row[row-index='0']:has-text('C=1000 gamma=0.001')", "wait": True},
            {"css": ".ag-row[row-index='2']:has-text('C=1 gamma=0.1')", "wait": True},
        ],
        [{"css": BAR, "type": "metrics.cv_cost < 300"}, {"matching": "30 matching runs"}],
        [
            {"css": "[data-component-id$='runscontrolsfilters.tsx_184'] > *", "nth": 1},
            {"css": "[data-testid='experiment-view-runs-visibility-column-header']"},
            {"contains": "Show all runs"},
        ],
        [
            {"role": "button", "name": "Add chart"}, "Scatter chart", seen("X axis"),
            {"css": AXIS, "fill": "log10_gamma"}, {"css": OPTION.format("log10_gamma")},
            seen("Y axis"),
            {"css": AXIS, "nth": 1, "fill": "cv_cost"},
            {"css": OPTION.format("cv_cost")},
            {"css": "[role='dialog'] .ytitle:text-is('cv_cost')", "wait": True},
            {"role": "button", "name": "Add chart", "nth": -1},
        ],
        [
            {"placeholder": "Search metric charts", "fill": "gamma"}, {"css": FRAME, "count": 1},
            {"css": FRAME},
            {"css": "[role='dialog'] .scatterlayer path.point", "count": 30},
            {"label": "Close", "within": {"role": "dialog"}},
        ],
        [*BACK, fold("svm balayage", "−"), {"children": "svm balayage", "count": 0}],
    ],
    "compare_models": [
        RELOADED,
        [{"css": BAR, "paste": "tags.comparison = '"}, {"matching": "7 matching runs"}],
        [
            {"label": "Select all runs"}, {"role": "button", "name": "Compare"},
            seen("Comparing 7 Runs"),
        ],
        [
            {"role": "tab", "name": "Scatter Plot"}, seen("X-axis"), {"css": "#x-axis-selector"},
            {"role": "option", "name": "specificity", "exact": True}, seen("Y-axis"),
            {"css": "#y-axis-selector"}, {"role": "option", "name": "sensitivity", "exact": True},
            {"css": ".xtitle:text-is('specificity')", "wait": True},
            {"css": ".ytitle:text-is('sensitivity')", "wait": True},
            {"points": [7, 6]},
        ],
    ],
    "search_runs": [
        [
            *RELOADED, {"run": "jugement du meilleur svm"}, seen("test_cost"),
            {"shown": r"breast_cancer_test \(\w+\)\s+Test"},
        ],
    ],
    "annotate_runs": [
        RELOADED,
        [
            {"run": "svm gamma=0.3"}, seen("Description"), {"label": "Edit description"},
            {"css": "[data-testid='text-area']", "fill": "Le moindre coût des quatre."},
            {"role": "button", "name": "Save"},
            {"css": "[data-testid='text-area']", "count": 0}, seen("Le moindre coût des quatre."),
        ],
        [
            seen("Tags"), {"label": "Edit tags"}, seen("Key"), {"css": AXIS, "fill": "review"},
            {"css": AXIS, "press": "Enter"}, seen("Value"),
            {"placeholder": "Type a value", "fill": "à revoir"}, {"label": "Add tag", "sign": "+"},
            {"role": "button", "name": "Save tags"}, {"css": "[role='dialog']", "count": 0},
        ],
        [
            *BACK, {"css": BAR, "type": "tags.review = 'à revoir'"},
            {"matching": "1 matching run"}, {"text": "svm gamma=0.3", "wait": True},
        ],
    ],
}  # fmt: skip


def items(name: str) -> list[str]:
    """L'introduction d'un « À regarder », puis ses points."""
    title = ELSEWHERE.get(name, heading(name))
    section = README.partition(f"\n## {title}")[2]
    text = section.partition("\n## ")[0].rpartition("**À regarder.**")[2]
    text = re.split(r"^(?:!\[|\*\*|\|)", text, flags=re.M)[0]
    return [re.sub(r"\s+", " ", each).strip() for each in re.split(r"^\d\. ", text, flags=re.M)]


def words(item: str) -> set[str]:
    """Ce qu'un point montre ou fait taper : *Columns*, `cost`, « svm complet », **+**."""
    item = item.replace("« À regarder »", "")
    found = re.findall(r"« (.+?) »|`([^`]+)`|\*\*([+−])\*\*|(?<!\*)\*([^*]+)\*(?!\*)", item)
    return {"".join(each).partition("...")[0].replace(" = ", "=") for each in found}


def test_each_point_of_the_page_is_walked():
    missing = [
        (item, word)
        for name in CORE
        for item, step in zip(items(name), WALK[name], strict=True)
        for word in words(item)
        if word not in json.dumps(step, ensure_ascii=False).replace(" = ", "=")
    ]
    assert missing == []
    assert words("« svm » et *Runs*, `a = 1`, **+** ; **pas** `test_...`") == {
        "svm", "Runs", "a=1", "+", "test_",
    }  # fmt: skip


class Walker:
    """Une copie du cours, son interface, et la page d'un navigateur qui a passé l'étape 1."""

    def __init__(self, course: Course, page, address: str):
        self.course, self.page, self.address, self.client = course, page, address, course.client()

    def act(self, each: dict | str, printed: str) -> None:
        page = self.page
        match each:
            case {"printed": _}:
                route = re.search(r"http://127\.0\.0\.1:5000(/#\S+)", printed)[1]
                page.goto(self.address + route, wait_until="domcontentloaded")
            case {"reload": _}:
                page.reload(wait_until="domcontentloaded")
            case {"matching": told}:
                told = (
                    f"{len(self.course.runs(EXPERIMENT))} matching runs" if told == "all" else told
                )
                expect(page.locator("body")).to_contain_text(re.compile(rf"(?<!\d){told}"))
            case {"shown": pattern}:  # tel que les styles l'écrivent : la page dit « test »
                expect(page.locator("body")).to_contain_text(
                    re.compile(pattern), use_inner_text=True
                )
            case {"run": name}:
                browser.do(page, name)
                newest = newest_run(self.client, EXPERIMENT, name).info.run_id
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
                found = self.course.children(newest_run(self.client, EXPERIMENT, parent))
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


def test_the_page_walked_from_end_to_end(tmp_path):
    course = Course(tmp_path / "cours-mlflow")
    course.fork(path_of("first_run"), **AUTHOR)  # la page d'accueil
    with browser.ui(course.root) as address, browser.chromium() as chromium:
        memory = browser.step_one(chromium, address)
        with browser.fresh_page(chromium, memory=memory, scale=1) as page:
            expect.set_options(timeout=browser.PATIENCE * 1000)
            walker = Walker(course, page, address)
            for name in CORE:
                # un avertissement de MLflow est l'affaire d'autres tests
                told = course.fork(path_of(name), fails=True, **AUTHOR)
                assert told.returncode == 0, told.stderr
                for item, step in zip(items(name), WALK[name], strict=True):
                    for each in step:
                        try:
                            walker.act(each, told.stdout)
                        except BaseException as error:
                            page.screenshot(path=tmp_path / "vu.png")
                            error.add_note(f"{name} : {item}\n{each}\n{tmp_path / 'vu.png'}")
                            raise
    [reviewed] = course.runs(EXPERIMENT, "tags.review = 'à revoir'")
    assert reviewed.data.tags["mlflow.note.content"] == "Le moindre coût des quatre."
