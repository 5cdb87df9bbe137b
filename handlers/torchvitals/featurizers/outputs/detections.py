"""Boxes with classes and scores, any number of them an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Optional

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import BaselineError
from .decided import joined_ids, places_of
from .options import OutputOptions
from .output import Outputs, Signals, number_of

BOXES, SCORES, LABELS = "boxes", "scores", "labels"
CORNERS = 4
TOP_CLASS = "top_class"
# In the place of boxes that an image lacks beside others.
NO_BOX = float("-inf")


class Boxes(msgspec.Struct, frozen=True):
    """The boxes of some images, filled up to the same number: (n, m, 4), scores (n, m), labels (n, m) or None."""

    boxes: torch.Tensor
    scores: torch.Tensor
    labels: Optional[torch.Tensor]

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: slice) -> Boxes:
        labels = None if self.labels is None else self.labels[rows]
        return Boxes(self.boxes[rows], self.scores[rows], labels)


class Detections(
    Outputs, msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="detections", tag_field="kind"
):
    """Boxes, scores and labels of each image: a list of mappings, one mapping, or a tuple of three.

    ids: the number that stands for each class, ascending. threshold: only boxes of a higher score count.
    """

    classes: list[str] = []
    ids: list[int] = []
    named: bool = False
    threshold: float = 0.0
    scores: str = "boxes"

    features: ClassVar[tuple[str, ...]] = (
        "boxes", "mean_score", "top_score", "box_size", "box_position", TOP_CLASS,
    )  # fmt: skip
    by_class: ClassVar[tuple[str, ...]] = (TOP_CLASS,)
    grows: ClassVar[bool] = True
    always_reduces: ClassVar[bool] = True

    @classmethod
    def configured(cls, batch: Boxes, options: OutputOptions) -> Detections:
        """Return which classes there are."""
        threshold = options.threshold or 0.0
        if options.classes:
            return cls(
                classes=list(options.classes),
                ids=list(range(len(options.classes))),
                named=True,
                threshold=threshold,
            )
        return cls(threshold=threshold).grown(batch)

    @classmethod
    def read(cls, value: Any) -> Boxes:
        """Return the boxes that a model gave. Raises BaselineError where there are none of the kind."""
        found = cls.served(value)
        if found is None:
            raise BaselineError(
                "the outputs are no detections; give a list of {boxes, scores, labels}, one of them, or a tuple"
            )
        return found

    @classmethod
    def served(cls, value: Any) -> Optional[Boxes]:
        """Return the boxes that a model gave, where they are; None where there are none of the kind."""
        return boxes_in(value)

    @property
    def sentence(self) -> str:
        """What the outputs are, for people."""
        return f"boxes of {number_of(len(self.classes), 'class', 'classes')}"

    @property
    def model(self) -> tuple[Any, ...]:
        """What the outputs of two parts share."""
        return (self.kind, self.threshold, self.classes if self.named else None)

    def accepts(self, batch: Any) -> bool:
        """Tell whether a batch holds boxes."""
        return isinstance(batch, Boxes)

    def grown(self, batch: Boxes) -> Detections:
        """Return these with the classes of a further batch."""
        if self.named or batch.labels is None:
            return self
        real = batch.labels[batch.scores > self.threshold]
        return self._with(np.unique(real.cpu().numpy()).astype(np.int64))

    def grown_by_features(self, rows: NDArray[Any]) -> Detections:
        """Return these with the top classes of further features."""
        if self.named:
            return self
        labels = rows[:, self.features.index(TOP_CLASS)]
        return self._with(np.unique(labels[np.isfinite(labels)]).astype(np.int64))

    def joined(self, other: Detections) -> Detections:
        """Return these with the classes of another part."""
        return self if self.named else self._with(np.array(other.ids, dtype=np.int64))

    def transform(self, batch: Boxes) -> torch.Tensor:
        """Return all features; the top box's label as it is, which `of_features` makes a place."""
        boxes, scores = batch.boxes.float(), batch.scores.float()
        if not scores.shape[1]:
            boxes = boxes.new_zeros(len(scores), 1, CORNERS)
            scores = scores.new_full((len(scores), 1), NO_BOX)
        # A score that is not a number makes the image unknown.
        damaged = scores.isnan().any(1)
        real = scores > self.threshold
        count = real.sum(1)
        some = count > 0
        nothing = torch.full_like(count, float("nan"), dtype=torch.float32)
        best, place = scores.masked_fill(~real, NO_BOX).max(dim=1)
        divisor = count.clamp(min=1)
        size = ((boxes[:, :, 2] - boxes[:, :, 0]) * (boxes[:, :, 3] - boxes[:, :, 1])).abs().sqrt()
        means = [
            column.masked_fill(~real, 0.0).sum(1) / divisor for column in (scores, size, boxes.mean(dim=2))
        ]
        if batch.labels is None or not batch.labels.shape[1]:
            label = nothing
        else:
            label = batch.labels.gather(1, place[:, None])[:, 0].float()
        found = [means[0], best, means[1], means[2], label]
        columns = [torch.where(some, column, nothing) for column in found]
        return torch.stack([count.float(), *columns], dim=1).masked_fill(damaged[:, None], float("nan"))

    def of_features(self, rows: NDArray[Any]) -> Signals:
        """Return the features by name; the top class is its place, -1 for one that is not known."""
        found = super().of_features(rows)
        found[TOP_CLASS] = places_of(found[TOP_CLASS], self.ids)
        return found

    def validate(self) -> None:
        """Raise BaselineError where there is not a number for each class."""
        if len(self.ids) != len(self.classes) or sorted(set(self.ids)) != self.ids:
            raise BaselineError("outputs: detections need a number for each class, ascending")

    def _with(self, ids: NDArray[np.int64]) -> Detections:
        known = joined_ids(self.ids, ids)
        if known == self.ids:
            return self
        return msgspec.structs.replace(self, classes=[str(one) for one in known], ids=known)


def boxes_in(value: Any) -> Optional[Boxes]:
    """Return the boxes in what a model gave; None where it is something else."""
    if isinstance(value, Boxes):
        return value
    if isinstance(value, (list, tuple)) and value and all(isinstance(one, Mapping) for one in value):
        images = [_of_image(one) for one in value]
        return None if None in images else _filled(images)
    if isinstance(value, Mapping):
        return (
            None
            if BOXES not in value or SCORES not in value
            else _of_parts(value[BOXES], value[SCORES], value.get(LABELS))
        )
    if isinstance(value, tuple) and len(value) == 3:
        return _of_tuple(value)
    return None


def _of_tuple(parts: tuple[Any, ...]) -> Optional[Boxes]:
    """Return boxes of a tuple: what has four corners, then scores and labels in any order, told by their type."""
    tensors = [tensor for tensor in map(_tensor, parts) if tensor is not None]
    if len(tensors) != len(parts):
        return None
    boxes, *rest = tensors
    floats = [tensor for tensor in rest if tensor.is_floating_point()]
    whole = [tensor for tensor in rest if not tensor.is_floating_point()]
    if len(floats) != 1 or len(whole) != 1:
        return None
    scores, labels = floats[0], whole[0]
    if boxes.ndim not in (2, 3) or boxes.shape[-1] != CORNERS or boxes.shape[:-1] != scores.shape:
        return None
    return _of_parts(boxes, scores, labels)


def _of_parts(boxes: Any, scores: Any, labels: Any) -> Optional[Boxes]:
    """Return boxes of one image, (m, 4), of several, (n, m, 4), or of a list with an entry an image."""
    if (
        isinstance(scores, (list, tuple))
        and scores
        and _tensor(scores[0]) is not None
        and isinstance(scores[0], (torch.Tensor, np.ndarray, list))
    ):
        none = [None] * len(scores)
        return boxes_in(
            [
                {BOXES: box, SCORES: score, LABELS: label}
                for box, score, label in zip(boxes, scores, none if labels is None else labels)
            ]
        )
    box, score, label = _tensor(boxes), _tensor(scores), None if labels is None else _tensor(labels)
    if box is None or score is None:
        return None
    if score.ndim == 1:
        box, score, label = box.reshape(1, -1, CORNERS), score[None], None if label is None else label[None]
    if box.ndim != 3 or box.shape[-1] != CORNERS or box.shape[:-1] != score.shape:
        return None
    if label is not None and label.shape != score.shape:
        return None
    return Boxes(box, score, label)


def _of_image(image: Mapping[str, Any]) -> Optional[Boxes]:
    found = boxes_in(image)
    return found if found is not None and len(found) == 1 else None


def _filled(images: list[Any]) -> Boxes:
    """Return the boxes of images, filled up to the largest number of them."""
    pad = torch.nn.utils.rnn.pad_sequence
    boxes = pad([image.boxes[0].float() for image in images], batch_first=True)
    scores = pad([image.scores[0].float() for image in images], batch_first=True, padding_value=NO_BOX)
    if any(image.labels is None for image in images):
        return Boxes(boxes, scores, None)
    return Boxes(boxes, scores, pad([image.labels[0].long() for image in images], batch_first=True))


def _tensor(value: Any) -> Optional[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return None if value.is_nested else value.detach()
    try:
        array = np.asarray(value)
    except ValueError:
        return None
    return torch.from_numpy(np.ascontiguousarray(array)) if array.dtype.kind in "iuf" else None
