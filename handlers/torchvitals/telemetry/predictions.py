"""From copies of outputs to class and confidence series."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from ..baseline.schema import Feature
from ..config import Thresholds
from ..errors import BaselineError
from ..featurizers.outputs import Outputs, are_probabilities, output_signals, outputs_of
from . import catalogue as m
from .classes import ClassCounts
from .histograms import HistogramCounter
from .publisher import Publisher

# Dimensions of scores: rows and classes.
SCORES = 2
# Embeddings have a multiple of so many dimensions, for the hardware's sake; classes seldom do.
EMBEDDING_STEP = 16


class PredictionTelemetry:
    """Adds predictions up between flushes.

    Without a baseline that describes the outputs, their kind is told from the first ones that leave little doubt: one
    value a row, probabilities, or as many scores as the model has classes. Other scores are taken for logits unless
    their number or their length says that they are embeddings. Generated ids, masks and the like are left alone.

    classes: how many classes the model is known to tell apart. baseline: the features of outputs that the baseline
    describes.
    """

    def __init__(
        self,
        outputs: Optional[Outputs],
        thresholds: Thresholds,
        *,
        window: int,
        classes: Optional[int] = None,
        baseline: Sequence[Feature] = (),
    ) -> None:
        self._outputs = outputs
        self._known_classes = classes
        self._baseline = baseline
        self._thresholds = thresholds
        self._window = window
        self._confidence = HistogramCounter(m.CONFIDENCE)
        # Once the classes are known.
        self._classes: Optional[ClassCounts] = None
        # What was counted before a learned baseline said which classes there are.
        self._counted_before: Optional[ClassCounts] = None
        self._recent_confidence: deque[float] = deque(maxlen=window)
        self._anomalies: Counter[str] = Counter()
        self._new = False
        self._started = False

    def start(self, publisher: Publisher) -> None:
        """Make every series exist, as far as the kind of output is known."""
        for kind in ("low_confidence", "imbalanced_output"):
            publisher.increase(m.ANOMALIES, (kind,), 0)
        self._start_classes(publisher)

    def add(self, scores: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
        """Take in (n, ...) outputs; return the output features by name, each (n,); none of outputs of no known kind.

        Raises BaselineError where they are not what the baseline describes.
        """
        if self._outputs is None:
            if not self.describes(scores):
                return {}
            self._outputs = outputs_of(scores)
        if self._outputs.classes and (scores.ndim != SCORES or scores.shape[1] != len(self._outputs.classes)):
            raise BaselineError(
                f"the model gave outputs of {scores.shape[1:]} a row, the baseline has "
                f"{len(self._outputs.classes)} classes; build the baseline with this model"
            )
        signals = output_signals(scores, self._outputs)
        if self._outputs.kind == "classification":
            self._add_classes(signals["predicted_class"], signals["confidence"])
        return signals

    def follow(self, outputs: Optional[Outputs], baseline: Sequence[Feature] = ()) -> None:
        """Take outputs for what a baseline that was learned meanwhile says they are."""
        if outputs is not None:
            self._outputs, self._baseline = outputs, baseline
            self._counted_before, self._classes, self._started = self._classes, None, False

    def describes(self, scores: NDArray[Any]) -> bool:
        """Tell whether it is known, or leaves no doubt, of which kind outputs (n, ...) are."""
        if self._outputs is not None:
            return True
        if scores.ndim != SCORES or scores.dtype.kind != "f":
            return False
        if scores.shape[1] in (1, self._known_classes):
            return True
        # Whole numbers may be one-hot rows.
        if are_probabilities(scores) and not (scores == np.floor(scores)).all():
            return True
        lengths = np.square(scores, dtype=np.float64).sum(axis=1)
        return scores.shape[1] % EMBEDDING_STEP != 0 and not np.allclose(lengths, 1.0, atol=1e-3)

    @property
    def largest_class_share(self) -> float:
        """Share of the most frequent class among the last predictions; 0 while they are too few.

        A class that is as frequent in the baseline as the threshold forbids is left out.
        """
        limit = self._thresholds.class_share
        return 0.0 if self._classes is None else self._classes.largest_share(1.0 if limit is None else limit)

    def recent_confidence(self) -> NDArray[np.float64]:
        """Return the confidence of the last predictions, (n,)."""
        return np.array(self._recent_confidence)

    def publish(self, publisher: Publisher) -> None:
        """Send the increases."""
        self._start_classes(publisher)
        limit = self._thresholds.class_share
        if self._new and limit is not None and self.largest_class_share > limit:
            self._anomalies["imbalanced_output"] += 1
        self._new = False
        self._confidence.publish(publisher)
        counted = [one for one in (self._counted_before, self._classes) if one is not None]
        self._counted_before = None
        for classes in counted:
            classes.publish(publisher)
        anomalies, self._anomalies = self._anomalies, Counter()
        for kind, amount in anomalies.items():
            if amount:
                publisher.increase(m.ANOMALIES, (kind,), amount)

    def _add_classes(self, predicted: NDArray[np.float64], confidence: NDArray[np.float64]) -> None:
        known = confidence[~np.isnan(confidence)]
        self._confidence.observe(known)
        self._recent_confidence.extend(known.tolist())
        if self._thresholds.confidence is not None:
            self._anomalies["low_confidence"] += int((known < self._thresholds.confidence).sum())
        self._counts_of_classes().add(predicted[~np.isnan(predicted)])
        self._new = True

    def _counts_of_classes(self) -> ClassCounts:
        if self._classes is None:
            names = [] if self._outputs is None else self._outputs.classes
            # A feature's last two bins are no classes.
            counts = next((f.counts[:-2] for f in self._baseline if f.name == "predicted_class"), [])
            self._classes = ClassCounts(names, baseline=counts, window=self._window)
        return self._classes

    def _start_classes(self, publisher: Publisher) -> None:
        if self._started or self._outputs is None or self._outputs.kind != "classification":
            return
        self._counts_of_classes().start(publisher)
        self._confidence.publish(publisher, create=True)
        self._started = True
