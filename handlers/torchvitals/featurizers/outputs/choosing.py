"""Which features of outputs are compared, and making them of what a model gave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

from ...errors import BaselineError
from .output import Outputs, Signals


def output_signals(outputs: Any, spec: Outputs) -> Signals:
    """Return the output features by name, each (n,), of what a model gave; NaN where a row is not finite.

    Raises BaselineError where it is not what the baseline describes.
    """
    batch = spec.read(outputs)
    if not spec.accepts(batch):
        raise spec.mismatch(tuple(getattr(batch, "shape", ()))[1:] or None)
    return spec.signals(batch)


def chosen_signals(spec: Outputs, wanted: Optional[Sequence[str]]) -> list[str]:
    """Return the names of the outputs' features that are wanted. Raises BaselineError for one that there is not."""
    if wanted is None:
        return spec.standard
    wrong = [name for name in wanted if name not in spec.names]
    if wrong:
        raise BaselineError(
            f"features: outputs: a {spec.kind} model has no '{wrong[0]}'; it has {', '.join(spec.names)}"
        )
    return [name for name in spec.names if name in wanted]
