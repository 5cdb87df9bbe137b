"""What confidence is worth, counted on labelled rows."""

from __future__ import annotations

from typing import Any, Optional

from ...accuracy.estimate import FEWEST_LABELS, Accuracy, count_accuracy
from ...errors import BaselineError
from .choosing import output_signals
from .output import Outputs


def estimable(spec: Optional[Outputs]) -> bool:
    """Tell whether outputs are classes with a confidence, of which accuracy can be estimated."""
    return spec is not None and spec.classifies and "confidence" in spec.names


def labelled_accuracy(
    spec: Optional[Outputs], outputs: Any, labels: Any, *, fewest: int = FEWEST_LABELS
) -> Accuracy:
    """Return what confidence is worth. Raises BaselineError where the outputs are no classes, or labels too few."""
    if spec is None or outputs is None or not estimable(spec):
        raise BaselineError(
            "labels are given, and the baseline has no classes to compare them with; give the outputs of a classifier, "
            "with a score a class, or one of two named classes (class_names)"
        )
    signals = output_signals(outputs, spec)
    found = count_accuracy(signals["predicted_class"], signals["confidence"], labels, spec.classes)
    if found.samples < fewest:
        raise BaselineError(f"only {found.samples} rows have a label; give at least {fewest}")
    return found
