"""Labels of which a row may have several: a sigmoid, or a logit, each."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import BaselineError
from ...recording.capture import MAX_ROW_VALUES
from .binary import HALF, positive_shares, within_unit
from .options import OutputOptions
from .output import Outputs, Signals, class_names_for, number_of

# Labels with features of their own; the whole row's count all of them.
MOST_LABELS = 20


class Multilabel(
    Outputs, msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="multilabel", tag_field="kind"
):
    """A sigmoid, or a logit, a label, (n, labels). threshold: the probability from which on a label is given."""

    scores: str
    classes: list[str]
    threshold: float = HALF

    # Known once the labels are; see `names`.
    features: ClassVar[tuple[str, ...]] = ("labels", "mean_confidence")

    @classmethod
    def configured(cls, batch: NDArray[Any], options: OutputOptions) -> Multilabel:
        """Return whether these are probabilities or logits."""
        if batch.ndim == 1 and len(options.classes or "1") == 1:
            batch = batch[:, None]
        if batch.ndim != 2:
            raise BaselineError(f"outputs have shape {batch.shape}; labels are (rows, labels)")
        names = class_names_for(batch.shape[1], options, "labels")
        if len(set(names)) < len(names):
            raise BaselineError("two labels have one name; give each its own")
        found = "probabilities" if within_unit(batch) else "logits"
        return cls(scores=options.scores or found, classes=names, threshold=options.threshold or HALF)

    @classmethod
    def may_have(cls, name: str, options: OutputOptions) -> bool:
        """Tell whether it is a feature of the whole row, or of one label."""
        return name in cls.features or name.startswith(("positive_", "confidence_"))

    @property
    def sentence(self) -> str:
        """What the outputs are, for people."""
        how = "sigmoids" if self.scores == "probabilities" else "logits"
        return f"{number_of(len(self.classes), 'label', 'labels')} by {how}"

    @property
    def reduces(self) -> bool:
        """Whether there are more labels than are copied."""
        return len(self.classes) > MAX_ROW_VALUES

    @property
    def names(self) -> list[str]:
        """How many labels a row has and how sure they are; then each label's own, of the first MOST_LABELS."""
        own = self.classes[:MOST_LABELS]
        return [*self.features, *(f"{what}_{name}" for name in own for what in ("positive", "confidence"))]

    def signals(self, scores: NDArray[Any]) -> Signals:
        """Return the number of labels, their mean confidence, and of each label whether it is given and how surely."""
        positive = positive_shares(np.asarray(scores).reshape(len(scores), -1), self.scores)
        unknown = np.isnan(positive)
        given: NDArray[np.float64] = np.where(unknown, np.nan, positive >= self.threshold)
        sure = np.where(given == 1, positive, 1.0 - positive)
        own = (
            column
            for label in range(min(len(self.classes), MOST_LABELS))
            for column in (given[:, label], sure[:, label])
        )
        return dict(zip(self.names, (given.sum(axis=1), sure.mean(axis=1), *own)))

    def transform(self, batch: torch.Tensor) -> torch.Tensor:
        """Return all features of labels on any device."""
        scores = batch.float()
        positive = scores.sigmoid() if self.scores == "logits" else scores
        given = (positive >= self.threshold).float().masked_fill(positive.isnan(), float("nan"))
        sure = torch.where(given == 1, positive, 1 - positive)
        own = torch.stack([given[:, :MOST_LABELS], sure[:, :MOST_LABELS]], dim=2).flatten(1)
        return torch.cat([given.sum(1, keepdim=True), sure.mean(1, keepdim=True), own], dim=1)

    def validate(self) -> None:
        """Raise BaselineError where the scores are none of labels."""
        if self.scores not in ("logits", "probabilities"):
            raise BaselineError(
                f"outputs: multilabel has scores '{self.scores}'; they must be logits or probabilities"
            )
