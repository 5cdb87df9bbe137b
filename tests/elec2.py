"""Elec2: half an hour a row of the electricity market of New South Wales, 7 May 1996 to 5 December 1998.

The data set of Harries, "Splice-2 Comparative Evaluation: Electricity Pricing" (1999), as benchmarks of streams use
it: 45,312 rows, each column scaled to between 0 and 1. On 4 May 1997 trade with Victoria began. Until then each of
the three columns about Victoria has one constant value in the file, in place of what was not recorded.

It is not in this repository. It lies in a wheel of scikit-multiflow, which is fetched into .run/elec2 and never
installed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from datetime import date, timedelta
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).resolve().parents[1] / ".run" / "elec2"
FILE = "elec.csv"
SHA256 = "ebdfe5480ae25a43a7d054286135e3a9484697a2850d5158a333b1578c28bb97"
# The last release whose wheels hold data sets. Its code needs Python 3.7, which reading a file from it does not.
PACKAGE = "scikit-multiflow==0.4.1"
WHEEL_OF = (
    "--python-version",
    "3.7",
    "--platform",
    "manylinux1_x86_64",
    "--abi",
    "cp37m",
    "--implementation",
    "cp",
)
MEMBER = f"skmultiflow/data/datasets/{FILE}"
FETCH_SECONDS = 300

# The file calls them feat_1 to feat_6. Its seventh column, whether the price rises, is a label and no input.
COLUMNS = ["period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer"]
OF_VICTORIA = ["vicprice", "vicdemand", "transfer"]
ROWS = 45_312
DAY = 48
WEEK = 7 * DAY
FIRST_DAY = date(1996, 5, 7)
# 4 May 1997 is in the file twice: as the last day without Victoria, and as the first day with it, from this row on.
CHANGE = 363 * DAY


class Elec2Error(Exception):
    """The data cannot be had, or are not the ones that are meant; the message says what to do."""


def load_elec2(folder: Path = FOLDER) -> pd.DataFrame:
    """Return the 45,312 half-hours in their order, columns COLUMNS; fetches the file if it is not in `folder`.

    Raises Elec2Error.
    """
    file = folder / FILE
    if not file.exists():
        _fetch(file)
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != SHA256:
        raise Elec2Error(f"{file} has sha256 {found}, not {SHA256}; delete it, and it will be fetched again")
    return pd.read_csv(file, header=0, names=[*COLUMNS, "label"], usecols=COLUMNS)


def day(row: int) -> date:
    """Return the local day of a row."""
    return FIRST_DAY + timedelta(days=row // DAY - (row >= CHANGE))


def _fetch(file: Path) -> None:
    """Take the file out of the wheel that pip downloads. Raises Elec2Error."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
        ]
        command += ["--no-deps", "--only-binary", ":all:", *WHEEL_OF, "--dest", scratch, PACKAGE]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise _unfetched(file, f"pip took more than {FETCH_SECONDS} s") from error
        if done.returncode != 0:
            said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            raise _unfetched(
                file, said[-1] if said else f"pip ended with {done.returncode}: {done.stderr[-500:]}"
            )
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            extracted = Path(archive.extract(MEMBER, scratch))
        extracted.replace(file)  # at once, so that a run beside this one never reads half a file


def _unfetched(file: Path, reason: str) -> Elec2Error:
    return Elec2Error(
        f"the data set Elec2 cannot be fetched: {reason}\n"
        f"it is {MEMBER} in a wheel of {PACKAGE}; without a network, put that file at {file}"
    )
