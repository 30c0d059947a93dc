"""Le format source de Databricks (`.py`) : celui qu'un dossier Git reconnaît comme un notebook."""

FIRST_LINE = "# Databricks notebook source"
SEPARATOR = "\n\n# COMMAND ----------\n\n"


def to_source(cells: list[str]) -> str:
    return f"{FIRST_LINE}\n{SEPARATOR.join(map(written, cells))}\n"


def written(cell: str) -> str:
    if not cell.startswith("%"):
        return cell
    return "\n".join(f"# MAGIC {line}".rstrip() for line in cell.split("\n"))
