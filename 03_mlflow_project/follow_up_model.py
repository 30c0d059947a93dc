"""Un modèle fait de code : MLflow range ce fichier dans le modèle, et l'exécute pour le recharger.

Il attend les dix mesures d'un patient, le cholestérol en g/L comme un laboratoire français le
donne, et rend deux colonnes : la progression attendue, et le suivi qu'elle appelle.
"""

import json

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

MG_PER_G = 100  # 1 g/L, c'est 100 mg/dL, l'unité des données d'entraînement


class FollowUp(PythonModel):
    """Une formule linéaire, ses coefficients lus dans un JSON, et une règle de suivi."""

    def load_context(self, context):
        with open(context.artifacts["coefficients"], encoding="utf-8") as file:
            self.coefficients = json.load(file)

    def predict(self, context, model_input: pd.DataFrame, params=None) -> pd.DataFrame:
        # Avant : du g/L aux mg/dL.
        table = model_input.assign(
            **{name: model_input[name] * MG_PER_G for name in ("s1", "s2", "s3")}
        )
        slopes = pd.Series(self.coefficients).drop("intercept")
        progression = self.coefficients["intercept"] + table[slopes.index] @ slopes
        # Après : un nombre ne dit pas quoi faire, une règle si. Le seuil est un réglage du modèle.
        close = progression > context.model_config["threshold"]
        return pd.DataFrame(
            {
                "progression": progression,
                "follow_up": close.map({True: "rapproché", False: "ordinaire"}),
            }
        )


set_model(FollowUp())
