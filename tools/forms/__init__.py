"""Les formes d'un script : d'un côté ce qui le lit, de l'autre ce qui en écrit une forme.

Lire : `cells` (ses cellules), `names` (les noms qu'elles lient et lisent), `arguments` (ses
options), `contract` (ce qui est refusé), `kept` (ce qu'un notebook garde d'une cellule),
`requirements` (les bibliothèques qu'il demande). Écrire, pour Databricks : `notebook`, `archive`
(`.dbc`) ; pour Jupyter : `jupyter`, `execution` (dans une copie du cours), `outputs` (rendues
stables) ; pour l'apprenant : `exercises` (une solution, moins ce qu'il doit trouver) et `glossary`.

Le paquet ne se nomme pas `databricks` : il cacherait celui que MLflow importe.
"""
