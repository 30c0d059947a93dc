# %% [markdown]
# # Leçon 2, script 3 : retrouver la meilleure époque
#
# **Question.** Un réseau enregistré toutes les cinq époques : le dernier est-il le meilleur, et de
# combien s'en faut-il ?
#
# Chaque point de reprise (*checkpoint*) est un modèle enregistré à part entière, avec son époque et
# ses pertes. Notez votre pronostic : l'époque du meilleur, quand l'apprentissage s'arrête après 40.

# %% [markdown] tags=["local"]
# ```
# uv run 02_tracking_unsupervised/local/03_checkpoints.py
# ```
#
# Vingt secondes.

# %% tags=["local"]
from store import open_store  # en premier : Ctrl-C se dit alors en une ligne

# %%
import argparse

import mlflow
from mlflow.models import infer_signature
from sklearn.metrics import mean_squared_error

from digits import (
    PATIENCE,
    build_autoencoder,
    fit_autoencoder,
    import_keras,
    keras_pins,
    load_images,
    split_images,
)
from options import short_text, whole_number

# %% tags=["parameters"]
parser = argparse.ArgumentParser(
    description="Enregistre un modèle toutes les cinq époques, puis retrouve le meilleur."
)
parser.add_argument(
    "--experiment", type=short_text, default="02_tracking_unsupervised"
)  # databricks: "/Shared/02_tracking_unsupervised"
parser.add_argument(
    "--every",
    type=whole_number(1, 100),
    default=5,
    help="un point de reprise toutes les tant d'époques",
)
parser.add_argument(
    "--epochs",
    type=whole_number(1, 10_000),
    default=200,
    help="au plus ; il s'arrête quand la validation stagne",
)
args = parser.parse_args()

# %% tags=["local"]
open_store()

# %%
keras = import_keras()
images = split_images(*load_images())  # les classes n'y serviront pas
autoencoder, _ = build_autoencoder()
example = images.X_valid.head(3).to_numpy("float32")
signature = infer_signature(example, autoencoder(example).numpy())
requirements = keras_pins()

# %% [markdown]
# ## Un modèle enregistré toutes les cinq époques
#
# `step` date le modèle ; `model_id` dit de quel modèle sont ces pertes. Les modèles se trient
# ensuite par leurs métriques.

# %%
mlflow.set_experiment(args.experiment)
with mlflow.start_run(run_name="points de reprise") as run:
    mlflow.log_input(
        mlflow.data.from_pandas(images.X_train, name="digits_train"), context="training"
    )
    mlflow.log_params(
        {
            "code_size": 8,
            "every": args.every,
            "max_epochs": args.epochs,
            "patience": PATIENCE,
            "seed": 0,
        }
    )
    mlflow.set_tag(
        "mlflow.note.content",
        f"Un modèle toutes les {args.every} époques, avec ses pertes : le meilleur se retrouve en triant.",
    )

    def save(epoch, logs):
        step = epoch + 1  # Keras compte depuis 0
        if step % args.every == 0:
            checkpoint = mlflow.tensorflow.log_model(
                autoencoder,
                name="checkpoint",
                step=step,
                signature=signature,
                pip_requirements=requirements,
            )
            mlflow.log_metrics(logs, step=step, model_id=checkpoint.model_id)

    fit_autoencoder(
        autoencoder, images, args.epochs, [keras.callbacks.LambdaCallback(on_epoch_end=save)]
    )

# %% [markdown]
# ## Retrouver le meilleur, et le rouvrir
#
# La recherche porte sur les modèles, pas sur les runs. Le test n'est ouvert qu'ensuite, pour le
# modèle retenu.

# %%
found = mlflow.search_logged_models(
    [run.info.experiment_id],
    filter_string=f"name = 'checkpoint' AND source_run_id = '{run.info.run_id}'",
    order_by=[{"field_name": "metrics.val_loss", "ascending": True}],
    output_format="list",
)
if not found:
    raise SystemExit(
        f"L'apprentissage s'est arrêté avant l'époque {args.every} : demandez un --every plus petit."
    )
best = found[0]
epoch = best.metrics[0].step
reopened = mlflow.tensorflow.load_model(best.model_uri)
test = images.X_test.to_numpy("float32")
test_mse = mean_squared_error(test, reopened(test).numpy())
mlflow.log_metric("test_mse", test_mse, step=epoch, run_id=run.info.run_id, model_id=best.model_id)

# %%
print("Les points de reprise, du meilleur au moins bon :")
for model in found:
    losses = {metric.key: metric.value for metric in model.metrics}
    print(f"  époque {model.metrics[0].step} : perte de validation {losses['val_loss']:.4f}")
print(f"Le premier de la liste, époque {epoch}, rouvert : erreur sur le test {test_mse:.4f}")

# %% tags=["local"]
print("Ensuite : uv run 02_tracking_unsupervised/local/04_compare_representations.py")

# %% [markdown]
# ## À retenir
#
# Le dernier point de reprise, époque 40, n'est que troisième : 0.0156 sur la validation. Le
# meilleur est l'époque 35 : 0.0150, et 0.0152 sur le test. C'est le réseau que rend
# `02_autoencoder.py`, retrouvé ici par une simple recherche.
#
# Sans `model_id`, MLflow attache les métriques aux modèles du run qui ont le même `step` ; sans
# `step` non plus, les modèles n'en ont aucune, et rien ne les départage.
