"""Elec2: half an hour a row of the electricity market of New South Wales, 7 May 1996 to 5 December 1998.

The data set of Harries, "Splice-2 Comparative Evaluation: Electricity Pricing" (1999), as benchmarks of streams use
it: 45,312 rows, each column scaled to between 0 and 1. On 4 May 1997 trade with Victoria began. Until then each of
the three columns about Victoria has one constant value in the file, in place of what was not recorded.

It is not in this repository. It lies in a wheel of scikit-multiflow, which is fetched into .run/elec2 and never
installed.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from benchmarks.scenarios.streams import OF_PYTHON_3_7, SCIKIT_MULTIFLOW
from benchmarks.wheel_data import WheelFile

FOLDER = Path(__file__).resolve().parents[1] / ".run" / "elec2"
FILE = WheelFile(
    "Elec2",
    SCIKIT_MULTIFLOW,
    "skmultiflow/data/datasets/elec.csv",
    "ebdfe5480ae25a43a7d054286135e3a9484697a2850d5158a333b1578c28bb97",
    OF_PYTHON_3_7,
)

# The file calls them feat_1 to feat_6. Its seventh column, whether the price rises, is a label and no input.
COLUMNS = ["period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer"]
OF_VICTORIA = ["vicprice", "vicdemand", "transfer"]
ROWS = 45_312
DAY = 48
WEEK = 7 * DAY
FIRST_DAY = date(1996, 5, 7)
# 4 May 1997 is in the file twice: as the last day without Victoria, and as the first day with it, from this row on.
CHANGE = 363 * DAY


def load_elec2(folder: Path = FOLDER) -> pd.DataFrame:
    """Return the 45,312 half-hours in their order, columns COLUMNS; fetches the file if it is not in `folder`.

    Raises WheelDataError.
    """
    return pd.read_csv(FILE.path(folder), header=0, names=[*COLUMNS, "label"], usecols=COLUMNS)


def day(row: int) -> date:
    """Return the local day of a row."""
    return FIRST_DAY + timedelta(days=row // DAY - (row >= CHANGE))
