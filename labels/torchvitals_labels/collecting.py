"""Files of predictions that wait in a folder, taken into the store."""

from __future__ import annotations

import logging
import math
import os
import stat
import time
from collections.abc import Sequence
from pathlib import Path

from torchvitals.worker.prediction_files import SUFFIX

from . import quantities as q
from .batch import read_batch
from .errors import FileError
from .store import Store

REFUSED = "refused"
# Of those that are no predictions, so many are kept for whoever looks into it.
MOST_REFUSED = 100
LOG_SECONDS = 60.0
log = logging.getLogger(__name__)


def waiting(folder: Path) -> list[Path]:
    """Return the files that wait, oldest first; none of a folder that is not there yet."""
    try:
        with os.scandir(folder) as entries:
            names = [
                entry.name
                for entry in entries
                if entry.name.endswith(SUFFIX) and not entry.name.startswith(".") and not entry.is_dir()
            ]
    except FileNotFoundError:
        return []
    return [folder / name for name in sorted(names)]


class Collector:
    """Takes files of some folders into the store, and removes them.

    A file that cannot be opened stays where it is; one that is not of predictions is kept aside.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)
        self._said = -LOG_SECONDS

    def collect(self, store: Store, *, until: float = math.inf) -> bool:
        """Take files in until a time of `time.monotonic`; return whether all were tried by then.

        Raises StoreError where they cannot be written; whatever is not taken by then waits.
        """
        for folder in self.folders:
            for file in waiting(folder):
                if time.monotonic() >= until:
                    return False
                self._take(store, file)
        return True

    def _take(self, store: Store, file: Path) -> None:
        try:
            if not stat.S_ISREG(file.lstat().st_mode):
                raise FileError(f"{file.name}: not a file")
            store.take_predictions(read_batch(file))
            file.unlink(missing_ok=True)
        except FileNotFoundError:
            return  # whoever else collects here has taken it
        except FileError as error:
            log.error("a file is not of predictions, and is kept in %s: %s", file.parent / REFUSED, error)
            _set_aside(file)
            store.count(q.REFUSED_FILES, 1)
        except OSError as error:
            if time.monotonic() - self._said >= LOG_SECONDS:
                self._said = time.monotonic()
                log.error("files of predictions cannot be taken, and wait: %s", error)


def _set_aside(file: Path) -> None:
    folder = file.parent / REFUSED
    folder.mkdir(mode=0o700, exist_ok=True)
    if len(os.listdir(folder)) < MOST_REFUSED:
        file.replace(folder / file.name)
    else:
        file.unlink()
