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

from torchvitals import Baseline, BaselineBuilder, BaselineError, DriftDetector, Features
from torchvitals.cli import app
from torchvitals.worker.learning import ATTEMPTS, BaselineLearner

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
        "column 'day' holds dates or times; make them parts (features: time_parts) or numbers, or leave the column out",
        True,
    ),
    "objects of dates": (
        lambda: frame(day=objects(holed([DAY] * 9))),
        "column 'day' holds dates or times; make them parts (features: time_parts) or numbers, or leave the column out",
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


def column_of(values):
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


# By what it shows: a column's values, and its kind, missing values and extremes, or its categories.
OF_TYPES = {
    "decimals of Arrow": (
        lambda: pa.table({"b": pa.array([Decimal("1.5"), None, Decimal("2.5")] * 80, pa.decimal256(40, 2))}),
        ("discrete", 80, [1.5, 2.5]),
    ),
    "half precision of Arrow": (
        lambda: pa.table({"b": pa.array(np.float16([1.5, 2.5] * 120))}),
        ("discrete", 0, [1.5, 2.5]),
    ),
    "texts of Arrow, large": (
        lambda: pa.table({"b": pa.array(["a", None, "b"] * 80, pa.large_string())}),
        ("categorical", 80, ["a", "b"]),
    ),
    "texts of Arrow, views": (
        lambda: pa.table({"b": pa.array(["a", None, "b"] * 80).cast(pa.string_view())}),
        ("categorical", 80, ["a", "b"]),
    ),
    "runs of Arrow": (
        lambda: pa.table({"b": pa.RunEndEncodedArray.from_arrays([100, 240], ["a", "b"])}),
        ("categorical", 0, ["a", "b"]),
    ),
    "a union of Arrow": (
        lambda: pa.table(
            {
                "b": pa.UnionArray.from_sparse(
                    pa.array([0, 1] * 120, pa.int8()), [pa.array([1] * 240), pa.array([2.5] * 240)]
                )
            }
        ),
        ("discrete", 0, [1.0, 2.5]),
    ),
    "a record batch": (
        lambda: pa.record_batch({"b": pa.array([1, None, 3] * 80)}),
        ("discrete", 80, [1.0, 3.0]),
    ),
    "nothing, of Arrow": (lambda: pa.table({"b": pa.nulls(240)}), ("discrete", 240, [])),
    "Arrow's types in pandas": (
        lambda: frame(b=pd.array([True, None, False] * 80, dtype=pd.ArrowDtype(pa.bool_()))),
        ("discrete", 80, [0.0, 1.0]),
    ),
    "Arrow's dictionaries in pandas": (
        lambda: frame(b=pd.array(["a", None, "b"] * 80, dtype=pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string())))),
        ("categorical", 80, ["a", "b"]),
    ),
    "whole numbers of 128 bits": (
        lambda: pl.DataFrame({"b": pl.Series([2**100, 2**101] * 120, dtype=pl.Int128)}),
        ("discrete", 0, [2.0**100, 2.0**101]),
    ),
    "an enumeration of polars": (
        lambda: pl.DataFrame({"b": pl.Series(["a", None, "b"] * 80, dtype=pl.Enum(["a", "b", "never"]))}),
        ("categorical", 80, ["a", "b"]),
    ),
    "categories that no row has": (
        lambda: frame(b=pd.Categorical(["a", "b"] * 120, categories=["a", "b", "never"])),
        ("categorical", 0, ["a", "b"]),
    ),
    "categories that are truth values": (
        lambda: frame(b=pd.Categorical([True, False] * 120)),
        ("discrete", 0, [0.0, 1.0]),
    ),
    "sparse columns": (
        lambda: pd.DataFrame({"b": pd.arrays.SparseArray([0.0, 1.0, np.nan] * 80)}),
        ("discrete", 80, [0.0, 1.0]),
    ),
    "NaT among texts": (lambda: frame(b=objects(["a", pd.NaT, "b"] * 80)), ("categorical", 80, ["a", "b"])),
    "texts of NumPy": (lambda: frame(b=objects([np.str_("a"), "b"] * 120)), ("categorical", 0, ["a", "b"])),
    "masked texts": (
        lambda: np.ma.array([["a"], ["b"], ["?"]] * 80, mask=[[False], [False], [True]] * 80),
        ("categorical", 80, ["a", "b"]),
    ),
    "masked whole numbers": (
        lambda: np.ma.array([[1], [2], [9]] * 80, mask=[[False], [False], [True]] * 80),
        ("discrete", 80, [1.0, 2.0]),
    ),
    "eight bits of torch": (
        lambda: torch.tensor([[1.0], [2.0]] * 120).to(torch.float8_e4m3fn),
        ("discrete", 0, [1.0, 2.0]),
    ),
    "a lazily negated tensor": (
        lambda: torch.tensor([[1.0 + 2j], [2.0 + 3j]] * 120).conj().imag,
        ("discrete", 0, [-3.0, -2.0]),
    ),
    "several levels of names": (
        lambda: pd.DataFrame({("price", "net"): [1.0, 2.0] * 120}),
        ("discrete", 0, [1.0, 2.0]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", OF_TYPES)
def test_columns_of_any_type_that_holds_numbers_or_texts(what):
    make, (kind, missing, categories) = OF_TYPES[what]
    for baseline in (Baseline.fit(make()), Baseline.from_batches([make()])):
        (feature,) = baseline.column_features
        assert (feature.kind, feature.missing, feature.categories) == (kind, missing, categories)
        detector = DriftDetector(baseline, window=ROWS)
        detector.update(make())
        assert not detector.report().drifted
    if what == "several levels of names":
        assert feature.name == "('price', 'net')"


NESTED = "holds lists or structs; make a column of each part"
TIMES = "holds dates or times; make them parts (features: time_parts) or numbers, or leave the column out"
# A table with a secret in each row, and what is said of it.
SECRETS = {
    "dicts": (lambda: frame(b=objects([{"card": SECRET}] * 9)), f"column 'b' {NESTED}"),
    "tuples": (lambda: frame(b=objects([(SECRET,)] * 9)), f"column 'b' {NESTED}"),
    "sets": (lambda: frame(b=objects([{SECRET}] * 9)), f"column 'b' {NESTED}"),
    "arrays": (lambda: frame(b=objects([np.array([SECRET, SECRET])] * 9)), f"column 'b' {NESTED}"),
    "tensors": (lambda: frame(b=objects([torch.tensor([4.0, 1.0])] * 9)), f"column 'b' {NESTED}"),
    "lists of Arrow": (lambda: pa.table({"b": [[SECRET]] * 9}), f"column 'b' {NESTED}"),
    "maps of Arrow": (
        lambda: pa.table({"b": pa.array([[(SECRET, 1)]] * 9, pa.map_(pa.string(), pa.int64()))}),
        f"column 'b' {NESTED}",
    ),
    "structs of polars": (lambda: pl.DataFrame({"b": [{"card": SECRET}] * 9}), f"column 'b' {NESTED}"),
    "arrays of polars": (
        lambda: pl.DataFrame({"b": pl.Series([[1, 2]] * 9, dtype=pl.Array(pl.Int64, 2))}),
        f"column 'b' {NESTED}",
    ),
    "structs of Arrow in pandas": (
        lambda: frame(b=pd.array([{"c": SECRET}] * 9, dtype=pd.ArrowDtype(pa.struct([("c", pa.string())])))),
        f"column 'b' {NESTED}",
    ),
    "bytes": (lambda: frame(b=objects([SECRET.encode()] * 9)), "column 'b' holds objects of type bytes"),
    "bytes of Arrow": (
        lambda: pa.table({"b": [SECRET.encode()] * 9}),
        "column 'b' holds objects of type bytes",
    ),
    "an array of bytes": (lambda: np.array([[SECRET.encode()]] * 9), "column 'f0' holds values of type |S9"),
    "errors": (
        lambda: frame(b=objects([ValueError(SECRET)] * 9)),
        "column 'b' holds objects of type ValueError",
    ),
    "mixed categories": (
        lambda: frame(b=pd.Categorical(objects([SECRET, 5] * 9))),
        "column 'b' holds numbers in some rows and texts in others",
    ),
    "mixed objects": (
        lambda: column_of([SECRET, 5.0] * 9).reshape(-1, 1),
        "column 'f0' holds numbers in some rows and texts in others",
    ),
    "time zones": (lambda: frame(b=pd.date_range(DAY, periods=9, tz="Europe/Oslo")), f"column 'b' {TIMES}"),
    "durations": (lambda: frame(b=pd.to_timedelta(range(9), unit="s")), f"column 'b' {TIMES}"),
    "periods": (lambda: frame(b=pd.period_range("2026-01", periods=9, freq="M")), f"column 'b' {TIMES}"),
    "times of day": (lambda: pl.DataFrame({"b": [datetime.time(1, 2)] * 9}), f"column 'b' {TIMES}"),
    "categories of dates": (
        lambda: frame(b=pd.Categorical(pd.date_range(DAY, periods=9))),
        f"column 'b' {TIMES}",
    ),
    "an array of dates": (
        lambda: np.array([["2026-01-02"]] * 9, dtype="datetime64[D]"),
        f"column 'f0' {TIMES}",
    ),
    "intervals": (lambda: frame(b=pd.cut(np.arange(9.0), 3)), "column 'b' holds objects of type Interval"),
    "complex objects": (lambda: frame(b=objects([1j] * 9)), "column 'b' holds objects of type complex"),
    "complex tensors": (
        lambda: torch.ones(9, 2, dtype=torch.complex64),
        "column 'f0' holds values of type complex64",
    ),
    "halves of surrogates": (
        lambda: column_of(["\ud800"] * 9).reshape(-1, 1),
        "column 'f0' holds texts that are not",
    ),
    "a dict": (lambda: {"card": [SECRET] * 9}, "the data are a dict; give a table"),
    "records": (
        lambda: np.array([(SECRET, 1.0)] * 9, dtype=[("card", "U9"), ("x", "f8")]),
        "the data are a structured array; give a table",
    ),
    "dicts in a list": (lambda: [{"card": SECRET}] * 9, "the data have shape (9,); give (rows, features)"),
    "one column of pandas": (
        lambda: pd.Series([SECRET] * 9),
        "the data are a single column, a Series of pandas",
    ),
    "one column of Arrow": (
        lambda: pa.array([SECRET] * 9),
        "the data are a single column, a StringArray of pyarrow",
    ),
    "no values": (lambda: torch.ones(9, 2, device="meta"), "the data are a tensor of the device 'meta'"),
}


@pytest.mark.parametrize("what", SECRETS)
def test_what_is_refused_is_refused_without_its_values(what, tmp_path, caplog, capfd):
    make, complaint = SECRETS[what]
    trained = Baseline.fit(frame(b=numbers()))
    told = []
    for use in (
        Baseline.fit,
        lambda table: Baseline.from_batches([table]),
        lambda table: BaselineBuilder().update(table),
    ):
        with pytest.raises(BaselineError) as refusal:
            use(make())
        assert str(refusal.value).startswith(complaint)
        told.append(str(refusal.value))
    # Whatever the baseline's own columns are called, a row of these never passes as numbers, nor is it printed.
    uses = [trained.encode, trained.compare, DriftDetector(trained).update]
    for use in uses if what == "no values" else [*uses, trained.encode_rows]:
        with pytest.raises(BaselineError) as refusal:
            use(make())
        told.append(str(refusal.value))
    out, err = capfd.readouterr()
    assert SECRET not in "".join([*told, caplog.text, out, err])
    assert not [text for text in told if "\n" in text or len(text) > 400]


def test_rows_served_that_cannot_be_learned_from_are_not_logged(tmp_path, caplog):
    learner = BaselineLearner(ROWS, folder=tmp_path, name="model", version="1.0")
    half = ROWS // 2
    rows = [column_of(values * half).reshape(-1, 2) for values in ([SECRET, 1.5], [1.5, SECRET])]
    for _ in range(ATTEMPTS):
        learner.add(rows, [])
        with pytest.raises(BaselineError, match="column 'f0' holds numbers in some rows and texts in others"):
            learner.learned()
    assert "no baseline can be learned from the rows served" in caplog.text
    assert SECRET not in caplog.text


def test_rows_served_with_texts_in_columns_are_learned_from(tmp_path):
    table = frame(a=holed(numbers(), np.nan), b=holed(texts()))
    learner = BaselineLearner(ROWS, folder=tmp_path, name="model", version="1.0")
    learner.add([part.to_numpy(dtype=object) for part in in_parts(table)], [])
    expected = Baseline.fit(table.rename(columns={"a": "f0", "b": "f1"}))
    assert learner.learned().features == expected.features
