# Databricks notebook source
# MAGIC %md
# MAGIC <!-- Généré depuis local/06_search_runs.py par tools/build.py. -->
# MAGIC # Leçon 1, script 6 : retrouver, juger, prédire
# MAGIC
# MAGIC **Question.** Le couple retenu par le balayage trouvait 164 tumeurs malignes sur 170. Que vaut-il
# MAGIC sur 114 tumeurs que personne n'a encore regardées ?
# MAGIC
# MAGIC Pronostic : mieux, pareil, moins bien ? De combien de patientes ?

# COMMAND ----------

# MAGIC %pip install matplotlib==3.11.2 mlflow==3.17.2 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
# MAGIC dbutils.library.restartPython()

# COMMAND ----------

# MAGIC %run ./patients

# COMMAND ----------

import sys

import mlflow

# COMMAND ----------

# MAGIC %md
# MAGIC ## Chercher
# MAGIC
# MAGIC Le filtre ressemble à du SQL, le résultat est un tableau pandas : `metrics.`, `params.`, `tags.`
# MAGIC en préfixe. C'est aussi ce que l'on tape dans la barre de recherche de l'interface. On cherche
# MAGIC d'abord le dernier balayage fini, puis ses enfants.

# COMMAND ----------

mlflow.set_experiment("/Shared/01_tracking_supervised")
sweep = mlflow.search_runs(
    filter_string="attributes.run_name = 'svm balayage' AND attributes.status = 'FINISHED'",
    max_results=1,
)
if sweep.empty:
    first = "uv run 01_tracking_supervised/local/04_svm_sweep.py"
    sys.exit(f"Pas encore de balayage fini dans le magasin. Lancez d'abord : {first}")
children = mlflow.search_runs(
    filter_string=f"tags.mlflow.parentRunId = '{sweep['run_id'][0]}'"
    " AND attributes.status = 'FINISHED' AND metrics.cv_sensitivity > 0.9",
    order_by=["metrics.cv_sensitivity DESC", "metrics.cv_specificity DESC"],
)
best = children.iloc[0]
equal = children[children["metrics.cv_sensitivity"] == best["metrics.cv_sensitivity"]]
# l'autre adresse d'un modèle : son run, puis le nom qu'il y porte
uri = f"runs:/{best['run_id']}/svm"
print(
    f"Trouvés : {len(children)} couples de sensibilité supérieure à 0.9 ; "
    f"en tête, {len(equal)} à égalité, à {best['metrics.cv_sensitivity']:.3f}"
)
print(f"Retenu, par la spécificité : {best['tags.mlflow.runName']}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Juger, une seule fois
# MAGIC
# MAGIC Le test n'a servi ni à apprendre ni à choisir. On l'ouvre pour ce couple une fois, et on
# MAGIC enregistre ce qu'on y voit, quoi que ce soit. Au lancement suivant, le jugement est relu dans le
# MAGIC magasin : le test reste fermé.

# COMMAND ----------

model = mlflow.sklearn.load_model(uri)
judgement = (
    "attributes.run_name = 'jugement du meilleur svm' AND attributes.status = 'FINISHED'"
    f" AND params.C = '{best['params.C']}' AND params.gamma = '{best['params.gamma']}'"
)
judged = mlflow.search_runs(filter_string=judgement, max_results=1, output_format="list")
if not judged:
    description = "Le meilleur couple du balayage, jugé une seule fois sur les 114 tumeurs de test."
    with mlflow.start_run(run_name="jugement du meilleur svm", description=description) as run:
        mlflow.log_params(
            {"judged_run_id": best["run_id"], "C": best["params.C"], "gamma": best["params.gamma"]}
        )
        data = load_patients()
        table = data.X_test.assign(malignant=data.y_test)
        test = mlflow.data.from_pandas(table, name="breast_cancer_test", targets="malignant")
        mlflow.log_input(test, context="test")
        predicted = model.predict(data.X_test)
        metrics = clinical_metrics(data.y_test, predicted, risk(model, data.X_test))
        mlflow.log_metrics({f"test_{name}": value for name, value in metrics.items()})
    judged = [mlflow.get_run(run.info.run_id)]
scores = judged[0].data.metrics
shown = ("sensitivity", "specificity", "accuracy")
print("Test : " + ", ".join(f"{name} {scores[f'test_{name}']:.3f}" for name in shown))

# COMMAND ----------

# MAGIC %md
# MAGIC ## Prédire
# MAGIC
# MAGIC De nouvelles patientes passent par pyfunc, qui vérifie la signature. Il n'y en a pas ici : pour
# MAGIC voir la forme du résultat, on reprend dix tumeurs de validation, que le modèle connaît déjà.

# COMMAND ----------

newcomers = load_patients().X_valid.head(10)
with mlflow.start_run(run_name="prédictions"):
    mlflow.log_params({"model_run_id": best["run_id"], "rows": len(newcomers)})
    answers = newcomers.copy()
    answers.insert(0, "malignant", mlflow.pyfunc.load_model(uri).predict(newcomers))
    answers.insert(1, "risk", risk(model, newcomers))
    mlflow.log_text(answers.to_csv(index=False), "predictions.csv")
alerts = f"{int(answers['malignant'].sum())} alertes sur {len(answers)}"
print(f"Prédictions : {alerts}, dans predictions.csv du run « prédictions »")

# COMMAND ----------

# MAGIC %md
# MAGIC ## À retenir
# MAGIC
# MAGIC | jugé par | sensibilité | spécificité | exactitude |
# MAGIC |---|---|---|---|
# MAGIC | validation croisée | 0.965 | 0.979 | 0.974 |
# MAGIC | test | 0.881 | 0.986 | 0.947 |
# MAGIC
# MAGIC Sur le test, 37 tumeurs malignes sur 42. Est-ce un mauvais choix ? Sept couples étaient à égalité,
# MAGIC à 0.965. Rejugés pour ce cours, ils vont de 0.881 à 0.976 sur le test, et le nôtre est le plus
# MAGIC bas : il doit sa place à sa spécificité, la plus haute des sept. Mais entre 37 et 41 tumeurs
# MAGIC trouvées, l'écart est de 4 patientes, et un test apparié exact (McNemar) donne p = 0.125 : 42
# MAGIC tumeurs malignes ne suffisent pas à départager ces sept couples.
# MAGIC
# MAGIC Ce n'est pas le balayage qui promet trop : ses 25 couples au-dessus de 0.9 ont en moyenne 0.946 de
# MAGIC sensibilité en validation croisée, et 0.947 sur le test. Une égalité se dit, et se tranche par un
# MAGIC critère annoncé.

# COMMAND ----------

# MAGIC %md
# MAGIC **Ensuite** : [07_annotate_runs]($./07_annotate_runs)
