"""The baselines in baselines/ are whole, and are what their training data give."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from examples.flight_delay.packaging import WINDOWS
from torchvitals import Baseline
from torchvitals.baseline.binning import assign

FOLDER = Path(__file__).parents[3] / "baselines"
EARLIER = Path(__file__).parent / "first_version" / "flight_delay-1.0.json"
FILES = sorted(FOLDER.glob("*.json"))


def test_there_are_some():
    assert [path.name for path in FILES] == ["flight_delay-1.0.json"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_loads_and_is_named_like_its_file(path):
    baseline = Baseline.load(path)
    assert path.stem == f"{baseline.name}-{baseline.version}"


def test_the_flights_baseline_is_what_its_training_data_give(flights):
    committed = Baseline.load(FOLDER / "flight_delay-1.0.json")
    rebuilt = Baseline.fit(flights.frame("train"), ordered=True, windows=WINDOWS)
    assert committed.samples == rebuilt.samples == 33_769
    for feature in committed.features:
        assert [variation.window for variation in feature.variation] == [500, 1000]
    # The last digits of sums and of a matrix's root depend on the machine.
    rows = rebuilt.encode(flights.frame("train"))
    for place, (mine, theirs) in enumerate(
        zip(committed.column_features, rebuilt.column_features, strict=True)
    ):
        assert replace(mine, variation=[], edges=[]) == replace(theirs, variation=[], edges=[])
        # Edges may lie anywhere between two values.
        assert (assign(mine, rows[:, place]) == assign(theirs, rows[:, place])).all()
        for one, other in zip(mine.variation, theirs.variation, strict=True):
            assert replace(one, quantiles={}) == replace(other, quantiles={})
            assert one.quantiles == {
                statistic: pytest.approx(limits, rel=1e-9) for statistic, limits in other.quantiles.items()
            }
    mine, theirs = (baseline.of_source("input")[-1] for baseline in (committed, rebuilt))
    assert mine.name == "row_distance"
    assert mine.quantiles == pytest.approx(theirs.quantiles, rel=1e-5)
    assert np.array(committed.rows.whitening) == pytest.approx(np.array(rebuilt.rows.whitening), abs=1e-6)
    outputs = Baseline.load(flights.baseline)
    assert committed.outputs == outputs.outputs
    assert committed.accuracy.samples == outputs.accuracy.samples == 3_752
    assert committed.accuracy.ratio == pytest.approx(outputs.accuracy.ratio, abs=0.01)


def test_a_file_of_an_earlier_version_is_read_as_it_is_and_judges(flights):
    """It has ten bins a column, no tails, no limit on spreads, and its own seal."""
    earlier = Baseline.load(EARLIER)
    assert earlier.sha256 == msgspec.json.decode(EARLIER.read_bytes())["sha256"]
    assert all(len(feature.edges) <= 9 and not feature.low_tail for feature in earlier.features)
    assert not earlier.compare(flights.frame("train").tail(1000)).drifted
    july = earlier.compare(flights.frame("july").head(1000))
    assert july.features["temp"].drifted
    assert set(july.features["temp"].threshold) == {"kl_divergence", "wasserstein_distance"}
