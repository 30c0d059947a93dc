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

# %%
import time
from statistics import median

import mlflow
from mlflow import MlflowClient

from digits import build_autoencoder, fit_autoencoder, load_images, split_images

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %%
INTERVAL = 1  # secondes entre deux relevés
TURNS = 3

images = split_images(*load_images())  # les classes n'y serviront pas
build_autoencoder()  # TensorFlow se charge, avant le premier chronomètre

# %% [markdown]
# ## Seul, observé, seul, observé...
#
# `log_system_metrics=True` suffit. Par défaut, MLflow relève toutes les dix secondes : un run plus
# court n'aurait rien, d'où l'intervalle choisi ici. Le coût est compté en temps de processeur : ce
# que font les autres programmes n'y entre pas.

# %%
mlflow.set_experiment("02_tracking_unsupervised")
mlflow.set_system_metrics_sampling_interval(INTERVAL)
cpu_seconds = {"seul": [], "observé": []}
about = "Le même apprentissage, avec et sans les relevés de la machine : ce qu'ils coûtent."
with mlflow.start_run(run_name="autoencodeur seul ou observé", description=about):
    training = mlflow.data.from_pandas(images.X_train, name="digits_train")
    mlflow.log_input(training, context="training")
    mlflow.log_params({"interval": INTERVAL, "turns": TURNS})
    for _ in range(TURNS):
        for name in cpu_seconds:
            watched = name == "observé"
            with mlflow.start_run(run_name=name, nested=True, log_system_metrics=watched) as run:
                autoencoder, _ = build_autoencoder()
                start = time.process_time()
                fit_autoencoder(autoencoder, images)
                cpu_seconds[name].append(time.process_time() - start)
                mlflow.log_metric("fit_cpu_seconds", cpu_seconds[name][-1])
    cost_ratio = median(cpu_seconds["observé"]) / median(cpu_seconds["seul"])
    mlflow.log_metric("cost_ratio", cost_ratio)

# %% [markdown]
# ## Relire les relevés
#
# Ce sont des métriques comme les autres, sous le préfixe `system/`, une valeur par relevé.

# %%
client, run_id = MlflowClient(), run.info.run_id
names = [name for name in client.get_run(run_id).data.metrics if name.startswith("system/")]
processor = client.get_metric_history(run_id, "system/cpu_utilization_percentage")
memory = client.get_metric_history(run_id, "system/system_memory_usage_megabytes")

# %%
print(
    f"Temps de processeur de l'apprentissage observé : {cost_ratio:.2f} fois celui de"
    " l'apprentissage seul"
)
print(f"Relevés du dernier run : {len(processor)}, de {len(names)} mesures chacun")
print(
    f"Processeur : {max(point.value for point in processor):.0f} % au plus ;"
    f" mémoire : {max(point.value for point in memory):.0f} Mo au plus"
)

# %% [markdown]
# ## À retenir
#
# À un relevé par seconde, l'apprentissage demande moins de 5 % de temps de processeur en plus. Deux
# apprentissages pareils diffèrent eux-mêmes de quelques pour cent : le rapport affiché peut tomber
# sous 1. Chaque relevé tient en huit mesures : processeur, mémoire, disque, réseau.
#
# Ce sont celles de la machine entière : un autre programme qui travaille s'y voit aussi.
