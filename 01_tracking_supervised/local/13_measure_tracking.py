# databricks: non (il tue un programme qui écrit dans un magasin SQLite local)
# %% [markdown]
# # Leçon 1, script 13 : mesure, ce qui est relu est-il ce qui a été écrit ?
#
# **Question.** On enregistre des milliers de valeurs, puis on les relit. Combien sont égales au bit
# près ? Et si le programme est tué en plein travail, que manque-t-il ?
#
# Pronostic : 100 % partout ? Pensez à l'infini, aux très grands entiers, aux textes très longs.

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
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import mlflow
import pandas as pd
from mlflow.entities import Metric, Param, RunTag

from measure_tracking import compare, hard_numbers, hard_texts, long_history

# %%
from store import open_store

open_store()
# les valeurs trop longues sont coupées avec un avertissement : on le sait
logging.getLogger("mlflow").setLevel(logging.ERROR)
folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
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
exactness = []
for kind, sent in hard_numbers().items():
    run_id = client.create_run(experiment_id).info.run_id
    for first in range(0, len(sent), 1000):  # un envoi porte mille métriques au plus
        client.log_batch(
            run_id,
            metrics=[
                Metric(f"m{i}", sent[i], 0, 0) for i in range(first, min(first + 1000, len(sent)))
            ],
        )
    metrics = client.get_run(run_id).data.metrics
    exactness.append(compare(kind, sent, [metrics[f"m{i}"] for i in range(len(sent))]))

sent = long_history()
run_id = client.create_run(experiment_id).info.run_id
for first in range(0, len(sent), 1000):
    client.log_batch(
        run_id, metrics=[Metric("loss", sent[i], 0, i) for i in range(first, first + 1000)]
    )
steps = {point.step: point.value for point in client.get_metric_history(run_id, "loss")}
exactness.append(compare("les 5000 pas d'une métrique", sent, [steps[i] for i in range(len(sent))]))

for kind, sent in hard_texts("paramètre").items():
    run_id = client.create_run(experiment_id).info.run_id
    client.log_batch(run_id, params=[Param(f"p{i}", text) for i, text in enumerate(sent)])
    params = client.get_run(run_id).data.params
    exactness.append(compare(kind, sent, [params[f"p{i}"] for i in range(len(sent))]))

for kind, sent in hard_texts("étiquette").items():
    run_id = client.create_run(experiment_id).info.run_id
    client.log_batch(run_id, tags=[RunTag(f"t{i}", text) for i, text in enumerate(sent)])
    tags = client.get_run(run_id).data.tags
    exactness.append(compare(kind, sent, [tags[f"t{i}"] for i in range(len(sent))]))
exactness = pd.DataFrame(exactness)

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
integrity = []
for kind, writer in writers.items():
    announced = 0
    for _ in writer.stdout:
        announced += 1
        if kind == "tué" and announced == 50:
            writer.kill()
    run = client.search_runs([experiment_id], f"attributes.run_name = '{kind}'")[0]
    stored = {
        point.step: point.value for point in client.get_metric_history(run.info.run_id, "value")
    }
    found = sum(stored.get(step) == step / 7 for step in range(announced))
    integrity.append({"run": kind, "sent": announced, "found": found, "status": run.info.status})
integrity = pd.DataFrame(integrity)

# %% [markdown]
# ## Les résultats sont un run

# %%
figure, ax = plt.subplots(figsize=(8, 5), layout="constrained")
ax.barh(
    exactness["kind"],
    100 * exactness["exact"],
    color=["tab:blue" if share == 1 else "tab:red" for share in exactness["exact"]],
)
ax.set(xlabel="valeurs relues au bit près (%)", title="Exactitude du suivi MLflow", xlim=(0, 100))
ax.invert_yaxis()

mlflow.set_experiment("measurements")
description = "Part des valeurs relues au bit près, et des métriques retrouvées après interruption."
with mlflow.start_run(run_name="01 exactitude et intégrité", description=description):
    exact_share = (exactness["exact"] * exactness["values"]).sum() / exactness["values"].sum()
    complete_share = integrity["found"].sum() / integrity["sent"].sum()
    mlflow.log_metrics({"exact_share": exact_share, "complete_share": complete_share})
    mlflow.log_text(exactness.to_csv(index=False), "exactness.csv")
    mlflow.log_text(integrity.to_csv(index=False), "integrity.csv")
    mlflow.log_figure(figure, "exactness.png")

print(f"Exactes au bit près : {exact_share:.1%} des {exactness['values'].sum()} valeurs")
print(f"Retrouvées : {complete_share:.0%} des métriques envoyées")
for row in exactness.to_dict("records"):
    print(f"{row['kind']:35}{row['values']:6}{row['exact']:8.1%}  {row['example']}".rstrip())
for row in integrity.to_dict("records"):
    counted = f"{row['sent']:4} métriques envoyées, {row['found']} retrouvées"
    print(f"run {row['run']:12}{counted}, statut {row['status']}")

# %% [markdown]
# ## À retenir
#
# | nature | exactes | sinon |
# |---|---|---|
# | réels de toute grandeur, dénormalisés, entiers jusqu'à 2^53, float32, NaN | 100.0% | |
# | les 5000 pas d'une métrique | 100.0% | |
# | zéro négatif | 0.0% | il perd son signe |
# | entiers au-delà de 2^53 | 1.0% | arrondis au réel le plus proche |
# | infinis | 0.0% | deviennent 1.7976931348623157e+308, le plus grand réel |
# | textes dans les limites, vides, accents, emoji | 100.0% | |
# | un caractère de trop (paramètre 6000, étiquette 8000) | 0.0% | coupés à la limite |
#
# Tout ce qui a été envoyé avant une erreur ou un arrêt brutal est là. Mais MLflow laisse RUNNING le
# run tué : `09_resume_sweep.py` montre comment le marquer KILLED.
