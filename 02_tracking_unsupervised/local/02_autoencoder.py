# %% [markdown]
# # Leçon 2, script 2 : suivre un réseau, époque par époque
#
# **Question.** Un autoencodeur comprime une image de 64 pixels en huit nombres, son *code*, puis la
# redessine. Une analyse en composantes principales (ACP) de huit composantes fait le même métier,
# sans réseau. Lequel des deux se trompe le moins, et de combien ? Notez votre pronostic.

# %% [markdown] tags=["local"]
# ```
# uv run 02_tracking_unsupervised/local/02_autoencoder.py
# ```
#
# Vingt secondes, dont la moitié pour charger TensorFlow.

# %%
import mlflow
from sklearn.decomposition import PCA
from sklearn.metrics import mean_squared_error
from tensorflow import keras

from digits import build_autoencoder, draw_rows, load_images, pins, split_images

# %% tags=["local"]
from store import open_store

open_store()  # mlflow.db et mlruns/, à la racine du dépôt

# %%
CODE_SIZE = 8  # combien de nombres gardent l'image
PATIENCE = 5  # époques sans progrès avant l'arrêt
SEED = 0  # la graine des poids de départ

keras.utils.disable_interactive_logging()  # pas de barre à chaque prédiction
images = split_images(*load_images())  # les classes n'y serviront pas
train, valid, test = (
    each.to_numpy("float32") for each in (images.X_train, images.X_valid, images.X_test)
)
autoencoder, encoder = build_autoencoder(CODE_SIZE, SEED)

# %% [markdown]
# ## Un `callback`, et chaque époque est dans le run
#
# Keras prévient ses *callbacks* à la fin de chaque époque. Celui de MLflow envoie la perte au run,
# avec l'époque pour abscisse. `EarlyStopping` arrête l'apprentissage quand la perte de validation
# ne baisse plus, et rend le réseau de la meilleure époque. Le test n'est ouvert qu'à la fin.

# %%
mlflow.set_experiment("02_tracking_unsupervised")
description = "Autoencodeur des chiffres ; son encodeur sert à 04_compare_representations.py."
with mlflow.start_run(run_name=f"autoencodeur code={CODE_SIZE}", description=description):
    dataset = mlflow.data.from_pandas(images.X_train, name="digits_train")
    mlflow.log_input(dataset, context="training")
    mlflow.log_params({"code_size": CODE_SIZE, "patience": PATIENCE, "seed": SEED})

    stop = keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)
    history = autoencoder.fit(
        train, train, validation_data=(valid, valid), epochs=200, batch_size=64, verbose=0,
        callbacks=[stop, mlflow.tensorflow.MlflowCallback()],
    ).history  # fmt: skip

    redrawn = autoencoder(test).numpy()
    pca = PCA(CODE_SIZE, random_state=SEED).fit(train)
    pca_redrawn = pca.inverse_transform(pca.transform(test))
    mse, pca_mse = mean_squared_error(test, redrawn), mean_squared_error(test, pca_redrawn)
    best_epoch = stop.best_epoch
    mlflow.log_metrics({"best_epoch": best_epoch, "test_mse": mse, "pca_test_mse": pca_mse})
    rows = {"original": test[:15], "autoencodeur": redrawn[:15], "ACP": pca_redrawn[:15]}
    figure = draw_rows(rows, f"Quinze images de test, redessinées d'après {CODE_SIZE} nombres")
    mlflow.log_figure(figure, "reconstructions.png")

    requirements = pins("tensorflow", "keras")
    for name, model in {"autoencoder": autoencoder, "encoder": encoder}.items():
        mlflow.tensorflow.log_model(
            model, name=name, input_example=valid[:3], pip_requirements=requirements
        )
# databricks: display(figure)

# %%
losses = history["val_loss"]
print(f"{len(losses)} époques ; la meilleure, comptée depuis 0, est la {best_epoch}")
print(f"Perte de validation : {losses[best_epoch]:.4f}, puis {losses[-1]:.4f} à la dernière")
print(f"Erreur sur le test : autoencodeur {mse:.4f}, ACP de même taille {pca_mse:.4f}")

# %% tags=["local"]
print("Ensuite : uv run 02_tracking_unsupervised/local/03_checkpoints.py")

# %% [markdown]
# ## À retenir
#
# Sur 300 images jamais vues, huit nombres redessinent l'image avec une erreur de 0.0152 ; l'ACP de
# même taille en fait 0.0254.
#
# Relancez : les pertes sont les mêmes, au bit près. La graine n'y suffit pas : selon les
# instructions du processeur, les arrondis changent. `digits.py` s'en tient aux instructions AVX2 ;
# avec AVX-512, la même graine s'arrête après 58 époques. Ces décimales sont celles d'un PC ; sur un
# Mac, rien n'a été mesuré.
