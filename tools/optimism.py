"""Le meilleur de trente-cinq couples tient-il ce que la validation croisée promet ?

    uv run tools/optimism.py            trente découpages, quelques minutes
    uv run tools/optimism.py --write    et garde le résultat dans tools/bench/optimism.csv

Le balayage de la leçon 1, sur trente partages différents des mêmes tumeurs en 455 et 114 : le
couple de moindre coût, et la moyenne des trente-cinq. Les coûts sont pour cent tumeurs, en
validation croisée et sur le test.
"""

import argparse
import ast
import sys
from itertools import product
from pathlib import Path

import pandas as pd
from sklearn.model_selection import StratifiedKFold, cross_val_predict

ROOT = Path(__file__).resolve().parents[1]
LOCAL = ROOT / "01_tracking_supervised/local"
RECORD = ROOT / "tools/bench/optimism.csv"
SPLITS = 30


def grid() -> dict[str, list[float]]:
    """Celle de `svm_sweep`, lue dans le script."""
    tree = ast.parse((LOCAL / "05_svm_sweep.py").read_text(encoding="utf-8"))
    return next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "GRID"
    )


def split_costs(seed: int) -> dict[str, float]:
    """Un partage des tumeurs : les coûts, pour cent tumeurs, du couple retenu et des 35."""
    sys.path.append(str(LOCAL))
    from patients import cost, load_patients, svm

    data = load_patients(seed)
    X, y = pd.concat([data.X_train, data.X_valid]), pd.concat([data.y_train, data.y_valid])
    folds, rows = StratifiedKFold(5, shuffle=True, random_state=0), []
    for C, gamma in product(*grid().values()):
        scores = cross_val_predict(svm(C, gamma), X, y, cv=folds, method="decision_function")
        predicted = svm(C, gamma).fit(X, y).predict(data.X_test)
        cv_cost = 100 * cost(y, (scores > 0).astype(float)) / len(y)
        rows.append((cv_cost, 100 * cost(data.y_test, predicted) / len(data.y_test)))
    costs = pd.DataFrame(rows, columns=["cv", "test"])
    best = costs.loc[costs["cv"].idxmin()]  # à égalité, le premier de la grille
    mean = costs.mean()
    return {
        "seed": seed, "best_cv": best["cv"], "best_test": best["test"],
        "mean_cv": mean["cv"], "mean_test": mean["test"],
    }  # fmt: skip


def report(found: pd.DataFrame) -> str:
    """Les moyennes, l'écart et son erreur type. `found` : une ligne par découpage."""
    lines = [f"{len(found)} découpages, coût pour cent tumeurs : validation croisée, test, écart"]
    for name, title in (("best", "le couple retenu"), ("mean", "les 35 couples, en moyenne")):
        gap = found[f"{name}_test"] - found[f"{name}_cv"]
        values = f"{found[f'{name}_cv'].mean():5.1f} {found[f'{name}_test'].mean():5.1f}"
        lines.append(f"{title:28}{values} {gap.mean():+5.1f} ± {gap.sem():.1f}")
    worse = int((found["best_test"] > found["best_cv"]).sum())
    return "\n".join([*lines, f"Le couple retenu coûte plus sur le test {worse} fois."])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="garder le résultat")
    args = parser.parse_args()
    found = pd.DataFrame([split_costs(seed) for seed in range(SPLITS)])
    print(report(found))
    if args.write:
        found.round(6).to_csv(RECORD, index=False)
