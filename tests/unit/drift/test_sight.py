"""What a baseline says it cannot show is what the verdict does not find; what it says it shows, it finds."""

import numpy as np
import pandas as pd
import pytest

from torchvitals import Baseline
from torchvitals.baseline.variation import DEFAULT_WINDOWS
from torchvitals.drift.detector import DriftDetector
from torchvitals.drift.sight import SHARE, blind_spots, sight, unjudged_windows

COLUMNS = [f"c{place}" for place in range(8)]
TIMES = 40


def frame(rng, rows, share=SHARE, shift=0.0):
    """Numbers, of which the first moves, and a category of a share."""
    table = pd.DataFrame(rng.normal(size=(rows, len(COLUMNS))), columns=COLUMNS)
    table["c0"] += shift
    others = np.array([0.3, 0.4, 0.3]) * (1 - share)
    table["kind"] = rng.choice(["rare", "a", "b", "c"], rows, p=[share, *others])
    return table


def found(rng, samples, window, **change):
    """Return the shares of windows in which the number and the category drift."""
    hits = np.zeros(2)
    for _ in range(TIMES):
        detector = DriftDetector(Baseline.fit(frame(rng, samples)), window=window)
        detector.update(frame(rng, window, **change))
        features = detector.report().features
        hits += [features["c0"].drifted, features["kind"].drifted]
    return hits / TIMES


@pytest.mark.parametrize(("samples", "window"), [(100, 250), (500, 1000), (1000, 250)])
def test_changes_of_the_told_size_are_found_and_those_of_half_are_mostly_not(samples, window):
    rng = np.random.default_rng([samples, window])
    told = sight(Baseline.fit(frame(rng, samples)), window)
    assert (found(rng, samples, window, shift=told.shift, share=told.share) >= 0.85).all()
    half = {"shift": told.shift / 2, "share": (told.share + SHARE) / 2}
    assert (found(rng, samples, window, **half) <= 0.5).all()


def test_more_rows_show_smaller_changes():
    rng = np.random.default_rng(1)
    few, many = (Baseline.fit(frame(rng, rows)) for rows in (100, 20_000))
    assert sight(few, 1000).shift > sight(many, 1000).shift
    assert sight(few, 250).share > sight(few, 1000).share
    assert blind_spots(many, DEFAULT_WINDOWS) == []


def test_what_is_smaller_than_the_floor_is_not_missed():
    many = Baseline.fit(frame(np.random.default_rng(4), 30_000))
    assert many.samples < 5 * 10_000
    assert sight(many, 10_000).shift < 0.13
    assert blind_spots(many, [1000, 10_000]) == []


def test_a_small_baseline_says_what_it_does_not_show():
    (line,) = blind_spots(Baseline.fit(frame(np.random.default_rng(2), 100)), [250, 1000])
    assert line.startswith(
        "100 training rows are few, and smaller changes are not seen: 250 rows show a mean that moves by "
    )
    assert "a category of 10% that grows to" in line
    assert line.endswith("give 5,000")


def test_windows_smaller_than_the_known_ones_are_named():
    rows = np.random.default_rng(3).normal(size=(12_000, 2))
    baseline = Baseline.fit(rows, ordered=True, windows=(500,))
    assert unjudged_windows(baseline, [250, 1000]) == [250]
    (line,) = blind_spots(baseline, [250, 1000])
    assert line == (
        "windows of 250 rows are not judged: the baseline was built in the order of time, and knows how far windows of "
        "500 rows stray; build it with --window 250 --window 1000, or serve `window: [500]`"
    )
    assert unjudged_windows(baseline, [500, 1000]) == []
