"""From copies of outputs to class and confidence series."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from ..baseline.schema import Feature
from ..config import Thresholds
from ..featurizers.outputs import (
    EMBEDDING_STEP,
    OUTPUTS,
    TWO_CLASSES,
    Binary,
    Classification,
    Multilabel,
    OutputOptions,
    Outputs,
    Signals,
    are_probabilities,
    classes_of_probe,
    recognised,
    signals_of_probe,
    within_unit,
)
from . import catalogue as m
from .classes import ClassCounts
from .confidence import DEFAULT_CONFIDENCE, mean_limit
from .histograms import HistogramCounter
from .publisher import Publisher

# Dimensions of scores: rows and classes.
SCORES = 2
# Rows within 0 to 1 that do not show whether they are probabilities or logits; from so many on they are the former.
TELLING_ROWS = 20

logger = logging.getLogger(__name__)


class PredictionTelemetry:
    """Adds predictions up between flushes.

    Without a baseline that describes the outputs, their kind is the one that is said, or it is told from the first ones
    that leave little doubt: one value a row, probabilities, or as many scores as the model has classes. Other scores
    are taken for logits unless they are sigmoids, or their number or their length says that they are embeddings.
    Generated ids, masks and the like are left alone.

    classes: how many classes the model is known to tell apart. said: what the configuration says of the outputs.
    baseline: the features of outputs that the baseline describes.
    """

    def __init__(
        self,
        outputs: Optional[Outputs],
        thresholds: Thresholds,
        *,
        window: int,
        classes: Optional[int] = None,
        said: Optional[OutputOptions] = None,
        baseline: Sequence[Feature] = (),
    ) -> None:
        self._outputs = outputs
        self._known_classes = classes
        self._said = said or OutputOptions()
        self._baseline = baseline
        # Rows that do not tell yet what they are.
        self._undecided: list[NDArray[Any]] = []
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

    @property
    def spec(self) -> Optional[Outputs]:
        """What the outputs are, once it is known."""
        return self._outputs

    def add(self, scores: NDArray[Any]) -> Signals:
        """Take in (n, ...) outputs; return the output features by name, each (n,); none of outputs of no known kind.

        Raises BaselineError where they are not what the baseline describes.
        """
        if self._outputs is None:
            self._tell(scores)
            if self._outputs is None:
                return {}
            undecided, self._undecided = self._undecided, []
            scores = np.concatenate([*undecided, scores])
        if not self._outputs.accepts(scores):
            raise self._outputs.mismatch(tuple(scores.shape[1:]))
        return self._counted(self._outputs.signals(scores))

    def add_features(self, rows: NDArray[Any]) -> Signals:
        """Take in what outputs became on the request path, (n, k), as `add` does."""
        return {} if self._outputs is None else self._counted(self._outputs.of_features(rows))

    def add_probed(self, rows: NDArray[Any]) -> Signals:
        """Take in what a probe of wide scores gave, (n, k), as `add` does."""
        if self._outputs is None:
            self._take_for(classes_of_probe(rows, self._known_classes))
        spec = self._outputs
        if not isinstance(spec, Classification) or len(spec.classes) != rows[0, -1]:
            return {}
        return self._counted(signals_of_probe(rows, spec))

    def follow(self, outputs: Optional[Outputs], baseline: Sequence[Feature] = ()) -> None:
        """Take outputs for what a baseline that was learned meanwhile says they are."""
        if outputs is not None:
            self._outputs, self._baseline = outputs, baseline
            self._counted_before, self._classes, self._started = self._classes, None, False

    def describes(self, scores: NDArray[Any]) -> bool:
        """Tell whether outputs (n, ...) may be described: their kind is known or said, or leaves no doubt."""
        if self._outputs is not None or self._said.kind is not None:
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

    def _tell(self, scores: NDArray[Any]) -> None:
        """Find out what outputs are; rows that do not show it yet wait, a few of them."""
        if not self.describes(scores):
            return
        if self._undecided and self._undecided[0].shape[1:] != scores.shape[1:]:
            self._undecided = []
        together = np.concatenate([*self._undecided, scores])
        kind = self._kind_of(together)
        if kind is None or kind.learns or not len(together):
            return
        unclear = kind in (Binary, Multilabel) and within_unit(together) and self._said.scores is None
        if unclear and len(together) < TELLING_ROWS:
            self._undecided.append(scores)
            return
        self._take_for(kind.configured(together, self._said))

    def _kind_of(self, scores: NDArray[Any]) -> Optional[type[Outputs]]:
        """Return the kind that is said, or told by what is known of the model; None for one that has no classes."""
        if self._said.kind is not None:
            kind = OUTPUTS.named(self._said.kind)
            return kind if kind.classifies else None
        if scores.shape[1] == 1 and (self._known_classes == TWO_CLASSES or self._said.classes):
            return Binary
        return recognised(scores, self._said.classes)

    def _take_for(self, outputs: Optional[Outputs]) -> None:
        if outputs is not None:
            self._outputs = outputs
            logger.info(
                "outputs are taken for %s; 'features: outputs: kind' in the configuration says otherwise",
                outputs.sentence,
            )

    def _counted(self, signals: Signals) -> Signals:
        if self._outputs is not None and self._outputs.classifies:
            self._add_classes(signals["predicted_class"], signals.get("confidence"))
        return signals

    @property
    def least_confidence(self) -> Optional[float]:
        """The confidence below which a prediction is an anomaly; None where none is.

        It is the threshold, unless that is the default one and the model was less sure in training already: then it is
        the least of its confidence there.
        """
        limit = self._thresholds.confidence
        if limit is None or limit != DEFAULT_CONFIDENCE:
            return limit
        trained = self._trained_confidence
        return limit if trained is None or trained.mean >= limit else trained.min

    @property
    def least_mean_confidence(self) -> Optional[float]:
        """The limit of the mean confidence, as `mean_limit` says; None where there is none."""
        classes = 0 if self._outputs is None else len(self._outputs.classes)
        return mean_limit(self._thresholds.confidence, self._trained_confidence, classes)

    @property
    def _trained_confidence(self) -> Optional[Feature]:
        return next((feature for feature in self._baseline if feature.name == "confidence"), None)

    @property
    def largest_class_share(self) -> float:
        """Share of the most frequent class among the last predictions; 0 while they are too few.

        A class that is more frequent in the baseline than the threshold allows is left out, unless it became yet more
        frequent by far.
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

    def _add_classes(self, predicted: NDArray[np.float64], confidence: Optional[NDArray[np.float64]]) -> None:
        """Count classes; a class without a score has no confidence."""
        if confidence is not None:
            known = confidence[~np.isnan(confidence)]
            self._confidence.observe(known)
            self._recent_confidence.extend(known.tolist())
            limit = self.least_confidence
            if limit is not None:
                self._anomalies["low_confidence"] += int((known < limit).sum())
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
        if self._started or self._outputs is None or not self._outputs.classifies:
            return
        self._counts_of_classes().start(publisher)
        if "confidence" in self._outputs.names:
            self._confidence.publish(publisher, create=True)
        self._started = True
