"""L'interface d'origine, dans un vrai navigateur, sur un magasin que le cours remplit : elle montre
ce que les pages en disent.

Chaque vue de images.json est refaite par ses clics, ceux de la page ; s'y ajoute ce qu'un texte
affirme et qu'une image ne prouve pas (la leçon 1, d'un bout à l'autre : test_01_clicks.py). La
leçon 2 vient de la séance ; les autres scripts sont lancés dans l'ordre des images, qui montrent le
magasin à ce moment-là.
"""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import browser
import make_images
import mlflow
import pictures
import pytest
from PIL import Image, ImageChops
from programs import reader_environment
from reader import WARM
from recording import recorded
from texts import ROOT, path_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("chromium"), reason="Chromium manque : apt-get install chromium"
    ),
]
LESSON_1, LESSON_2, LESSON_4 = (
    "01_tracking_supervised",
    "02_tracking_unsupervised",
    "04_model_registry_azureml",
)
VIEWS = sorted(
    (view for view in pictures.pictures() if "page" in view.entry), key=pictures.position
)
VISITED = [view for view in VIEWS if not view.entry.get("before_step_one")]
# l'interface montre l'auteur des runs, et les images celui-là
AUTHOR = dict.fromkeys(("LOGNAME", "USER", "USERNAME"), "vous")


class Visitor:
    """Un lecteur qui a passé l'étape 1 : la copie du cours, l'interface ouverte, un navigateur qui
    s'en souvient.
    """

    def __init__(self, course, done, address, chromium):
        self.course, self.done, self.address, self.chromium = course, done, address, chromium
        self.client = mlflow.MlflowClient(address)
        self.memory = browser.step_one(chromium, address)

    def needs(self, *commands: tuple[str, ...]) -> None:
        """Lance ce qui n'a pas encore tourné, dans l'ordre donné."""
        for place, command in enumerate(commands, 1):
            if self.done.count(command) < commands[:place].count(command):
                if WARM.match(command[0]):
                    self.course.fork(*command, **AUTHOR)
                else:
                    make_images.run(command, self.course.root)
                self.done.append(command)

    def scripts(self, *names: str) -> None:
        self.needs(*((path_of(name),) for name in names))

    def page(self, route: str):
        """Une page fraîche, déjà sur `route` (les noms entre accolades sont remplacés, voir
        tools/pictures.py).
        """
        return browser.opened(
            self.chromium, f"{self.address}/{make_images.filled(route, self.client)}", self.memory
        )


@pytest.fixture(scope="module")
def visitor(tmp_path_factory):
    session = recorded(LESSON_2, slow=True)
    course = session.copy(tmp_path_factory.mktemp("interface") / "cours-mlflow")
    with closing(sqlite3.connect(course.root / "mlflow.db")) as base:
        base.execute("UPDATE tags SET value = 'vous' WHERE key = 'mlflow.user'")
        base.commit()
    with ExitStack() as stack:
        address = stack.enter_context(browser.ui(course.root))
        done = [(f"{LESSON_2}/local/{name}.py",) for name in session.names()]
        yield Visitor(course, done, address, stack.enter_context(browser.chromium()))


def changed(kept: Path, made: Path) -> float:
    """La part d'une image qui n'est plus la même dans une autre, vues de loin : les heures et les
    identifiants y comptent peu.
    """
    with Image.open(kept) as before, Image.open(made) as after:
        if abs(before.height - after.height) > 0.05 * before.height:
            return 1.0
        small = [
            image.convert("L").resize((120, 80), Image.Resampling.BOX) for image in (before, after)
        ]
    return sum(
        count for level, count in enumerate(ImageChops.difference(*small).histogram()) if level > 24
    ) / (120 * 80)


def test_two_views_are_not_the_same():
    """La comparaison n'accepte pas n'importe quoi : d'une vue à l'autre, tout change."""
    one, *others = [ROOT / picture.path for picture in VIEWS]
    assert changed(one, one) == 0 and all(changed(one, other) > 0.05 for other in others)


def test_a_picture_made_again_looks_the_same(tmp_path):
    """L'outil, comme on le lance, pour la vue qui demande le moins."""
    picture = min(VIEWS, key=pictures.position)
    options = [
        "--lesson",
        pictures.lesson_of(picture),
        "--only",
        picture.name,
        "--to",
        str(tmp_path),
    ]
    ended = subprocess.run(
        [sys.executable, ROOT / "tools/make_images.py", *options],
        cwd=ROOT, env=reader_environment(), capture_output=True, text=True, timeout=900,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert changed(ROOT / picture.path, tmp_path / picture.name) < 0.05


@pytest.mark.parametrize("picture", VISITED, ids=[picture.path for picture in VISITED])
def test_the_clicks_lead_where_the_page_says(visitor, picture, tmp_path):
    """Et ce que l'on y voit ressemble à l'image que la page montre."""
    visitor.needs(*picture.commands)
    seen = make_images.view(
        picture.entry, visitor.chromium, visitor.address, visitor.memory, visitor.client
    )
    make_images.save(seen, tmp_path / picture.name)
    assert changed(ROOT / picture.path, tmp_path / picture.name) < 0.05


def test_a_deleted_run_comes_back(visitor):
    """La suite des clics de l'image : le run supprimé, coché, *Restore*, *Restore* ; puis *State:
    Deleted*, *Active*.
    """
    [picture] = [view for view in VIEWS if view.name == "deleted_runs.png"]
    visitor.needs(*picture.commands)
    number = visitor.client.get_experiment_by_name(LESSON_1).experiment_id
    deleted = {"run_view_type": mlflow.entities.ViewType.DELETED_ONLY}
    if not visitor.client.search_runs([number], **deleted):  # sinon l'image vient de le supprimer
        visitor.client.delete_run(
            make_images.newest_run(visitor.client, LESSON_1, "svm gamma=1").info.run_id
        )
    with visitor.page(picture.entry["page"] + "?lifecycleFilter=Deleted") as page:
        browser.do(page, {"css": ".ag-row:has(span:text-is('svm gamma=1')) .ag-checkbox-input"})
        browser.do(page, "Restore")
        browser.do(page, {"role": "button", "name": "Restore", "within": {"role": "dialog"}})
        page.locator("body:not(:has-text('svm gamma=1'))").wait_for()
        browser.do(page, {"css": "[data-testid='lifecycle-filter']"})
        browser.do(page, {"role": "option", "name": "Active"})
        page.get_by_text("svm gamma=1", exact=True).wait_for()
    assert not visitor.client.search_runs([number], **deleted)


def test_figures_are_displayed(visitor):
    """L'onglet *Artifacts* montre la figure elle-même ; ce qu'elle vaut, les images des pages le
    disent.
    """
    visitor.scripts("svm_sweep")
    for lesson, run, figure in (
        (LESSON_1, "svm balayage", "metric_against_parameter.png"),
        (LESSON_2, "kmeans k=2 à 20", "centroids.png"),
    ):
        with visitor.page(
            f"#/experiments/{{experiment:{lesson}}}/runs/{{run:{lesson}/{run}}}"
        ) as page:
            browser.do(page, {"role": "tab", "name": "Artifacts"})
            browser.do(page, figure)
            shown = page.locator("img[src*='artifact'], img[src^='blob:']").first
            shown.wait_for()
            page.wait_for_function("image => image.naturalWidth > 300", arg=shown.element_handle())


def test_the_promoted_version_in_the_registry(visitor):
    visitor.scripts("register_models", "promote")
    assert visitor.client.get_registered_model("wine_cultivars").aliases["champion"] == "2"
    with visitor.page("#/models/wine_cultivars/versions/2") as page:
        browser.check(
            page, ["@ champion", "Source Run:", "Schema", "Inputs (13)", "decision", "promoted"], {}
        )
