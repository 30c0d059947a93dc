"""Le programme qui écrit pendant que `12_store_life.py` copie : soixante runs, et leurs numéros."""

import mlflow

mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("sauvegarde")
for number in range(60):
    with mlflow.start_run(run_name=f"run {number}"):
        mlflow.log_param("number", number)
        mlflow.log_metric("value", number / 7)
        mlflow.log_text(str(number), "number.txt")
    print(number, flush=True)
