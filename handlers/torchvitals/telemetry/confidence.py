"""Which mean confidence is low for a model: a limit that it can fall below, and does not by chance."""

from __future__ import annotations

from typing import Optional

from ..baseline.schema import Feature
from ..config import Thresholds

DEFAULT_CONFIDENCE = Thresholds().confidence
# How far below the mean of training a limit stays, in standard deviations of a prediction: five of the mean of 100
# predictions, which is as few as the alert takes.
MARGIN_STD = 0.5


def mean_limit(limit: Optional[float], trained: Optional[Feature], classes: int) -> Optional[float]:
    """Return the limit of the mean confidence; None for none.

    It is the threshold, unless that is the default one and says nothing of this model: of two classes the likelier one
    has half at least, and a model may have been less sure in training already. Then the limit is halfway between a
    guess and the mean of training, or lower where single predictions vary much.

    limit: the threshold. trained: the confidence in training, where the baseline has it. classes: how many there are.
    """
    if limit is None or limit != DEFAULT_CONFIDENCE or trained is None or classes < 1:
        return limit
    guess, margin = 1.0 / classes, trained.mean - MARGIN_STD * trained.std
    return limit if guess < limit <= margin else min((guess + trained.mean) / 2, margin)
