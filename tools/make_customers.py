"""Le tableau du projet final (PROJET.md) : des clients inventés, dont on connaît la règle.

    uv run tools/make_customers.py                       écrit clients.csv, 600 clients
    uv run tools/make_customers.py --rows 300 --seed 7   un autre tirage
    uv run tools/make_customers.py --rule                la règle, et le mieux qu'on en tire

Ne lisez ni la règle ni la suite de ce fichier avant la fin du projet : c'est la réponse.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

# part de départs au hasard, bruit de la dépense (euros), part de valeurs absentes
FLIPPED, NOISE, MISSING = 0.05, 25.0, 0.02
# trois sortes de clients
GROUPS = {"âge": (24, 43, 68), "facture": (18, 55, 34), "usage": (45, 25, 8)}


def customers(rows: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Le tableau, une ligne par client, et sa vérité : le groupe de chacun, le départ et la dépense
    sans le hasard.
    """
    draw = np.random.default_rng(seed)
    group = draw.integers(0, 3, rows)

    def around(name: str, low: float, high: float) -> np.ndarray:
        """Autour de la valeur du groupe de chacun."""
        return np.clip(draw.normal(np.array(GROUPS[name])[group], 4), low, high)

    table = pd.DataFrame({  # l'ordre est celui des tirages
        "age": around("âge", 18, 90).round(),
        "region": draw.choice(["nord", "sud", "est", "ouest"], rows),
        "abonnement": draw.choice(["mensuel", "annuel"], rows, p=[0.6, 0.4]),
        "anciennete_mois": draw.integers(1, 73, rows),
        "appels_support": draw.poisson(1.6, rows),
        "retards": draw.poisson(0.8, rows),
        "facture_mensuelle": around("facture", 5, 99).round(2),
        "usage_heures": around("usage", 0, 99).round(1),
    })  # fmt: skip
    leaves = ((table["abonnement"] == "mensuel") & (table["appels_support"] >= 3)) | (
        table["retards"] >= 3
    )
    spent = (
        12 * table["facture_mensuelle"]
        + 5 * table["usage_heures"]
        - 60 * (table["abonnement"] == "annuel")
    )
    truth = pd.DataFrame({"group": group, "leaves": leaves, "spent": spent})

    left = leaves ^ (draw.random(rows) < FLIPPED)
    table["depense_annuelle"] = (spent + draw.normal(0, NOISE, rows)).round(2)
    table["parti"] = np.where(left, "oui", "non")
    table["motif_depart"] = np.where(left, draw.choice(["prix", "service", "concurrent"], rows), "")
    table.loc[draw.random(rows) < MISSING, "usage_heures"] = np.nan
    return table, truth


def rule(table: pd.DataFrame, truth: pd.DataFrame) -> list[str]:
    """La règle, et ce qu'en obtiendrait qui la connaît, sur ce tirage."""
    right = ((table["parti"] == "oui") == truth["leaves"]).mean()
    rmse = float(np.sqrt(((table["depense_annuelle"] - truth["spent"]) ** 2).mean()))
    return [
        "parti = oui : abonnement mensuel et au moins 3 appels, ou au moins 3 retards ; puis"
        f" {100 * FLIPPED:.0f} % de réponses inversées au hasard",
        f"  qui connaît la règle a une exactitude de {right:.3f} : aucun modèle honnête ne fera"
        " durablement mieux",
        "motif_depart n'est rempli qu'après un départ : il donne la réponse, et n'existera pas pour"
        " un client à prédire",
        "depense_annuelle = 12 facture_mensuelle + 5 usage_heures - 60 si annuel, plus un bruit"
        f" d'écart type {NOISE:g}",
        f"  qui connaît la règle a une RMSE de {rmse:.1f}",
        "trois sortes de clients, par l'âge, la facture et l'usage : (24 ans, 18 €, 45 h),"
        " (43, 55, 25), (68, 34, 8)",
    ]


def main():
    parser = argparse.ArgumentParser(description="Écrit le tableau de clients du projet final.")
    parser.add_argument("--rows", type=int, default=600, help="combien de clients")
    parser.add_argument("--seed", type=int, default=0, help="un autre tirage")
    parser.add_argument("--output", type=Path, default="clients.csv", help="le fichier à écrire")
    parser.add_argument("--rule", action="store_true", help="dire la règle, sans rien écrire")
    args = parser.parse_args()
    table, truth = customers(args.rows, args.seed)
    if args.rule:
        print("\n".join(rule(table, truth)))
        return
    table.to_csv(args.output, index=False)
    left = (table["parti"] == "oui").sum()
    print(f"{args.output.name} : {len(table)} clients, {left} partis, {table.shape[1]} colonnes")


if __name__ == "__main__":
    main()
