# databricks: non (il tue un programme qui écrit dans un magasin SQLite local)
# %% [markdown]
# # Leçon 1, script 13 : mesure, ce qui est relu est-il ce qui a été écrit ?
#
# **Question.** On enregistre des valeurs de toutes sortes, puis on les relit. Lesquelles ont
# changé ? Et si le programme est tué en plein travail, que manque-t-il ?
#
# Pronostic : pensez à l'infini, aux très grands entiers, aux textes très longs.

# %% [markdown]
# ```
# uv run 01_tracking_supervised/local/13_measure_tracking.py
# ```
#
# Vingt secondes, dans un magasin jetable ; seuls les résultats vont dans le magasin commun.

# %%
import logging
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import mlflow
import pandas as pd
from mlflow.entities import Metric, Param, RunTag

from measure_tracking import compare, hard_numbers, hard_texts, long_history

# %%
from store import open_store

open_store()
# les textes trop longs sont coupés avec un avertissement : on le sait
logging.getLogger("mlflow").setLevel(logging.ERROR)
folder = TemporaryDirectory(ignore_cleanup_errors=True)
uri = f"sqlite:///{Path(folder.name).as_posix()}/mlflow.db"
client = mlflow.MlflowClient(uri)
experiment_id = client.create_experiment("exactitude")

# %% [markdown]
# ## Exactitude : écrire, relire, comparer
#
# `measure_tracking.py` tire les valeurs, graine fixée : les réels parmi les motifs de 64 bits, les
# textes autour des limites. Un nombre devient une métrique, ou un pas d'une métrique ; un texte
# devient un paramètre, ou une étiquette.

# %%
rows = []
for kind, sent in hard_numbers().items():
    run_id = client.create_run(experiment_id).info.run_id
    metrics = [Metric(f"m{i}", value, 0, 0) for i, value in enumerate(sent)]
    for first in range(0, len(sent), 1000):  # un envoi porte mille métriques au plus
        client.log_batch(run_id, metrics=metrics[first : first + 1000])
    read = client.get_run(run_id).data.metrics
    rows.append(compare(kind, sent, [read[f"m{i}"] for i in range(len(sent))]))

sent = long_history()
run_id = client.create_run(experiment_id).info.run_id
points = [Metric("loss", value, 0, step) for step, value in enumerate(sent)]
for first in range(0, len(sent), 1000):
    client.log_batch(run_id, metrics=points[first : first + 1000])
read = {point.step: point.value for point in client.get_metric_history(run_id, "loss")}
rows.append(compare("les 5000 pas d'une métrique", sent, [read[i] for i in range(len(sent))]))

for kind, sent in hard_texts("paramètre").items():
    run_id = client.create_run(experiment_id).info.run_id
    client.log_batch(run_id, params=[Param(f"p{i}", text) for i, text in enumerate(sent)])
    read = client.get_run(run_id).data.params
    rows.append(compare(kind, sent, [read[f"p{i}"] for i in range(len(sent))]))

for kind, sent in hard_texts("étiquette").items():
    run_id = client.create_run(experiment_id).info.run_id
    client.log_batch(run_id, tags=[RunTag(f"t{i}", text) for i, text in enumerate(sent)])
    read = client.get_run(run_id).data.tags
    rows.append(compare(kind, sent, [read[f"t{i}"] for i in range(len(sent))]))
exactness = pd.DataFrame(rows)

# %% [markdown]
# ## Intégrité : quatre programmes à la fois, dont deux qui finissent mal
#
# Chacun annonce chaque métrique une fois envoyée. Le premier est tué sans préavis, le deuxième
# s'arrête sur une erreur, les deux autres vont au bout. On compare avec ce qui est dans le magasin.

# %%
command = [sys.executable, Path(__file__).with_name("measure_tracking.py"), uri]
writers = {
    kind: subprocess.Popen([*command, kind], stdout=subprocess.PIPE, text=True)
    for kind in ("tué", "erreur", "écrivain 1", "écrivain 2")
}
rows = []
for kind, writer in writers.items():
    announced = 0
    for _ in writer.stdout:
        announced += 1
        if kind == "tué" and announced == 50:
            writer.kill()
    run = client.search_runs([experiment_id], f"attributes.run_name = '{kind}'")[0]
    history = client.get_metric_history(run.info.run_id, "value")
    stored = {point.step: point.value for point in history}
    found = sum(stored.get(step) == step / 7 for step in range(announced))
    rows.append({"run": kind, "sent": announced, "found": found, "status": run.info.status})
integrity = pd.DataFrame(rows)

# %% [markdown]
# ## Les résultats sont un run

# %%
share = 100 * exactness["exact"] / exactness["written"]
figure, ax = plt.subplots(figsize=(8, 5), layout="constrained")
bars = ax.barh(exactness["kind"], share, color=["C0" if each == 100 else "C3" for each in share])
ax.bar_label(bars, [f" {row.exact} sur {row.written}" for row in exactness.itertuples()])
title = f"Relues au bit près, par nature (MLflow {mlflow.__version__}, SQLite)"
ax.set(title=title, xlabel="valeurs de cette nature (%)", xlim=(0, 130), xticks=range(0, 101, 20))
ax.invert_yaxis()

mlflow.set_experiment("measurements")
description = "Ce qui est relu au bit près, par nature de valeur, et ce qu'une interruption perd."
with mlflow.start_run(run_name="01 exactitude et intégrité", description=description):
    lost = int(integrity["sent"].sum() - integrity["found"].sum())
    mlflow.log_metric("lost_metrics", lost)
    mlflow.log_table(exactness, "exactness.json")
    mlflow.log_table(integrity, "integrity.json")
    mlflow.log_figure(figure, "exactness.png")

for row in exactness.itertuples():
    print(f"{row.kind:35}{row.exact:5} sur {row.written:4}  {row.example}".rstrip())
for row in integrity.itertuples():
    counted = f"{row.sent:4} métriques envoyées, {row.found} retrouvées"
    print(f"run {row.run:12}{counted}, statut {row.status}")

# %% [markdown]
# ## À retenir
#
# | nature | relues au bit près | sinon |
# |---|---|---|
# | réels de toute grandeur, dénormalisés, entiers jusqu'à 2^53, float32, NaN | toutes | |
# | les 5000 pas d'une métrique | toutes | |
# | zéro négatif | aucune | SQLite perd le signe |
# | entiers au-delà de 2^53 | 5 sur 500 | arrondis : une métrique est un réel de 64 bits |
# | infinis | aucune | MLflow écrit à leur place ±1.7976931348623157e+308 |
# | textes dans les limites, vides, accents, emoji | toutes | |
# | un caractère de trop (paramètre 6000, étiquette 8000) | aucune | MLflow coupe, et avertit |
#
# Tout ce qui a été envoyé avant une erreur ou un arrêt brutal est là. Mais MLflow laisse RUNNING le
# run tué : `09_resume_sweep.py` montre comment le marquer KILLED.
