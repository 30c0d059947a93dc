"""L'archive Databricks (`.dbc`) : un zip de JSON, un par notebook.

Les mêmes cellules donnent les mêmes octets.
"""

import io
import json
import uuid
import zipfile
from itertools import count

# Les champs et leurs valeurs, relevés sur de vraies exportations. `...` : propre à chaque objet.
MANIFEST = {"version": "Manifest", "guid": ..., "origId": -1, "name": "manifest.mf"}
FOLDER = {"version": "FolderV1", "origId": ..., "name": ..., "guid": "", "children": []}
NOTEBOOK = {
    "version": "NotebookV1", "origId": ..., "name": ..., "language": "python", "commands": ...,
    "dashboards": [], "guid": ...,
    "globalVars": {}, "iPythonMetadata": None, "inputWidgets": {},
    "notebookMetadata": {"pythonIndentUnit": 4},
    "reposExportFormat": "SOURCE", "environmentMetadata": None, "computePreferences": None,
    "inputWidgetPreferences": None,
}  # fmt: skip
COMMAND = {
    "version": "CommandV1", "origId": ..., "guid": ..., "subtype": "command",
    "commandType": "auto", "position": ..., "command": ...,
    "commandVersion": 0, "state": "input", "results": None, "resultDbfsStatus": "INLINED_IN_TREE",
    "resultDbfsErrorMessage": None,
    "errorSummary": None, "errorTraceType": None, "error": None, "errorDetails": None,
    "baseErrorDetails": None,
    "workflows": [], "startTime": 0, "submitTime": 0, "finishTime": 0, "collapsed": False,
    "bindings": {}, "inputWidgets": {},
    "displayType": "table", "width": "auto", "height": "auto", "xColumns": None, "yColumns": None,
    "pivotColumns": None,
    "pivotAggregation": None, "useConsistentColors": False, "customPlotOptions": {},
    "commentThread": [], "commentsVisible": False,
    "parentHierarchy": [], "diffInserts": [], "diffDeletes": [], "globalVars": {},
    "latestUser": "", "latestUserId": None,
    "commandTitle": "", "showCommandTitle": False, "hideCommandCode": False,
    "hideCommandResult": False,
    "isLockedInExamMode": False, "iPythonMetadata": None, "metadata": {}, "streamStates": {},
    "datasetPreviewNameToCmdIdMap": {},
    "tableResultIndex": None, "listResultMetadata": [], "subcommandOptions": None,
    "contentSha256Hex": None,
    "tableResultSettingsMap": {}, "nuid": ...,
}  # fmt: skip
# la racine des uuid5 : les mêmes sources, les mêmes octets
IDENTIFIERS = uuid.UUID("5a0c8f2e-6d1b-5c4e-9d37-3f6b1e7a9c55")
DATE = (1980, 1, 1, 0, 0, 0)


def archive_entries(folder: str, contents: dict[str, list[str]]) -> dict[str, dict]:
    """Les entrées de l'archive, dans l'ordre : le manifeste, le dossier, les siens (`exercises/`),
    puis les notebooks.
    """
    numbers = count(1)

    def identifier(*path) -> str:
        return str(uuid.uuid5(IDENTIFIERS, "/".join(map(str, (folder, *path)))))

    entries = {
        "manifest.mf": MANIFEST | {"guid": identifier()},
        f"{folder}/": FOLDER | {"origId": next(numbers), "name": folder},
    }
    for inner in sorted({name.rpartition("/")[0] for name in contents} - {""}):
        entries[f"{folder}/{inner}/"] = FOLDER | {"origId": next(numbers), "name": inner}
    for name, cells in sorted(contents.items()):
        described = NOTEBOOK | {
            "origId": next(numbers),
            "name": name.rpartition("/")[2],
            "guid": identifier(name),
        }
        described["commands"] = [
            COMMAND
            | {
                "origId": next(numbers),
                "guid": identifier(name, position, "guid"),
                "nuid": identifier(name, position, "nuid"),
            }
            | {"position": float(position), "command": cell}
            for position, cell in enumerate(cells, start=1)
        ]
        entries[f"{folder}/{name}.python"] = described
    return entries


def write_archive(folder: str, contents: dict[str, list[str]]) -> bytes:
    """L'archive `.dbc` d'un dossier de notebooks ; les mêmes cellules donnent les mêmes octets."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, entry in archive_entries(folder, contents).items():
            info = zipfile.ZipInfo(name, DATE)
            info.compress_type, info.create_system = zipfile.ZIP_DEFLATED, 0
            archive.writestr(info, json.dumps(entry, ensure_ascii=False, separators=(",", ":")))
    return written.getvalue()
