"""A class for each pixel: by scores, by ids, or yes and no."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import BaselineError
from .binary import HALF, ROUNDING, within_unit
from .classification import SMALLEST_EXPONENT, are_probabilities
from .options import OutputOptions
from .output import Outputs, number_of

# Pixels along a side that are looked at, evenly apart where an image has more.
MOST_PIXELS = 64
# Classes with a share of their own.
MOST_SHARES = 32
SCORE_DIMENSIONS, ID_DIMENSIONS = 4, 3
MOST_IDS = 1_000
# The share of pixels whose id is no class.
UNKNOWN = "unknown"


class Masks(
    Outputs, msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="masks", tag_field="kind"
):
    """Masks: scores, (n, classes, height, width), or ids, (n, height, width).

    sigmoid: whether each class is yes or no by itself; so is one of one class. scores: logits, probabilities or ids.
    """

    scores: str
    classes: list[str]
    sigmoid: bool = False
    threshold: float = HALF

    # Known once the classes are; see `names`.
    features: ClassVar[tuple[str, ...]] = ("mean_confidence", "mean_energy")
    always_reduces: ClassVar[bool] = True

    @classmethod
    def configured(cls, batch: NDArray[Any], options: OutputOptions) -> Masks:
        """Return what masks these are."""
        if batch.ndim not in (ID_DIMENSIONS, SCORE_DIMENSIONS):
            raise BaselineError(
                f"outputs have shape {batch.shape}; masks are (images, classes, height, width) or "
                "(images, height, width)"
            )
        if batch.ndim == ID_DIMENSIONS and batch.dtype.kind in "iu" and batch.max(initial=0) > 1:
            return cls._of_ids(batch, options)
        if (
            batch.ndim == SCORE_DIMENSIONS
            and batch.shape[1] == 1
            and batch.dtype.kind in "iu"
            and batch.max() > 1
        ):
            return cls._of_ids(batch[:, 0], options)
        count = 1 if batch.ndim == ID_DIMENSIONS else int(batch.shape[1])
        names = list(options.classes or map(str, range(count)))
        if count == 1 and len(names) == 2:
            names = names[1:]
        if len(names) != count:
            raise BaselineError(f"{len(names)} class names for masks of {count} classes; give one each")
        unit, whole = within_unit(batch), False
        if count > 1 and unit:
            whole = are_probabilities(np.moveaxis(batch, 1, -1).reshape(-1, count))
        found = "probabilities" if unit and (count == 1 or whole or _telling(batch)) else "logits"
        scores = options.scores or found
        return cls(
            scores=scores,
            classes=_checked(names),
            sigmoid=count == 1 or (scores == "probabilities" and not whole),
            threshold=options.threshold or HALF,
        )

    @classmethod
    def _of_ids(cls, batch: NDArray[Any], options: OutputOptions) -> Masks:
        most = int(batch.max(initial=0))
        if most >= MOST_IDS:
            raise BaselineError(
                f"outputs of shape {batch.shape} are whole numbers up to {most}; masks have at most "
                f"{MOST_IDS:,} classes"
            )
        names = list(options.classes or map(str, range(most + 1)))
        if len(names) <= most:
            raise BaselineError(f"{len(names)} class names for masks with class {most}; give one each")
        return cls(scores="ids", classes=_checked(names))

    @classmethod
    def may_have(cls, name: str, options: OutputOptions) -> bool:
        """Tell whether it is a feature of the whole row, or of one class."""
        return name in cls.features or name.startswith("share_") or name == UNKNOWN

    @property
    def sentence(self) -> str:
        """What the outputs are, for people."""
        how = "sigmoids" if self.sigmoid and self.scores == "probabilities" else self.scores
        return f"masks of {number_of(len(self.classes), 'class', 'classes')} by {how}"

    @property
    def names(self) -> list[str]:
        """The share of each class, of the first MOST_SHARES; what the pixels' confidence is, unless they are ids."""
        shares = [f"share_{name}" for name in self.classes[:MOST_SHARES]]
        if self.scores == "ids":
            return [*shares, UNKNOWN]
        return [*shares, *(self.features if self.scores == "logits" else self.features[:1])]

    def accepts(self, batch: Any) -> bool:
        """Tell whether a batch holds such masks, of any size."""
        shape: Sequence[int] = getattr(batch, "shape", ())
        if 0 in shape[1:]:
            return False
        if self.scores == "ids" and not _whole(batch):
            return False
        if len(shape) == ID_DIMENSIONS:
            return self.scores == "ids" or len(self.classes) == 1
        return len(shape) == SCORE_DIMENSIONS and shape[1] == (
            1 if self.scores == "ids" else len(self.classes)
        )

    def transform(self, batch: torch.Tensor) -> torch.Tensor:
        """Return all features of masks on any device, of at most MOST_PIXELS pixels a side."""
        if batch.ndim == ID_DIMENSIONS:
            batch = batch[:, None]
        down, across = (-(-size // MOST_PIXELS) for size in batch.shape[2:])
        pixels = batch[:, :, ::down, ::across].flatten(2)
        if self.scores == "ids":
            return self._of_whole(pixels[:, 0])
        scores = pixels.float()
        shares, sure, energy = self._by_sigmoids(scores) if self.sigmoid else self._by_classes(scores)
        columns = [shares[:, :MOST_SHARES], sure[:, None]]
        if self.scores == "logits":
            columns.append(energy[:, None])
        return torch.cat(columns, dim=1).masked_fill(~energy.isfinite()[:, None], float("nan"))

    def _of_whole(self, ids: torch.Tensor) -> torch.Tensor:
        known = torch.arange(len(self.classes), device=ids.device)
        shares = [(ids == one).float().mean(1) for one in known[:MOST_SHARES]]
        unknown = ((ids < 0) | (ids >= len(known))).float().mean(1)
        return torch.stack([*shares, unknown], dim=1)

    def _by_sigmoids(self, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        positive = scores.sigmoid() if self.scores == "logits" else scores
        given = positive >= self.threshold
        sure = torch.where(given, positive, 1 - positive)
        if self.scores == "probabilities":
            # What is no probability is not known.
            sure = sure.masked_fill((positive < -ROUNDING) | (positive > 1 + ROUNDING), float("nan"))
            return given.float().mean(2), sure.mean((1, 2)), sure.mean((1, 2))
        return given.float().mean(2), sure.mean((1, 2)), scores.mean((1, 2))

    def _by_classes(self, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        values, places = scores.max(dim=1)
        counts = torch.zeros(len(scores), scores.shape[1], device=scores.device)
        counts.scatter_add_(1, places, torch.ones_like(values))
        shares = counts / values.shape[1]
        if self.scores == "probabilities":
            return shares, values.mean(1), scores.sum(1).mean(1)
        total = (scores - values[:, None]).clamp(min=float(SMALLEST_EXPONENT)).exp().sum(1)
        return shares, (1 / total).mean(1), (values + total.log()).mean(1)

    def validate(self) -> None:
        """Raise BaselineError where the scores are none of masks."""
        if self.scores not in ("logits", "probabilities", "ids") or not self.classes:
            raise BaselineError(f"outputs: masks have scores '{self.scores}' of {len(self.classes)} classes")


def _whole(batch: Any) -> bool:
    if isinstance(batch, torch.Tensor):
        return not batch.is_floating_point()
    return batch.dtype.kind in "biu"


def _telling(batch: NDArray[Any]) -> bool:
    """Tell whether scores of several classes, all within 0 to 1, lie between them often enough to be sigmoids."""
    return bool(((batch > 0) & (batch < 1)).any())


def _checked(names: list[str]) -> list[str]:
    if len(set(names)) != len(names):
        raise BaselineError("two classes of the masks have one name; give each its own")
    return names
