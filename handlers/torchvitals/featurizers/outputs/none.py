"""Outputs that are not compared."""

from __future__ import annotations

from typing import Any, ClassVar, Optional

import msgspec
from numpy.typing import NDArray

from .output import Outputs, Signals


class NoOutputs(
    Outputs, msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="none", tag_field="kind"
):
    """Nothing is looked at: texts, images, or whatever else is not to be compared."""

    scores: str = "none"
    classes: list[str] = []

    features: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def of(cls, scores: Any, class_names: Optional[list[str]] = None) -> NoOutputs:
        """Return that nothing is looked at."""
        return cls()

    @classmethod
    def read(cls, value: Any) -> Any:
        """Return what a model gave."""
        return value

    @property
    def sentence(self) -> str:
        """What the outputs are, for people."""
        return "not compared"

    def accepts(self, batch: Any) -> bool:
        """Take anything."""
        return True

    def signals(self, scores: NDArray[Any]) -> Signals:
        """Return nothing."""
        return {}
