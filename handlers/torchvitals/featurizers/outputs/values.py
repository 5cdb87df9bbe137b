"""Values: one a row, or several such as a forecast, quantiles or coordinates."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any, ClassVar

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import BaselineError
from ...recording.capture import MAX_ROW_VALUES
from .binary import one_value
from .options import OutputOptions
from .output import Outputs, Signals, number_of

# Rows of up to so many values have a feature each; of wider ones fewer have, and the row as a whole.
MOST_VALUES = 32
OWN_OF_WIDE = 16
NUMBERED = re.compile(r"value\d+")
SUMMARY = ("mean", "spread", "smallest", "largest")


class Regression(
    Outputs, msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="regression", tag_field="kind"
):
    """One value a row."""

    scores: str
    classes: list[str] = []

    features: ClassVar[tuple[str, ...]] = ("value",)

    @classmethod
    def configured(cls, batch: NDArray[Any], options: OutputOptions) -> Regression:
        """Return that these are values."""
        if not one_value(batch):
            raise BaselineError(f"outputs have shape {batch.shape}; one value is (rows,) or (rows, 1)")
        return cls(scores="values")

    @property
    def sentence(self) -> str:
        """What the outputs are, for people."""
        return "one value"

    def accepts(self, batch: Any) -> bool:
        """Tell whether a batch has one value a row."""
        return one_value(batch)

    def signals(self, scores: NDArray[Any]) -> Signals:
        """Return the value of each row."""
        return {"value": np.asarray(scores, dtype=np.float64).reshape(len(scores), -1)[:, 0]}

    def validate(self) -> None:
        """Raise BaselineError where the scores are no values."""
        if self.scores != "values":
            raise BaselineError(f"outputs: a regression has scores '{self.scores}'; they must be values")


class Values(
    Outputs,
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    dict=True,
    tag="values",
    tag_field="kind",
):
    """Several values a row, (n, k); more dimensions are flattened. value_names: theirs, or none."""

    count: int
    value_names: list[str] = []
    scores: str = "values"
    classes: list[str] = []

    # Known once the number of values is; see `names`.
    features: ClassVar[tuple[str, ...]] = SUMMARY

    @classmethod
    def configured(cls, batch: NDArray[Any], options: OutputOptions) -> Values:
        """Return how many values these are."""
        if not batch.ndim or not len(batch):
            raise BaselineError(f"outputs have shape {batch.shape}; values are (rows, values)")
        count = int(np.prod(batch.shape[1:], dtype=np.int64))
        names = options.classes or []
        if names and (len(names) != count or len(set(names)) != count):
            raise BaselineError(
                f"{len(names)} names for outputs of {count} values a row; give each value a name of its own"
            )
        return cls(count=count, value_names=list(names))

    @classmethod
    def may_have(cls, name: str, options: OutputOptions) -> bool:
        """Tell whether it is the name of a value, or of the whole row."""
        return name in (options.classes or ()) or name in SUMMARY or NUMBERED.fullmatch(name) is not None

    @property
    def sentence(self) -> str:
        """What the outputs are, for people."""
        return number_of(self.count, "value", "values")

    @property
    def model(self) -> tuple[Any, ...]:
        """What the outputs of two parts share."""
        return (self.kind, self.count, self.value_names)

    @property
    def reduces(self) -> bool:
        """Whether there are more values than are copied."""
        return self.count > MAX_ROW_VALUES

    @property
    def names(self) -> list[str]:
        """The values' own, and those of the whole row where it is wide."""
        return self._names

    def accepts(self, batch: Any) -> bool:
        """Tell whether a batch has so many values a row."""
        shape = getattr(batch, "shape", ())
        return len(shape) > 0 and int(np.prod(shape[1:], dtype=np.int64)) == self.count

    def signals(self, scores: NDArray[Any]) -> Signals:
        """Return values by name; of wide rows also their mean, standard deviation, minimum and maximum."""
        rows = np.asarray(scores, dtype=np.float64).reshape(len(scores), -1)
        columns = list(rows[:, self._places].T)
        if self.count > MOST_VALUES:
            with np.errstate(invalid="ignore", over="ignore"):
                columns += [rows.mean(axis=1), rows.std(axis=1), rows.min(axis=1), rows.max(axis=1)]
        return dict(zip(self._names, columns))

    def transform(self, batch: torch.Tensor) -> torch.Tensor:
        """Return all features of values on any device."""
        rows = batch.flatten(1).float()
        own = rows[:, self._places]
        if self.count <= MOST_VALUES:
            return own
        whole = [rows.mean(1), rows.std(1, unbiased=False), rows.amin(1), rows.amax(1)]
        return torch.cat([own, torch.stack(whole, dim=1)], dim=1)

    def validate(self) -> None:
        """Raise BaselineError where the names are not as many as the values."""
        if self.count < 1 or len(self.value_names) not in (0, self.count):
            raise BaselineError(f"outputs: {len(self.value_names)} names for {self.count} values")

    @cached_property
    def _places(self) -> list[int]:
        """The values that have a feature of their own: all, or some that lie evenly apart."""
        if self.count <= MOST_VALUES:
            return list(range(self.count))
        return [int(place) for place in np.linspace(0, self.count - 1, OWN_OF_WIDE)]

    @cached_property
    def _names(self) -> list[str]:
        own = [self.value_names[place] if self.value_names else f"value{place}" for place in self._places]
        return [*own, *SUMMARY] if self.count > MOST_VALUES else own
