"""Which served numbers are values of training: what types round, and nothing else."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from torchvitals import Baseline, BaselineBuilder, Feature
from torchvitals.baseline.binning import assign
from torchvitals.baseline.known_values import KnownValues
from torchvitals.baseline.rounding import as_bfloat16, as_float16
from torchvitals.drift.detector import DriftDetector
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m
from torchvitals.telemetry.drift import DriftTelemetry

TYPES = {
    "float64": lambda rows: torch.tensor(rows),
    "float32": lambda rows: torch.tensor(rows).float(),
    "float16": lambda rows: torch.tensor(rows).half(),
    "bfloat16": lambda rows: torch.tensor(rows).bfloat16(),
    "object": lambda rows: rows.astype(object),
    "nullable": lambda rows: pd.DataFrame(rows).add_prefix("f").astype("Float64"),
}
ROWS = 1000


def rounded(values, kind):
    return np.asarray(torch.tensor(values, dtype=torch.float64).to(getattr(torch, kind)).double())


def scaled(values):
    return (values - values.mean()) / values.std()


@st.composite
def columns(draw):
    """Values of a column: scaled whole numbers, whole numbers, or fractions, from 1 to 45 of them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.sampled_from([1, 2, 3, 7, 20, 21, 45]))
    values = {
        "weekday": lambda: scaled(np.arange(count + 1.0) * rng.integers(1, 9)),
        "whole": lambda: rng.integers(-3000, 6000, count).astype(float),
        "fractions": lambda: rng.normal(scale=10.0 ** rng.integers(-3, 4), size=count),
        "dense": lambda: 1 + rng.integers(1, 5) * np.arange(count) / 250,
    }[draw(st.sampled_from(["weekday", "whole", "fractions", "dense"]))]()
    shares = rng.dirichlet(np.full(len(values), draw(st.sampled_from([0.5, 50.0]))))
    return rng.choice(values, ROWS, p=shares)


@settings(deadline=None, max_examples=60)
@given(columns(), st.permutations(list(TYPES)))
def test_a_data_set_is_itself_in_every_type(column, kinds):
    trained, served = kinds[:2]
    exact = len(np.unique(column))
    for kind in {trained, served} & {"float16", "bfloat16", "float32"}:
        if len(np.unique(rounded(column, kind))) < exact:
            return  # rounding merges values
    if {trained, served} == {"float16", "bfloat16"} and any(
        len(np.unique(rounded(rounded(column, first), second))) < exact
        for first, second in ((served, trained), (trained, served))
    ):
        return  # rounding twice does: -1148 is as far from -1152 as from -1144, 1.15625 as far from 1.152 as from 1.16
    baseline = Baseline.fit(TYPES[trained](column.reshape(-1, 1)))
    drift = baseline.compare(TYPES[served](column.reshape(-1, 1))).features["f0"]
    assert drift.psi < 0.05
    assert not drift.drifted


@pytest.mark.parametrize(("trained", "served"), list(itertools.permutations(TYPES, 2)))
def test_usual_columns_are_themselves_in_every_type(trained, served):
    rng = np.random.default_rng(4)
    weekday = rng.integers(0, 7, ROWS)
    rows = np.column_stack(
        [
            scaled(weekday),
            *(scaled(weekday == day) for day in range(3)),
            scaled(rng.integers(0, 40, ROWS)),  # more values than have a bin each
            rng.choice([0.5, 1, 3.3, 4.7], ROWS),
            rng.choice([100.0, 250, 1000, 2000, 5000], ROWS),
            rng.choice([9.99, 19.89, 19.99], ROWS),
        ]
    )
    report = Baseline.fit(TYPES[trained](rows)).compare(TYPES[served](rows))
    assert max(drift.psi for drift in report.features.values()) < 0.05
    assert not report.drifted


@pytest.mark.parametrize(
    ("known", "value", "expected"),
    [
        ([0, 1, 2, 3], 3.4, None),
        ([0, 1, 2, 3], 2.99, None),
        ([0, 1, 2, 3], 4, None),
        ([0, 1, 2, 3], 3.0000002, 3),
        ([1000], 1001, None),
        ([2013, 2014], 2015, None),
        ([0.5, 1.5], 1.0, None),
        ([0.5, 1.5], 1.503, 1.5),
        ([-0.4472136, 2.236068], float(np.float16(2.236068)), 2.236068),
        ([-0.4472136, 2.236068], 2.25, None),
        ([-0.4472136, 2.236068], 0.0, None),
        ([19.89, 19.99], 19.94, None),
        ([0.0], 1e-30, None),
        ([0.0], -0.0, 0.0),
        ([0.7], 0.71, None),
        ([0.7], float(np.float16(0.7)), 0.7),
        ([0, 1], 1e300, None),
        ([0, 1], np.inf, None),
        ([0, 1], -np.inf, None),
        ([], 1.0, None),
    ],
)
def test_what_is_a_known_value(known, value, expected):
    # Beside it is a value that neither type of two bytes has, so that rows are of float32.
    found = KnownValues(known).snapped(np.array([value, 0.123456789]))[0]
    assert found == (value if expected is None else expected)


def test_missing_values_stay_missing():
    assert np.isnan(KnownValues([0.5, 1.5]).snapped(np.array([np.nan]))).all()


def test_large_whole_numbers_are_known_by_the_type_that_all_of_a_batch_can_be_of():
    known = KnownValues([1001.0, 5000.0])
    assert as_bfloat16(np.array([1001.0, 5000.0])).tolist() == [1000.0, 4992.0]
    assert known.snapped(np.array([1000.0, 4992.0])).tolist() == [1001.0, 5000.0]
    # 1,001 shows that the rows are not of bfloat16, so 1,000 is another number.
    assert known.snapped(np.array([1000.0, 1001.0])).tolist() == [1000.0, 1001.0]


@settings(deadline=None)
@given(st.lists(st.floats(width=32, min_value=-(2.0**100), max_value=2.0**100)))
def test_rounding_is_that_of_torch(values):
    array = np.array(values, dtype=np.float64)
    assert as_bfloat16(array).tolist() == rounded(array, "bfloat16").tolist()
    small = array[np.abs(array) < 60_000]
    assert as_float16(small).tolist() == rounded(small, "float16").tolist()


def test_parts_of_a_low_precision_merge():
    rows = torch.tensor(np.repeat([1001.0, 5000.0], 100).reshape(-1, 1)).bfloat16()
    builder = BaselineBuilder()
    builder.update(rows)
    part = builder.baseline(mergeable=True)
    assert part.features[0].rounded == "bfloat16"
    merged = part.merge(part)
    assert merged.features[0].rounded == "bfloat16"
    assert not merged.compare(rows.double() + torch.tensor([[1.0]])).drifted


def test_outputs_of_few_values_are_known_too():
    values = np.repeat([0.1, 0.7, 2.3], 400)
    baseline = Baseline.fit(np.zeros((1200, 1)), outputs=values)
    report = baseline.compare(np.zeros((1200, 1)), outputs=torch.tensor(values).bfloat16())
    assert report.features["value"].psi == 0.0


def test_the_largest_value_is_within_the_range_in_every_type():
    column = scaled(np.arange(ROWS) % 40).reshape(-1, 1)
    baseline = Baseline.fit(column)
    assert baseline.features[0].kind == "numeric"
    for kind in ("float32", "float16", "bfloat16"):
        publisher = MemoryPublisher()
        telemetry = DriftTelemetry(DriftDetector(baseline), worker="0", max_features=1)
        telemetry.add_inputs(rounded(column, kind))
        telemetry.add_inputs(np.array([[2.0], [-2.0]]))
        telemetry.publish(publisher)
        invalid = {
            key: value for (name, key), value in publisher.series.items() if name == m.INPUT_INVALID.name
        }
        assert invalid == {("f0", "above_range"): 1, ("f0", "below_range"): 1}


def test_an_edge_is_beside_a_common_value_and_on_a_rare_one():
    (common,) = Baseline.fit(np.repeat(np.arange(40.0), 25).reshape(-1, 1)).features
    assert common.edges[0] == 3.5
    assert assign(common, np.array([3.0, 3.4, 3.6])).tolist() == [0, 0, 1]
    (rare,) = Baseline.fit(np.arange(1000.0).reshape(-1, 1)).features
    assert rare.edges[0] == 99.0


def test_a_category_of_no_place_is_unseen():
    feature = Feature(
        name="c", source="input", kind="categorical", count=2, missing=0, mean=0.0, std=0.0, min=0.0, max=0.0,
        edges=[], categories=["a", "b"], counts=[1, 1, 0, 0], quantiles=[],
    )  # fmt: skip
    values = [0, 1, 2, 0.5, -1, 1e300, np.inf, -np.inf, 2.0**63, np.nan]
    assert assign(feature, np.array(values)).tolist() == [0, 1, *[2] * 7, 3]
