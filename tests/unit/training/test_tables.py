"""One table, whichever way it comes: the same baseline, or the same clear refusal."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse
import torch
from typer.testing import CliRunner

from torchvitals import Baseline, BaselineError, DriftDetector, Features
from torchvitals.cli import app
from torchvitals.worker.learning import BaselineLearner

ROWS = 240
BATCHES = 7
CSV, PARQUET = ("csv",), ("parquet",)
BOTH = (*CSV, *PARQUET)


def numbers(rows=ROWS):
    return np.round(np.random.default_rng(1).normal(50, 9, rows), 3)


def whole(rows=ROWS):
    return np.random.default_rng(2).integers(-5, 40, rows)


def texts(rows=ROWS):
    return np.random.default_rng(3).choice(["card", "cash", "loan"], rows)


def holed(values, hole=None, every=6):
    """Return objects with a hole in every few."""
    found = list(values)
    for place in range(0, len(found), every):
        found[place] = hole
    return found


def frame(**columns):
    return pd.DataFrame({name: pd.Series(values) for name, values in columns.items()})


def objects(values):
    return pd.Series(values, dtype=object)


# By what it shows: a table, the files that hold its types, and the kind that each column becomes.
TABLES = {
    "floats with NaN": (lambda: frame(a=holed(numbers(), np.nan), b=numbers()), BOTH),
    "integers": (lambda: frame(a=whole(), b=whole() + 2**40), BOTH),
    "truth values": (lambda: frame(a=whole() > 9, b=numbers()), BOTH),
    "objects of numbers with None": (
        lambda: frame(a=objects(holed(whole().tolist())), b=objects(holed(numbers().tolist()))),
        PARQUET,
    ),
    "objects of truth values with None": (lambda: frame(a=objects(holed((whole() > 9).tolist()))), BOTH),
    "decimals": (lambda: frame(a=objects(holed([Decimal(str(v)) for v in numbers()]))), BOTH),
    "nullable integers with NA": (
        lambda: frame(a=pd.array(holed(whole().tolist(), pd.NA), dtype="Int64")),
        BOTH,
    ),
    "nullable truth values with NA": (
        lambda: frame(a=pd.array(holed((whole() > 9).tolist(), pd.NA), dtype="boolean")),
        BOTH,
    ),
    "nullable floats with NA": (lambda: frame(a=pd.array(holed(numbers(), pd.NA), dtype="Float64")), BOTH),
    "texts with None": (lambda: frame(a=objects(holed(texts())), b=numbers()), BOTH),
    "string dtype with NA": (lambda: frame(a=pd.array(holed(texts(), pd.NA), dtype="string")), BOTH),
    "categoricals of texts": (lambda: frame(a=pd.Categorical(holed(texts()))), BOTH),
    "categoricals of numbers": (lambda: frame(a=pd.Categorical(holed(whole().tolist()))), BOTH),
    "integer names": (lambda: pd.DataFrame({7: numbers(), 3: whole()}), CSV),
    "Arrow": (
        lambda: pa.table(
            {
                "a": pa.array(holed(whole().tolist())),
                "b": pa.array(holed(texts().tolist())).dictionary_encode(),
                "c": pa.array(holed((whole() > 9).tolist())),
                "d": pa.array(holed([Decimal(str(v)) for v in numbers()])),
            }
        ),
        PARQUET,
    ),
    "polars": (
        lambda: pl.DataFrame(
            {
                "a": holed(whole().tolist()),
                "b": pl.Series(holed(texts().tolist()), dtype=pl.Categorical),
                "c": holed((whole() > 9).tolist()),
                "d": holed(texts().tolist()),
            }
        ),
        PARQUET,
    ),
    "float16": (lambda: frame(a=numbers().astype(np.float16)), PARQUET),
    "all missing": (lambda: frame(a=[None] * ROWS, b=[np.nan] * ROWS, c=numbers()), BOTH),
    "all infinite": (lambda: frame(a=[np.inf] * ROWS, b=[-np.inf, np.inf] * (ROWS // 2)), BOTH),
    "empty texts": (lambda: frame(a=["", "x"] * (ROWS // 2)), PARQUET),
    "one column": (lambda: frame(a=numbers()), BOTH),
}


def in_parts(table, parts=BATCHES):
    size = -(-len(table) // parts)
    return [table[start : start + size] for start in range(0, len(table), size)]


def write(table, path):
    if isinstance(table, pl.DataFrame):
        table = table.to_arrow()
    if isinstance(table, pa.Table):
        pq.write_table(table, path)
    elif path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False)


def from_command(table, path, *options):
    """Build from a file; return the baseline, or the error's line."""
    write(table, path)
    output = path.parent / "built-1.0.json"
    command = ["baseline", "build", "--data", str(path), "--output", str(output), *options]
    result = CliRunner().invoke(app, command)
    if result.exit_code:
        assert result.exit_code == 1
        assert "Traceback" not in result.output
        return result.stderr.removeprefix("torchvitals: ").strip()
    return Baseline.load(output)


@pytest.mark.parametrize("what", TABLES)
def test_the_same_table_gives_the_same_baseline_whichever_way_it_comes(what, tmp_path):
    make, files = TABLES[what]
    fitted = Baseline.fit(make())
    fitted.validate()
    assert fitted.samples == ROWS
    batches = Baseline.from_batches(in_parts(make()))
    assert batches.features == fitted.features
    for suffix in files:
        built = from_command(make(), tmp_path / f"table.{suffix}")
        assert built.features == fitted.features, suffix
    # It is compared with itself through the same columns, and nothing has moved.
    report = fitted.compare(make())
    assert not report.drifted
    assert {name: drift.missing_ratio for name, drift in report.features.items()} == {
        feature.name: feature.missing / ROWS for feature in fitted.features
    }
    detector = DriftDetector(fitted, window=ROWS)
    for part in in_parts(make()):
        detector.update(part)
    assert detector.report().features == report.features


def test_kinds_of_columns_are_what_their_values_are():
    by_name = {feature.name: feature for feature in Baseline.fit(TABLES["Arrow"][0]()).column_features}
    kinds = {name: feature.kind for name, feature in by_name.items()}
    assert kinds == {"a": "numeric", "b": "categorical", "c": "discrete", "d": "numeric"}
    assert {feature.missing for feature in by_name.values()} == {ROWS // 6}
    assert by_name["b"].categories == ["card", "cash", "loan"]
    assert [feature.name for feature in Baseline.fit(TABLES["integer names"][0]()).column_features] == [
        "7",
        "3",
    ]


@pytest.mark.parametrize(
    "form", ["numpy", "float16", "bfloat16", "list", "pandas", "polars", "Arrow", "served"]
)
def test_the_same_numbers_in_any_container(form, tmp_path):
    # Values that bfloat16 holds, so that no container rounds them.
    values = np.random.default_rng(4).integers(0, 100, (ROWS, 3)).astype(np.float64)
    names = ["f0", "f1", "f2"]
    expected = Baseline.fit(values)
    if form == "served":
        learner = BaselineLearner(ROWS, folder=tmp_path, name="model", version="1.0")
        learner.add([part.astype(np.float32) for part in in_parts(values)], [])
        assert learner.learned().features == expected.features
        return
    given = {
        "numpy": lambda: values.astype(np.int32),
        "float16": lambda: torch.tensor(values, dtype=torch.float16),
        "bfloat16": lambda: torch.tensor(values, dtype=torch.bfloat16),
        "list": values.tolist,
        "pandas": lambda: pd.DataFrame(values, columns=names),
        "polars": lambda: pl.DataFrame(values, schema=names),
        "Arrow": lambda: pa.table(dict(zip(names, values.T))),
    }[form]()
    assert Baseline.fit(given).features == expected.features
    assert Baseline.from_batches(in_parts(given) if form != "list" else [given]).features == expected.features
    assert np.array_equal(expected.encode(given), expected.encode(values))


def test_tables_of_any_library_are_read_in_time_order_alike(tmp_path):
    rows = 4000
    table = frame(a=numbers(rows), b=texts(rows), day=np.arange(rows))
    expected = Baseline.fit(table[["a", "b"]], ordered=True, windows=(100,))
    assert expected.features[0].variation
    assert (
        Baseline.fit(pl.from_pandas(table[["a", "b"]]), ordered=True, windows=(100,)).features
        == expected.features
    )
    options = ("--time-column", "day", "--window", "100")
    turned = table.iloc[::-1]
    assert from_command(turned, tmp_path / "table.parquet", *options).features == expected.features


def test_texts_may_be_a_column_of_a_table():
    texts_ = [f"word{number} again" for number in range(ROWS)]
    features = Features(inputs="texts")
    expected = Baseline.fit(texts_)
    for table in (frame(note=texts_), pl.DataFrame({"note": texts_}), pa.table({"note": texts_})):
        assert Baseline.fit(table, features=features).features == expected.features
        assert Baseline.from_batches(in_parts(table), features=features).features == expected.features
        assert np.array_equal(expected.encode(table), expected.encode(texts_))


SECRET = "4111-1111"
DAY = datetime.date(2026, 1, 2)

# A table, what is said of it, and whether a file can hold it.
REFUSED = {
    "sparse": (
        lambda: scipy.sparse.csr_matrix(np.eye(9)),
        "the data are a sparse matrix; give the columns that matter as a dense array: X[:, columns].toarray()",
        False,
    ),
    "sparse tensor": (
        lambda: torch.eye(9).to_sparse(),
        "the data are a sparse or nested tensor; give a dense one: values.to_dense()",
        False,
    ),
    "lists": (
        lambda: frame(a=numbers(9), b=[[1.0, 2.0]] * 9),
        "column 'b' holds lists or structs; make a column of each part, say what the lists are (features: inputs: "
        "tokens or embeddings), or leave the column out",
        True,
    ),
    "structs": (
        lambda: pa.table({"b": [{"card": SECRET}] * 9}),
        "column 'b' holds lists or structs; make a column of each part, say what the lists are (features: inputs: "
        "tokens or embeddings), or leave the column out",
        True,
    ),
    "dates": (
        lambda: frame(a=numbers(9), day=pd.date_range(DAY, periods=9)),
        "column 'day' holds dates or times; make them numbers (seconds, weekday) or texts, or leave the column out",
        True,
    ),
    "objects of dates": (
        lambda: frame(day=objects(holed([DAY] * 9))),
        "column 'day' holds dates or times; make them numbers (seconds, weekday) or texts, or leave the column out",
        True,
    ),
    "numbers and texts": (
        lambda: frame(card=objects([SECRET, 1.5] * 9)),
        "column 'card' holds numbers in some rows and texts in others; make it one of them, or leave the column out",
        False,
    ),
    "other objects": (
        lambda: frame(a=objects([object()] * 9)),
        "column 'a' holds objects of type object; make them numbers or texts, or leave the column out",
        False,
    ),
    "complex": (
        lambda: np.ones((9, 2), dtype=complex),
        "column 'f0' holds values of type complex128; make them numbers or texts, or leave the column out",
        False,
    ),
    "duplicate names": (
        lambda: pd.DataFrame(np.zeros((9, 2)), columns=["a", "a"]),
        "the data have two columns named 'a'; rename one, or leave it out",
        True,
    ),
    "names that become the same": (
        lambda: pd.DataFrame(np.zeros((9, 2)), columns=[1, "1"]),
        "the data have two columns named '1'; rename one, or leave it out",
        False,
    ),
    "Arrow's duplicate names": (
        lambda: pa.Table.from_arrays([pa.array([1.0]), pa.array([2.0])], names=["a", "a"]),
        "the data have two columns named 'a'; rename one, or leave it out",
        True,
    ),
    "no rows": (
        lambda: frame(a=numbers(0)),
        "the training data have no rows; give at least a few hundred",
        True,
    ),
    "no columns": (
        lambda: pd.DataFrame(index=range(9)),
        "the data have no columns; give (rows, features)",
        False,
    ),
    "no rows in memory": (
        lambda: pl.LazyFrame({"a": [1.0]}),
        "the data are a LazyFrame of polars, whose rows cannot be read from memory; give a pandas, polars or Arrow "
        "table, or an array",
        False,
    ),
    "ragged rows": (
        lambda: [[1.0, 2.0], [3.0]],
        "the rows have different lengths; give (rows, features)",
        False,
    ),
    "a number": (lambda: 7, "the data are a single value; give (rows, features)", False),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_described_is_refused_in_the_same_clear_line(what, tmp_path):
    make, complaint, in_file = REFUSED[what]
    for build in (Baseline.fit, lambda table: Baseline.from_batches([table])):
        with pytest.raises(BaselineError) as refusal:
            build(make())
        assert str(refusal.value) == complaint
        assert SECRET not in str(refusal.value)
    if in_file:
        table = make()
        suffixes = ("csv",) if what == "duplicate names" else ("parquet",)
        for suffix in suffixes:
            assert from_command(table, tmp_path / f"table.{suffix}").endswith(complaint)


def test_a_column_that_turns_from_numbers_into_texts_is_refused_without_its_values():
    first, second = frame(card=numbers(9)), frame(card=[SECRET] * 9)
    for batches in ([first, second], [second, first]):
        with pytest.raises(
            BaselineError, match="column 'card' holds numbers in some rows and texts in others"
        ) as error:
            Baseline.from_batches(batches)
        assert SECRET not in str(error.value)


def test_served_texts_where_the_baseline_has_numbers_are_refused_without_their_values():
    numeric, textual = Baseline.fit(frame(card=numbers(99))), Baseline.fit(frame(card=texts(99)))
    with pytest.raises(
        BaselineError, match="column 'card' holds texts, and in the baseline numbers"
    ) as error:
        numeric.compare(frame(card=[SECRET] * 9))
    assert SECRET not in str(error.value)
    with pytest.raises(BaselineError, match="column 'card' holds numbers, and in the baseline texts"):
        textual.compare(frame(card=numbers(9)))
    assert textual.compare(frame(card=[None] * 9)).features["card"].missing_ratio == 1.0


def test_a_column_without_a_value_in_training_takes_any_value_as_new():
    empty = Baseline.fit(frame(a=[None] * ROWS))
    for values in (numbers(9), texts(9)):
        encoded = empty.encode(frame(a=holed(values)))
        assert np.isnan(encoded[:, 0]).tolist() == [place % 6 == 0 for place in range(9)]
    assert empty.compare(frame(a=texts())).features["a"].missing_ratio == 0.0
