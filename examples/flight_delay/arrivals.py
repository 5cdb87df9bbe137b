"""Labels for flights that were predicted: whether they arrived late is known some time after."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

import httpx
import pandas as pd

from stack import Stack

from .data import CLASSES, LABEL

# Of the replay: a day and a half of the calendar.
DELAY_SECONDS = 10.0
EACH_SECONDS = 1.0
TIMEOUT_SECONDS = 60.0


def steadily(rate: float, rows: int) -> Callable[[], int]:
    """Return what tells how many of so many rows are replayed from now on, the first at once, at a rate a second."""
    began = time.monotonic()
    return lambda: min(int((time.monotonic() - began) * rate) + 1, rows)


def ids_of(frame: pd.DataFrame, prefix: str) -> list[str]:
    """Return the id of each flight of a frame."""
    return [f"{prefix}-{number}" for number in range(len(frame))]


class Arrivals:
    """Sends the labels of the rows of a frame, as they are replayed in order, a while after each.

    replayed: tells how many rows of the frame have been replayed; those of the first `sent` have their labels. The
    service is told of all that are replayed by the end of the `with` block.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        ids: list[str],
        stack: Stack,
        *,
        replayed: Callable[[], int],
        sent: int = 0,
    ) -> None:
        self._labels = [CLASSES[place] for place in frame[LABEL]]
        self._ids = ids
        self._replayed = replayed
        self._seen: deque[tuple[float, int]] = deque()
        self._http = httpx.Client(
            base_url=stack.labels_url,
            headers={"Authorization": f"Bearer {stack.labels_token_file.read_text()}"},
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )
        self._ended = threading.Event()
        self._sent = sent
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="arrivals", daemon=True)

    def __enter__(self) -> Arrivals:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        if self._error is None and kind is None:
            self._send(self._replayed())
        self._http.close()
        if self._error is not None and kind is None:
            raise self._error

    def _run(self) -> None:
        while not self._ended.wait(EACH_SECONDS):
            now = time.monotonic()
            self._seen.append((now, self._replayed()))
            try:
                while self._seen and self._seen[0][0] <= now - DELAY_SECONDS:
                    self._send(self._seen.popleft()[1])
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
