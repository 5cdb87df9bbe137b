"""What goes wrong with rows: a change takes (n, columns) rows and a generator, and returns other rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]
# Of a column (n,) and a generator: the column as it comes out.
OfColumn = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def nothing(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Leave the rows as they are."""
    return rows


def column(place: int, change: OfColumn) -> Change:
    """Return the change of one column, by a change of its values."""

    def changed(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        found = rows.copy()
        found[:, place] = change(found[:, place], rng)
        return found

    return changed


def some(share: float, change: OfColumn) -> OfColumn:
    """Return the change in a share of the rows, drawn at random."""
    return lambda values, rng: np.where(rng.random(len(values)) < share, change(values, rng), values)


def set_to(value: float) -> OfColumn:
    """Return the change to one value."""
    return lambda values, rng: np.full(len(values), value)


def times(factor: float) -> OfColumn:
    """Return the change by a factor, as of a unit."""
    return lambda values, rng: values * factor


def affine(factor: float, amount: float) -> OfColumn:
    """Return the change to another unit."""
    return lambda values, rng: values * factor + amount


def turned(steps: int, values_of_a_turn: int) -> OfColumn:
    """Return the shift of what goes round, such as hours."""
    return lambda values, rng: (values + steps) % values_of_a_turn


def plus(amount: float) -> OfColumn:
    """Return the shift by an amount, in the column's unit."""
    return lambda values, rng: values + amount


def spread(factor: float, mean: float = 0.0) -> OfColumn:
    """Return the change of the std by a factor, around a mean."""
    return lambda values, rng: mean + (values - mean) * factor


def top(share: float, factor: float) -> OfColumn:
    """Return the change that multiplies the largest values, a share of them."""
    return lambda values, rng: np.where(values > np.quantile(values, 1 - share), values * factor, values)


def share_of_ones(share: float) -> OfColumn:
    """Return the change that makes a boolean true in a share of the rows."""
    return lambda values, rng: (rng.random(len(values)) < share).astype(float)


def share_of_class(which: int, share: float, shares: tuple[float, ...]) -> OfColumn:
    """Return the change that gives a class another share, and the other classes the rest in proportion."""
    probabilities = np.array(shares)
    probabilities *= (1 - share) / (1 - probabilities[which])
    probabilities[which] = share
    return lambda values, rng: rng.choice(len(shares), size=len(values), p=probabilities).astype(float)


def stuck(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Stand still at the first value."""
    return np.full(len(values), values[0])


def swapped(one: int, other: int) -> Change:
    """Return the change that puts two columns in each other's place."""

    def changed(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        found = rows.copy()
        found[:, [one, other]] = found[:, [other, one]]
        return found

    return changed
