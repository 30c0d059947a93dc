# databricks: non (elle rejoue le code de votre dépôt Git, commit par commit)
# %% [markdown]
# # Leçon 4, script 6 : d'où vient cette prédiction ?
#
# **Question.** D'une réponse du service, retrouve-t-on le modèle, le run, le code, les données ? Et est-ce vrai ?
#
# Pronostiquez : parmi paramètre, métrique, étiquette, description, alias et suppression, où l'ancienne valeur se perd-elle ?

# %% [markdown] tags=["local"]
# ```
# uv run 04_model_registry_azureml/local/measure_traceability.py
# ```
#
# Une à deux minutes. Rien n'est abîmé dans votre magasin : les dégâts sont faits dans un magasin à jeter.

# %%
import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import mlflow
from mlflow import MlflowClient

from damages import history, throwaway_store, train_on_a_dirty_tree
from store import ROOT, open_store
from tracing import LINKS, Prediction, Tracer
from transparency import transparency
from wines import load_wines, source_url, version_of

# %% tags=["parameters"]
parser = argparse.ArgumentParser(description="Vérifie, maillon par maillon, d'où viennent des prédictions.")
parser.add_argument("--experiment", default="measurements")  # databricks: "/Shared/measurements"
parser.add_argument("--model", default="wine_cultivars")  # databricks: "main.default.wine_cultivars"
args = parser.parse_args()

# %%
open_store()
client = MlflowClient()
wines = load_wines()
aliases = ("champion", "previous", "outsider")
versions = [version_of(client, args.model, alias) for alias in aliases]

# %% [markdown]
# ## Des prédictions, telles qu'un service les rend
#
# Cinq vins, trois versions. De la réponse, on ne garde que ce que `score.py` envoie : le cultivar et `model_id`.

# %%
def predict(model_uri: str, count: int) -> list[Prediction]:
    """Le cultivar des `count` premiers vins du test, par ce modèle."""
    model, now = mlflow.pyfunc.load_model(model_uri), int(time.time() * 1000)
    rows = [wines.X_test.iloc[[position]] for position in range(count)]
    return [Prediction(row, model.predict(row)[0], model.metadata.model_id, now) for row in rows]


predictions = [each for version in versions for each in predict(f"models:/{args.model}/{version.version}", 5)]

# %% [markdown]
# ## Remonter, et vérifier
#
# Un maillon ne compte que s'il se retrouve et se vérifie : le modèle refait la prédiction, l'empreinte des données est
# recalculée, les métriques aussi, une fois avec le modèle et une fois avec le code du commit ; les versions demandées
# sont celles installées ; les dates se suivent.

# %%
tracer = Tracer(client, wines.X_train, wines.y_train, ROOT)
traces = [tracer.trace(prediction) for prediction in predictions]
links = {link: sum(trace[link] for trace in traces) / len(traces) for link in LINKS}
true_share = sum(links.values()) / len(links)
print(f"Maillons retrouvés et vrais : {true_share:.0%} ({len(predictions)} prédictions, {len(LINKS)} maillons).")
if broken := [link for link, share in links.items() if share < 1]:
    print(f"  manquent ou mentent : {', '.join(broken)}")

# %% [markdown]
# ## Votre magasin est-il transparent ?
#
# Pour chaque expérience, la part des runs qui ont une description, un jeu de données, un commit, un auteur ; et, des runs
# qui ont un modèle, la part de ceux dont le modèle a une signature.

# %%
shares = transparency(client)
print(shares.to_string(float_format=lambda share: f"{share:.0%}", na_rep="-"))

# %% [markdown]
# ## Ce qui se perd, et ce que la mesure remarque

# %%
with TemporaryDirectory(ignore_cleanup_errors=True) as folder, throwaway_store(Path(folder)) as throwaway:
    kept = history(throwaway)
    repository, dirty, orphan = train_on_a_dirty_tree(Path(folder), Path(__file__).resolve().parent)
    suspect = Tracer(throwaway, wines.X_train, wines.y_train, repository)
    damages = {"dirty tree": suspect.trace(predict(f"models:/{dirty}", 1)[0]), "no run": suspect.trace(predict(f"models:/{orphan}", 1)[0])}
changed = wines.X_train.copy()
changed.iloc[0, 0] += 0.01  # 0.01 degré d'alcool, sur un vin
damages["one value changed"] = Tracer(client, changed, wines.y_train, ROOT).trace(predictions[0])
print("L'ancienne valeur se retrouve pour :", ", ".join(name for name, found in kept.items() if found))
print("Elle est perdue pour :", ", ".join(name for name, found in kept.items() if not found))
for name, trace in damages.items():
    print(f"Dégât « {name} », maillons rompus : {', '.join(link for link in LINKS if not trace[link]) or 'aucun'}")

# %%
mlflow.set_experiment(args.experiment)
with mlflow.start_run(run_name="traceability", description="Leçon 4 : maillons vrais, transparence des runs, historique, dégâts remarqués."):
    mlflow.log_params({"model": args.model, "predictions": len(predictions)})
    mlflow.log_metric("links_true_share", true_share)
    mlflow.log_metrics({f"link_{link}": share for link, share in links.items()})
    mlflow.log_metrics({f"transparency_{name.replace(' ', '_')}": share for name, share in shares.loc["toutes"].dropna().items()})
    mlflow.log_metrics({f"kept_{name.replace(' ', '_')}": float(found) for name, found in kept.items()})
    mlflow.log_metrics({f"broken_by_{name.replace(' ', '_')}": len(LINKS) - sum(trace.values()) for name, trace in damages.items()})
    mlflow.log_input(mlflow.data.from_pandas(wines.X_test.head(5), source=source_url, name="wine_recognition_asked"))
    figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
    rows = {"vos modèles": links, **damages}
    axes.imshow([[float(row[link]) for link in LINKS] for row in rows.values()], cmap="RdYlGn", vmin=-0.3, vmax=1.3, aspect="auto")
    for line, row in enumerate(rows.values()):
        for column, link in enumerate(LINKS):
            axes.text(column, line, f"{row[link]:.0%}" if line == 0 else "oui" if row[link] else "non", ha="center", va="center")
    axes.set(xticks=range(len(LINKS)), yticks=range(len(rows)), yticklabels=list(rows), title="Maillons retrouvés et vrais")
    axes.set_xticklabels(LINKS, rotation=45, ha="right")
    mlflow.log_figure(figure, "links.png")
    plt.close(figure)

# %% tags=["local"]
print("La figure et les chiffres sont dans l'expérience", args.experiment, "du magasin : uv run mlflow ui")

# %% [markdown]
# ## À retenir
#
# Sur un clone Git, 10 maillons sur 10 se retrouvent et sont vrais pour 15 prédictions sur 15. Cela tient à ce que
# register_models.py a enregistré et à ce que `score.py` rend : sans `model_id` dans la réponse, rien ne commence.
#
# | dégât | maillons rompus |
# |---|---|
# | dirty tree | commit |
# | no run | run, commit, data, parameters, metrics, author, time |
# | one value changed | data |
#
# MLflow note le commit sans dire que l'arbre était modifié : seul le rejeu le voit. Un vin changé d'un centième de degré
# ne déplace aucune métrique : seule l'empreinte le voit.
#
# | ancienne valeur | où |
# |---|---|
# | retrouvée | parameter, metric, run deletion |
# | perdue | tag, description, alias, version deletion |
#
# Ce qui se perd et qui compte s'écrit donc à part : c'est le rôle des étiquettes `history_<date>` de promote.py.
