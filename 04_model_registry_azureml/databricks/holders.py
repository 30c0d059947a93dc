# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/holders.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Qui porte `@champion`, et qui le portait
# MAGIC
# MAGIC MLflow oublie l'ancien porteur d'un alias. La leçon garde donc, parmi les étiquettes du modèle
# MAGIC inscrit, une ligne par déplacement : `history_<date>` -> « <date>, @champion : 1 -> 2, <raison> ».

# COMMAND ----------

import re
from datetime import UTC, datetime


def history_entry(move: str, reason: str) -> tuple[str, str]:
    """La clé et la valeur de l'étiquette qui dit, maintenant, le déplacement `move` (« 1 -> 2 ») et
    sa raison.
    """
    now = datetime.now(UTC)
    return (
        f"history_{now:%Y%m%d_%H%M%S_%f}",
        f"{now:%Y-%m-%d %H:%M:%S} UTC, @champion : {move}, {reason}",
    )


def history_lines(tags: dict[str, str]) -> list[str]:
    """Les lignes de l'histoire, de la plus ancienne à la plus récente, parmi les étiquettes d'un
    modèle inscrit.
    """
    return [line for key, line in sorted(tags.items()) if key.startswith("history_")]


def recorded_champion(tags: dict[str, str]) -> str | None:
    """La version championne d'après la dernière ligne de l'histoire ; None s'il n'y en a pas."""
    lines = history_lines(tags)
    found = re.search(r"@champion : (?:\d+ -> )?(\d+)", lines[-1]) if lines else None
    return found[1] if found else None

# COMMAND ----------

def other_alias(aliases: dict[str, str]) -> str:
    """Parmi `previous`, `challenger` et `outsider`, le premier alias qui désigne une autre version
    que `champion`.

    `aliases` : ceux du modèle inscrit, alias -> version. Il n'y a pas de `previous` quand rien n'a
    été promu, ou après un retour en arrière : un candidat prend sa place. Lève `SystemExit`, en une
    ligne, s'il n'y a aucune autre version.
    """
    for alias in ("previous", "challenger", "outsider"):
        if aliases.get(alias, aliases["champion"]) != aliases["champion"]:
            return alias
    raise SystemExit(
        "Il faut une seconde version. Lancez d'abord : uv run 04_model_registry_azureml/local/01_register_models.py"
    )
