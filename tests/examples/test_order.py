"""The flights in the order of the calendar, judged as the one worker of the demo judges them, without a server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pandas as pd
import pytest
import torch
import yaml

from examples.flight_delay.data import COLUMNS
from examples.flight_delay.demo import JULY_REQUESTS, MOST_FAULTY_ROWS, ROOT
from examples.flight_delay.model import FlightDelayNet
from examples.flight_delay.packaging import WINDOWS
from examples.flight_delay.replay import celsius_begins, to_celsius
from torchvitals import Baseline
from torchvitals.config import read_config
from torchvitals.drift.detector import DriftDetector
from torchvitals.drift.hysteresis import Hysteresis

ROWS_A_FLUSH = 50


class Worker:
    """Windows, and verdicts that have to last, over rows with the model's own outputs."""

    def __init__(self, flights) -> None:
        self.model = FlightDelayNet()
        self.model.load_state_dict(torch.load(flights.folder / "model.pt", weights_only=True))
        self.model.eval()
        self.baseline = Baseline.load(flights.baseline)

    def verdicts(self, frame: pd.DataFrame) -> Iterator[tuple[int, dict[int, set[str]]]]:
        """Yield, after each flush, the rows seen and the features that have drifted, by window."""
        with torch.inference_mode():
            logits = self.model(torch.tensor(frame[COLUMNS].to_numpy(dtype="float32"))).numpy()
        monitor = DriftDetector(self.baseline, window=WINDOWS)
        steady = {size: Hysteresis(size) for size in WINDOWS}
        for start in range(0, len(frame), ROWS_A_FLUSH):
            rows = slice(start, start + ROWS_A_FLUSH)
            monitor.update(frame[rows], logits[rows])
            found = {}
            for size in WINDOWS:
                features = monitor.report(window=size).features
                now = {name for name, drift in features.items() if drift.drifted}
                found[size] = {str(name) for name in steady[size].update(features, now, monitor.rows_seen)}
            yield monitor.rows_seen, found


@pytest.fixture(scope="module")
def worker(flights) -> Worker:
    return Worker(flights)


@pytest.fixture(scope="module")
def february(flights) -> pd.DataFrame:
    return pd.read_parquet(flights.folder / "february.parquet")


def test_the_archive_is_watched_with_the_windows_of_the_baseline(worker):
    config = yaml.safe_load((ROOT / "examples/flight_delay/model-config.yaml").read_text())
    assert tuple(read_config(config).windows) == WINDOWS
    assert {
        tuple(variation.window for variation in feature.variation) for feature in worker.baseline.features
    } == {WINDOWS}


def test_late_february_has_not_drifted_in_any_full_window(worker, february):
    full = [(rows, found) for rows, found in worker.verdicts(february) if rows >= 2 * max(WINDOWS)]
    assert len(full) > 200
    assert [(rows, found) for rows, found in full if any(found.values())] == []


def test_july_has_drifted_in_temp_or_dewp_as_soon_as_a_window_holds_it(worker, february, flights):
    before = february.tail(2000)
    july = pd.read_parquet(flights.folder / "july.parquet").head(JULY_REQUESTS)
    verdicts = [
        (rows - len(before), found)
        for rows, found in worker.verdicts(pd.concat([before, july], ignore_index=True))
    ]
    moved = {rows for rows, found in verdicts if {"temp", "dewp"} & set.union(*found.values())}
    assert 0 < min(moved) <= MOST_FAULTY_ROWS
    assert moved == {rows for rows, _ in verdicts if rows >= min(moved)}


def rows_until_noticed(worker: Worker, february: pd.DataFrame) -> int:
    """Return how many flights after the change to °C the verdict was there."""
    fault = celsius_begins(february)
    frame = to_celsius(february, first=fault)
    first = max(0, fault - 1500)
    verdicts = worker.verdicts(frame[first : fault + 1500].reset_index(drop=True))
    drifted = [rows for rows, found in verdicts if any("temp" in names for names in found.values())]
    return drifted[0] - (fault - first)


def test_celsius_is_noticed_in_time(worker, february):
    assert 0 < rows_until_noticed(worker, february) <= MOST_FAULTY_ROWS


def test_celsius_is_noticed_on_whatever_day_it_begins(worker, february, monkeypatch):
    """On mild days °C lie less far below the training data, and the window has to hold more of them."""
    rows = {}
    for day in range(16, 27):
        monkeypatch.setattr("examples.flight_delay.replay.CELSIUS_SINCE", date(2013, 2, day))
        rows[day] = rows_until_noticed(worker, february)
    assert all(0 < count <= 1250 for count in rows.values()), rows
    assert {day for day, count in rows.items() if count > MOST_FAULTY_ROWS} <= {19, 25}, rows
