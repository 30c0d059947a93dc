# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/05_system_metrics.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Leçon 2, script 5 : ce que fait la machine pendant ce temps
# MAGIC
# MAGIC **Question.** MLflow sait relever le processeur et la mémoire pendant un run. De combien cela
# MAGIC ralentit-il l'apprentissage ?
# MAGIC
# MAGIC Le même autoencodeur apprend six fois : trois fois seul, trois fois observé, en alternance. Notez
# MAGIC votre pronostic, en pour cent.

# COMMAND ----------

# MAGIC %pip install keras==3.15.1 matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 rich==15.0.0 scikit-learn==1.9.1 tensorflow==2.21.0 threadpoolctl==3.8.0
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./digits

# COMMAND ----------

# MAGIC %run ./options

# COMMAND ----------

import time
from statistics import median

import mlflow
from mlflow import MlflowClient

# COMMAND ----------

from types import SimpleNamespace

dbutils.widgets.text("experiment", "/Shared/02_tracking_unsupervised")
dbutils.widgets.text("interval", "1")  # un relevé toutes les tant de secondes
dbutils.widgets.text("epochs", "200")  # au plus, pour chaque apprentissage

args = SimpleNamespace(
    experiment=short_text(dbutils.widgets.get("experiment")),
    interval=whole_number(1, 60)(dbutils.widgets.get("interval")),
    epochs=whole_number(1, 10_000)(dbutils.widgets.get("epochs")),
)

# COMMAND ----------

import_keras()
images = split_images(*load_images())  # les classes n'y serviront pas

# COMMAND ----------

# MAGIC %md
# MAGIC ## Seul, observé, seul, observé...
# MAGIC
# MAGIC `log_system_metrics=True` suffit. Par défaut, MLflow relève toutes les dix secondes : un run plus
# MAGIC court n'aurait rien, d'où l'intervalle choisi ici. Le coût est compté en temps de processeur : ce
# MAGIC que font les autres programmes n'y entre pas.

# COMMAND ----------

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

# COMMAND ----------

# MAGIC %md
# MAGIC ## Relire les relevés
# MAGIC
# MAGIC Ce sont des métriques comme les autres, sous le préfixe `system/`, une valeur par relevé.

# COMMAND ----------

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

# COMMAND ----------

print(
    f"Temps de processeur de l'apprentissage observé : {cost_ratio:.2f} fois celui de l'apprentissage seul"
)
print(f"Relevés du dernier run : {len(processor)}, de {len(names)} mesures chacun")
print(f"Processeur : {max(processor):.0f} % au plus ; mémoire : {max(memory):.0f} Mo au plus")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC À un relevé par seconde, l'apprentissage demande moins de 5 % de temps de processeur en plus. Deux
# MAGIC apprentissages pareils diffèrent eux-mêmes de quelques pour cent : le rapport affiché peut tomber
# MAGIC sous 1. Chaque relevé tient en huit mesures : processeur, mémoire, disque, réseau.
# MAGIC
# MAGIC Ce sont celles de la machine entière : un autre programme qui travaille s'y voit aussi.
