# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/10_rich_run.py par tools/build.py. -->
# MAGIC # Leçon 1, script 10 : un run riche
# MAGIC
# MAGIC **Question.** Trois réglages d'un même SVM, dans un seul run. Lequel est le meilleur ? Demandez-le
# MAGIC aux tumeurs sur lesquelles il a appris, puis à d'autres.
# MAGIC
# MAGIC Pronostic : les deux jeux de données désignent-ils le même modèle ? Et si une métrique est écrite
# MAGIC six fois sous le même nom, laquelle le run montre-t-il ?

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

# MAGIC %run ./patients

# COMMAND ----------

import matplotlib.pyplot as plt
import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature

# COMMAND ----------

data = load_patients()
signature = infer_signature(data.X_valid, data.y_valid.to_numpy())
train = mlflow.data.from_pandas(
    data.X_train.assign(malignant=data.y_train), name="breast_cancer_train", targets="malignant"
)
valid = mlflow.data.from_pandas(
    data.X_valid.assign(malignant=data.y_valid), name="breast_cancer_valid", targets="malignant"
)
judges = [(train, data.X_train, data.y_train), (valid, data.X_valid, data.y_valid)]

# COMMAND ----------

# MAGIC %md
# MAGIC ## Trois enregistrements de plus
# MAGIC
# MAGIC - `log_metric(..., model_id=, dataset=)` : une métrique liée au modèle jugé, et aux données qui
# MAGIC   l'ont jugé ;
# MAGIC - `log_table` : un tableau, que l'on complète à chaque appel, ici les tumeurs mal classées ;
# MAGIC - `log_image(..., key=, step=)` : une image par pas, que l'interface fait défiler.

# COMMAND ----------

experiment = mlflow.set_experiment("/Shared/01_tracking_supervised")
description = "Trois modèles dans un run, chacun jugé par deux jeux de données."
with mlflow.start_run(run_name="svm trois gamma", description=description) as run:
    for step, gamma in enumerate((0.0001, 0.03, 1)):
        model = svm(1.0, gamma).fit(data.X_train, data.y_train)
        logged = mlflow.sklearn.log_model(
            model,
            name=f"svm_{step}",
            step=step,
            params={"gamma": gamma},
            signature=signature,
            pip_requirements=pins(),
        )
        for judge, X, y in judges:
            mlflow.log_metric(
                "accuracy", model.score(X, y), step=step, model_id=logged.model_id, dataset=judge
            )

        distance = risk(model, data.X_valid)
        table = pd.DataFrame(
            {
                "gamma": gamma,
                "tumeur": data.X_valid.index,
                "maligne": data.y_valid,
                "distance": distance,
            }
        )
        mlflow.log_table(table[(distance > 0) != data.y_valid], "errors.json")

        figure, ax = plt.subplots(figsize=(5, 3), layout="constrained")
        ax.hist(
            [distance[data.y_valid == 0], distance[data.y_valid == 1]],
            bins=np.linspace(-3, 3, 25),
            label=["bénignes", "malignes"],
        )
        ax.set(
            title=f"gamma = {gamma:g}",
            xlabel="distance à la frontière (alerte si > 0)",
            ylabel="tumeurs de validation",
        )
        ax.legend()
        figure.canvas.draw()
        mlflow.log_image(np.asarray(figure.canvas.buffer_rgba()), key="distances", step=step)
        plt.close(figure)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Demander au magasin
# MAGIC
# MAGIC Chaque modèle garde ses métriques, avec leur jeu de données : on peut donc trier les modèles selon
# MAGIC un juge.

# COMMAND ----------

for judge, _, _ in judges:
    order = [{"field_name": "metrics.accuracy", "dataset_name": judge.name, "ascending": False}]
    found = mlflow.search_logged_models(
        [experiment.experiment_id],
        f"source_run_id = '{run.info.run_id}'",
        order_by=order,
        output_format="list",
    )
    accuracy = next(
        metric.value for metric in found[0].metrics if metric.dataset_name == judge.name
    )
    print(f"Selon {judge.name}, le meilleur est gamma={found[0].params['gamma']} : {accuracy:.3f}")
shown = mlflow.get_run(run.info.run_id).data.metrics["accuracy"]
print(f"Le run, lui, n'en montre qu'une : {shown:.3f}")
errors = mlflow.load_table("errors.json", run_ids=[run.info.run_id])
for gamma, wrong in errors.groupby("gamma"):
    print(f"errors.json, gamma={gamma:g} : {len(wrong)} tumeurs mal classées")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC | gamma | exactitude sur l'apprentissage | exactitude sur la validation | erreurs de validation |
# MAGIC |---|---|---|---|
# MAGIC | 0.0001 | 0.727 | 0.772 | 26 |
# MAGIC | 0.03 | 0.982 | 0.982 | 2 |
# MAGIC | 1 | 1.000 | 0.623 | 43 |
# MAGIC
# MAGIC Les tumeurs déjà vues désignent `gamma = 1`, les autres `gamma = 0.03`. Une métrique sans le nom
# MAGIC de son juge ne veut rien dire ; liée à son modèle et à ses données, elle se laisse trier. Le run
# MAGIC seul n'aurait gardé à l'écran que 0.623.
