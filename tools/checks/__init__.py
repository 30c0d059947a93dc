"""Ce que `tools/check.py` sait juger : il lit le magasin, n'y écrit jamais, et ne regarde pas le
code de l'apprenant.

`store` ouvre le magasin en lecture seule ; `learner` y retrouve ce qu'une personne a laissé ;
`models` recharge un modèle sans exécuter ce qu'il contient ; `recompute` refait une mesure,
`values` la compare à ce qui est noté. `lesson_01` à `lesson_04` et `project` jugent, `catalog` rend
le verdict, `scripts` reconnaît les scripts des leçons, `report` écrit.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for folder in sorted(ROOT.glob("0?_*/local")):  # les modules des leçons : données et métriques
    sys.path.append(str(folder))
