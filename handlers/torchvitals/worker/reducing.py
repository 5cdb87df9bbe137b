"""What is made of large inputs on the request path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

from ..baseline.schema import BaselineData
from ..featurizers import reducer
from .learning import BaselineLearner


def reducer_of(
    baseline: Optional[BaselineData], learner: Optional[BaselineLearner]
) -> Optional[Callable[[Any], Any]]:
    """Return what makes a few numbers of inputs on the request path; None where they are columns already."""
    if baseline is None:
        return None if learner is None else learner.reduce
    return None if baseline.inputs is None else reducer(baseline.inputs)
