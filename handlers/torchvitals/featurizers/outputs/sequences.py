"""Scores of classes at each place of a sequence: a language model's, a tagger's, a recogniser's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
import torch
from numpy.typing import NDArray

from ...errors import BaselineError
from .classification import SMALLEST_EXPONENT, SMALLEST_SHARE, are_probabilities
from .options import OutputOptions
from .output import Outputs

# Places of a row that are looked at, evenly apart where it has more.
MOST_PLACES = 64
DIMENSIONS = 3


class Sequences(
    Outputs, msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="sequences", tag_field="kind"
):
    """Scores of tokens or tags, (n, length, classes), of any length. padding: the class that fills a row up."""

    scores: str
    count: int
    padding: int = 0
    classes: list[str] = []

    features: ClassVar[tuple[str, ...]] = ("length", "mean_confidence", "mean_entropy", "mean_energy")
    always_reduces: ClassVar[bool] = True

    @classmethod
    def configured(cls, batch: NDArray[Any], options: OutputOptions) -> Sequences:
        """Return which scores these are."""
        if batch.ndim != DIMENSIONS:
            raise BaselineError(f"outputs have shape {batch.shape}; sequences are (rows, length, classes)")
        count = int(batch.shape[2])
        if options.classes and len(options.classes) != count:
            raise BaselineError(
                f"{len(options.classes)} class names for outputs with {count} classes; give one each"
            )
        found = "probabilities" if are_probabilities(batch.reshape(-1, count)) else "logits"
        return cls(scores=options.scores or found, count=count, padding=options.padding)

    @property
    def sentence(self) -> str:
        """What the outputs are, for people."""
        return f"sequences of {self.count:,} classes by {self.scores}"

    @property
    def model(self) -> tuple[Any, ...]:
        """What the outputs of two parts share."""
        return (self.kind, self.count, self.padding)

    @property
    def names(self) -> list[str]:
        """The names of all its features."""
        return list(self.features if self.scores == "logits" else self.features[:3])

    def accepts(self, batch: Any) -> bool:
        """Tell whether a batch holds scores of as many classes, at places of which there is one."""
        shape: Sequence[int] = getattr(batch, "shape", ())
        return len(shape) == DIMENSIONS and shape[2] == self.count and shape[1] > 0

    def transform(self, batch: torch.Tensor) -> torch.Tensor:
        """Return all features of scores on any device, of at most MOST_PLACES places of a row."""
        length = batch.shape[1]
        looked_at = batch[:, :: -(-length // MOST_PLACES)].float()
        values, places = looked_at.max(dim=2)
        real = (places != self.padding).float()
        if self.scores == "logits":
            below = (looked_at - values[:, :, None]).clamp(min=float(SMALLEST_EXPONENT))
            parts = below.exp()
            total = parts.sum(2)
            columns = [1 / total, total.log() - (parts * below).sum(2) / total, values + total.log()]
            known = values + total
        else:
            columns = [values, -(looked_at * looked_at.clamp(min=float(SMALLEST_SHARE)).log()).sum(2)]
            known = looked_at.sum(2)
        number = real.sum(1)
        # A row that is padding alone is as sure as its padding.
        weights = torch.where(number[:, None] > 0, real, torch.ones_like(real))
        means = [(column * weights).sum(1) / weights.sum(1) for column in columns]
        found = torch.stack([real.mean(1) * length, *means], dim=1)
        return found.masked_fill(~known.sum(1).isfinite()[:, None], float("nan"))

    def validate(self) -> None:
        """Raise BaselineError where the scores are none of classes."""
        if self.scores not in ("logits", "probabilities") or self.count < 1:
            raise BaselineError(f"outputs: sequences have scores '{self.scores}' of {self.count} classes")
