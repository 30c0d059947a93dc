# jupyter: non (ses nombres changent à chaque exécution)
# %% [markdown]
# # Leçon 2, script 5 : ce que fait la machine pendant ce temps
#
# **Question.** MLflow sait relever le processeur et la mémoire pendant un run. De combien cela
# ralentit-il l'apprentissage ?
#
# Le même autoencodeur apprend six fois : trois fois seul, trois fois observé, en alternance. Notez
# votre pronostic, en pour cent.

# %% [markdown] tags=["local"]
# ```
# uv run 02_tracking_unsupervised/local/05_system_metrics.py
# ```
#
# Quarante-cinq secondes.

# %% tags=["local"]
from store import open_store  # en premier : Ctrl-C se dit alors en une ligne

# %%
import argparse
import time
from statistics import median

import mlflow
from mlflow import MlflowClient

from digits import build_autoencoder, fit_autoencoder, import_keras, load_images, split_images
from options import short_text, whole_number

# %% tags=["parameters"]
parser = argparse.ArgumentParser(
    description="Relève processeur et mémoire pendant l'apprentissage, et mesure ce que cela coûte."
)
parser.add_argument(
    "--experiment", type=short_text, default="02_tracking_unsupervised"
)  # databricks: "/Shared/02_tracking_unsupervised"
parser.add_argument(
    "--interval", type=whole_number(1, 60), default=1, help="un relevé toutes les tant de secondes"
)
parser.add_argument(
    "--epochs", type=whole_number(1, 10_000), default=200, help="au plus, pour chaque apprentissage"
)
args = parser.parse_args()

# %% tags=["local"]
open_store()

# %%
import_keras()
images = split_images(*load_images())  # les classes n'y serviront pas

# %% [markdown]
# ## Seul, observé, seul, observé...
#
# `log_system_metrics=True` suffit. Par défaut, MLflow relève toutes les dix secondes : un run plus
# court n'aurait rien, d'où l'intervalle choisi ici. Le coût est compté en temps de processeur : ce
# que font les autres programmes n'y entre pas.

# %%
mlflow.set_experiment(args.experiment)
mlflow.set_system_metrics_sampling_interval(args.interval)
cpu_seconds = {"seul": [], "observé": []}
with mlflow.start_run(run_name="autoencodeur seul ou observé") as parent:
    mlflow.log_input(
        mlflow.data.from_pandas(images.X_train, name="digits_train"), context="training"
    )
    mlflow.log_params({"interval": args.interval, "max_epochs": args.epochs, "turns": 3})
    mlflow.set_tag(
        "mlflow.note.content",
        "Le même apprentissage, avec et sans les relevés de la machine : ce qu'ils coûtent.",
    )
    for _ in range(3):
        for name in cpu_seconds:
            with mlflow.start_run(
                run_name=name, nested=True, log_system_metrics=(name == "observé")
            ) as run:
                autoencoder, _ = build_autoencoder()
                start = time.process_time()
                fit_autoencoder(autoencoder, images, args.epochs)
                cpu_seconds[name].append(time.process_time() - start)
                mlflow.log_metric("fit_cpu_seconds", cpu_seconds[name][-1])
    cost_ratio = median(cpu_seconds["observé"]) / median(cpu_seconds["seul"])
    mlflow.log_metric("cost_ratio", cost_ratio)

# %% [markdown]
# ## Relire les relevés
#
# Ce sont des métriques comme les autres, sous le préfixe `system/`, une valeur par relevé.

# %%
client = MlflowClient()
names = [
    name for name in client.get_run(run.info.run_id).data.metrics if name.startswith("system/")
]
processor = [
    point.value
    for point in client.get_metric_history(run.info.run_id, "system/cpu_utilization_percentage")
]
memory = [
    point.value
    for point in client.get_metric_history(run.info.run_id, "system/system_memory_usage_megabytes")
]
if not processor:
    raise SystemExit(
        "Chaque apprentissage a duré moins d'un intervalle : aucun relevé. Demandez plus d'--epochs, ou un --interval court."
    )

# %%
print(
    f"Temps de processeur de l'apprentissage observé : {cost_ratio:.2f} fois celui de l'apprentissage seul"
)
print(f"Relevés du dernier run : {len(processor)}, de {len(names)} mesures chacun")
print(f"Processeur : {max(processor):.0f} % au plus ; mémoire : {max(memory):.0f} Mo au plus")

# %% [markdown]
# ## À retenir
#
# À un relevé par seconde, l'apprentissage demande moins de 5 % de temps de processeur en plus. Deux
# apprentissages pareils diffèrent eux-mêmes de quelques pour cent : le rapport affiché peut tomber
# sous 1. Chaque relevé tient en huit mesures : processeur, mémoire, disque, réseau.
#
# Ce sont celles de la machine entière : un autre programme qui travaille s'y voit aussi.
