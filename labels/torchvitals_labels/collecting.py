"""Files of predictions that wait in a folder, taken into the store."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from . import quantities as q
from .batch import read_batch
from .errors import FileError
from .store import Store

SUFFIX = ".predictions"
REFUSED = "refused"
# Of those that are no predictions, so many are kept for whoever looks into it.
MOST_REFUSED = 100
log = logging.getLogger(__name__)


def waiting(folder: Path) -> list[Path]:
    """Return the files that wait, oldest first; none of a folder that is not there yet."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.endswith(SUFFIX)]
    except FileNotFoundError:
        return []
    return [folder / name for name in sorted(names) if not name.startswith(".")]


def collect(store: Store, folders: Sequence[Path], *, most: int = 1_000) -> int:
    """Take files into the store, and remove them; return how many predictions were not known yet.

    Raises StoreError where they cannot be written; whatever is not taken by then waits.
    """
    new = 0
    for folder in folders:
        for file in waiting(folder)[:most]:
            try:
                if not stat.S_ISREG(file.lstat().st_mode):
                    raise FileError(f"{file.name}: not a file")
                batch = read_batch(file)
            except FileNotFoundError:
                continue  # whoever else collects here has taken it
            except (FileError, OSError) as error:
                log.error("a file is not of predictions, and is kept in %s: %s", folder / REFUSED, error)
                _set_aside(file)
                store.count(q.REFUSED_FILES, 1)
                continue
            new += store.take_predictions(batch)
            file.unlink(missing_ok=True)
    return new


def _set_aside(file: Path) -> None:
    folder = file.parent / REFUSED
    folder.mkdir(mode=0o700, exist_ok=True)
    if len(os.listdir(folder)) < MOST_REFUSED:
        file.replace(folder / file.name)
    else:
        file.unlink()
