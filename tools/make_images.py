"""Refait toutes les images du cours, depuis un magasin neuf.

    uv run --group test tools/make_images.py                      toutes
    uv run --group test tools/make_images.py --lesson 01          d'une leçon (00 : la racine)
    uv run --group test tools/make_images.py --only run.png       une seule
    ... --ui http://127.0.0.1:5000 --to /tmp/essai   d'une interface ouverte, sans rien lancer

Il copie le cours dans un dossier temporaire, y lance les scripts qu'il faut, ouvre `mlflow ui` et
la conduit dans Chromium. Ce que chaque image montre est dit par les listes `Images/images.json` :
voir tools/pictures.py.
"""

import argparse
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import course
from browser import WINDOW, check, chromium, do, find, fresh_page, settled, step_one, ui
from mlflow import MlflowClient
from PIL import Image
from pictures import ROOT, Picture, lesson_of, pictures, position
from playwright.sync_api import Error as PlaywrightError
from rich.console import Console

WIDTH = 1200  # pixels ; GitHub en montre 830 environ, un écran fin les montre tous
LIMIT = 300_000  # octets
MARGIN = 12  # pixels autour de ce que `crop` désigne


def copy_of_the_course(to: Path) -> None:
    """Le cours tel qu'il est, dans un dépôt Git neuf."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    for arguments in (
        ["init", "-q", "-b", "main"],
        ["add", "-A"],
        ["-c", "user.name=cours", "-c", "user.email=cours@localhost", "commit", "-qm", "cours"],
    ):
        subprocess.run(["git", *arguments], cwd=to, check=True)


def run(command: tuple[str, ...], folder: Path) -> None:
    """Lance un script, ou une commande `mlflow`, dans la copie.

    Lève `SystemExit` avec sa sortie s'il échoue.
    """
    words = ["-m", "mlflow", *command[1:]] if command[0] == "mlflow" else list(command)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")
    }
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONUTF8": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    # l'interface montre l'auteur des runs
    environment |= dict.fromkeys(("LOGNAME", "USER", "USERNAME"), "vous")
    ended = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    if ended.returncode:
        raise SystemExit(f"{shlex.join(command)} a échoué :\n{ended.stdout}\n{ended.stderr}")


def filled(page: str, client: MlflowClient) -> str:
    """Remplace `{experiment:...}`, `{run:.../...}` et `{model:.../...}` par les identifiants du
    magasin.
    """

    def identifier(match: re.Match) -> str:
        kind, name = match[1], match[2]
        experiment, _, name = name.partition("/")
        number = client.get_experiment_by_name(experiment).experiment_id
        if kind == "experiment":
            return number
        if kind == "run":
            return newest_run(client, experiment, name).info.run_id
        return client.search_logged_models([number], f"name = '{name}'", max_results=1)[0].model_id

    return re.sub(r"\{(experiment|run|model):([^}]+)\}", identifier, page)


def newest_run(client: MlflowClient, experiment: str, name: str):
    """Le run le plus récent de ce nom. Lève `SystemExit` s'il n'y en a pas."""
    number = client.get_experiment_by_name(experiment).experiment_id
    quoted = name.replace("'", "\\'")
    found = client.search_runs(
        [number],
        f"attributes.run_name = '{quoted}'",
        order_by=["attributes.start_time DESC"],
        max_results=1,
    )
    if not found:
        raise SystemExit(f"Aucun run « {name} » dans {experiment}.")
    return found[0]


def view(
    entry: dict, browser, address: str, memory: dict | None, client: MlflowClient
) -> Image.Image:
    """La vue que décrit `entry`, vérifiée, marquée et cadrée."""
    window = entry.get("window", WINDOW)
    with fresh_page(browser, window, None if entry.get("before_step_one") else memory) as page:
        try:
            page.goto(address + "/" + filled(entry["page"], client), wait_until="domcontentloaded")
            for click in entry.get("clicks", []):
                do(page, click)
            check(page, entry["shows"], entry.get("counts", {}))
            page.mouse.move(0, 0)
            settled(page)
            for number, target in enumerate(entry.get("mark", []), 1):
                page.evaluate(FRAME, [number, find(page, target).bounding_box()])
            box = frame(page, entry.get("crop"), window)
            shot = Image.open(io.BytesIO(settled(page))).convert("RGB")
        except (PlaywrightError, AssertionError) as error:
            seen = Path(tempfile.gettempdir()) / f"refused-{entry['name']}"
            page.screenshot(path=seen)
            raise SystemExit(
                f"{entry['name']} : {error}\nCe que le navigateur montrait : {seen}"
            ) from error
    scale = shot.width / window[0]
    return shot.crop(tuple(round(side * scale) for side in box))


# Un cadre rouge autour d'un élément, et son numéro.
FRAME = """([number, box]) => {
  const frame = document.createElement('div');
  frame.style.cssText = `position:fixed; left:${box.x - 6}px; top:${box.y - 6}px;
    width:${box.width + 12}px; height:${box.height + 12}px; border:3px solid #d6232a;
    border-radius:8px; z-index:99999; pointer-events:none; box-sizing:border-box`;
  const disc = document.createElement('div');
  disc.textContent = number;
  disc.style.cssText = `position:fixed; left:${Math.max(2, box.x - 18)}px;
    top:${Math.max(2, box.y - 18)}px; width:24px; height:24px; border-radius:50%;
    background:#d6232a; color:white; font:bold 15px/24px sans-serif; text-align:center;
    z-index:100000; pointer-events:none`;
  document.body.append(frame, disc);
}"""


def frame(page, crop: list | dict | None, window: tuple) -> tuple[float, float, float, float]:
    """Les bords de l'image (gauche, haut, droite, bas), en pixels de la fenêtre."""
    if crop is None:
        return 0, 0, *window
    if isinstance(crop, list) and isinstance(crop[0], int | float):
        x, y, width, height = crop
        return x, y, x + width, y + height
    boxes = [
        find(page, target).bounding_box() for target in (crop if isinstance(crop, list) else [crop])
    ]
    left, top = min(box["x"] for box in boxes), min(box["y"] for box in boxes)
    right, bottom = (
        max(box["x"] + box["width"] for box in boxes),
        max(box["y"] + box["height"] for box in boxes),
    )
    return (
        max(0, left - MARGIN),
        max(0, top - MARGIN),
        min(window[0], right + MARGIN),
        min(window[1], bottom + MARGIN),
    )


def save(image: Image.Image, path: Path) -> None:
    """Met une vue à la largeur commune et l'écrit.

    Lève `SystemExit` si elle est trop étroite, presque vide, ou trop lourde.
    """
    if image.width < WIDTH / 2:
        raise SystemExit(
            f"{path.name} : {image.width} pixels de large, trop étroite pour rester nette."
        )
    if ink(image) < 0.005:
        raise SystemExit(f"{path.name} : presque vide.")
    image = image.resize(
        (WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS
    )
    image.quantize(256, dither=Image.Dither.NONE).save(path, format="png", optimize=True)
    light_enough(path)


def light_enough(path: Path) -> None:
    if (size := path.stat().st_size) > LIMIT:
        told = f"{size // 1000} ko, plus de {LIMIT // 1000}. Cadrez plus serré."
        raise SystemExit(f"{path.name} : {told}")


def ink(image: Image.Image) -> float:
    """La part des pixels foncés : le texte et les traits, sans le fond."""
    grey = image.convert("L").histogram()
    return sum(grey[:200]) / sum(grey)


def copy_figure(entry: dict, client: MlflowClient, path: Path) -> None:
    """Copie telle quelle la figure qu'un script a enregistrée.

    Lève `SystemExit` si elle est trop large ou trop lourde.
    """
    wanted = entry["figure"]
    found = newest_run(client, wanted["experiment"], wanted["run_name"])
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(
            client.download_artifacts(found.info.run_id, wanted["artifact"], folder), path
        )
    with Image.open(path) as image:
        if image.width > WIDTH:
            raise SystemExit(f"{path.name} : {image.width} pixels de large, plus de {WIDTH}.")
    light_enough(path)


def make(chosen: list[Picture], address: str | None, to: Path | None, console: Console) -> None:
    """Fait les images choisies, chacune dès que ce qu'elle demande a tourné.

    Sans `address`, dans une copie neuve du cours.
    """
    done: list[tuple[str, ...]] = []
    with ExitStack() as stack:
        copy = None
        if address is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="images-"))
            copy = Path(folder, "cours-mlflow")
            copy.mkdir()
            copy_of_the_course(copy)
            address = stack.enter_context(ui(copy))
        client, browser = MlflowClient(address), stack.enter_context(chromium())
        memory = step_one(browser, address)
        for rank, picture in enumerate(sorted(chosen, key=position), 1):
            for place, command in enumerate(picture.commands if copy else (), 1):
                if done.count(command) < picture.commands[:place].count(command):
                    console.print(
                        f"      {shlex.join(command)}", style="dim", highlight=False, soft_wrap=True
                    )
                    run(command, copy)
                    done.append(command)
            console.print(f"{rank:2}/{len(chosen)} {picture.path}", highlight=False, soft_wrap=True)
            path = (to or ROOT / picture.folder) / picture.name
            if "figure" in picture.entry:
                copy_figure(picture.entry, client, path)
            else:
                save(view(picture.entry, browser, address, memory, client), path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Refait les images du cours, depuis un magasin neuf."
    )
    parser.add_argument(
        "--lesson",
        choices=["00", *(lesson[:2] for lesson in course.LESSONS)],
        help="une seule leçon ; 00 : la racine",
    )
    parser.add_argument("--only", nargs="+", metavar="NOM", help="seulement ces images")
    parser.add_argument(
        "--ui", metavar="ADRESSE", help="une interface déjà ouverte : aucun script n'est lancé"
    )
    parser.add_argument(
        "--to", type=Path, metavar="DOSSIER", help="où les écrire, ailleurs que dans le dépôt"
    )
    args = parser.parse_args()
    chosen = [picture for picture in pictures() if args.lesson in (None, lesson_of(picture))]
    if args.only:
        chosen = [picture for picture in chosen if picture.name in args.only]
        if unknown := set(args.only) - {picture.name for picture in chosen}:
            sys.exit(f"Aucune liste ne demande {', '.join(sorted(unknown))}.")
    if args.to:
        args.to.mkdir(parents=True, exist_ok=True)
    make(chosen, args.ui, args.to, Console())


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Interrompu : les images déjà faites restent.")
