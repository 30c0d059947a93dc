# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis exercises/ex_02_3_checkpoints.py par tools/build.py. -->
# MAGIC # Exercice 02-3 : le meilleur point de reprise, ou le dernier ?
# MAGIC
# MAGIC **Question.** Un autoencodeur apprend sur 60 images seulement, pendant 200 époques, comptées
# MAGIC depuis 0. Gardez un point de reprise toutes les 40 époques : lequel est le meilleur sur la
# MAGIC validation, et que perd-on à garder le dernier ?
# MAGIC
# MAGIC Votre pronostic : l'époque du meilleur, et le rapport des deux erreurs sur le test.

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1 threadpoolctl==3.8.0
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

# MAGIC %run ../digits

# COMMAND ----------

import mlflow
from mlflow.models import infer_signature
from sklearn.metrics import mean_squared_error
from sklearn.neural_network import MLPRegressor

# COMMAND ----------

# MAGIC %md
# MAGIC ## Apprendre par cœur
# MAGIC
# MAGIC Le réseau redessine l'image à travers 16 neurones ; scikit-learn suffit. `partial_fit` fait une
# MAGIC époque.

# COMMAND ----------

images = split_images(*load_images())
few = images.X_train.head(60)
network = MLPRegressor(
    hidden_layer_sizes=(64, 16, 64), learning_rate_init=0.005, batch_size=20, random_state=0
)
signature = infer_signature(few, few.to_numpy())
requirements = pins("scikit-learn", "skops")
# skops ne connaît pas ce type, nous si
trusted = ["sklearn.neural_network._stochastic_optimizers.AdamOptimizer"]

# COMMAND ----------

mlflow.set_experiment("/Shared/02_tracking_unsupervised")
with mlflow.start_run(run_name="apprendre par cœur") as run:
    mlflow.set_tag("exercise", "02-3")
    mlflow.log_params({"images": len(few), "code_size": 16, "seed": 0})
    for epoch in range(200):
        network.partial_fit(few, few)
        if (epoch + 1) % 40:
            continue
        train = mean_squared_error(few, network.predict(few))
        valid = mean_squared_error(images.X_valid, network.predict(images.X_valid))
        print(f"époque {epoch:3} : apprentissage {train:.4f}, validation {valid:.4f}")
        # Votre code ici : le modèle de cette époque (`step=epoch` et `skops_trusted_types=trusted`),
        # puis sa métrique `valid_mse`, au même pas et rattachée à lui (`model_id=`)

    # Votre code ici : le meilleur point de reprise, retrouvé par une recherche et rouvert ; puis
    # les métriques `best_step`, `test_mse_best` et `test_mse_last` du run

# COMMAND ----------

# MAGIC %md
# MAGIC ## Votre réponse
# MAGIC
# MAGIC Notez ici ce que vous avez trouvé, en nombres, et ce que cela change à votre pronostic.
