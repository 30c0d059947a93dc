# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/10_rich_run.py par tools/build.py. -->
# MAGIC # Leçon 1, script 10 : un run riche
# MAGIC
# MAGIC **Question.** Trois réglages d'un même SVM, dans un seul run. Lequel coûte le moins ? Demandez-le
# MAGIC aux tumeurs sur lesquelles il a appris, puis à d'autres.
# MAGIC
# MAGIC Pronostic : les deux jeux de données donnent-ils le même classement ? Et si une métrique est
# MAGIC écrite six fois sous le même nom, laquelle le run montre-t-il ?

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
datasets = [(train, data.X_train, data.y_train), (valid, data.X_valid, data.y_valid)]

# COMMAND ----------

# MAGIC %md
# MAGIC ## Trois enregistrements de plus
# MAGIC
# MAGIC - `log_metric(..., model_id=, dataset=)` : une métrique liée au modèle, et aux données qui l'ont
# MAGIC   mesurée ;
# MAGIC - `log_table` : un tableau, que l'on complète à chaque appel, ici les tumeurs mal classées ;
# MAGIC - `log_image(..., key=, step=)` : une image par pas, que l'interface fait défiler.

# COMMAND ----------

experiment = mlflow.set_experiment("/Shared/01_tracking_supervised")
description = "Trois modèles dans un run, chacun mesuré sur deux jeux de données."
with mlflow.start_run(run_name="svm trois gamma", description=description) as run:
    for step, gamma in enumerate((0.0001, 0.3, 1)):
        model = svm(1.0, gamma).fit(data.X_train, data.y_train)
        logged = mlflow.sklearn.log_model(
            model,
            name=f"svm_{step}",
            step=step,
            params={"gamma": gamma},
            signature=signature,
            pip_requirements=pins(),
        )
        for dataset, X, y in datasets:
            value = cost(y, model.predict(X))
            mlflow.log_metric("cost", value, step=step, model_id=logged.model_id, dataset=dataset)

        scores = model.decision_function(data.X_valid)
        table = pd.DataFrame({"tumeur": data.X_valid.index, "maligne": data.y_valid})
        table = table.assign(gamma=gamma, score=scores)
        mlflow.log_table(table[(scores > 0) != data.y_valid], "errors.json")

        figure, ax = plt.subplots(figsize=(5, 3), layout="constrained")
        ax.hist(
            [scores[data.y_valid == 0], scores[data.y_valid == 1]],
            bins=np.linspace(-3, 3, 25),
            label=["bénignes", "malignes"],
        )
        ax.set(
            title=f"gamma = {gamma:g}",
            xlabel="score (alerte si > 0)",
            ylabel="tumeurs de validation",
        )
        ax.legend()
        figure.canvas.draw()
        mlflow.log_image(np.asarray(figure.canvas.buffer_rgba()), key="scores", step=step)
        plt.close(figure)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Demander au magasin
# MAGIC
# MAGIC Chaque modèle garde ses métriques, avec leur jeu de données : on peut donc trier les modèles selon
# MAGIC l'un, puis selon l'autre.

# COMMAND ----------

for dataset, _, _ in datasets:
    found = mlflow.search_logged_models(
        [experiment.experiment_id],
        f"source_run_id = '{run.info.run_id}'",
        order_by=[{"field_name": "metrics.cost", "dataset_name": dataset.name}],
        output_format="list",
    )
    costs = [
        f"{metric.value:g} pour gamma={model.params['gamma']}"
        for model in found
        for metric in model.metrics
        if metric.dataset_name == dataset.name
    ]
    print(f"Coût sur {dataset.name} : {', '.join(costs)}")
shown = mlflow.get_run(run.info.run_id).data.metrics["cost"]
print(f"Le run, lui, ne montre qu'un coût : {shown:g}")
errors = mlflow.load_table("errors.json", run_ids=[run.info.run_id])
for gamma, wrong in errors.groupby("gamma"):
    print(f"errors.json, gamma={gamma:g} : {len(wrong)} tumeurs mal classées")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC | gamma | coût sur les 341 apprises | coût sur les 114 de validation | erreurs de validation |
# MAGIC |---|---|---|---|
# MAGIC | 0.0001 | 930 | 260 | 26 |
# MAGIC | 0.3 | 0 | 12 | 3 |
# MAGIC | 1 | 0 | 430 | 43 |
# MAGIC
# MAGIC Les tumeurs apprises ne séparent pas `gamma = 0.3` de `gamma = 1` : aucun des deux ne s'y trompe.
# MAGIC Sur les autres, `gamma = 1` est le plus cher des trois. Une métrique se lit donc avec le nom des
# MAGIC données qui l'ont mesurée.
# MAGIC
# MAGIC Chaque jour, il suffit de deux noms, `train_cost` et `valid_cost` (ou `train_accuracy` et
# MAGIC `valid_accuracy`). Sous un seul nom, le run ne montre que la dernière valeur écrite, 430.
