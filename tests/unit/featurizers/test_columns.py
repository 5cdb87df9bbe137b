"""What the values of a column become: numbers at float32 or texts, and what is refused."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchvitals import BaselineError
from torchvitals.featurizers.columns import at_model_precision, column_values, holds_texts, text_or_none
from torchvitals.featurizers.tables import columns_of, stacked


def objects(*values):
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([1, 2, -3]), [1, 2, -3]),
        (np.array([True, False]), [1, 0]),
        (np.array([0.1, np.nan, np.inf]), [float(np.float32(0.1)), np.nan, np.inf]),
        (np.array([1e300, -1e300]), [np.inf, -np.inf]),
        (np.array([2**24 + 1]), [2.0**24]),
        (np.array([2**63 + 2**39], dtype=np.uint64), [2.0**63]),
        (objects(1, 2.5, None, np.nan, True), [1, 2.5, np.nan, np.nan, 1]),
        (objects(Decimal("0.5"), Decimal("NaN"), Decimal("sNaN"), pd.NA), [0.5, np.nan, np.nan, np.nan]),
        (objects(Fraction(1, 4), np.float16(2), np.int8(3), pd.NaT), [0.25, 2, 3, np.nan]),
        (objects(10**400, -(10**400)), [np.inf, -np.inf]),
        (objects(None, np.nan, pd.NA), [np.nan] * 3),
        (objects(), []),
    ],
)
def test_numbers(values, expected):
    found = column_values(values, "x")
    assert found.dtype == np.float32
    assert np.array_equal(found.astype(float), np.array(expected, dtype=float), equal_nan=True)
    assert not holds_texts(found)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array(["b", "a"]), ["b", "a"]),
        (objects("b", None, ""), ["b", None, ""]),
        (objects("b", np.nan), ["b", None]),
        (objects("b", pd.NA, np.str_("c")), ["b", None, "c"]),
    ],
)
def test_texts(values, expected):
    found = column_values(values, "x")
    assert holds_texts(found)
    assert [text_or_none(value) for value in found] == expected


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (objects("secret", 1), "numbers in some rows and texts in others"),
        (objects("secret", 1.5, None), "numbers in some rows and texts in others"),
        (objects([1], None), "lists or structs"),
        (objects({"secret": 1}), "lists or structs"),
        (objects(np.arange(3)), "lists or structs"),
        (objects(pd.Timestamp("2026-01-02")), "dates or times"),
        (np.array(["2026-01-02"], dtype="datetime64[D]"), "dates or times"),
        (np.array([3], dtype="timedelta64[s]"), "dates or times"),
        (objects(b"secret", 1j), "objects of type bytes, complex"),
        (np.array([b"secret"]), r"values of type \|S6"),
        (np.array([1j]), "values of type complex128"),
    ],
)
def test_what_is_neither_is_refused_by_name_and_without_its_values(values, complaint):
    with pytest.raises(
        BaselineError, match=f"^column 'pay' holds {complaint}; .*leave the column out$"
    ) as error:
        column_values(values, "pay")
    assert "secret" not in str(error.value)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.decimals(allow_nan=True),
    st.just(pd.NA),
)


def slow_float32(value):
    """Return what one value is at the model's precision."""
    if value is None or value is pd.NA:
        return np.float32(np.nan)
    with np.errstate(over="ignore"):
        return np.float32(np.nan if isinstance(value, Decimal) and value.is_nan() else float(value))


@settings(deadline=None)
@given(st.lists(VALUES))
def test_numbers_of_any_type_are_those_of_each_value(values):
    found = column_values(objects(*values), "x")
    assert np.array_equal(
        found, np.array([slow_float32(value) for value in values], dtype=np.float32), equal_nan=True
    )


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(-(2**62), 2**62)), min_size=1))
def test_a_hole_does_not_change_how_the_others_are_rounded(values):
    """Whole numbers with a hole come as floats from one library and as objects from another."""
    whole = [value for value in values if value is not None]
    expected = column_values(np.array(whole, dtype=np.int64), "x")
    for series in (pd.array(values, dtype="Int64"), objects(*values), pd.Series(values, dtype="float64")):
        (found,) = columns_of(pd.DataFrame({"x": series})).values()
        assert np.array_equal(found[~np.isnan(found)], expected)


@settings(deadline=None)
@given(st.lists(st.floats(width=64)))
def test_a_column_is_at_the_models_precision(values):
    array = np.array(values, dtype=np.float64)
    assert np.array_equal(column_values(array, "x"), at_model_precision(array), equal_nan=True)


def test_columns_of_an_array_are_contiguous_and_may_be_written():
    rows = np.asfortranarray(np.arange(12.0, dtype=np.float32).reshape(4, 3))
    rows.flags.writeable = False
    for place, values in enumerate(columns_of(rows).values()):
        assert values.flags.c_contiguous
        assert values.flags.writeable
        assert values.tolist() == rows[:, place].tolist()


def test_masked_values_are_missing():
    masked = np.ma.masked_equal(np.arange(6).reshape(3, 2), 3)
    assert np.isnan(np.array(list(columns_of(masked).values()))).tolist() == [
        [False] * 3,
        [False, True, False],
    ]


def test_lists_with_numbers_and_texts_keep_both():
    columns = columns_of([[1, "a"], [2.5, None]])
    assert columns["f0"].tolist() == [1.0, 2.5]
    assert columns["f1"].tolist() == ["a", None]


def test_columns_are_chosen_by_name_and_come_in_that_order():
    table = pd.DataFrame({"a": [1.0], "b": [2.0], 3: [4.0]})
    assert list(columns_of(table, ["3", "a"])) == ["3", "a"]
    with pytest.raises(BaselineError, match="the data have no column 'c', 'd'; they have: a, b, 3"):
        columns_of(table, ["c", "a", "d"])
    with pytest.raises(BaselineError, match="two columns named 'a'"):
        columns_of(table, ["a", "a"])


def test_lists_are_stacked_and_filled_up():
    assert stacked([[1, 2], [3]], "ids", padding=9).tolist() == [[1, 2], [3, 9]]
    assert stacked([[[1, 2]], [[3, 4]]], "pixels", padding=0).shape == (2, 1, 2)
    for rows, complaint in (
        ([[1], ["secret"]], "; it holds <U"),
        ([1.0, 2.0], "; it holds single values"),
        ([[[1]], [[1], [2]]], ", each row of the same shape"),
    ):
        with pytest.raises(
            BaselineError, match=f"column 'ids' must hold lists of numbers{complaint}"
        ) as error:
            stacked(rows, "ids", padding=0)
        assert "secret" not in str(error.value)
