"""Real streams that are years long, each in its natural order.

They lie in wheels of packages that are not installed, and are fetched into .run/streams:

- the wind site: MERRA-2, NASA's reanalysis, hourly from 2000 to June 2017 (brightwind)
- the met mast: its anemometers, vane, thermometer, hygrometer and barometer, every ten minutes from January 2016 to
  November 2017 (brightwind); instruments as they are. From late July 2017 on its vane stands still, which is a scenario
  of its own
- the weather station: Offutt Air Force Base, Nebraska, daily from 1949 to 1999, by NOAA (scikit-multiflow)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from ..wheel_data import WheelFile

FOLDER = Path(__file__).resolve().parents[2] / ".run" / "streams"
BRIGHTWIND = "brightwind==2.7.0"
# The last release of scikit-multiflow whose wheels hold data sets; its code needs Python 3.7.
SCIKIT_MULTIFLOW = "scikit-multiflow==0.4.1"
OF_PYTHON_3_7 = (
    "--python-version", "3.7", "--platform", "manylinux1_x86_64", "--abi", "cp37m", "--implementation", "cp",
)  # fmt: skip
SITE = WheelFile(
    "MERRA-2",
    BRIGHTWIND,
    "brightwind/demo_datasets/MERRA-2_NE_2000-01-01_2017-06-30.csv",
    "ce5d57122135b323d1929b8309ded080378ea64b3242f07cef1b774aa90f7d91",
)
MAST = WheelFile(
    "the met mast",
    BRIGHTWIND,
    "brightwind/demo_datasets/demo_data.csv",
    "d6e578c23e0244600aa3151eda8d55fd132135f3f69e0467abbba057c4779529",
)
STATION = WheelFile(
    "NOAA weather",
    SCIKIT_MULTIFLOW,
    "skmultiflow/data/datasets/weather.csv",
    "3c38f05bdc5c4cb115f122414c66976e3662c875d96d7199d9e47fc46aff150e",
    OF_PYTHON_3_7,
)


@dataclass(frozen=True)
class Stream:
    """Rows in their order, of which the first ones are the training data.

    load: gives (n, columns). training: rows.
    """

    name: str
    columns: tuple[str, ...]
    load: Callable[[], np.ndarray]
    training: int
    categorical: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    classes: int = 0

    def place(self, column: str) -> int:
        """Return where a column is."""
        return self.columns.index(column)

    def windows(self, size: int) -> int:
        """Return how many windows come after the training data, without overlap and with a window on each side."""
        return (len(self.load()) - self.training) // size - 2

    def rows(self, start: int, count: int) -> np.ndarray:
        """Return rows from a place on."""
        return self.load()[start : start + count]


@cache
def _site() -> np.ndarray:
    frame = pd.read_csv(SITE.path(FOLDER), parse_dates=["DateTime"])
    return np.column_stack([frame["DateTime"].dt.hour, frame.iloc[:, 1:].to_numpy()]).astype(float)


# The row from which on the mast's vane shows 200.5 degrees.
VANE_STUCK = 80_600
MAST_TRAINING = 52_704


@cache
def _mast() -> np.ndarray:
    return _instruments()[:VANE_STUCK]


@cache
def _vane() -> np.ndarray:
    rows = _instruments()
    return np.concatenate([rows[:MAST_TRAINING], rows[VANE_STUCK - 1_000 :]])


@cache
def _instruments() -> np.ndarray:
    names = ["Spd80mN", "Spd60mN", "Spd40mN", "Spd80mNStd", "Dir78mS", "T2m", "RH2m", "P2m"]
    frame = pd.read_csv(MAST.path(FOLDER), parse_dates=["Timestamp"], usecols=["Timestamp", *names])
    return np.column_stack([frame["Timestamp"].dt.hour, frame[names].to_numpy()]).astype(float)


@cache
def _station() -> np.ndarray:
    return pd.read_csv(STATION.path(FOLDER)).iloc[:, :8].to_numpy(dtype=float)


MAST_COLUMNS = (
    "hour", "speed_80m", "speed_60m", "speed_40m", "gusts_80m", "wind_direction", "temperature", "humidity",
    "pressure",
)  # fmt: skip
VANE = Stream("vane", MAST_COLUMNS, _vane, MAST_TRAINING)
STREAMS = (
    Stream("site", ("hour", "wind_speed", "wind_direction", "temperature", "pressure"), _site, 43_848),
    Stream("mast", MAST_COLUMNS, _mast, MAST_TRAINING),
    Stream(
        "station",
        (
            "temperature", "dew_point", "pressure", "visibility", "wind_speed", "gusts", "warmest", "coldest",
        ),
        _station,
        9_131,
    ),
)  # fmt: skip
