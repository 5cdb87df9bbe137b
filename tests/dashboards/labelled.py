"""What a labels service exposes, for the dashboards' queries: its real exposition over made-up totals that grow."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from prometheus_client import CollectorRegistry, start_http_server

from tests.dashboards.exporter import CLASSES, MODELS
from torchvitals_labels import quantities as q
from torchvitals_labels.exposition import Exposition, Seen
from torchvitals_labels.outcomes import bin_name
from torchvitals_labels.store import LAST, Total

ROOT = Path(__file__).resolve().parents[2]
SEGMENTS = ("carrier=AA", "carrier=UA")
# In a second: labels of each model, and of them those that say something else of a prediction than before.
LABELS, CORRECTED = 40.0, 0.1
STORED = 50.0
# Of each true class, the share that is predicted as it is; the rest is predicted as the next class.
RIGHT = (0.9, 0.8, 0.6)
CLASS_SHARES = (0.5, 0.3, 0.2)
# The segments have the same classes, and one of them is right more often.
SEGMENT_SHARES = (0.75, 0.25)
SEGMENT_RIGHT = (1.04, 0.88)
# In the ninth bin of ten all predictions are this sure, and ACCURACY of them are right.
CONFIDENCE = 0.85
ACCURACY = sum(share * right for share, right in zip(CLASS_SHARES, RIGHT))
EXPECTED = 0.87
SQUARED_ERROR, ABSOLUTE_ERRORS = 4.0, {"over": 1.2, "under": 0.3}
LOG_LOSS, BRIER = 0.4, 0.2
DELAY_SECONDS = 300.0
KIND = "class"
# What is exposed, with its labels.
EXPOSED = {
    **{f"{one.name}_total": {"model_name", "model_version", *one.labels} for one in q.OF_VERSIONS},
    **{f"{one.name}_total": set(one.labels) for one in q.OF_SERVICE},
    "labels_unmatched": set(),
    "labels_store_up": set(),
    "predictions_waiting_files": set(),
}


def recorded() -> set[str]:
    """Return the names of what is recorded of labels."""
    rules = yaml.safe_load((ROOT / "prometheus" / "rules.yml").read_text(encoding="utf-8"))
    return {
        rule["record"]
        for group in rules["groups"]
        if group["name"].startswith("torchvitals-quality-")
        for rule in group["rules"]
    }


def _rates() -> Iterator[tuple[q.Quantity, str, str, str, float]]:
    """Yield (quantity, segment, first, second, growth in a second) of each counter of a model."""
    confusion = {}
    for (place, actual), (segment, weight, better) in itertools.product(
        enumerate(CLASSES), zip(SEGMENTS, SEGMENT_SHARES, SEGMENT_RIGHT)
    ):
        came = LABELS * CLASS_SHARES[place] * weight
        right = came * RIGHT[place] * better
        wrong = CLASSES[(place + 1) % len(CLASSES)]
        yield q.LABELLED, segment, actual, "", came
        yield q.CORRECT, segment, actual, "", right
        for predicted, count in ((actual, right), (wrong, came - right)):
            confusion[segment, predicted, actual] = count
    for segment, predicted in itertools.product(SEGMENTS, CLASSES):
        count = sum(confusion.get((segment, predicted, actual), 0.0) for actual in CLASSES)
        yield q.PREDICTED, segment, predicted, "", count
    for actual, predicted in itertools.product(CLASSES, CLASSES):
        count = sum(confusion.get((segment, predicted, actual), 0.0) for segment in SEGMENTS)
        yield q.CONFUSION, "", predicted, actual, count
    yield q.CONFIDENCE, "", bin_name(8), "", LABELS
    yield q.CONFIDENCE_SUM, "", bin_name(8), "", LABELS * CONFIDENCE
    yield q.CONFIDENCE_CORRECT, "", bin_name(8), "", LABELS * ACCURACY
    for segment, weight in zip(SEGMENTS, SEGMENT_SHARES):
        share = LABELS * weight
        yield q.STORED, segment, "", "", STORED * weight
        for quantity, each in (
            (q.SCORED, 1.0),
            (q.LOG_LOSS, LOG_LOSS),
            (q.BRIER, BRIER),
            (q.ESTIMATED, 1.0),
            (q.ESTIMATED_EXPECTED, EXPECTED),
            (q.ESTIMATED_CORRECT, ACCURACY),
            (q.SQUARED_ERROR, SQUARED_ERROR),
            (q.FOURTH_POWER_ERROR, 3 * SQUARED_ERROR**2),
        ):
            yield quantity, segment, "", "", share * each
        # A model of values beside, under the same name: all panels have data then.
        yield q.LABELLED, segment, "", "", share
        for direction, each in ABSOLUTE_ERRORS.items():
            yield q.ABSOLUTE_ERROR, segment, direction, "", share * each
    for limit in (*map(str, q.DELAYS), "+Inf"):
        yield q.DELAY_BUCKET, "", limit, "", LABELS * float(float(limit) >= DELAY_SECONDS)
    yield q.DELAY_SUM, "", "", "", LABELS * DELAY_SECONDS
    yield q.DELAY_COUNT, "", "", "", LABELS


class _Growing:
    def __init__(self) -> None:
        self._start = time.time()

    def __call__(self) -> Seen:
        elapsed = time.time() - self._start
        totals = []
        for model, version in MODELS:
            totals.append(Total(model, version, LAST, "", "", "", "", time.time()))
            for quantity, segment, first, second, rate in _rates():
                changes = {"": 1.0}
                if "change" in quantity.labels:
                    changes = {q.ADDED: 1.0 + CORRECTED, q.TAKEN_BACK: CORRECTED}
                for change, times in changes.items():
                    totals.append(
                        Total(
                            model,
                            version,
                            quantity.name,
                            segment,
                            first,
                            second,
                            change,
                            rate * times * elapsed,
                        )
                    )
        totals.append(Total("", "", q.RECEIVED.name, "", "new", "", "", LABELS * elapsed))
        totals.append(Total("", "", q.REFUSED_FILES.name, "", "", "", "", 0.0))
        kinds = [(model, version, KIND, list(CLASSES)) for model, version in MODELS]
        return Seen(totals, kinds, unmatched=12, waiting=3, store_up=True)


@contextmanager
def exposed() -> Iterator[str]:
    """Serve the metrics on a free loopback port; give host and port."""
    registry = CollectorRegistry()
    registry.register(Exposition(_Growing()))
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
