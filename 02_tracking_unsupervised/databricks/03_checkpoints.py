# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/03_checkpoints.py par tools/build.py. -->
# MAGIC # Leçon 2, script 3 : retrouver la meilleure époque
# MAGIC
# MAGIC **Question.** Un réseau enregistré toutes les cinq époques : le dernier est-il le meilleur, et de
# MAGIC combien s'en faut-il ?
# MAGIC
# MAGIC Chaque point de reprise (*checkpoint*) est un modèle enregistré à part entière, avec son époque et
# MAGIC ses pertes. Notez votre pronostic : l'époque du meilleur, quand l'apprentissage s'arrête après 40.

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
MAX_EPOCHS = 200  # il s'arrête quand la validation stagne

images = split_images(*load_images())  # les classes n'y serviront pas
autoencoder, _ = build_autoencoder()
example = images.X_valid.head(3).to_numpy("float32")
signature = infer_signature(example, autoencoder(example).numpy())
requirements = pins("tensorflow", "keras")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Un modèle enregistré toutes les cinq époques
# MAGIC
# MAGIC `step` date le modèle ; `model_id` dit de quel modèle sont ces pertes. Les modèles se trient
# MAGIC ensuite par leurs métriques.

# COMMAND ----------

mlflow.set_experiment("/Shared/02_tracking_unsupervised")
about = (
    f"Un modèle toutes les {EVERY} époques, avec ses pertes : le meilleur se retrouve en triant."
)
with mlflow.start_run(run_name="points de reprise", description=about) as run:
    training = mlflow.data.from_pandas(images.X_train, name="digits_train")
    mlflow.log_input(training, context="training")
    mlflow.log_params({"code_size": 8, "every": EVERY, "max_epochs": MAX_EPOCHS})
    mlflow.log_params({"patience": PATIENCE, "seed": 0})

    def save(epoch, logs):
        step = epoch + 1  # Keras compte depuis 0
        if step % EVERY == 0:
            checkpoint = mlflow.tensorflow.log_model(
                autoencoder,
                name="checkpoint",
                step=step,
                signature=signature,
                pip_requirements=requirements,
            )
            mlflow.log_metrics(logs, step=step, model_id=checkpoint.model_id)

    callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=save)]
    fit_autoencoder(autoencoder, images, MAX_EPOCHS, callbacks)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Retrouver le meilleur, et le rouvrir
# MAGIC
# MAGIC La recherche porte sur les modèles, pas sur les runs. Le test n'est ouvert qu'ensuite, pour le
# MAGIC modèle retenu.

# COMMAND ----------

found = mlflow.search_logged_models(
    [run.info.experiment_id],
    filter_string=f"name = 'checkpoint' AND source_run_id = '{run.info.run_id}'",
    order_by=[{"field_name": "metrics.val_loss", "ascending": True}],
    output_format="list",
)
best = found[0]
epoch = best.metrics[0].step
reopened = mlflow.tensorflow.load_model(best.model_uri)
test = images.X_test.to_numpy("float32")
test_mse = mean_squared_error(test, reopened(test).numpy())
mlflow.log_metric("test_mse", test_mse, step=epoch, run_id=run.info.run_id, model_id=best.model_id)

# COMMAND ----------

print("Les points de reprise, du meilleur au moins bon :")
for model in found:
    losses = {metric.key: metric.value for metric in model.metrics}
    print(f"  époque {model.metrics[0].step} : perte de validation {losses['val_loss']:.4f}")
print(f"Le premier de la liste, époque {epoch}, rouvert : erreur sur le test {test_mse:.4f}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC Le dernier point de reprise, époque 40, n'est que troisième : 0.0156 sur la validation. Le
# MAGIC meilleur est l'époque 35 : 0.0150, et 0.0152 sur le test. C'est le réseau que rend
# MAGIC `02_autoencoder.py`, retrouvé ici par une simple recherche.
# MAGIC
# MAGIC Sans `model_id`, MLflow attache une métrique aux modèles du run qui ont le même `step`. Les deux
# MAGIC valent 0 si l'on n'en dit rien : un modèle et une métrique ordinaires sont donc liés. Mais un
# MAGIC modèle enregistré avec `step=35` n'en a aucune, si la métrique ne dit ni `step` ni `model_id`.

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [04_compare_representations]($./04_compare_representations)
