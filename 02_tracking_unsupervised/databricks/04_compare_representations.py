# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/04_compare_representations.py par tools/build.py. -->
# MAGIC # Leçon 2, script 4 : changer de regard avant de grouper
# MAGIC
# MAGIC **Question.** Le même K-Means retrouve-t-il mieux les chiffres à partir des pixels, des pixels
# MAGIC standardisés (moyenne 0, écart type 1), d'une ACP de huit composantes ou du code d'un
# MAGIC autoencodeur ?
# MAGIC
# MAGIC Rangez les quatre par ordre de mérite. Puis demandez-vous de combien le résultat bougera d'une
# MAGIC graine à l'autre, celle de K-Means et celle du réseau.

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
import pandas as pd
from mlflow.models import infer_signature
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

# COMMAND ----------

# départs de K-Means par représentation, puis autoencodeurs : celui du script 2 et cinq autres
STARTS, NETWORKS = 10, 6

# COMMAND ----------

# MAGIC %md
# MAGIC ## Retrouver l'encodeur
# MAGIC
# MAGIC Un modèle enregistré se cherche par son nom, du plus récent au plus ancien. Le paramètre `encoder`
# MAGIC dira lequel a servi.

# COMMAND ----------

mlflow.set_experiment("/Shared/02_tracking_unsupervised")
found = mlflow.search_logged_models(filter_string="name = 'encoder'", output_format="list")
ready = [model.model_uri for model in found if model.status == "READY"]
if not ready:
    raise SystemExit("Lancez d'abord : uv run 02_tracking_unsupervised/local/02_autoencoder.py")
encoders = [mlflow.tensorflow.load_model(ready[0])]

X, y = load_images()
for seed in range(1, NETWORKS):  # ceux-ci ne sont pas gardés : leur graine suffit à les refaire
    autoencoder, encoder = build_autoencoder(seed=seed)
    fit_autoencoder(autoencoder, split_images(X, y))
    encoders.append(encoder)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Le même K-Means sur chaque représentation
# MAGIC
# MAGIC Ce qui prépare les images entre dans le pipeline, donc dans le modèle enregistré. Pour chaque
# MAGIC graine, un seul départ (`n_init=1`). Le modèle gardé est celui de plus basse inertie : K-Means
# MAGIC choisit ainsi, sans les classes.

# COMMAND ----------

views = {
    "pixels": (X, []),
    "pixels standardisés": (X, [StandardScaler()]),
    "ACP": (X, [PCA(8, random_state=0)]),
}
for number, encoder in enumerate(encoders):
    codes = encoder(X.to_numpy("float32")).numpy().astype(float)
    views[f"autoencodeur {number}"] = (pd.DataFrame(codes).add_prefix("code_"), [])

ari, requirements = {}, pins("scikit-learn", "skops")
about = "Quatre vues des chiffres, le même K-Means : laquelle les retrouve le mieux."
with mlflow.start_run(run_name="comparaison des représentations", description=about):
    mlflow.log_input(mlflow.data.from_pandas(X, name="digits"), context="training")
    mlflow.log_params({"starts": STARTS, "networks": NETWORKS, "encoder": ready[0]})
    for name, (inputs, preparation) in views.items():
        with mlflow.start_run(run_name=name, nested=True):
            mlflow.log_params({"representation": name, "n_clusters": 10, "n_init": 1})
            models = [
                make_pipeline(*preparation, KMeans(10, n_init=1, random_state=seed)).fit(inputs)
                for seed in range(STARTS)
            ]
            scores = pd.Series([adjusted_rand_score(y, each[-1].labels_) for each in models])
            ari[name] = scores
            mlflow.log_metrics(scores.agg(["mean", "min", "max"]).add_prefix("ari_").to_dict())
            kept = min(models, key=lambda model: model[-1].inertia_)
            seen = kept[:-1].transform(inputs) if preparation else inputs
            mlflow.log_metric("silhouette", silhouette_score(seen, kept[-1].labels_))
            signature = infer_signature(inputs, kept[-1].labels_)
            mlflow.sklearn.log_model(
                kept, name="kmeans", signature=signature, pip_requirements=requirements
            )
        print(f"{name} : ARI moyen {scores.mean():.3f}, de {scores.min():.3f} à {scores.max():.3f}")
    figure = draw_spread(ari)
    mlflow.log_figure(figure, "spread.png")
    mlflow.log_table(pd.DataFrame(ari), "ari_by_seed.json")
display(figure)

# COMMAND ----------

better = sum(ari[f"autoencodeur {n}"].mean() > ari["ACP"].mean() for n in range(NETWORKS))
print(f"Autoencodeurs de plus haut ARI moyen que l'ACP : {better} sur {NETWORKS}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC | représentation | ARI moyen | minimum | maximum | silhouette |
# MAGIC |---|---|---|---|---|
# MAGIC | pixels | 0.640 | 0.568 | 0.682 | 0.182 |
# MAGIC | pixels standardisés | 0.531 | 0.441 | 0.608 | 0.145 |
# MAGIC | ACP | 0.600 | 0.581 | 0.617 | 0.287 |
# MAGIC | l'autoencodeur du script 2 | 0.575 | 0.541 | 0.599 | 0.275 |
# MAGIC
# MAGIC Les simples pixels gagnent. Entre l'autoencodeur et l'ACP, on ne peut pas conclure : selon sa
# MAGIC graine, le réseau fait moins bien ou mieux qu'elle.
# MAGIC
# MAGIC La silhouette préfère l'ACP, mais ne se compare que dans un même espace : jugés dans celui des
# MAGIC pixels, les groupes de l'ACP ont 0.179, moins que les 0.182 des pixels.
