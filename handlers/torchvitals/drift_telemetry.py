"""From copies of inputs and outputs to drift series."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from . import metrics as m
from .baseline import Baseline, Feature, Source
from .drift_monitor import DriftMonitor
from .errors import BaselineError
from .publisher import Publisher
from .verdict import DriftReport, FeatureDrift

# Gauge and the FeatureDrift field that it shows.
FEATURE_GAUGES = (
    (m.KL, "kl_divergence"),
    (m.GAUSSIAN_KL, "gaussian_kl_divergence"),
    (m.PSI, "psi"),
    (m.JS_DISTANCE, "js_distance"),
    (m.WASSERSTEIN, "wasserstein_distance"),
    (m.MEAN_SHIFT, "mean_shift_sigmas"),
    (m.MISSING_RATIO, "missing_ratio"),
    (m.P_VALUE, "p_value"),
    (m.DRIFTED, "drifted"),
)

logger = logging.getLogger(__name__)


class DriftTelemetry:
    """Keeps the windows of one worker and counts what passed through them."""

    def __init__(self, monitor: DriftMonitor, *, window: int, worker: str, max_features: int) -> None:
        self._monitor = monitor
        self._window = str(window)
        self._worker = worker
        self._max_features = max_features
        self._observed: dict[Source, NDArray[np.int64]] = {}
        self._invalid: Counter[tuple[str, str]] = Counter()
        self._ranges = _Ranges(monitor.baseline.of_source("input"))
        self._stale = False
        self.report: Optional[DriftReport] = None

    @property
    def baseline(self) -> Baseline:
        """What the windows are compared with."""
        return self._monitor.baseline

    def start(self, publisher: Publisher) -> None:
        """Describe the baseline and make every counter series exist."""
        baseline = self.baseline
        publisher.set(m.BASELINE_INFO, (baseline.version, baseline.sha256[:12]), 1)
        publisher.set(m.BASELINE_CREATED, (), baseline.created_timestamp)
        publisher.set(m.BASELINE_SAMPLES, (), baseline.samples)
        for source in self._monitor.windows:
            shares = self._monitor.reference(source).shares
            for row, feature in self._exported(source):
                for column, label in enumerate(feature.bin_labels):
                    publisher.set(
                        m.BASELINE_BIN_RATIO, (source, feature.name, label), float(shares[row, column])
                    )
                    publisher.increase(m.OBSERVATIONS, (source, feature.name, label), 0)
        publisher.increase(m.INPUT_INVALID, ("all", "bad_shape"), 0)
        for _, feature in self._exported("input"):
            for reason in _reasons(feature):
                publisher.increase(m.INPUT_INVALID, (feature.name, reason), 0)

    def add_inputs(self, values: NDArray[Any]) -> None:
        """Take in (n, d) inputs; another width than the baseline's is counted and logged."""
        try:
            rows = self.baseline.encode(values)
        except (BaselineError, TypeError, ValueError) as error:
            self._invalid["all", "bad_shape"] += len(values)
            logger.error("inputs cannot be compared with the baseline: %s", error)
            return
        self._count("input", self._monitor.update_inputs(rows))
        self._invalid.update(self._ranges.outside(rows))

    def add_outputs(self, signals: dict[str, NDArray[np.float64]]) -> None:
        """Take in output features by name, each (n,), where the baseline has outputs."""
        if "output" in self._monitor.windows:
            self._count("output", self._monitor.update_outputs(signals))

    def evaluate(self, pause: Callable[[], None]) -> None:
        """Judge the windows, if rows came since the last time."""
        if self._stale:
            self.report = self._monitor.report(pause)
            self._stale = False

    def publish(self, publisher: Publisher) -> None:
        """Send the counters' increases and the latest verdict."""
        for source, counts in self._observed.items():
            for row, feature in self._exported(source):
                for column in np.flatnonzero(counts[row]):
                    labels = (source, feature.name, feature.bin_labels[column])
                    publisher.increase(m.OBSERVATIONS, labels, int(counts[row, column]))
        self._observed.clear()
        exported = {feature.name for _, feature in self._exported("input")} | {"all"}
        for (name, reason), amount in self._invalid.items():
            if amount and name in exported:
                publisher.increase(m.INPUT_INVALID, (name, reason), amount)
        self._invalid.clear()
        if self.report is not None:
            self._publish_report(self.report, publisher)

    def _publish_report(self, report: DriftReport, publisher: Publisher) -> None:
        exported = {(source, f.name) for source in self._monitor.windows for _, f in self._exported(source)}
        for drift in report.features.values():
            if (drift.source, drift.name) in exported:
                self._publish_feature(drift, publisher)
        publisher.set(m.DRIFTED_RATIO, (self._window, self._worker), report.drifted_ratio)
        publisher.set(m.WINDOW_SAMPLES, (self._window, self._worker), report.samples)

    def _publish_feature(self, drift: FeatureDrift, publisher: Publisher) -> None:
        labels = (drift.source, drift.name, self._window, self._worker)
        for metric, field in FEATURE_GAUGES:
            publisher.set(metric, labels, float(getattr(drift, field)))

    def _exported(self, source: Source) -> Iterator[tuple[int, Feature]]:
        """Features with series of their own; all the others still count in the verdict and the ratio."""
        features = self.baseline.of_source(source)
        return enumerate(features[: self._max_features] if source == "input" else features)

    def _count(self, source: Source, counts: NDArray[np.int64]) -> None:
        self._observed[source] = self._observed.get(source, 0) + counts
        self._stale = True


class _Ranges:
    """What the training data held, to tell values that they did not."""

    def __init__(self, features: list[Feature]) -> None:
        self._features = features
        numeric = [feature.kind == "numeric" for feature in features]
        self._low = np.array([f.min if known else -np.inf for f, known in zip(features, numeric)])
        self._high = np.array([f.max if known else np.inf for f, known in zip(features, numeric)])
        self._few = [
            (column, feature) for column, feature in enumerate(features) if feature.kind != "numeric"
        ]

    def outside(self, rows: NDArray[np.float64]) -> Counter[tuple[str, str]]:
        """Count the values of (n, d) rows by feature and reason."""
        infinite: NDArray[np.bool_] = np.isinf(rows)
        found: Counter[tuple[str, str]] = Counter()
        for reason, flags in (
            ("missing", np.isnan(rows)),
            ("infinite", infinite),
            ("below_range", (rows < self._low) & ~infinite),
            ("above_range", (rows > self._high) & ~infinite),
        ):
            counts = flags.sum(axis=0)
            for index in np.flatnonzero(counts):
                found[self._features[index].name, reason] += int(counts[index])
        for column, feature in self._few:
            values = rows[:, column]
            known = (
                np.arange(len(feature.categories)) if feature.kind == "categorical" else feature.categories
            )
            unseen = ~np.isin(values, known) & np.isfinite(values)
            found[feature.name, "unseen_category"] += int(unseen.sum())
        return found


def _reasons(feature: Feature) -> tuple[str, ...]:
    if feature.kind == "numeric":
        return ("missing", "infinite", "below_range", "above_range")
    return ("missing", "infinite", "unseen_category")
