# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/03_checkpoints.py par tools/build.py. -->
# MAGIC # Leçon 2, script 3 : retrouver la meilleure époque
# MAGIC
# MAGIC **Question.** Un réseau enregistré toutes les cinq époques : le dernier est-il le meilleur ? Et
# MAGIC que garde de son côté le callback que MLflow fournit pour cela ?
# MAGIC
# MAGIC Notez votre pronostic : l'époque du meilleur, quand l'apprentissage s'arrête après la 39e.

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1 tensorflow==2.21.0 threadpoolctl==3.8.0
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

# MAGIC %run ./digits

# COMMAND ----------

import mlflow
from mlflow.models import infer_signature
from sklearn.metrics import mean_squared_error
from tensorflow import keras

# COMMAND ----------

EVERY = 5  # un point de reprise toutes les cinq époques

images = split_images(*load_images())  # les classes n'y serviront pas
test = images.X_test.to_numpy("float32")
autoencoder, _ = build_autoencoder()
signature = infer_signature(test, autoencoder(test).numpy())
requirements = pins("tensorflow", "keras")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Deux façons de garder des points de reprise
# MAGIC
# MAGIC `MlflowModelCheckpointCallback` réécrit un fichier chaque fois que la validation s'améliore. La
# MAGIC fonction `save` enregistre un modèle toutes les cinq époques : `step` le date, et `model_id` dit
# MAGIC de quel modèle sont ces pertes.

# COMMAND ----------

mlflow.set_experiment("/Shared/02_tracking_unsupervised")
description = "Un modèle toutes les cinq époques, avec ses pertes, et le fichier du callback."
with mlflow.start_run(run_name="points de reprise", description=description) as run:
    dataset = mlflow.data.from_pandas(images.X_train, name="digits_train")
    mlflow.log_input(dataset, context="training")
    mlflow.log_params({"code_size": 8, "every": EVERY, "seed": 0})

    def save(epoch, logs):
        if (epoch + 1) % EVERY == 0:
            checkpoint = mlflow.tensorflow.log_model(
                autoencoder,
                name="checkpoint",
                step=epoch,
                signature=signature,
                pip_requirements=requirements,
            )
            mlflow.log_metrics(logs, step=epoch, model_id=checkpoint.model_id)

    callbacks = [
        mlflow.tensorflow.MlflowModelCheckpointCallback(save_weights_only=True),
        keras.callbacks.LambdaCallback(on_epoch_end=save),
    ]
    fit_autoencoder(autoencoder, images, callbacks)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Retrouver le meilleur, et le rouvrir
# MAGIC
# MAGIC La recherche porte sur les modèles, pas sur les runs. Le test n'est ouvert qu'ensuite, pour le
# MAGIC modèle retenu.

# COMMAND ----------

found = mlflow.search_logged_models(
    filter_string=f"name = 'checkpoint' AND source_run_id = '{run.info.run_id}'",
    order_by=[{"field_name": "metrics.val_loss"}],
    output_format="list",
)
best = found[0]
epoch = best.metrics[0].step
reopened = mlflow.tensorflow.load_model(best.model_uri)
test_mse = mean_squared_error(test, reopened(test).numpy())
mlflow.log_metric("test_mse", test_mse, step=epoch, run_id=run.info.run_id, model_id=best.model_id)

# le callback n'a gardé que des poids : il faut un réseau pareil, où les remettre
blank = keras.models.clone_model(autoencoder)
theirs = mlflow.tensorflow.load_checkpoint(model=blank, run_id=run.info.run_id)
same = (theirs(test).numpy() == reopened(test).numpy()).all()

# COMMAND ----------

print("Les modèles enregistrés, du meilleur au moins bon :")
for model in found:
    losses = {metric.key: metric.value for metric in model.metrics}
    print(f"  époque {model.metrics[0].step} : perte de validation {losses['val_loss']:.4f}")
print(f"Le premier de la liste, rouvert : erreur sur le test {test_mse:.4f}")
print(f"Le fichier du callback redessine-t-il de même ? {'oui' if same else 'non'}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC Le dernier modèle enregistré, celui de l'époque 39, n'est que troisième : 0.0156 sur la
# MAGIC validation. Le meilleur est celui de l'époque 34 : 0.0150, et 0.0152 sur le test. C'est le réseau
# MAGIC que rend `02_autoencoder.py`, retrouvé ici par une simple recherche.
# MAGIC
# MAGIC Sans `model_id`, MLflow attache une métrique aux modèles du run qui ont le même `step`. Les deux
# MAGIC valent 0 si l'on n'en dit rien : un modèle et une métrique ordinaires sont donc liés. Mais un
# MAGIC modèle enregistré avec `step=34` n'en a aucune, si la métrique ne dit ni `step` ni `model_id`.

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [04_compare_representations]($./04_compare_representations)
