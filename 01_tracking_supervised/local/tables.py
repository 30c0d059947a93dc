# %% [markdown]
# # Lire votre tableau, et le préparer
#
# Même fichier dans chaque leçon qui lit un CSV : un test y veille.

# %%
import csv
import warnings
from collections import Counter
from io import StringIO
from pathlib import Path

import pandas as pd
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

SPACES = " \u00a0\u202f\u2009"  # ce qui sépare les milliers en français
GROUPED = rf"[+-]?\d{{1,3}}(?:[{SPACES}]\d{{3}})+(?:[.,]\d+)?"  # 1 234 567,5
NO_POINT = {ord(","): None, ord("."): None}
AMBIGUOUS = r"[+-]?[1-9]\d{0,2}[.,]\d{3}"  # 1,234 : un peu plus d'un, ou mille et quelques ?


# %%
def read_table(path: str | Path) -> tuple[pd.DataFrame, str]:
    """Un CSV, dont la première ligne nomme les colonnes : séparateur `,` `;` ou tabulation,
    décimales `.` ou `,`.

    Renvoie le tableau (n, d), et une ligne qui dit pour quoi chaque colonne a été prise. Les
    colonnes de nombres deviennent des réels, au bit près (NaN si vide), les autres restent du
    texte. Lève `SystemExit`, en une ligne, si le fichier manque, est vide ou n'est pas un CSV.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise SystemExit(f"{path} : lecture impossible ({error.strerror}).") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")  # le CSV d'un Excel français
    if "\ufffd" in text:
        raise SystemExit(
            f"{path} : encodage inconnu, ni UTF-8 ni celui d'Excel. Enregistrez-le en « CSV UTF-8 »."
        )
    if not text.strip():
        raise SystemExit(f"{path} : le fichier est vide.")
    if "\0" in text:
        raise SystemExit(f"{path} : ce n'est pas un CSV.")
    text = text.lstrip()
    separator = max(",;\t", key=text.splitlines()[0].count)
    try:
        titles = next(csv.reader(StringIO(text), delimiter=separator, skipinitialspace=True))
        # une ligne plus longue que les titres : pandas la couperait
        with warnings.catch_warnings(action="error"):
            table = pd.read_csv(
                StringIO(text), sep=separator, dtype=str, skipinitialspace=True, index_col=False
            )
    except (ValueError, csv.Error, pd.errors.ParserWarning) as error:
        raise SystemExit(f"{path} : ce n'est pas un CSV ({str(error).splitlines()[0]}).") from None
    if twice := [title for title, count in Counter(titles).items() if count > 1]:
        raise SystemExit(f"{path} : deux colonnes s'appellent {twice[0]!r}.")
    if table.empty:
        raise SystemExit(f"{path} : aucune ligne sous les titres.")

    numeric, words, columns = [], [], {}
    for name in table:
        numbers, remark = read_numbers(table[name])
        title = " ".join(str(name).split())
        columns[name] = table[name] if numbers is None else numbers
        if numbers is None:
            words.append(f"{title}{remark}")
            continue
        if (numbers.abs() > 1e30).any():
            raise SystemExit(f"{path} : la colonne {name} contient des nombres au-delà de 1e30.")
        numeric.append(f"{title}{remark}")
    kinds = [
        f"{kind} : {some(names)}"
        for kind, names in (("nombres", numeric), ("texte", words))
        if names
    ]
    return pd.DataFrame(columns), f"{Path(path).name} : {len(table)} lignes ; {' ; '.join(kinds)}"


def read_numbers(column: pd.Series) -> tuple[pd.Series | None, str]:
    """Les réels d'une colonne de textes, forme (n,), et ce qu'il faut en dire ; None si ce ne sont
    pas tous des nombres.
    """
    given = column.dropna().str.strip()
    # deux identifiants voisins deviendraient le même réel
    if (long := given.str.fullmatch(r"[+-]?\d{16,}")).any():
        return None, f" (« {given[long].iloc[0][:20]} » est trop long pour un nombre)"
    grouped = given.str.fullmatch(GROUPED)
    given = given.where(~grouped, given.str.replace(f"[{SPACES}]", "", regex=True))
    # 1,234.5 ou 1.234.567, ou 1,234 parmi des 0.5 : pas de doute
    for thousands, decimal in ((",", r"\."), (r"\.", ",")):
        pattern = rf"[+-]?[1-9]\d{{0,2}}(?:{thousands}\d{{3}})+(?:{decimal}\d+)?"
        certain = rf"[+-]?[1-9]\d{{0,2}}(?:(?:{thousands}\d{{3}}){{2,}}|(?:{thousands}\d{{3}})+{decimal}\d+)"
        bare = rf"[+-]?\d+(?:{decimal}\d+)?"
        decimals = given.str.contains(decimal) & ~given.str.fullmatch(AMBIGUOUS)
        sure = given.str.fullmatch(certain).any() or (
            decimals.any() and given.str.contains(thousands).any()
        )
        if sure and given.str.fullmatch(f"{pattern}|{bare}").all():
            given = given.str.replace(thousands, "", regex=True)
            break
    numbers = pd.to_numeric(given.str.replace(",", "."), errors="coerce").astype(float)
    if (wrong := numbers.isna()).any():
        mostly = wrong.mean() < 0.5
        return (
            None,
            f" (à cause de « {' '.join(given[wrong].iloc[0].split())[:20]} »)" if mostly else "",
        )
    separated = given[given.str.contains("[.,]")]
    doubtful = len(separated) and separated.str.fullmatch(AMBIGUOUS).all()
    remark = (
        f" (« {separated.iloc[0]} » y est lu {numbers[separated.index[0]]:g}, pas {separated.iloc[0].translate(NO_POINT)})"
        if doubtful
        else ""
    )
    return numbers.reindex(column.index), remark


def some(names: list[str], most: int = 12) -> str:
    """Les premiers noms, et combien il en reste."""
    return ", ".join(names[:most]) + (
        f" et {len(names) - most} autres" if len(names) > most else ""
    )


# %%
def prepare_columns(X: pd.DataFrame) -> ColumnTransformer:
    """L'étape d'un `Pipeline` qui prépare les colonnes de `X`, forme (n, d) ; non apprise, `X`
    n'est lu que pour ses colonnes.

    Nombres : valeurs manquantes remplacées par la médiane, puis mise à l'échelle. Textes : une
    colonne 0/1 par valeur.
    """
    numbers = X.select_dtypes("number").columns.tolist()
    words = X.columns.difference(numbers, sort=False).tolist()
    scale = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    )
    encode = OneHotEncoder(
        handle_unknown="infrequent_if_exist", max_categories=20, sparse_output=False
    )
    return make_column_transformer((scale, numbers), (encode, words))
