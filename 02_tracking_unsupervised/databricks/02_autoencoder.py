# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/02_autoencoder.py par tools/build_databricks.py : modifiez le script, pas ce notebook. -->
# MAGIC # Leçon 2, script 2 : un apprentissage qui se regarde
# MAGIC
# MAGIC **Question.** Huit nombres suffisent-ils à redessiner une image de 64 pixels ?
# MAGIC
# MAGIC Un autoencodeur comprime l'image en un code de huit nombres, puis la redessine. Une analyse en
# MAGIC composantes principales (ACP) de huit composantes fait le même métier, sans réseau. Lequel des
# MAGIC deux se trompe le moins, et de combien ? Notez votre pronostic.

# COMMAND ----------

# MAGIC %pip install keras==3.15.1 matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 rich==15.0.0 scikit-learn==1.9.1 tensorflow==2.21.0 threadpoolctl==3.8.0
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./digits

# COMMAND ----------

# MAGIC %run ./options

# COMMAND ----------

import tempfile

import matplotlib.pyplot as plt
import mlflow
import numpy as np
from mlflow.models import infer_signature
from sklearn.decomposition import PCA
from sklearn.metrics import mean_squared_error

# COMMAND ----------

from types import SimpleNamespace

dbutils.widgets.text("experiment", "/Shared/02_tracking_unsupervised")
dbutils.widgets.text("code_size", "8")  # combien de nombres gardent l'image
dbutils.widgets.text("epochs", "200")  # au plus ; il s'arrête quand la validation stagne
dbutils.widgets.text("seed", "0")  # la graine des poids de départ

args = SimpleNamespace(
    experiment=short_text(dbutils.widgets.get("experiment")),
    code_size=whole_number(1, 64)(dbutils.widgets.get("code_size")),
    epochs=whole_number(1, 10_000)(dbutils.widgets.get("epochs")),
    seed=whole_number(0, 2**32 - 1)(dbutils.widgets.get("seed")),
)

# COMMAND ----------

keras = import_keras()
images = split_images(*load_images())  # les classes n'y serviront pas
autoencoder, encoder = build_autoencoder(args.code_size, args.seed)
example = images.X_valid.head(3).to_numpy("float32")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Suivre pendant que cela apprend
# MAGIC
# MAGIC `step` range chaque valeur à son époque : MLflow trace les courbes. Keras garde dans `best.keras`
# MAGIC la meilleure époque ; l'envoyer aussitôt au magasin, c'est ne rien perdre si la machine s'arrête à
# MAGIC la suivante. La validation choisit l'époque ; le test n'est ouvert qu'à la fin, pour juger.

# COMMAND ----------

mlflow.set_experiment(args.experiment)
with (
    tempfile.TemporaryDirectory() as folder,
    mlflow.start_run(run_name=f"autoencodeur code={args.code_size}") as run,
):
    checkpoint = keras.callbacks.ModelCheckpoint(
        f"{folder}/best.keras", monitor="val_loss", save_best_only=True
    )

    def record(epoch, logs):
        mlflow.log_metrics(logs, step=epoch + 1)  # Keras compte depuis 0
        if logs["val_loss"] == checkpoint.best:
            mlflow.log_artifact(checkpoint.filepath, "checkpoints")

    mlflow.log_input(
        mlflow.data.from_pandas(images.X_train, name="digits_train"), context="training"
    )
    mlflow.log_params(
        {
            "code_size": args.code_size,
            "max_epochs": args.epochs,
            "seed": args.seed,
            "weights": autoencoder.count_params(),
        }
    )
    mlflow.log_params(
        {"patience": PATIENCE, "batch_size": BATCH_SIZE, "learning_rate": LEARNING_RATE}
    )
    callbacks = [checkpoint, keras.callbacks.LambdaCallback(on_epoch_end=record)]
    history = fit_autoencoder(autoencoder, images, args.epochs, callbacks).history

    test = images.X_test.to_numpy("float32")
    redrawn = autoencoder(test).numpy()
    pca = PCA(args.code_size, random_state=args.seed).fit(images.X_train)
    pca_redrawn = pca.inverse_transform(pca.transform(images.X_test))
    best_epoch = int(np.argmin(history["val_loss"])) + 1
    errors = {
        "test_mse": mean_squared_error(test, redrawn),
        "pca_test_mse": mean_squared_error(test, pca_redrawn),
    }
    mlflow.log_metrics({"best_epoch": best_epoch, **errors})

    rows = {"original": test[:15], "autoencodeur": redrawn[:15], "ACP": pca_redrawn[:15]}
    figure = draw_reconstructions(rows, args.code_size)
    mlflow.log_figure(figure, "reconstructions.png")
    plt.close(figure)

    for name, model in {"autoencoder": autoencoder, "encoder": encoder}.items():
        signature = infer_signature(example, model(example).numpy())
        mlflow.tensorflow.log_model(
            model,
            name=name,
            signature=signature,
            input_example=example,
            pip_requirements=keras_pins(),
        )
    mlflow.set_tag(
        "mlflow.note.content",
        "Autoencodeur des chiffres ; son encodeur, seul, sert à 04_compare_representations.py.",
    )
display(figure)

# COMMAND ----------

print(
    f"{len(history['loss'])} époques, la meilleure est la {best_epoch} : perte de validation {min(history['val_loss']):.4f}"
)
print(
    f"Erreur sur le test : autoencodeur {errors['test_mse']:.4f}, ACP de même taille {errors['pca_test_mse']:.4f}"
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC Sur 300 images jamais vues, huit nombres redessinent l'image avec une erreur de 0.0152 ; l'ACP de
# MAGIC même taille en fait 0.0254. Le réseau s'est arrêté seul après 40 époques, et c'est la 35e qu'il
# MAGIC rend : validation 0.0150.
# MAGIC
# MAGIC Relancez : les pertes sont les mêmes, au bit près. La graine n'y suffit pas : selon les
# MAGIC instructions du processeur, les arrondis changent. `import_keras` s'en tient aux instructions
# MAGIC AVX2 ; avec AVX-512, la même graine s'arrête après 58 époques. Ces décimales sont celles d'un PC ;
# MAGIC sur un Mac, rien n'a été mesuré.

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [03_checkpoints]($./03_checkpoints)
