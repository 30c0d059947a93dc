# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis solutions/ex_02_2_seeds.py par tools/build.py. -->
# MAGIC # Exercice 02-2, solution : une autre graine, un autre sommet
# MAGIC
# MAGIC **Question.** La leçon a trouvé le sommet de l'ARI à 11 groupes, avec dix départs par K-Means
# MAGIC (`n_init=10`). Avec un seul départ, et dix graines différentes, où est le sommet ?
# MAGIC
# MAGIC Votre pronostic : combien de graines sur dix diront 11 ?

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
import numpy as np
from mlflow.models import infer_signature
from sklearn.cluster import KMeans

# COMMAND ----------

# MAGIC %md
# MAGIC ## Une courbe par graine
# MAGIC
# MAGIC Une métrique peut avoir une histoire. Ici, le pas (`step`) n'est pas le temps, c'est le nombre de
# MAGIC groupes : l'interface trace alors l'ARI en fonction de k, et superpose les graines.

# COMMAND ----------

X, y = load_images()
signature = infer_signature(X, np.zeros(len(X), dtype="int32"))
# solution : dix graines, de 0 à 9
seeds = range(10)
# départ
# seeds = [0]
# fin

mlflow.set_experiment("/Shared/02_tracking_unsupervised")
for seed in seeds:
    with mlflow.start_run(run_name=f"graine {seed}"):
        mlflow.set_tag("exercise", "02-2")
        mlflow.log_params({"seed": seed, "n_init": 1})
        models = {k: KMeans(k, n_init=1, random_state=seed).fit(X) for k in range(8, 16)}
        scores = {k: external_indices(y, models[k].labels_)["ari"] for k in models}
        best = max(scores, key=scores.get)
        # solution : la courbe (métrique `ari`, pas = k), le sommet (paramètre `n_clusters`) et le
        # modèle du sommet
        for k, score in scores.items():
            mlflow.log_metric("ari", score, step=k)
        mlflow.log_param("n_clusters", best)
        mlflow.sklearn.log_model(
            models[best],
            name="kmeans",
            signature=signature,
            pip_requirements=pins("scikit-learn", "skops"),
            serialization_format="skops",
        )
        # fin
    print(
        f"graine {seed} : sommet à {best} groupes, ARI {scores[best]:.3f} ;"
        f" à 11 groupes, {scores[11]:.3f}"
    )

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC | sommet | graines |
# MAGIC |---|---|
# MAGIC | 12 groupes | 0, 3, 5, 6, 7, 8, 9 |
# MAGIC | 13 groupes | 2, 4 |
# MAGIC | 14 groupes | 1 |
# MAGIC
# MAGIC Aucune graine sur dix ne place le sommet à 11. À 12 groupes, l'ARI va de 0.589 à 0.753 selon la
# MAGIC graine. Donner une graine rend un chiffre répétable, pas vrai.
