"""GLOSSAIRE.md : à jour, complet ; chaque lien montre son mot, et chaque appel de l'index est dans
MLflow.
"""

import re
import shutil

from forms import glossary
import pytest
from library import names_of
from mlflow import MlflowClient
from texts import ROOT, path_of, tables

PAGE = ROOT / "GLOSSAIRE.md"
TEXT = PAGE.read_text(encoding="utf-8")
FILES = glossary.sources(ROOT)
TERMS = glossary.read_terms(ROOT / "tools/glossary.txt")
INDEX = tables(TEXT.partition("## Index des appels")[2])
# Les mots que le cours emploie dans un sens précis, en anglais : chacun a sa ligne.
WORDS = """run, experiment, to log, tracking, parameter, metric, step, tag, annotation, artifact,
data set, parent run, child run, sweep, store, backend store, autolog, logged model,
flavor, signature, input example, requirements, library, skops, pickle, weights, MLflow
Project, entry point, commit, to replay, seed, model registry, to register, registered
model, model version, alias, stage, to serve, batch, endpoint, to deploy, blue/green,
traffic split, lineage, split, cross-validation, cluster, epoch, loss, scaling,
hyperparameter, RBF kernel, pipeline, stratified, optimism, cost, score, threshold,
accuracy, sensitivity, recall, specificity, precision, NPV, fall-out, FDR,
widget, asset bundle"""


def test_the_page_follows_the_scripts(tmp_path):
    """Une ligne de plus dans un script ne change rien ; un appel retiré quitte l'index ; un mot
    doit se montrer.
    """
    for name in ["README.md", "tools/glossary.txt", *FILES]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    assert glossary.build(tmp_path) == TEXT, "uv run tools/build.py"
    script = tmp_path / path_of("gate")
    text = "# une ligne\n" + script.read_text(encoding="utf-8")
    script.write_text(text, encoding="utf-8")
    assert glossary.build(tmp_path) == TEXT
    script.write_text(text.replace("mlflow.models.evaluate(", "print("), encoding="utf-8")
    lost = set(TEXT.splitlines()) - set(glossary.build(tmp_path).splitlines())
    assert any("`mlflow.models.evaluate`" in line for line in lost)
    assert not any("`mlflow.log_figure`" in line for line in lost)
    with (tmp_path / "tools/glossary.txt").open("a", encoding="utf-8") as terms:
        terms.write("licorne | unicorn | Un animal.\n")
    with pytest.raises(ValueError, match="« licorne » n'est dans aucun script"):
        glossary.build(tmp_path)


def around(term: glossary.Term, text: str) -> str:
    """Ce que l'on voit en suivant le lien d'un mot : le fichier ; un mot qui a son extrait se lit à
    quelques lignes de lui.
    """
    text = text if term.sought in text else glossary.one_line(text)
    place = text.find(term.sought)
    return text[max(0, place - 400) : place + 400] if term.sought else text


def test_each_term_stands_where_its_link_leads():
    rows = {row["français"]: row for row in tables(TEXT) if "français" in row}
    assert list(rows) == [term.french for term in TERMS]
    wrong = []
    for term in TERMS:
        row = rows[term.french]
        name, path = re.fullmatch(r"\[([\w.]+)\]\(([^#)]+)\)", row["vu d'abord"]).groups()
        sentences = re.findall(r"[.?](?= |$)", term.sentence)
        if not (
            row["anglais"] == f"*{term.english}*" and row["ce que c'est"] == term.sentence
            and term.sentence[0].isupper() and term.sentence[-1] in ".?" and len(sentences) <= 2
            and name == path.rpartition("/")[2]
            and term.stands_in(around(term, FILES[path]))
        ):  # fmt: skip
            wrong.append(row)
    assert wrong == []


def test_no_word_is_missing_or_twice():
    english = [word.strip() for term in TERMS for word in term.english.split(",")]
    assert len(english) == len(set(english))
    assert {word.strip() for word in WORDS.replace("\n", " ").split(",")} - set(english) == set()


SCRIPT = """
import mlflow
from mlflow import MlflowClient
from mlflow.models import infer_signature as guess
client = MlflowClient()
other, number = mlflow.tracking.MlflowClient("x"), 2
with mlflow.start_run():
    mlflow.data.from_pandas(
        table)
client.get_run("a")
other.get_run("b")
mlflow.MlflowClient().set_tag("a", "b", "c")
guess([1])
table.search_runs()
run.data.metrics.get("x")
text = "mlflow.log_text()"  # mlflow.log_dict()
"""


def test_calls_are_named_in_full():
    assert glossary.calls(SCRIPT) == {
        "mlflow.MlflowClient", "mlflow.tracking.MlflowClient", "mlflow.start_run",
        "mlflow.data.from_pandas",
        "MlflowClient.get_run", "MlflowClient.set_tag", "mlflow.models.infer_signature",
    }  # fmt: skip


@pytest.mark.parametrize(
    "tensorflow",
    [False, pytest.param(True, marks=pytest.mark.slow)],
    ids=["sans TensorFlow", "TensorFlow, trois secondes à s'importer"],
)
def test_each_call_of_the_index_is_in_mlflow(tensorflow):
    """L'appel est cherché dans la bibliothèque installée, et le script le montre bien."""
    rows = [row for row in INDEX if ("tensorflow" in row["appel"]) is tensorflow]
    wrong = []
    for row in rows:
        name = row["appel"].strip("`")
        owner, _, last = (
            f"mlflow.{name}" if name.startswith(glossary.CLIENT) else name
        ).rpartition(".")
        if last not in (
            dir(MlflowClient) if owner == f"mlflow.{glossary.CLIENT}" else names_of(owner)
        ):
            wrong.append(f"{name} n'est pas dans MLflow")
        places = re.findall(r"\]\(([^#)]+)\)", row["les scripts qui le montrent"])
        wrong += [
            f"{name} : {path}" for path in places if not re.search(rf"\b{last}\(", FILES[path])
        ]
    assert rows and wrong == []


def test_no_call_is_forgotten():
    """Une autre façon de les trouver : tout `mlflow.x(` et tout `client.x(` écrits dans un script
    sont dans l'index, avec ce script.
    """
    places = {row["appel"].strip("`"): row["les scripts qui le montrent"] for row in INDEX}
    for path in [path for path in FILES if path.endswith(".py")]:
        code = re.sub(
            r"^ *#.*$|\"\"\".*?\"\"\"|`[^`]*`", "", FILES[path], flags=re.MULTILINE | re.DOTALL
        )
        for name in re.findall(r"(?<![\w.'\"])((?:mlflow|client)(?:\.\w+)+)(?=\()", code):
            name = re.sub(r"^client\.|^mlflow\.MlflowClient\.", "MlflowClient.", name)
            assert f"({path})" in places[name], f"{name} dans {path}"
