# databricks: non (elle tue des programmes qui écrivent dans un magasin SQLite local)
# %% [markdown]
# # Leçon 1, mesure : ce qui est relu est-il ce qui a été écrit ?
#
# **Question.** On enregistre des milliers de valeurs, puis on les relit. Combien sont égales au bit près ? Et si le programme
# est tué en plein travail, que manque-t-il ?
#
# Pronostic : 100 % partout ? Pensez à l'infini, aux très grands entiers, aux textes très longs.

# %% [markdown] tags=["local"]
# ```
# uv run 01_tracking_supervised/local/measure_tracking.py
# ```
#
# Vingt-cinq secondes, dans un magasin jetable ; seuls les résultats vont dans le magasin commun.

# %%
import argparse
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import mlflow
import pandas as pd
from mlflow.entities import Metric, Param, RunTag
from rich.console import Console
from rich.progress import track

from exact_values import hard_values, identical

# %% tags=["parameters"]
parser = argparse.ArgumentParser(description="Mesure l'exactitude et l'intégrité du suivi.")
parser.add_argument("--experiment", default="measurements")
args = parser.parse_args()

# %% tags=["local"]
from store import open_store

open_store()
logging.getLogger("mlflow").setLevel(logging.ERROR)  # les valeurs trop longues sont coupées avec un avertissement : on le sait

# %% [markdown]
# ## Exactitude : écrire, relire, comparer
#
# `exact_values.py` tire les valeurs, graine fixée : les réels parmi les motifs de 64 bits, les textes autour des limites.

# %%
folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
uri = f"sqlite:///{Path(folder.name).as_posix()}/mlflow.db"
client = mlflow.MlflowClient(uri)
experiment_id = client.create_experiment("exactitude")

exactness = []
for kind, sent in track(hard_values().items(), "Exactitude", console=Console(stderr=True), transient=True):
    run_id = client.create_run(experiment_id).info.run_id
    keys = [f"{number:04}" for number in range(len(sent))]
    if kind.startswith("paramètre"):
        client.log_batch(run_id, params=[Param(key, value) for key, value in zip(keys, sent, strict=True)])
        read = client.get_run(run_id).data.params
    elif kind.startswith("étiquette"):
        client.log_batch(run_id, tags=[RunTag(key, value) for key, value in zip(keys, sent, strict=True)])
        read = client.get_run(run_id).data.tags
    else:
        steps = "pas" in kind  # une seule métrique, à chaque pas ; sinon une métrique par valeur
        points = [Metric("loss" if steps else key, sent[int(key)], timestamp=0, step=int(key) if steps else 0) for key in keys]
        for first in range(0, len(points), 1000):  # un envoi porte mille métriques au plus
            client.log_batch(run_id, metrics=points[first : first + 1000])
        history = client.get_metric_history(run_id, "loss") if steps else []
        read = {f"{point.step:04}": point.value for point in history} or client.get_run(run_id).data.metrics
    altered = [(value, read.get(key)) for key, value in zip(keys, sent, strict=True) if not identical(value, read.get(key))]
    lost = [f"{len(value)} caractères -> {len(back)}" if isinstance(value, str) else f"{value} -> {back}" for value, back in altered[:1]]
    exactness.append({"nature": kind, "valeurs": len(sent), "exactes": 1 - len(altered) / len(sent), "altération": "".join(lost)})
exactness = pd.DataFrame(exactness)

# %% [markdown]
# ## Intégrité : quatre programmes à la fois, dont deux qui finissent mal
#
# Chacun annonce chaque métrique une fois envoyée. Le premier est tué sans préavis, le deuxième s'arrête sur une erreur, les
# deux autres vont au bout. On compare avec ce qui est dans le magasin.

# %%
WRITER = """
import sys, mlflow
uri, kind = sys.argv[1:]
mlflow.set_tracking_uri(uri)
mlflow.set_experiment("exactitude")
with mlflow.start_run(run_name=kind):
    for step in range(10**9 if kind == "tué" else 100):
        mlflow.log_metric("value", step / 7, step=step)
        print(step, flush=True)
        if kind == "erreur" and step == 49:
            raise SystemExit(1)
"""
command = [sys.executable, "-X", "utf8", "-c", WRITER, uri]
pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
writers = {kind: subprocess.Popen([*command, kind], **pipes) for kind in ("tué", "erreur", "écrivain 1", "écrivain 2")}
integrity = []
for kind, writer in writers.items():
    sent = 0
    for _ in writer.stdout:
        sent += 1
        if kind == "tué" and sent == 50:
            writer.kill()
    run = client.search_runs([experiment_id], f"attributes.run_name = '{kind}'")[0]
    stored = {point.step: point.value for point in client.get_metric_history(run.info.run_id, "value")}
    there = sum(stored.get(step) == step / 7 for step in range(sent))
    integrity.append({"run": kind, "envoyées": sent, "retrouvées": there, "statut": run.info.status})
integrity = pd.DataFrame(integrity)

# %% [markdown]
# ## Les résultats sont un run

# %%
figure, ax = plt.subplots(figsize=(8, 5), layout="constrained")
ax.barh(exactness["nature"], 100 * exactness["exactes"], color=["tab:blue" if share == 1 else "tab:red" for share in exactness["exactes"]])
ax.set(xlabel="valeurs relues au bit près (%)", title="Exactitude du suivi MLflow", xlim=(0, 100))
ax.invert_yaxis()

mlflow.set_experiment(args.experiment)
with mlflow.start_run(run_name="01 exactitude et intégrité"):
    mlflow.set_tag("mlflow.note.content", "Part des valeurs relues au bit près, et des métriques retrouvées après interruption.")
    exact_share = (exactness["exactes"] * exactness["valeurs"]).sum() / exactness["valeurs"].sum()
    complete_share = integrity["retrouvées"].sum() / integrity["envoyées"].sum()
    mlflow.log_metrics({"exact_share": exact_share, "complete_share": complete_share})
    mlflow.log_text(exactness.to_csv(index=False), "exactness.csv")
    mlflow.log_text(integrity.to_csv(index=False), "integrity.csv")
    mlflow.log_figure(figure, "exactness.png")

print(f"Exactes au bit près : {exact_share:.1%} des {exactness['valeurs'].sum()} valeurs ; retrouvées : {complete_share:.0%} des métriques envoyées")
for row in exactness.itertuples():
    print(f"{row.nature:35}{row.valeurs:6}{row.exactes:8.1%}  {row.altération}")
for row in integrity.itertuples():
    print(f"run {row.run:12}{row.envoyées:4} métriques envoyées, {row.retrouvées} retrouvées, statut {row.statut}")

# %% tags=["local"]
print("Ensuite : uv run 02_tracking_unsupervised/local/kmeans_sweep.py")

# %% [markdown]
# ## À retenir
#
# | nature | exactes | sinon |
# |---|---|---|
# | réels de toute grandeur, dénormalisés, float32, NaN | 100.0% | |
# | les 5000 pas d'une métrique | 100.0% | |
# | zéro négatif | 0.0% | il perd son signe |
# | entiers au-delà de 2^53 | 1.0% | arrondis au réel le plus proche |
# | infinis | 0.0% | deviennent 1.7976931348623157e+308, le plus grand réel |
# | textes dans les limites, vides, accents, emoji | 100.0% | |
# | un caractère de trop (paramètre 6000, étiquette 8000) | 0.0% | coupés à la limite |
#
# Tout ce qui a été envoyé avant une erreur ou un arrêt brutal est là : rien n'attend en mémoire. Mais le run tué reste
# RUNNING pour toujours ; c'est ce que `svm_sweep.py` répare.
