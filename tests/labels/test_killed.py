"""Whatever is killed, and in whatever order labels come, every count is that of a plain join."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pandas as pd

from torchvitals_labels.batch import Batch

from .predictions import CLASSES, drawn, file_of
from .serving import Served

# `TORCHVITALS_LABELS=1000000 pytest tests/labels/test_killed.py` tries as many.
COUNT = int(os.environ.get("TORCHVITALS_LABELS", "20000"))
COLUMNS = ("times", "predicted", "confidence", "expected", "scores")


@contextmanager
def killed_again_and_again(served: Served) -> Iterator[None]:
    """Kill the service and start it anew, until the end."""
    ended = threading.Event()

    def kill() -> None:
        while not ended.wait(max(1.0, COUNT / 100_000)):
            served.kill()
            served.start()

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def leave_files(served: Served, made: Batch, rng: np.random.Generator) -> None:
    """Leave all predictions in any order, a twentieth of them twice."""
    parts = np.array_split(rng.permutation(COUNT), max(COUNT // 5_000, 4))
    for number, rows in enumerate([*parts, rng.choice(COUNT, COUNT // 20, replace=False)]):
        part = {name: getattr(made, name)[rows] for name in COLUMNS}
        segments = [made.segments[row] for row in rows]
        served.leave(file_of([made.ids[row] for row in rows], segments=segments, **part), number)
        time.sleep(0.05)


def send(served: Served, part: pd.DataFrame) -> None:
    """Send labels until they are taken."""
    lines = [f'{{"id": "{one}", "label": "{CLASSES[place]}"}}' for one, place in zip(part.id, part.label)]
    content = "\n".join(lines).encode()
    while True:
        try:
            answer = served.post(content, "application/x-ndjson")
        except httpx.TransportError:
            time.sleep(0.1)
            continue
        assert answer.status_code == 200, answer.text
        return


def test_every_count_is_that_of_a_plain_join(address: str, tmp_path: Path) -> None:
    """Labels out of order, 5 % twice, 2 % corrected, 1 % for unknown ids."""
    rng = np.random.default_rng(0)
    ids = [f"{rng.integers(2**62):x}-{number}" for number in range(COUNT)]
    made, _ = drawn(ids, segments=True)
    labels = pd.DataFrame({"id": ids, "label": rng.integers(len(CLASSES), size=COUNT)})
    wrong = labels.sample(frac=0.02, random_state=1)
    wrong = wrong.assign(label=(wrong.label + 1) % len(CLASSES))
    unknown = pd.DataFrame({"id": [f"unknown {number}" for number in range(COUNT // 100)], "label": 0})
    again = labels.sample(frac=0.05, random_state=2)
    shuffled = pd.concat([labels, unknown, again]).sample(frac=1, random_state=3)

    served = Served(tmp_path, address)
    served.start()
    try:
        files = threading.Thread(target=leave_files, args=(served, made, rng))
        files.start()
        with killed_again_and_again(served):
            # A correction comes after what it corrects.
            for rows in (wrong, shuffled):
                for at in range(0, len(rows), max(COUNT // 100, 2_000)):
                    send(served, rows.iloc[at : at + max(COUNT // 100, 2_000)])
            files.join()
        served.wait_for("predictions_waiting_files", 0)
        predicted = made.predicted.astype(int)
        table = pd.DataFrame({"id": ids, "predicted": predicted, "segment": made.segments})
        check(served, table.merge(labels, on="id"))
        assert served.sum("labels_unmatched") == len(unknown)
    finally:
        served.stop()


def check(served: Served, joined: pd.DataFrame) -> None:
    """Compare every counter of classes with what the joined rows say."""
    found = served.metrics()

    def net(name: str, *labels: str) -> float:
        """Return a counter less what is taken back; `labels` by their names, without `change`."""
        kept = {key: tuple(one for one in key if one not in ("added", "taken_back")) for key in found}
        return sum(
            -value if "taken_back" in key else value
            for key, value in found.items()
            if kept[key] == (name, *labels)
        )

    assert served.sum("model_stored_predictions_total") == len(joined) == COUNT
    assert served.sum("model_label_delay_seconds_count") == COUNT
    for segment, rows in joined.groupby("segment"):
        for place, name in enumerate(CLASSES):
            of = (name, "flights", "1.0", str(segment))
            right = (rows.label == rows.predicted) & (rows.label == place)
            assert net("model_labelled_total", *of) == (rows.label == place).sum()
            assert net("model_labelled_predicted_total", *of) == (rows.predicted == place).sum()
            assert net("model_labelled_correct_total", *of) == right.sum()
    for guess, predicted in enumerate(CLASSES):
        for place, actual in enumerate(CLASSES):
            both = (joined.predicted == guess) & (joined.label == place)
            assert net("model_labelled_confusion_total", actual, "flights", "1.0", predicted) == both.sum()
