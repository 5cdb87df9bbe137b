"""Dates as texts are refused as a feature, whichever table they come in; names that look a little like them are not."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from torchvitals import Baseline, BaselineError, Features
from torchvitals.featurizers.time_texts import look_like_times

DAYS = [f"2025-{1 + row % 12:02d}-{1 + row % 28:02d}" for row in range(300)]
AMOUNT = np.arange(300.0)


@pytest.mark.parametrize(
    "form",
    [
        pd.DataFrame,
        lambda columns: pd.DataFrame(columns).astype({"day": object}),
        lambda columns: pd.DataFrame(columns).astype({"day": "string"}),
        lambda columns: pd.DataFrame(columns).astype({"day": "category"}),
        pl.DataFrame,
        pa.table,
    ],
    ids=["pandas", "objects", "strings", "categories", "polars", "Arrow"],
)
def test_a_column_of_dates_is_refused_with_the_way_out(form):
    holed = [None if row < 3 else day for row, day in enumerate(DAYS)]
    table = form({"amount": AMOUNT, "day": holed})
    for build in (Baseline.fit, lambda data: Baseline.from_batches([data])):
        with pytest.raises(BaselineError) as caught:
            build(table)
        said = str(caught.value)
        assert said.startswith(
            "column 'day' holds dates or times as texts; make it parts such as hour and weekday"
        )
        assert all(way in said for way in ("--time-parts 'day'", "features: time_parts", "--exclude 'day'"))
        assert not [day for day in set(DAYS) if day in said]


@pytest.mark.parametrize(
    "said",
    [{"categories": {"day": "sorted"}}, {"categories": {"day": sorted(set(DAYS))}}, {"identifiers": ["day"]}],
    ids=["sorted", "listed", "identifiers"],
)
def test_what_is_said_to_be_names_is_taken(said):
    baseline = Baseline.fit(pd.DataFrame({"amount": AMOUNT, "day": DAYS}), features=Features(**said))
    assert baseline.column_names == ["amount", "day"]


def test_a_column_that_is_not_wanted_may_hold_dates():
    table = pd.DataFrame({"amount": AMOUNT, "day": DAYS})
    assert Baseline.fit(table, feature_names=["amount"]).column_names == ["amount"]


@pytest.mark.parametrize(
    ("texts", "times"),
    [
        (["2025-12-31", "2026-01-01"], True),
        (["2025-12-31T23:59:59.5Z", "2026-01-01T00:00:00Z"], True),
        (["2025-12-31 23:59:59+01:00"], True),
        (["31.12.2025 23:59", "01.01.2026 00:00"], True),
        (["12/31/25", "01/01/26"], True),
        (["Dec 31, 2025"], True),
        (["2025-13-01", "2025-01-01"], False),
        (["2025-12-31", "never"], False),
        (["2025-12", "2026-01"], False),
        (["20251231", "20260101"], False),
        (["10.50.3", "10.50.4"], False),
        (["AA-2025-001"], False),
        (["12:30", "23:59"], False),
        ([], False),
    ],
)
def test_texts_that_are_dates_are_told_from_versions_codes_and_periods(texts, times):
    assert look_like_times(texts) is times
