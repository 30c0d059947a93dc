"""Ce qu'un script dit quand il s'arrête : une ligne pour ce qui peut arriver à tout lecteur.

Même fichier dans chaque leçon.
"""

import errno
import os
import re
import signal
import sys


def listen(quiet: bool = False) -> None:
    """Arrêté par Ctrl-C, par `kill` ou par la fenêtre qu'on ferme, un script finit son run (FAILED)
    au lieu de le laisser RUNNING.

    `quiet` : sans un mot, pour un programme qu'un autre a lancé et qui se dira interrompu.
    """

    def stop(number, frame):
        if busy(frame):
            signal.signal(signal.SIGALRM, lambda _, later: stop(number, later))
            signal.setitimer(signal.ITIMER_REAL, 0.005)
        elif number == signal.SIGINT and not quiet:
            raise KeyboardInterrupt
        else:
            sys.exit(128 + number)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows n'a pas le dernier
        if number and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, stop)


def busy(frame) -> bool:
    """S'il faut attendre : la base, coupée au milieu d'une écriture, resterait verrouillée ; Python
    ignore une erreur de `__del__`.
    """
    while frame and hasattr(signal, "setitimer"):
        file, name = frame.f_code.co_filename, frame.f_code.co_name
        if (
            "sqlalchemy" in file
            or name == "__del__"
            or file.endswith(("weakref.py", "_weakrefset.py", "tempfile.py"))
        ):
            return True
        frame = frame.f_back
    return False


def explain(kind, error, trace):
    """Dit en une ligne ce qui peut arriver à tout lecteur ; laisse sa trace à toute autre erreur."""
    text = str(error)
    if issubclass(kind, KeyboardInterrupt):
        line = "Interrompu. Un run ouvert est marqué FAILED ; ce qu'il avait enregistré reste."
    elif kind.__name__ == "MlflowException" and any(
        each in text for each in ("No such artifact", '"MLmodel"', "Failed to download")
    ):
        line = f"Un fichier manque dans mlruns/ ({first_line(error)}). Relancez le script qui l'a produit, ou supprimez mlflow.db et mlruns/."
    elif kind.__name__ in ("MlflowException", "RestException") and refused(error):
        line = refused(error)
    elif kind.__name__ == "MlflowException" and "Max retries exceeded" in text:
        line = "Le magasin ne répond plus : ce qui n'était pas encore envoyé est perdu, et le run reste RUNNING."
    elif "sqlite3.OperationalError" in text or (
        issubclass(kind, OSError) and error.errno in (errno.ENOSPC, errno.EROFS)
    ):
        line = f"Le magasin refuse l'écriture : {reason(error)}"
    elif "Cannot set a deleted experiment" in text:
        import mlflow

        name = re.search("experiment (['\"])(.*)\\1 as the active", text)[2]
        restore = f"uv run mlflow experiments restore --experiment-id {mlflow.get_experiment_by_name(name).experiment_id}"
        line = f"L'expérience « {name} » est à la corbeille. Pour l'en sortir : {restore}"
    else:
        return sys.__excepthook__(kind, error, trace)
    print(line, file=sys.stderr)


def refused(error: BaseException) -> str | None:
    """Ce qu'un serveur d'équipe refuse, en une ligne ; None si l'erreur est d'une autre sorte."""
    text = str(error)
    if "error code 401" in text and os.environ.get("MLFLOW_TRACKING_USERNAME"):
        return f"Le serveur refuse le compte « {os.environ['MLFLOW_TRACKING_USERNAME']} » : le nom ou le mot de passe est faux."
    if "error code 401" in text:
        return "Le serveur demande un compte : donnez MLFLOW_TRACKING_USERNAME et MLFLOW_TRACKING_PASSWORD."
    if "Invalid Host header" in text:
        return "Le serveur refuse d'être appelé par ce nom : qui le lance doit l'ajouter à --allowed-hosts."
    if "error code 403" in text or "PERMISSION_DENIED" in text:
        return "Le serveur refuse : votre compte n'a pas ce droit. Demandez-le à qui a créé cette expérience ou ce modèle."
    return None


def reason(error: BaseException) -> str:
    """Pourquoi la base ou le disque refuse, en français si c'est un refus connu."""
    text = str(error)
    if "disk is full" in text or "No space left" in text:
        return "le disque est plein. Faites de la place, puis relancez."
    if "database is locked" in text:
        return (
            "un autre programme l'occupe depuis plus de vingt secondes. Fermez-le, puis relancez."
        )
    return first_line(error)


def first_line(error: BaseException) -> str:
    return without_password((str(error).splitlines() or [type(error).__name__])[0])[:200]


def without_password(text: str) -> str:
    """Le même texte, sans le nom ni le mot de passe que porte peut-être une adresse."""
    return re.sub(r"://[^/\s@]*@", "://", text)


sys.excepthook = explain
