"""Ce que tous les tests reçoivent : une leçon enregistrée, une copie où écrire, un clone frais.

Voir README.md, à côté.
"""

import json
import os
import re
from collections import Counter
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import copies
import pytest
from copies import Course
from recording import Recorded, recorded

from course import LESSONS

# secondes par fichier, écrites par l'intégration continue
DURATIONS = Path(__file__).with_name("durations.json")
spent = Counter()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-durations",
        action="store_true",
        help="récrit tests/durations.json, qui range les fichiers",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Le fichier le plus long part le premier ; ce qui est pour `-m release` ne vient que si on le
    nomme.
    """
    if "release" not in config.option.markexpr:
        config.hook.pytest_deselected(
            items=[item for item in items if item.get_closest_marker("release")]
        )
        items[:] = [item for item in items if not item.get_closest_marker("release")]
    known = json.loads(DURATIONS.read_text(encoding="utf-8")) if DURATIONS.exists() else {}
    items.sort(key=lambda item: -known.get(item.location[0], 0))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    spent[report.location[0]] += report.duration


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("write_durations") and not hasattr(session.config, "workerinput"):
        known = json.loads(DURATIONS.read_text(encoding="utf-8")) if DURATIONS.exists() else {}
        known |= {name: round(seconds) for name, seconds in spent.items() if seconds >= 1}
        DURATIONS.write_text(
            json.dumps(dict(sorted(known.items())), indent=1) + "\n", encoding="utf-8"
        )


@pytest.fixture(scope="session", autouse=True)
def shared_folder(tmp_path_factory) -> None:
    base = tmp_path_factory.getbasetemp()
    copies.shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


def lesson_of(request: pytest.FixtureRequest) -> str:
    """La leçon que nomme le fichier du test : `test_01_runs.py` -> `01_tracking_supervised`."""
    number = re.match(r"test_(0\d)_", request.path.name)[1]
    return next(lesson for lesson in LESSONS if lesson.startswith(number))


@pytest.fixture(scope="module")
def lesson(request) -> Recorded:
    """La leçon du fichier, enregistrée : ses scripts annoncés à vingt secondes au plus, chacun
    lancé une fois.
    """
    return recorded(lesson_of(request))


@pytest.fixture(scope="module")
def whole_lesson(request) -> Recorded:
    """La même, avec ses scripts longs : pour les tests lents."""
    return recorded(lesson_of(request), slow=True)


@pytest.fixture(scope="module")
def scratch(lesson, tmp_path_factory) -> Course:
    """Une copie de la leçon enregistrée, pour les tests d'un fichier qui lancent ou écrivent autre
    chose.
    """
    return lesson.copy(tmp_path_factory.mktemp("brouillon") / "cours")


@pytest.fixture
def fresh_course(tmp_path) -> Course:
    """Une copie pour un seul test, sans magasin."""
    return Course(tmp_path / "clone frais")
