"""Models of every kind of output: what each gives while all is well, and what it gives when something breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Optional

import numpy as np
import torch

from torchvitals import Features

# What a model gives for so many rows.
Gives = Callable[[np.random.Generator, int], Any]
HOURS = np.sin(np.arange(24) / 24 * 2 * np.pi)


@dataclass(frozen=True)
class Case:
    """A model's outputs, and a fault of that kind.

    said: what is said of the outputs; nothing where they are recognised. first: the features of which one must come
    first in the report of the fault. sentence: what the baseline calls the outputs.
    """

    sentence: str
    healthy: Gives
    broken: Gives
    first: tuple[str, ...]
    said: Any = None
    class_names: Optional[list[str]] = None
    counted: bool = False
    features: Features = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", Features(outputs=self.said))


def tensor(values: Any) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values)).float()


def sure_logits(
    rng: np.random.Generator, rows: int, classes: int, shares: Optional[list[float]] = None
) -> np.ndarray:
    """Logits of a classifier that is mostly sure."""
    scores = rng.normal(size=(rows, classes))
    scores[np.arange(rows), rng.choice(classes, size=rows, p=shares)] += rng.normal(6, 1, rows)
    return scores


def softmax(scores: np.ndarray, axis: int = -1) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def frauds(rng: np.random.Generator, rows: int, share: float = 0.2) -> np.ndarray:
    """Probabilities of fraud, (n,)."""
    return np.where(rng.random(rows) < share, rng.beta(8, 2, rows), rng.beta(1, 20, rows))


def boxes(
    rng: np.random.Generator, rows: int, most: int = 6, scale: float = 1.0
) -> list[dict[str, torch.Tensor]]:
    """Detections as torchvision gives them, without a box in some images."""
    found = []
    for count in rng.integers(0, most + 1, rows).tolist():
        corner, size = rng.uniform(0, 200, (count, 2)), rng.uniform(10, 60, (count, 2)) * scale
        found.append(
            {
                "boxes": tensor(np.concatenate([corner, corner + size], axis=1)).reshape(-1, 4),
                "labels": torch.from_numpy(rng.choice([1, 2, 17], size=count)),
                "scores": tensor(rng.beta(6, 2, count)),
            }
        )
    return found


def padded_boxes(rng: np.random.Generator, rows: int, shift: float = 0.0) -> tuple[torch.Tensor, ...]:
    """Detections as a tuple of boxes, scores and labels, filled up with boxes of score 0."""
    real = rng.random((rows, 8)) < 0.5
    corner = rng.uniform(0, 200, (rows, 8, 2)) + shift
    corners = np.concatenate([corner, corner + rng.uniform(10, 60, (rows, 8, 2))], axis=2)
    scores = np.where(real, rng.beta(6, 2, (rows, 8)), 0.0)
    return tensor(corners), tensor(scores), torch.from_numpy(rng.integers(0, 3, (rows, 8)))


def pixels(rng: np.random.Generator, rows: int, shares: list[float], side: int = 24) -> np.ndarray:
    """Classes of pixels, (n, side, side)."""
    return rng.choice(len(shares), size=(rows, side, side), p=shares)


def half_nan(values: torch.Tensor) -> torch.Tensor:
    values[::2] = torch.nan
    return values


CASES = {
    "one sigmoid": Case(
        "2 classes by one sigmoid",
        lambda rng, rows: tensor(frauds(rng, rows))[:, None],
        lambda rng, rows: tensor(frauds(rng, rows, share=0.5))[:, None],
        ("predicted_class", "confidence"),
        class_names=["legitimate", "fraud"],
        counted=True,
    ),
    "a rare sigmoid": Case(
        "2 classes by one sigmoid",
        lambda rng, rows: tensor(frauds(rng, rows, share=0.01)),
        lambda rng, rows: tensor(frauds(rng, rows, share=0.5)),
        ("predicted_class", "confidence"),
        said="binary",
        counted=True,
    ),
    "one logit": Case(
        "2 classes by one logit",
        lambda rng, rows: tensor(rng.normal(-1, 3, rows)),
        lambda rng, rows: tensor(rng.normal(3, 3, rows)),
        ("predicted_class", "confidence"),
        said={"kind": "binary", "classes": ["no", "yes"]},
        counted=True,
    ),
    "a sigmoid with its own threshold": Case(
        "2 classes by one sigmoid, positive from 0.1",
        lambda rng, rows: tensor(rng.beta(1, 20, rows)),
        lambda rng, rows: tensor(rng.beta(2, 20, rows)),
        ("predicted_class", "confidence"),
        said={"kind": "binary", "threshold": 0.1},
        counted=True,
    ),
    "half precision logits": Case(
        "3 classes by logits",
        lambda rng, rows: tensor(sure_logits(rng, rows, 3)).half(),
        lambda rng, rows: tensor(sure_logits(rng, rows, 3, [0.6, 0.3, 0.1])).half(),
        ("predicted_class",),
        class_names=["a", "b", "c"],
        counted=True,
    ),
    "bfloat16 probabilities": Case(
        "3 classes by probabilities",
        lambda rng, rows: tensor(softmax(sure_logits(rng, rows, 3))).bfloat16(),
        lambda rng, rows: tensor(softmax(0.5 * sure_logits(rng, rows, 3))).bfloat16(),
        ("confidence", "margin", "entropy"),
        counted=True,
    ),
    "half of the rows NaN": Case(
        "3 classes by logits",
        lambda rng, rows: half_nan(tensor(sure_logits(rng, rows, 3))),
        lambda rng, rows: tensor(sure_logits(rng, rows, 3)),
        ("predicted_class", "confidence", "entropy", "margin", "energy"),
        counted=True,
    ),
    "wide logits": Case(
        "3,000 classes by logits",
        lambda rng, rows: tensor(rng.normal(size=(rows, 3000)) + 9 * np.eye(3000)[rng.integers(0, 20, rows)]),
        lambda rng, rows: tensor(rng.normal(size=(rows, 3000)) + 9 * np.eye(3000)[rng.integers(0, 5, rows)]),
        ("predicted_class",),
        counted=True,
    ),
    "decided classes": Case(
        "3 classes, decided",
        lambda rng, rows: torch.from_numpy(rng.choice([-1, 0, 1], size=rows, p=[0.2, 0.5, 0.3])),
        lambda rng, rows: torch.from_numpy(rng.choice([-1, 0, 7], size=rows, p=[0.2, 0.5, 0.3])),
        ("predicted_class",),
        counted=True,
    ),
    "five sigmoids": Case(
        "5 labels by sigmoids",
        lambda rng, rows: tensor(rng.beta(1, 3, (rows, 5))),
        lambda rng, rows: tensor(
            np.concatenate([rng.beta(1, 3, (rows, 4)), rng.beta(3, 1, (rows, 1))], axis=1)
        ),
        ("positive_4", "confidence_4"),
    ),
    "labels by logits": Case(
        "2 labels by logits",
        lambda rng, rows: tensor(rng.normal(-2, 2, (rows, 2))),
        lambda rng, rows: tensor(rng.normal([-2, 0], 2, (rows, 2))),
        ("positive_dog", "confidence_dog"),
        said={"kind": "multilabel", "classes": ["cat", "dog"]},
    ),
    "one value": Case(
        "one value",
        lambda rng, rows: tensor(rng.lognormal(size=rows)),
        lambda rng, rows: tensor(rng.lognormal(size=rows)) + 1000,
        ("value",),
    ),
    "a forecast of 24 hours": Case(
        "24 values",
        lambda rng, rows: tensor(500 + 100 * HOURS + rng.normal(0, 20, (rows, 24))),
        lambda rng, rows: tensor(1500 + 100 * HOURS + rng.normal(0, 20, (rows, 24))),
        tuple(f"value{hour}" for hour in range(24)),
        said="values",
    ),
    "a forecast that nobody names": Case(
        "24 classes by logits",
        lambda rng, rows: tensor(500 + 100 * HOURS + rng.normal(0, 20, (rows, 24))),
        lambda rng, rows: tensor(1500 + 100 * HOURS + rng.normal(0, 20, (rows, 24))),
        ("energy",),
        counted=True,
    ),
    "quantiles": Case(
        "3 values",
        lambda rng, rows: tensor(rng.normal(size=(rows, 1)) + [[-1.3, 0.0, 1.3]]),
        lambda rng, rows: tensor(rng.normal(size=(rows, 1)) + [[-1.3, 0.0, 3.0]]),
        ("high",),
        said={"kind": "values", "classes": ["low", "middle", "high"]},
    ),
    "two targets that nobody names": Case(
        "2 classes by logits",
        lambda rng, rows: tensor(np.column_stack([rng.normal(300, 50, rows), rng.poisson(3, rows)])),
        lambda rng, rows: tensor(np.column_stack([rng.normal(1300, 50, rows), rng.poisson(3, rows) + 1000])),
        ("energy",),
        counted=True,
    ),
    "a wide field": Case(
        "2,000 values",
        lambda rng, rows: tensor(rng.normal(size=(rows, 40, 50))),
        lambda rng, rows: tensor(np.where(np.arange(50) == 25, -999, rng.normal(size=(rows, 40, 50)))),
        ("smallest", "mean", "spread"),
        said="values",
    ),
    "embeddings": Case(
        "embeddings of 128 numbers",
        lambda rng, rows: tensor(rng.normal(size=(rows, 128))),
        lambda rng, rows: tensor(rng.normal(size=(rows, 128)) * 1.5),
        ("norm", "centroid_distance"),
        said="embeddings",
    ),
    "generated ids": Case(
        "token ids",
        lambda rng, rows: torch.from_numpy(rng.integers(1, 900, (rows, 30))),
        lambda rng, rows: torch.from_numpy(rng.integers(1, 4, (rows, 30))),
        ("repeated",),
    ),
    "ids of different lengths": Case(
        "token ids",
        lambda rng, rows: [rng.integers(1, 900, size).tolist() for size in rng.integers(5, 30, rows)],
        lambda rng, rows: [rng.integers(1, 900, size).tolist() for size in rng.integers(1, 5, rows)],
        ("length",),
    ),
    "a language model": Case(
        "sequences of 50 classes by logits",
        lambda rng, rows: tensor(sure_logits(rng, rows * 12, 50).reshape(rows, 12, 50)),
        lambda rng, rows: tensor(rng.normal(size=(rows, 12, 50))),
        ("mean_confidence", "mean_entropy", "mean_energy"),
    ),
    "a tagger": Case(
        "sequences of 5 classes by probabilities",
        lambda rng, rows: tensor(softmax(sure_logits(rng, rows * 9, 5)).reshape(rows, 9, 5)),
        lambda rng, rows: tensor(softmax(sure_logits(rng, rows * 3, 5)).reshape(rows, 3, 5)),
        ("length",),
    ),
    "detections": Case("boxes of 3 classes", boxes, lambda rng, rows: boxes(rng, rows, most=1), ("boxes",)),
    "detections of another size": Case(
        "boxes of 3 classes", boxes, lambda rng, rows: boxes(rng, rows, scale=3.0), ("box_size",)
    ),
    "a tuple of boxes": Case(
        "boxes of 3 classes",
        padded_boxes,
        lambda rng, rows: padded_boxes(rng, rows, shift=300.0),
        ("box_position",),
    ),
    "masks by scores": Case(
        "masks of 3 classes by logits",
        lambda rng, rows: tensor(8 * np.eye(3)[pixels(rng, rows, [0.7, 0.2, 0.1])].transpose(0, 3, 1, 2)),
        lambda rng, rows: tensor(8 * np.eye(3)[pixels(rng, rows, [0.3, 0.2, 0.5])].transpose(0, 3, 1, 2)),
        ("share_0", "share_2"),
    ),
    "masks by ids": Case(
        "masks of 3 classes by ids",
        lambda rng, rows: torch.from_numpy(pixels(rng, rows, [0.7, 0.2, 0.1])),
        lambda rng, rows: torch.from_numpy(pixels(rng, rows, [0.7, 0.0, 0.1, 0.2])),
        ("unknown", "share_1"),
    ),
    "one sigmoid a pixel": Case(
        "masks of 1 class by sigmoids",
        lambda rng, rows: tensor(rng.beta(1, 9, (rows, 1, 24, 24))),
        lambda rng, rows: tensor(rng.beta(3, 2, (rows, 1, 24, 24))),
        ("share_0", "mean_confidence"),
    ),
}
