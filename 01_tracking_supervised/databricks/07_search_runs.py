# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/07_search_runs.py par tools/build.py. -->
# MAGIC # Leçon 1, script 7 : chercher, puis juger une seule fois
# MAGIC
# MAGIC **Question.** Le couple retenu par le balayage manque 6 tumeurs malignes sur 170, pour un coût de
# MAGIC 66 sur 455 tumeurs. Sur les 114 tumeurs de test, que personne n'a encore regardées, le même taux
# MAGIC donnerait un coût de 16 ou 17. Pronostic ?

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

import mlflow

mlflow.autolog(disable=True)  # les runtimes ML de Databricks l'activent d'eux-mêmes

# COMMAND ----------

# MAGIC %run ./patients

# COMMAND ----------

import sys

import mlflow

# COMMAND ----------

# MAGIC %md
# MAGIC ## Chercher
# MAGIC
# MAGIC `search_runs` cherche dans l'expérience choisie par `set_experiment`, et rend un tableau pandas.
# MAGIC Le filtre ressemble à du SQL : `metrics.`, `params.`, `tags.`, `attributes.` en préfixe. C'est
# MAGIC aussi ce que l'on tape dans la barre de recherche de l'interface. On cherche d'abord le dernier
# MAGIC balayage fini, puis ses enfants.

# COMMAND ----------

mlflow.set_experiment("/Shared/01_tracking_supervised")
sweeps = mlflow.search_runs(
    filter_string="attributes.run_name = 'svm balayage' AND attributes.status = 'FINISHED'",
    max_results=1,
)
if sweeps.empty:
    first = "uv run 01_tracking_supervised/local/05_svm_sweep.py"
    sys.exit(f"Pas encore de balayage fini dans le magasin. Lancez d'abord : {first}")
found = mlflow.search_runs(
    filter_string=f"tags.mlflow.parentRunId = '{sweeps['run_id'][0]}' AND metrics.cv_cost < 100",
    order_by=["metrics.cv_cost ASC"],
)
best = found.iloc[0]
print(f"Trouvés : {len(found)} couples de coût inférieur à 100")
print(f"Retenu : {best['tags.mlflow.runName']}, coût {best['metrics.cv_cost']:.0f} sur 455 tumeurs")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Juger, une seule fois
# MAGIC
# MAGIC Le test n'a servi ni à apprendre ni à choisir. On l'ouvre pour ce couple une fois, et on
# MAGIC enregistre ce qu'on y voit, quoi que ce soit. Au lancement suivant, le jugement est relu dans le
# MAGIC magasin : le test reste fermé. `runs:/<run>/<nom>` est l'autre adresse d'un modèle : le run qui
# MAGIC l'a produit, et le nom qu'il y porte.

# COMMAND ----------

judgement = (
    "attributes.run_name = 'jugement du meilleur svm' AND attributes.status = 'FINISHED'"
    f" AND params.C = '{best['params.C']}' AND params.gamma = '{best['params.gamma']}'"
)
judged = mlflow.search_runs(filter_string=judgement, max_results=1)
if judged.empty:
    model = mlflow.sklearn.load_model(f"runs:/{best['run_id']}/svm")
    data = load_patients()
    table = data.X_test.assign(malignant=data.y_test)
    test = mlflow.data.from_pandas(table, name="breast_cancer_test", targets="malignant")
    description = "Le meilleur couple du balayage, jugé une seule fois sur les 114 tumeurs de test."
    with mlflow.start_run(run_name="jugement du meilleur svm", description=description):
        mlflow.log_params({"C": best["params.C"], "gamma": best["params.gamma"]})
        mlflow.set_tag("judged_run_id", best["run_id"])
        mlflow.log_input(test, context="test")
        predicted, scores = model.predict(data.X_test), risk(model, data.X_test)
        metrics = clinical_metrics(data.y_test, predicted, scores)
        mlflow.log_metrics({f"test_{name}": value for name, value in metrics.items()})
    judged = mlflow.search_runs(filter_string=judgement, max_results=1)
seen = judged.iloc[0]
rates = ", ".join(
    f"{name} {seen[f'metrics.test_{name}']:.3f}" for name in ("sensitivity", "specificity")
)
print(f"Test : coût {seen['metrics.test_cost']:.0f} sur 114 tumeurs, {rates}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC Sur le test, le coût est 51 : 5 tumeurs manquées sur 42, et une fausse alerte. C'est trois fois ce
# MAGIC que promettait la validation croisée. Le meilleur de trente-cinq couples est en partie chanceux :
# MAGIC on l'a choisi parce que son chiffre était bon. Le test est lui aussi un tirage.

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [08_annotate_runs]($./08_annotate_runs)
