"""Columns of times that become their parts, whichever library holds them."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from torchvitals import Baseline, BaselineError, Features
from torchvitals.errors import TorchVitalsError

TIMES = [datetime.datetime(2026, 1, 30, 22, 15) + datetime.timedelta(hours=7 * row) for row in range(300)]
DATES = [time.date() for time in TIMES]
PARTS = {"when": ["hour", "weekday", "month", "day", "minute", "year"]}
EXPECTED = np.array(
    [(t.hour, t.weekday(), t.month, t.day, t.minute, t.year) for t in TIMES], dtype=np.float64
).T


def frame(times):
    return pd.DataFrame({"x": np.arange(300.0), "when": times})


@pytest.mark.parametrize(
    ("make", "clock"),
    [
        (lambda: frame(TIMES), True),
        (lambda: frame(pd.Series(TIMES).astype("datetime64[s]")), True),
        (lambda: frame(pd.Series(TIMES).dt.tz_localize("Asia/Tokyo")), True),
        (lambda: frame(pd.Series(TIMES, dtype=object)), True),
        (lambda: frame(pd.Series(DATES, dtype=object)), False),
        (lambda: frame(pd.array(TIMES, dtype=pd.ArrowDtype(pa.timestamp("us")))), True),
        (lambda: pl.DataFrame({"x": np.arange(300.0), "when": TIMES}), True),
        (lambda: pl.DataFrame({"x": np.arange(300.0), "when": DATES}), False),
        (lambda: pa.table({"x": np.arange(300.0), "when": pa.array(TIMES)}), True),
        (lambda: pa.table({"x": np.arange(300.0), "when": pa.array(DATES)}), False),
    ],
    ids=[
        "pandas", "seconds", "zone", "objects", "objects of dates", "Arrow in pandas", "polars", "polars' dates",
        "Arrow", "Arrow's dates",
    ],
)  # fmt: skip
def test_parts_are_those_of_the_clock_that_the_column_has(make, clock):
    features = Features(time_parts=PARTS)
    for baseline in (
        Baseline.fit(make(), features=features, ordered=True, windows=(10,)),
        Baseline.from_batches([make()[:100], make()[100:]], features=features),
    ):
        found = {feature.name: feature for feature in baseline.column_features}
        assert list(found) == ["x", *(f"when_{part}" for part in PARTS["when"])]
        for part, values in zip(PARTS["when"], EXPECTED):
            values = values if clock or part not in ("hour", "minute") else np.zeros(300)
            assert found[f"when_{part}"].mean == pytest.approx(values.mean())
            assert (found[f"when_{part}"].min, found[f"when_{part}"].max) == (values.min(), values.max())
    # Served as the model gets them.
    served = np.column_stack(
        [np.arange(300.0), *(EXPECTED if clock else EXPECTED * [[0], [1], [1], [1], [0], [1]])]
    )
    assert not baseline.compare(served).drifted


def test_missing_times_have_missing_parts():
    times = [None if place % 3 else time for place, time in enumerate(TIMES)]
    for column in (pd.Series(times), pd.Series(times, dtype=object)):
        baseline = Baseline.fit(frame(column), features=Features(time_parts={"when": ["hour"]}))
        assert [feature.missing for feature in baseline.column_features] == [0, 200]


def test_columns_can_be_chosen_by_the_name_that_they_have():
    features = Features(time_parts={"when": ["month"]})
    baseline = Baseline.fit(frame(TIMES), feature_names=["when", "x"], features=features)
    assert [feature.name for feature in baseline.column_features] == ["when_month", "x"]


@pytest.mark.parametrize(
    "times", [["01/02/2026"] * 300, np.arange(300), pd.Series([1, TIMES[0]] * 150, dtype=object)]
)
def test_what_is_no_time_is_refused(times):
    with pytest.raises(BaselineError, match="column 'when' holds no timestamps to take parts of") as error:
        Baseline.fit(frame(times), features=Features(time_parts=PARTS))
    assert "2026" not in str(error.value)


def test_a_part_that_is_a_column_already_is_refused():
    with pytest.raises(
        BaselineError, match="have a column 'when_hour', and it is a part of column 'when' too"
    ):
        Baseline.fit(frame(TIMES).assign(when_hour=1.0), features=Features(time_parts=PARTS))


@pytest.mark.parametrize("parts", [["century"], [], ["hour", "hour"]])
def test_unknown_parts_are_refused(parts):
    with pytest.raises(TorchVitalsError, match="time_parts of column 'when': "):
        Features(time_parts={"when": parts})
