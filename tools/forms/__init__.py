"""Les formes d'un script : d'un côté ce qui le lit, de l'autre ce qui en écrit une forme.

Lire : `cells` (ses cellules et leurs noms), `arguments` (ses options), `contract` (ce qui est
refusé), `kept` (ce qu'un notebook garde d'une cellule), `requirements` (les bibliothèques qu'il
demande).

Écrire, pour Databricks : `widgets`, `notebook` (les cellules), `source` (`.py`), `archive`
(`.dbc`). Écrire, pour Jupyter : `jupyter` (les cellules), `execution` (dans une copie du cours),
`outputs` (rendues stables). Écrire, pour l'apprenant : `exercises` (une solution, moins ce qu'il
doit trouver).

Le paquet ne se nomme pas `databricks` : il cacherait celui que MLflow importe.
"""
