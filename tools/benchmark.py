"""Ce que MLflow ajoute au travail lui-même, mesuré ici et maintenant : chaque nombre compare deux
choses de la même exécution.

    uv run --group team tools/benchmark.py --quick     l'essentiel, en deux minutes environ
    uv run --group team tools/benchmark.py             tout, sur une machine au repos
    ... --write                                        et met à jour BENCHMARK.md
    ... --only storage claims --write                  ces étapes-là, ajoutées aux autres

Tout se passe dans un magasin jetable ; les résultats sont un run de l'expérience `benchmark`, dans
le magasin commun. Code 1 si une limite est dépassée : un run enfant de nos balayages sous 60 ms, un
script court sous 1.6 fois ses imports, rien de perdu.
"""

import argparse
import atexit
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path

import psutil
from bench import LESSONS, ROOT, catalog
from rich.console import Console
from rich.progress import track

BUSY = 15  # % de processeur pris par d'autres, au-delà duquel une mesure complète ne vaut rien
# la dernière mesure de chaque étape : le tableau de BENCHMARK.md en est fait
RESULTS = ROOT / "tools/bench/last.json"
PAGE = ROOT / "BENCHMARK.md"
MARKS = "<!-- le tableau : tools/benchmark.py --write -->\n\n", "\n\n<!-- fin du tableau -->"

STEPS = {  # le module qui mesure, et ce qui se dit en attendant
    "startup": "démarrage", "works": "leçons", "children": "run enfant", "volume": "volume",
    "servers": "serveurs", "soak": "endurance", "kills": "pannes", "storage": "stockage",
    "claims": "annonces",
}  # fmt: skip
QUICK = ("startup", "works", "children", "volume")


def refuse_a_busy_machine() -> None:
    """Lève `SystemExit`, en une ligne, si d'autres programmes occupent le processeur."""
    busy = psutil.cpu_percent(interval=5)
    if busy > BUSY:
        raise SystemExit(
            f"La machine n'est pas au repos : {busy:.0f} % du processeur est pris. Attendez, ou"
            " passez --quick."
        )


def steps(quick: bool, folder: Path) -> dict:
    """Ce qu'il y a à mesurer : pour chaque étape, une fonction sans argument qui renvoie des
    métriques.
    """
    from bench import children, claims, kills, servers, soak, startup, volume, works

    def endurance(seconds: int) -> dict[str, float]:
        import mlflow

        here, (address, _) = mlflow.get_tracking_uri(), servers.start_server(folder / "server")
        found = {f"soak.sqlite.{name}": value for name, value in soak.measure(seconds, 8).items()}
        os.environ["MLFLOW_TRACKING_URI"] = address
        mlflow.set_tracking_uri(address)
        try:
            return found | {
                f"soak.server.{name}": value for name, value in soak.measure(seconds, 8).items()
            }
        finally:
            os.environ["MLFLOW_TRACKING_URI"] = here
            mlflow.set_tracking_uri(here)

    if quick:
        return {
            "startup": lambda: startup.measure(2),
            "works": lambda: works.measure(["first_run", "kmeans_sweep"]),
            "children": lambda: children.measure(10, 1),
            "volume": lambda: volume.measure([100, 1000]),
        }
    return {
        "startup": lambda: startup.measure(3),
        "works": lambda: works.measure(list(works.SCRIPTS)),
        "children": lambda: children.measure(30, 35),
        "volume": lambda: volume.measure([100, 1000, 10_000]),
        "servers": lambda: servers.measure(10_000, 2),
        "soak": lambda: endurance(150),
        "kills": lambda: kills.measure(20, folder),
        "storage": lambda: claims.alone("storage", "100", "1000", "10000"),
        "claims": claims.measure,
    }


def record(metrics: dict[str, float], name: str, uri: str) -> None:
    """Enregistre la mesure comme un run, avec son graphique, dans le magasin commun."""
    import mlflow

    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("benchmark")
    table = catalog.markdown(metrics)
    about = f"Ce que MLflow ajoute au travail lui-même.\n\n{table}"
    python, cores = platform.python_version(), os.cpu_count()
    with mlflow.start_run(run_name=name, description=about):
        mlflow.log_params({"cores": cores, "python": python, "mlflow": mlflow.__version__})
        mlflow.log_metrics(metrics)
        mlflow.log_figure(catalog.chart(metrics), "ratios.png")
        mlflow.log_text(table, "table.md")


def merged(
    known: dict[str, float], found: dict[str, dict[str, float]], spent: dict[str, float]
) -> dict[str, float]:
    """La dernière mesure, `known`, où `found` (étape -> métriques, à trois chiffres) remplace ce
    qu'elle mesure.

    `minutes` est la durée de toutes les étapes ; `spent` : secondes de chacune, qui s'y ajoutent
    pour celles que `known` n'avait pas.
    """
    new = sum(spent[name] for name, metrics in found.items() if not metrics.keys() & known.keys())
    kept = {
        name: float(f"{value:.3g}") for metrics in found.values() for name, value in metrics.items()
    }
    return {**known, "minutes": round(known.get("minutes", 0) + new / 60, 1), **kept}


def write_page(kept: dict[str, float]) -> None:
    """Garde la mesure dans `RESULTS`, et met son tableau dans BENCHMARK.md, entre ses deux
    marques.
    """
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(MARKS[0])
    PAGE.write_text(
        f"{before}{MARKS[0]}{catalog.markdown(kept)}{MARKS[1]}{rest.partition(MARKS[1])[2]}",
        encoding="utf-8",
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Mesure ce que MLflow ajoute, et le compare.")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="l'essentiel, en deux minutes environ, machine occupée ou non",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=STEPS,
        default=list(STEPS),
        metavar="ÉTAPE",
        help=f"parmi : {', '.join(STEPS)}",
    )
    parser.add_argument(
        "--write", action="store_true", help="mettre à jour le tableau de BENCHMARK.md"
    )
    args = parser.parse_args()
    if args.quick and args.write:
        raise SystemExit("--write demande la mesure complète.")
    if args.quick and not {*args.only} & {*QUICK}:
        parser.error(f"--quick ne mesure que {', '.join(QUICK)}")
    if not args.quick:
        refuse_a_busy_machine()

    sys.path[:0] = LESSONS
    import mlflow
    from store import open_store

    open_store()
    home = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{ROOT.as_posix()}/mlflow.db"
    before = os.getcwd()
    found, spent, folder = {}, {}, Path(tempfile.mkdtemp(prefix="mlflow"))
    # demandé en premier : les serveurs s'arrêtent avant
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder.as_posix()}/mlflow.db"
    os.chdir(folder)  # les artefacts des scripts vont avec leur base
    mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
    console = Console(stderr=True)
    asked = {
        name: measure for name, measure in steps(args.quick, folder).items() if name in args.only
    }
    for name, measure in track(asked.items(), "Mesures", console=console, transient=True):
        since = time.monotonic()
        found[name] = measure()
        spent[name] = time.monotonic() - since
        console.print(f"{STEPS[name]} : mesuré en {spent[name]:.0f} s", style="dim")
    del os.environ["MLFLOW_TRACKING_URI"]
    os.chdir(before)
    metrics = {name: value for each in found.values() for name, value in each.items()}
    whole = set(found) == set(STEPS)
    record(metrics, "rapide" if args.quick else "complet" if whole else " ".join(found), home)
    if args.write:
        known = {} if whole else json.loads(RESULTS.read_text(encoding="utf-8"))
        write_page(merged(known, found, spent))
    section = ""
    for _, title, line, value in catalog.measured(metrics):
        if title != section:
            print(f"\n{title}")
        section = title
        print(f"  {line.shown(value):>12}  {line.text.replace('`', '')}")
    # une machine occupée dépasserait sans raison
    late = [] if args.quick else catalog.exceeded(metrics)
    for line in late:
        print(f"Limite dépassée : {line}")
    print("\nLe run est dans l'expérience benchmark : uv run mlflow ui")
    return int(bool(late))


if __name__ == "__main__":
    sys.exit(main())
