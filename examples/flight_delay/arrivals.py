"""Labels for flights that were predicted: whether they arrived late is known some time after."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import httpx
import pandas as pd

from .data import CLASSES, LABEL

# Of the replay: a day and a half of the calendar.
DELAY_SECONDS = 10.0
EACH_SECONDS = 1.0
TIMEOUT_SECONDS = 60.0


def ids_of(frame: pd.DataFrame, prefix: str) -> list[str]:
    """Return the id of each flight of a frame."""
    return [f"{prefix}-{number}" for number in range(len(frame))]


class Arrivals:
    """Sends the labels of the rows of a frame, as they are replayed in order, a while after each.

    rate: rows a second. The service is told of every row by the end of the `with` block.
    """

    def __init__(
        self, frame: pd.DataFrame, ids: list[str], *, service: str, token_file: Path, rate: float
    ) -> None:
        self._labels = [CLASSES[place] for place in frame[LABEL]]
        self._ids = ids
        self._rate = rate
        self._http = httpx.Client(
            base_url=service,
            headers={"Authorization": f"Bearer {token_file.read_text()}"},
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )
        self._ended = threading.Event()
        self._sent = 0
        self._began = time.monotonic()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="arrivals", daemon=True)

    def __enter__(self) -> Arrivals:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        if self._error is None and kind is None:
            self._send(len(self._ids))
        self._http.close()
        if self._error is not None and kind is None:
            raise self._error

    def _run(self) -> None:
        while not self._ended.wait(EACH_SECONDS):
            due = int((time.monotonic() - self._began - DELAY_SECONDS) * self._rate)
            try:
                self._send(min(due, len(self._ids)))
            except Exception as error:  # raised at the end of the block
                self._error = error
                return

    def _send(self, until: int) -> None:
        if until > self._sent:
            rows = [
                {"id": one, "label": label}
                for one, label in zip(self._ids[self._sent : until], self._labels[self._sent : until])
            ]
            self._http.post("/labels", json=rows).raise_for_status()
            self._sent = until
