# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/05_compare_models.py par tools/build.py. -->
# MAGIC # Leçon 1, script 5 : sept classifieurs côte à côte
# MAGIC
# MAGIC **Question.** Sur 114 tumeurs de validation, lequel de sept classifieurs manque le moins de
# MAGIC tumeurs malignes ?
# MAGIC
# MAGIC Classez d'avance : régression logistique, k plus proches voisins, arbre de décision, forêt
# MAGIC aléatoire, Bayes naïf, SVM, réseau de neurones.

# COMMAND ----------

# MAGIC %pip install keras==3.15.1 matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1 tensorboard==2.21.0 tensorflow==2.21.0
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./patients

# COMMAND ----------

import time

import matplotlib.pyplot as plt
import mlflow
from sklearn.metrics import ConfusionMatrixDisplay

# COMMAND ----------

# MAGIC %md
# MAGIC ## Autolog, là où il aide
# MAGIC
# MAGIC Un réseau apprend par époques, des passages sur les données : il faut le suivre pendant qu'il
# MAGIC apprend. *Autolog*, l'enregistrement automatique, n'est activé que pour Keras : il y enregistre la
# MAGIC perte à chaque époque. Le reste est coupé : il écrirait le réseau à chaque époque qui améliore la
# MAGIC validation, et les sept modèles sont enregistrés de la même façon, par nous.

# COMMAND ----------

data, models = load_patients(), classifiers()
try:
    models["neural_network"] = network(data.X_train)
    mlflow.tensorflow.autolog(log_models=False, log_datasets=False, checkpoint=False)
except ImportError:
    print("TensorFlow n'est pas installé : six classifieurs, sans le réseau de neurones.")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Des runs de même forme
# MAGIC
# MAGIC Mêmes noms de paramètres et de métriques partout : c'est ce qui rend les runs comparables dans
# MAGIC l'interface.

# COMMAND ----------

mlflow.set_experiment("/Shared/01_tracking_supervised")
group = time.strftime("breast_cancer %Y-%m-%d %H:%M:%S")
table = data.X_train.assign(malignant=data.y_train)
train = mlflow.data.from_pandas(table, name="breast_cancer_train", targets="malignant")
epochs = {"epochs": 50, "batch_size": 32, "validation_split": 0.2, "verbose": 0}  # le réseau

ranking = []
for name, model in models.items():
    neural = name == "neural_network"
    description = f"{name}, jugé sur les {len(data.X_valid)} lignes de validation."
    with mlflow.start_run(run_name=f"{name} breast_cancer", description=description):
        mlflow.set_tag("comparison", group)
        mlflow.log_input(train, context="training")
        mlflow.log_params({"model": name, "data": "breast_cancer", "target": "malignant"})

        start = time.perf_counter()
        model.fit(data.X_train, data.y_train, **(epochs if neural else {}))
        mlflow.log_metric("fit_seconds", time.perf_counter() - start)

        score = risk(model, data.X_valid)
        # le réseau ne rend qu'une probabilité
        predicted = (score > 0.5).astype(float) if neural else model.predict(data.X_valid)
        metrics = clinical_metrics(data.y_valid, predicted, score)
        mlflow.log_metrics(metrics)
        matrix = ConfusionMatrixDisplay.from_predictions(data.y_valid, predicted, cmap="Blues")
        matrix.ax_.set(xlabel="prédiction", ylabel="vérité", title=name)
        mlflow.log_figure(matrix.figure_, "confusion_matrix.png")
        display(matrix.figure_)
        plt.close(matrix.figure_)

        kept = {"name": name, "input_example": data.X_valid.head(3)}
        if neural:
            kept["input_example"] = data.X_valid.head(3).to_numpy()  # Keras ne connaît pas de noms
            mlflow.tensorflow.log_model(model, **kept, pip_requirements=pins("tensorflow"))
        else:
            kept["skops_trusted_types"] = trusted_types
            mlflow.sklearn.log_model(model, **kept, pip_requirements=pins())
        ranking.append((metrics["sensitivity"], metrics["specificity"], metrics["accuracy"], name))

# COMMAND ----------

judge = f"{len(data.y_valid)} lignes de validation, dont {data.y_valid.sum():.0f} positives"
print(f"En tête : {max(ranking)[-1]}, jugé sur {judge}")
print(f"{'':22}sensibilité  spécificité  exactitude")
for sensitivity, specificity, accuracy, name in sorted(ranking, reverse=True):
    print(f"{name:22}{sensitivity:11.3f}{specificity:13.3f}{accuracy:12.3f}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC | classifieur | sensibilité | spécificité | exactitude |
# MAGIC |---|---|---|---|
# MAGIC | neural_network | 1.000 | 1.000 | 1.000 |
# MAGIC | logistic_regression | 1.000 | 0.986 | 0.991 |
# MAGIC | svm_rbf | 0.953 | 1.000 | 0.982 |
# MAGIC | k_nearest_neighbors | 0.930 | 1.000 | 0.974 |
# MAGIC | random_forest | 0.930 | 0.972 | 0.956 |
# MAGIC | naive_bayes | 0.884 | 0.972 | 0.939 |
# MAGIC | decision_tree | 0.814 | 0.972 | 0.912 |
# MAGIC
# MAGIC Sans faute ne veut pas dire infaillible : une tumeur maligne de plus ou de moins fait bouger la
# MAGIC sensibilité de 0.023, et les trois premiers font 0, 1 et 2 erreurs sur 114. Le test, lui, n'a pas
# MAGIC été ouvert.
# MAGIC
# MAGIC Autolog laissé à ses réglages d'origine écrit le réseau sur disque 50 fois, car chaque époque
# MAGIC améliore ici la validation : l'apprentissage en est bien plus long.

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [06_search_runs]($./06_search_runs)
