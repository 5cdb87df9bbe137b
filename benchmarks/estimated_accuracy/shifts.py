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
    count, columns = case.rows.shape
    deviations = case.trained.std(axis=0) + 1e-9
    varying = np.flatnonzero(case.trained.std(axis=0) > 1e-6)

    def drawn(weights: NDArray[Any] | None = None) -> NDArray[np.intp]:
        return rng.choice(count, WINDOW, p=None if weights is None else weights / weights.sum())

    def picked(kind: str, name: str, weights: NDArray[Any] | None = None) -> Served:
        places = drawn(weights)
        return Served(kind, name, case.rows[places], case.labels[places])

    def changed(kind: str, name: str, change: Callable[[Rows], Rows]) -> Served:
        places = drawn()
        return Served(kind, name, change(case.rows[places].copy()).astype(np.float32), case.labels[places])

    yield picked("none", "resampled")
    for column in rng.choice(varying, min(3, len(varying)), replace=False):
        values = case.rows[:, column]
        yield picked("covariate shift", "highest third of a column", values >= np.quantile(values, 2 / 3))
    for strength in (1.0, 2.0):
        direction = rng.normal(size=columns)
        scores = ((case.rows - case.trained.mean(axis=0)) / deviations) @ direction
        yield picked("covariate shift", f"tilted {strength:g} σ", np.exp(strength * scores / scores.std()))
    for label in np.unique(case.labels):
        of_class = case.labels == label
        for share in (0.6, 0.9):
            weights = np.where(of_class, share / of_class.mean(), (1 - share) / (1 - of_class.mean()))
            yield picked("label shift", f"{share:.0%} of one class", weights)
    for size in (0.1, 0.3, 0.5, 1.0, 2.0):
        noise = rng.normal(size=(WINDOW, columns)) * deviations * size
        yield changed("noise", f"{size:g} σ", lambda rows, noise=noise: rows + noise)
    yield changed("permuted columns", "all by one place", lambda rows: np.roll(rows, 1, axis=1))
    for number in (2, 4):
        chosen = rng.choice(varying, min(number, len(varying)), replace=False)
        yield changed(
            "permuted columns", f"{number} swapped", lambda rows, chosen=chosen: _swapped(rows, chosen)
        )
    for number in (1, 1, 2, 4, len(varying)):
        chosen = rng.choice(varying, min(number, len(varying)), replace=False)
        yield changed(
            "permuted columns", f"{number} shuffled", lambda rows, chosen=chosen: _shuffled(rows, chosen, rng)
        )
    for factor in (1.5, 10.0):
        column = rng.choice(varying)
        yield changed(
            "another unit", f"one column × {factor:g}", lambda rows, c=column, f=factor: _scaled(rows, c, f)
        )
    if columns == SIDE**2:
        for name, change in GEOMETRIC.items():
            yield changed("geometric", name, lambda rows, change=change: _each(rows, change))


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
