"""What a label that comes later needs of each prediction: paired with its id, and written by the flush thread."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Optional

import numpy as np

from ..accuracy.estimate import ExpectedAccuracy
from ..baseline.schema import BaselineData
from ..config import GroundTruth
from ..featurizers.outputs import Binary, Classification, Outputs, Regression, probabilities
from ..recording.call import RAW, CallRecord
from ..telemetry import catalogue as m
from ..telemetry.publisher import Publisher
from .folder import lasting_folder
from .prediction_files import Column, PredictionFiles, Predictions, files_of

MOST_SCORES = 50
# Of what waits for the next flush.
MOST_ROWS = 200_000
# Of what waits until it is known what the outputs are.
MOST_HELD = 1_000
LOG_SECONDS = 60.0
REASONS = ("failed", "no_id", "rows", "order", "kind", "unknown_outputs", "not_finite", "full", "disk")

logger = logging.getLogger(__name__)


class _Named(NamedTuple):
    """Outputs (n, ...) of a form of CallRecord, with their ids, segments and times, n of each."""

    ids: list[str]
    segments: list[str]
    times: Column
    form: int
    rows: Any


@dataclass
class PredictionLog:
    """Pairs predictions with ids, and writes them. For the flush thread.

    expected: says how likely a prediction is right.
    """

    files: PredictionFiles
    expected: Optional[ExpectedAccuracy] = None
    _held: list[_Named] = field(default_factory=list)
    _waiting: list[Predictions] = field(default_factory=list)
    _written: int = 0
    _unwritten: Counter[str] = field(default_factory=Counter)
    _said: dict[str, float] = field(default_factory=dict)

    def add(self, calls: Sequence[CallRecord], form: int, rows: Any, spec: Optional[Outputs]) -> None:
        """Take in the predictions of calls: outputs (n, ...) of a `form` of CallRecord, in the order of the calls."""
        ids, segments, times = self._names_of(calls, len(rows))
        if ids is None:
            return
        named = _Named(ids, segments, times, form, rows)
        if spec is None:
            self._hold(named)
            return
        held, self._held = self._held, []
        for one in held:
            if spec.accepts(one.rows):
                self._describe(one, spec)
            else:
                self._unwritten["unknown_outputs"] += len(one.ids)
        self._describe(named, spec)

    def _hold(self, named: _Named) -> None:
        """Wait until it is known what outputs are, with the latest ones."""
        self._held.append(named)
        while sum(len(one.ids) for one in self._held) > MOST_HELD:
            self._unwritten["unknown_outputs"] += len(self._held.pop(0).ids)

    def _describe(self, named: _Named, spec: Outputs) -> None:
        ids, rows = named.ids, named.rows
        if not (spec.classifies or isinstance(spec, Regression)):
            self._tell(
                "kind", f"labels are not joined with {spec.sentence}: nothing of them is kept for labels"
            )
            self._unwritten["kind"] += len(rows)
            return
        kept = self._kept(*named, spec)
        known = np.isfinite(kept.predicted) & (kept.predicted >= (0 if kept.kind == "class" else -np.inf))
        has_id = np.array([bool(one) for one in ids])
        self._unwritten["not_finite"] += int((has_id & ~known).sum())
        self._unwritten["no_id"] += int((~has_id).sum())
        chosen = known & has_id
        self._keep(kept if chosen.all() else kept.at(np.flatnonzero(chosen).tolist()))

    def miss(self, reason: str, amount: int) -> None:
        """Count predictions that are not written."""
        self._unwritten[reason] += amount

    def start(self, publisher: Publisher) -> None:
        """Make the series exist."""
        publisher.increase(m.PREDICTIONS_WRITTEN, (), 0)
        for reason in REASONS:
            publisher.increase(m.PREDICTIONS_UNWRITTEN, (reason,), 0)

    def write(self) -> None:
        """Write what waits; what cannot be written is counted."""
        waiting, self._waiting = self._waiting, []
        for some in files_of(waiting):
            count = len(some.ids)
            try:
                if self.files.write(some):
                    self._written += count
                    continue
            except OSError as error:
                self._tell("disk", f"predictions cannot be written for labels: {error}")
                self._unwritten["disk"] += count
                continue
            folder = self.files.directory
            self._tell("full", f"{folder} is full of predictions that wait for 'torchvitals labels serve'")
            self._unwritten["full"] += count

    def publish(self, publisher: Publisher) -> None:
        """Send the increases."""
        written, self._written = self._written, 0
        if written:
            publisher.increase(m.PREDICTIONS_WRITTEN, (), written)
        unwritten, self._unwritten = self._unwritten, Counter()
        for reason, amount in unwritten.items():
            if amount:
                publisher.increase(m.PREDICTIONS_UNWRITTEN, (reason,), amount)

    def _names_of(
        self, calls: Sequence[CallRecord], rows: int
    ) -> tuple[Optional[list[str]], list[str], Column]:
        """Return ids, segments and times of the predictions of calls; None where they are not as many as the rows."""
        now, clock = time.time(), time.perf_counter_ns()
        if len(calls) > 1:
            # Of one row each, as they are brought together (pipeline.py).
            ids = [call.ids or "" for call in calls]
            segments = [call.segments for call in calls]
            began = [call.started_ns for call in calls]
        else:
            (call,) = calls
            began = [call.started_ns] * rows
            ids = (call.ids or "").split("\n")
            if len(ids) == 1 and rows > 1:
                ids = [f"{ids[0]}/{place}" if ids[0] else "" for place in range(rows)]
            segments = call.segments.split("\n")
            if len(segments) == 1:
                segments *= rows
            if len(ids) != rows or len(segments) != rows:
                self._unwritten["rows"] += rows
                return None, [], np.empty(0)
        return ids, segments, now - (clock - np.array(began, dtype=np.float64)) / 1e9

    def _kept(
        self, ids: list[str], segments: list[str], times: Column, form: int, rows: Any, spec: Outputs
    ) -> Predictions:
        signals = spec.signals(rows) if form == RAW else spec.of_features(rows)
        nothing = np.full(len(rows), np.nan)
        if isinstance(spec, Regression):
            return Predictions("value", (), ids, segments, times, signals["value"], nothing, nothing, None)
        confidence = signals.get("confidence", nothing)
        expected = nothing
        if self.expected is not None and "confidence" in signals:
            known = ~np.isnan(confidence)
            expected = nothing.copy()
            expected[known] = self.expected.of_each(confidence[known])
        scores = None
        if form == RAW and isinstance(spec, (Classification, Binary)) and len(spec.classes) <= MOST_SCORES:
            scores = probabilities(rows, spec)
        predicted = np.asarray(signals["predicted_class"], dtype=np.float64)
        return Predictions(
            "class", tuple(spec.classes), ids, segments, times, predicted, confidence, expected, scores
        )

    def _keep(self, kept: Predictions) -> None:
        if sum(len(one.ids) for one in self._waiting) + len(kept.ids) > MOST_ROWS:
            self._unwritten["full"] += len(kept.ids)
        elif kept.ids:
            self._waiting.append(kept)

    def _tell(self, reason: str, message: str) -> None:
        """Log what is wrong, once a minute a reason."""
        now = time.monotonic()
        if now - self._said.get(reason, -LOG_SECONDS) >= LOG_SECONDS:
            self._said[reason] = now
            logger.warning("%s", message)


def prediction_log(
    options: Optional[GroundTruth], baseline: Optional[BaselineData], worker: str, names: tuple[str, str]
) -> Optional[PredictionLog]:
    """Return what keeps predictions; None where the configuration does not ask for it.

    names: the model's name and version, where the options say nothing.
    """
    if options is None:
        return None
    files = PredictionFiles(
        Path(options.directory) if options.directory else lasting_folder() / "predictions",
        model_name=options.model_name or names[0],
        model_version=options.model_version or names[1],
        worker=worker,
        max_bytes=options.max_bytes,
    )
    accuracy = None if baseline is None else baseline.accuracy
    return PredictionLog(files, None if accuracy is None else ExpectedAccuracy(accuracy))
