"""Which values are counted as invalid, and by which reason."""

from __future__ import annotations

import numpy as np
import pytest

from torchvitals import Baseline, BaselineError, DriftDetector
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m
from torchvitals.telemetry.drift import DriftTelemetry

NUMERIC = ("missing", "infinite", "below_range", "above_range")


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    """Values from -1 to 1 at 2,001 places in `amount`, 0 to 2 in `few`."""
    amount = np.linspace(-1, 1, 2001)
    return Baseline.fit(np.column_stack([amount, np.arange(2001) % 3]), feature_names=["amount", "few"])


def counted(baseline: Baseline, *rows: tuple[float, float]) -> dict[tuple[str, str], float]:
    """Return what was counted after these rows, where it is not 0."""
    publisher = MemoryPublisher()
    telemetry = DriftTelemetry(DriftDetector(baseline), worker="9000", max_features=10)
    telemetry.start(publisher)
    telemetry.add_inputs(np.array(rows))
    telemetry.publish(publisher)
    return {
        labels: value
        for (name, labels), value in publisher.series.items()
        if name == m.INPUT_INVALID.name and value
    }


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.nan, "missing"),
        (np.inf, "infinite"),
        (-np.inf, "infinite"),
        (1e39, "infinite"),  # beyond float32, which the model is given
        (-1.001, "below_range"),
        (1.001, "above_range"),
        (-1.0, None),
        (0.0, None),
        (1.0, None),
    ],
)
def test_a_number_has_one_reason_at_most(baseline, value, reason):
    expected = {} if reason is None else {("amount", reason): 1}
    assert counted(baseline, (value, 0)) == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [(np.nan, "missing"), (np.inf, "infinite"), (-np.inf, "infinite"), (1.5, "unseen_category"), (2, None)],
)
def test_a_few_valued_number_has_one_reason_at_most(baseline, value, reason):
    expected = {} if reason is None else {("few", reason): 1}
    assert counted(baseline, (0, value)) == expected


def test_every_value_is_counted(baseline):
    rows = [(np.inf, 0), (-np.inf, 7), (-5, 7), (-5, np.nan), (-5, 0), (5, 0), (np.nan, np.inf), (0, 1)]
    assert counted(baseline, *rows) == {
        ("amount", "infinite"): 2,
        ("amount", "below_range"): 3,
        ("amount", "above_range"): 1,
        ("amount", "missing"): 1,
        ("few", "unseen_category"): 2,
        ("few", "missing"): 1,
        ("few", "infinite"): 1,
    }


def test_every_reason_has_a_series_from_the_start(baseline):
    publisher = MemoryPublisher()
    DriftTelemetry(DriftDetector(baseline), worker="9000", max_features=10).start(publisher)
    found = {labels for name, labels in publisher.series if name == m.INPUT_INVALID.name}
    assert found == {
        ("all", "bad_shape"),
        *(("amount", reason) for reason in NUMERIC),
        *(("few", reason) for reason in ("missing", "infinite", "unseen_category")),
    }


def test_rows_of_another_width_are_counted_whole(baseline):
    publisher = MemoryPublisher()
    telemetry = DriftTelemetry(DriftDetector(baseline), worker="9000", max_features=10)
    with pytest.raises(BaselineError, match="rows have 3 values"):
        telemetry.add_inputs(np.zeros((4, 3)))
    telemetry.publish(publisher)
    assert publisher.series == {(m.INPUT_INVALID.name, ("all", "bad_shape")): 4}
