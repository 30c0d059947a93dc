# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/02_autoencoder.py par tools/build.py. -->
# MAGIC # Leçon 2, script 2 : un apprentissage qui se regarde
# MAGIC
# MAGIC **Question.** Huit nombres suffisent-ils à redessiner une image de 64 pixels ?
# MAGIC
# MAGIC Un autoencodeur comprime l'image en un code de huit nombres, puis la redessine. Une analyse en
# MAGIC composantes principales (ACP) de huit composantes fait le même métier, sans réseau. Lequel des
# MAGIC deux se trompe le moins, et de combien ? Notez votre pronostic.

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1 tensorflow==2.21.0 threadpoolctl==3.8.0
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

# MAGIC %run ./digits

# COMMAND ----------

import tempfile

import mlflow
import numpy as np
from sklearn.decomposition import PCA
from sklearn.metrics import mean_squared_error
from tensorflow import keras

# COMMAND ----------

CODE_SIZE = 8  # combien de nombres gardent l'image
MAX_EPOCHS = 200  # il s'arrête quand la validation stagne
SEED = 0  # la graine des poids de départ

keras.utils.disable_interactive_logging()  # pas de barre à chaque prédiction
images = split_images(*load_images())  # les classes n'y serviront pas
autoencoder, encoder = build_autoencoder(CODE_SIZE, SEED)
example = images.X_valid.head(3).to_numpy("float32")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Suivre pendant que cela apprend
# MAGIC
# MAGIC `step` range chaque valeur à son époque : MLflow trace les courbes. Keras garde dans `best.keras`
# MAGIC la meilleure époque ; l'envoyer aussitôt au magasin, c'est ne rien perdre si la machine s'arrête à
# MAGIC la suivante. La validation choisit l'époque ; le test n'est ouvert qu'à la fin, pour juger.

# COMMAND ----------

mlflow.set_experiment("/Shared/02_tracking_unsupervised")
about = "Autoencodeur des chiffres ; son encodeur, seul, sert à 04_compare_representations.py."
with (
    tempfile.TemporaryDirectory() as folder,
    mlflow.start_run(run_name=f"autoencodeur code={CODE_SIZE}", description=about),
):
    checkpoint = keras.callbacks.ModelCheckpoint(
        f"{folder}/best.keras", monitor="val_loss", save_best_only=True
    )

    def record(epoch, logs):
        mlflow.log_metrics(logs, step=epoch + 1)  # Keras compte depuis 0
        if logs["val_loss"] == checkpoint.best:
            mlflow.log_artifact(checkpoint.filepath, "checkpoints")

    training = mlflow.data.from_pandas(images.X_train, name="digits_train")
    mlflow.log_input(training, context="training")
    mlflow.log_params({"code_size": CODE_SIZE, "max_epochs": MAX_EPOCHS, "seed": SEED})
    mlflow.log_params({"patience": PATIENCE, "batch_size": BATCH_SIZE})
    mlflow.log_params({"learning_rate": LEARNING_RATE, "weights": autoencoder.count_params()})
    callbacks = [checkpoint, keras.callbacks.LambdaCallback(on_epoch_end=record)]
    history = fit_autoencoder(autoencoder, images, MAX_EPOCHS, callbacks).history

    test = images.X_test.to_numpy("float32")
    redrawn = autoencoder(test).numpy()
    pca = PCA(CODE_SIZE, random_state=SEED).fit(images.X_train)
    pca_redrawn = pca.inverse_transform(pca.transform(images.X_test))
    mse, pca_mse = mean_squared_error(test, redrawn), mean_squared_error(test, pca_redrawn)
    best_epoch = int(np.argmin(history["val_loss"])) + 1
    mlflow.log_metrics({"best_epoch": best_epoch, "test_mse": mse, "pca_test_mse": pca_mse})

    rows = {"original": test[:15], "autoencodeur": redrawn[:15], "ACP": pca_redrawn[:15]}
    figure = draw_rows(rows, f"Quinze images de test, redessinées d'après {CODE_SIZE} nombres")
    mlflow.log_figure(figure, "reconstructions.png")

    requirements = pins("tensorflow", "keras")
    for name, model in {"autoencoder": autoencoder, "encoder": encoder}.items():
        mlflow.tensorflow.log_model(
            model, name=name, input_example=example, pip_requirements=requirements
        )
display(figure)

# COMMAND ----------

losses = history["val_loss"]
print(
    f"{len(losses)} époques, la meilleure est la {best_epoch} :"
    f" perte de validation {min(losses):.4f}"
)
print(f"Erreur sur le test : autoencodeur {mse:.4f}, ACP de même taille {pca_mse:.4f}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC Sur 300 images jamais vues, huit nombres redessinent l'image avec une erreur de 0.0152 ; l'ACP de
# MAGIC même taille en fait 0.0254. Le réseau s'est arrêté seul après 40 époques, et c'est la 35e qu'il
# MAGIC rend : validation 0.0150.
# MAGIC
# MAGIC Relancez : les pertes sont les mêmes, au bit près. La graine n'y suffit pas : selon les
# MAGIC instructions du processeur, les arrondis changent. `digits.py` s'en tient aux instructions AVX2 ;
# MAGIC avec AVX-512, la même graine s'arrête après 58 époques. Ces décimales sont celles d'un PC ; sur un
# MAGIC Mac, rien n'a été mesuré.

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [03_checkpoints]($./03_checkpoints)
