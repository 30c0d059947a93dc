# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/05_system_metrics.py par tools/build.py. -->
# MAGIC # Leçon 2, script 5 : ce que fait la machine pendant ce temps
# MAGIC
# MAGIC **Question.** MLflow sait relever le processeur et la mémoire pendant un run. De combien cela
# MAGIC ralentit-il l'apprentissage ?
# MAGIC
# MAGIC Le même autoencodeur apprend six fois : trois fois seul, trois fois observé, en alternance. Notez
# MAGIC votre pronostic, en pour cent.

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1 tensorflow==2.21.0 threadpoolctl==3.8.0
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

# MAGIC %run ./digits

# COMMAND ----------

import time
from statistics import median

import mlflow
from mlflow import MlflowClient

# COMMAND ----------

INTERVAL = 1  # secondes entre deux relevés
TURNS = 3

images = split_images(*load_images())  # les classes n'y serviront pas
build_autoencoder()  # TensorFlow se charge, avant le premier chronomètre

# COMMAND ----------

# MAGIC %md
# MAGIC ## Seul, observé, seul, observé...
# MAGIC
# MAGIC `log_system_metrics=True` suffit. Par défaut, MLflow relève toutes les dix secondes : un run plus
# MAGIC court n'aurait rien, d'où l'intervalle choisi ici. Le coût est compté en temps de processeur : ce
# MAGIC que font les autres programmes n'y entre pas.

# COMMAND ----------

mlflow.set_experiment("/Shared/02_tracking_unsupervised")
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

# COMMAND ----------

# MAGIC %md
# MAGIC ## Relire les relevés
# MAGIC
# MAGIC Ce sont des métriques comme les autres, sous le préfixe `system/`, une valeur par relevé.

# COMMAND ----------

client, run_id = MlflowClient(), run.info.run_id
names = [name for name in client.get_run(run_id).data.metrics if name.startswith("system/")]
processor = client.get_metric_history(run_id, "system/cpu_utilization_percentage")
memory = client.get_metric_history(run_id, "system/system_memory_usage_megabytes")

# COMMAND ----------

print(
    f"Temps de processeur de l'apprentissage observé : {cost_ratio:.2f} fois celui de"
    " l'apprentissage seul"
)
print(f"Relevés du dernier run : {len(processor)}, de {len(names)} mesures chacun")
print(
    f"Processeur : {max(point.value for point in processor):.0f} % au plus ;"
    f" mémoire : {max(point.value for point in memory):.0f} Mo au plus"
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC À un relevé par seconde, l'apprentissage demande moins de 5 % de temps de processeur en plus. Deux
# MAGIC apprentissages pareils diffèrent eux-mêmes de quelques pour cent : le rapport affiché peut tomber
# MAGIC sous 1. Chaque relevé tient en huit mesures : processeur, mémoire, disque, réseau.
# MAGIC
# MAGIC Ce sont celles de la machine entière : un autre programme qui travaille s'y voit aussi.
