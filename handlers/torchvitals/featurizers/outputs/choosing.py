"""Which features of outputs are compared, and making them of what a model gave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

import msgspec
from numpy.typing import NDArray

from ...errors import BaselineError
from .options import OutputOptions
from .output import Outputs, Signals


class Described(msgspec.Struct, frozen=True):
    """Outputs that are features already, (n, k), as `Outputs.transform` makes them."""

    spec: Outputs
    rows: NDArray[Any]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: slice) -> Described:
        return Described(self.spec, self.rows[rows])


def configured(kind: type[Outputs], batch: Any, options: OutputOptions) -> Outputs:
    """Return what outputs are; a single row may lack the dimension of rows. Raises BaselineError."""
    try:
        return kind.configured(batch, options)
    except BaselineError:
        if not hasattr(batch, "ndim"):
            raise
        return kind.configured(batch[None], options)


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
