"""What a drift verdict is for: five kinds of change in one of ten columns, each seen within a thousand rows."""

import numpy as np
import pandas as pd
import pytest

from torchvitals import Baseline, DriftMonitor

SEEDS, STRIDE, LIMIT = 20, 250, 1000
NAMES = [f"f{index}" for index in range(9)]


def rows_of(rng, rows, correlation=0.8):
    """Nine numbers, the first two correlated, and a column of texts."""
    numbers = rng.normal(size=(rows, 9))
    numbers[:, 1] = correlation * numbers[:, 0] + np.sqrt(1 - correlation**2) * numbers[:, 1]
    frame = pd.DataFrame(numbers, columns=NAMES)
    frame["kind"] = rng.choice(["cash", "card", "loan"], size=rows, p=[0.2, 0.5, 0.3])
    return frame


def shifted(rng, rows):
    return rows_of(rng, rows).assign(f3=lambda frame: frame["f3"] + 0.5)


def scaled(rng, rows):
    return rows_of(rng, rows).assign(f3=lambda frame: frame["f3"] * 1.5)


def missing(rng, rows):
    return rows_of(rng, rows).assign(f3=lambda frame: frame["f3"].mask(rng.random(rows) < 0.05))


def unseen(rng, rows):
    return rows_of(rng, rows).assign(
        kind=lambda frame: frame["kind"].mask(rng.random(rows) < 0.05, "voucher")
    )


def turned(rng, rows):
    return rows_of(rng, rows, correlation=-0.8)


@pytest.mark.parametrize(
    ("fault", "named"),
    [(shifted, "f3"), (scaled, "f3"), (missing, "f3"), (unseen, "kind"), (turned, "row_distance")],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_change_is_flagged_within_a_thousand_rows_and_the_right_feature_named_first(fault, named):
    taken = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        monitor = DriftMonitor(Baseline.fit(rows_of(rng, 10_000)), window=1000)
        monitor.update(rows_of(rng, 1000))
        assert not monitor.report().drifted
        for done in range(STRIDE, LIMIT + 1, STRIDE):
            monitor.update(fault(rng, STRIDE))
            report = monitor.report()
            if report.drifted:
                assert next(iter(report.features)) == named
                taken.append(done)
                break
    print(
        f"{fault.__name__}: {len(taken)} of {SEEDS} flagged, after {np.median(taken):.0f} rows in the median"
    )
    assert len(taken) == SEEDS
    assert max(taken) <= LIMIT
