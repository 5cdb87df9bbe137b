"""Ways in which what is served comes to differ from what was labelled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .data import SIDE, Case, Rows

WINDOW = 1000
KINDS = ("none", "covariate shift", "label shift", "noise", "permuted columns", "another unit", "geometric")


@dataclass(frozen=True)
class Served:
    """A window of rows that are served, with the labels that nobody knows then."""

    kind: str
    name: str
    rows: Rows
    labels: NDArray[Any]


def served(case: Case, rng: np.random.Generator) -> Iterator[Served]:
    """Yield windows of every kind of shift, resampled from the rows that neither model nor baseline has seen."""
    draw = _Draw(case, rng)
    yield draw.weighted("none", "resampled")
    yield from _covariate(draw)
    yield from _labels(draw)
    yield from _changed(draw)
    if case.rows.shape[1] == SIDE**2:
        for name, change in GEOMETRIC.items():
            yield draw.changed("geometric", name, lambda rows, change=change: _each(rows, change))


class _Draw:
    """Draws windows of a case's rows."""

    def __init__(self, case: Case, rng: np.random.Generator) -> None:
        self.case, self.rng = case, rng
        self.deviations = case.trained.std(axis=0) + 1e-9
        self.varying = np.flatnonzero(case.trained.std(axis=0) > 1e-6)

    def weighted(self, kind: str, name: str, weights: NDArray[Any] | None = None) -> Served:
        places = self._places(weights)
        return Served(kind, name, self.case.rows[places], self.case.labels[places])

    def changed(self, kind: str, name: str, change: Callable[[Rows], Rows]) -> Served:
        places = self._places(None)
        rows = change(self.case.rows[places].copy()).astype(np.float32)
        return Served(kind, name, rows, self.case.labels[places])

    def columns(self, number: int) -> NDArray[np.intp]:
        return self.rng.choice(self.varying, min(number, len(self.varying)), replace=False)

    def _places(self, weights: NDArray[Any] | None) -> NDArray[np.intp]:
        shares = None if weights is None else weights / weights.sum()
        return self.rng.choice(len(self.case.rows), WINDOW, p=shares)


def _covariate(draw: _Draw) -> Iterator[Served]:
    rows = draw.case.rows
    for column in draw.columns(3):
        values = rows[:, column]
        yield draw.weighted(
            "covariate shift", "highest third of a column", values >= np.quantile(values, 2 / 3)
        )
    for strength in (1.0, 2.0):
        scaled = (rows - draw.case.trained.mean(axis=0)) / draw.deviations
        scores = scaled @ draw.rng.normal(size=rows.shape[1])
        yield draw.weighted(
            "covariate shift", f"tilted {strength:g} σ", np.exp(strength * scores / scores.std())
        )


def _labels(draw: _Draw) -> Iterator[Served]:
    for label in np.unique(draw.case.labels):
        of_class = draw.case.labels == label
        for share in (0.6, 0.9):
            weights = np.where(of_class, share / of_class.mean(), (1 - share) / (1 - of_class.mean()))
            yield draw.weighted("label shift", f"{share:.0%} of one class", weights)


def _changed(draw: _Draw) -> Iterator[Served]:
    rng, columns = draw.rng, draw.case.rows.shape[1]
    for size in (0.1, 0.3, 0.5, 1.0, 2.0):
        noise = rng.normal(size=(WINDOW, columns)) * draw.deviations * size
        yield draw.changed("noise", f"{size:g} σ", lambda rows, noise=noise: rows + noise)
    yield draw.changed("permuted columns", "all by one place", lambda rows: np.roll(rows, 1, axis=1))
    for number in (2, 4):
        chosen = draw.columns(number)
        yield draw.changed(
            "permuted columns", f"{number} swapped", lambda rows, chosen=chosen: _swapped(rows, chosen)
        )
    for number in (1, 1, 2, 4, columns):
        chosen = draw.columns(number)
        yield draw.changed(
            "permuted columns", f"{number} shuffled", lambda rows, chosen=chosen: _shuffled(rows, chosen, rng)
        )
    for factor in (1.5, 10.0):
        column = rng.choice(draw.varying)
        yield draw.changed(
            "another unit", f"one column × {factor:g}", lambda rows, c=column, f=factor: _scaled(rows, c, f)
        )


GEOMETRIC: dict[str, Callable[[Rows], Rows]] = {
    "mirrored": np.fliplr,
    "upside down": np.flipud,
    "transposed": np.transpose,
    **{
        f"rotated by {degrees}°": lambda image, degrees=degrees: ndimage.rotate(
            image, degrees, reshape=False, order=1
        )
        for degrees in (5, 10, 20, 45, 90, 180)
    },
    **{
        f"shifted by {shift}": lambda image, shift=shift: ndimage.shift(image, shift, order=0)
        for shift in ((0, 1), (1, 0), (0, 2), (1, 1))
    },
    "enlarged": lambda image: ndimage.zoom(image, 1.5, order=1)[2:10, 2:10],
    "blurred": lambda image: ndimage.gaussian_filter(image, 1),
    "half the contrast": lambda image: image / 2,
    "inverted": lambda image: 16 - image,
}


def _each(rows: Rows, change: Callable[[Rows], Rows]) -> Rows:
    return np.stack([change(row.reshape(SIDE, SIDE)).ravel() for row in rows])


def _swapped(rows: Rows, columns: NDArray[np.intp]) -> Rows:
    rows[:, columns] = rows[:, np.roll(columns, 1)]
    return rows


def _shuffled(rows: Rows, columns: NDArray[np.intp], rng: np.random.Generator) -> Rows:
    for column in columns:
        rows[:, column] = rng.permutation(rows[:, column])
    return rows


def _scaled(rows: Rows, column: int, factor: float) -> Rows:
    rows[:, column] *= factor
    return rows
