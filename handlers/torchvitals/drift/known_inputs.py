"""Whether a window's inputs are ones that a model was trained on, from what the baseline knows of them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal, Optional

import numpy as np
from numpy.typing import NDArray

from ..baseline.schema import BaselineData
from ..featurizers.familiarity import Familiarity, strangeness
from ..featurizers.matmul import product
from ..featurizers.row_distance import NAME as ROW_DISTANCE
from ..featurizers.row_distance import RowDistance

# Share of rows with a value that training never had, and share beyond the distance of 99 % of the training rows.
MOST_OUTSIDE, MOST_FAR = 0.25, 0.10
# How much larger than usual a column's squared residual may be, and by how many standard errors.
LARGEST_EXCESS, RESIDUAL_ERRORS = 0.6, 5.0
# Share of rows that may lie in other regions than training rows; what moves a mean by as many deviations, of inputs
# that say little of what the model sees.
MOST_ELSEWHERE, LARGEST_SHIFT, SHIFT_ERRORS = 0.20, 0.3, 4.0
# The same where no mean moved.
MOST_UNNATURAL = 0.03
# Rows that differ; fewer tell nothing.
FEWEST_DISTINCT = 25
# Values that are looked at of whole rows.
MOST_VALUES = 40_000
# Where fewer values than this were missing in training, a missing one is outside its range.
HARDLY_MISSING = 0.01


@dataclass(frozen=True)
class Seen:
    """What a look at a window's inputs found.

    distinct: rows that are no repetition of another. outside: why they are outside what was known, if they are. unlike:
    why they are unlike all of training, which a window in the order of time may be. moved: whether they differ by more
    than chance.
    """

    distinct: float
    outside: Optional[str] = None
    unlike: Optional[str] = None
    moved: bool = False


class KnownInputs:
    """What the baseline knows of inputs.

    described: how much of what the model is given that is. `one`: the only column; `whole`: how columns go together;
    `parts`: each feature alone.
    """

    def __init__(self, baseline: BaselineData) -> None:
        self._features = features = baseline.column_features
        places = {feature.name: place for place, feature in enumerate(features)}
        numeric = [feature.kind != "categorical" for feature in features]
        self._low = np.array([f.min if known else 0.0 for f, known in zip(features, numeric)])
        self._high = np.array(
            [f.max if known else len(f.categories) - 1.0 for f, known in zip(features, numeric)]
        )
        self._mean = np.array([feature.mean for feature in features])
        self._std = np.array([feature.std for feature in features])
        self._numeric = np.array(numeric, dtype=np.bool_) & (self._std > 0)
        self._missing = np.array([f.missing / max(f.count + f.missing, 1) for f in features])
        # A row of few training ones is often the first to go beyond them.
        self._beyond = np.array([2 / (f.count + 1) if f.kind == "numeric" else 0.0 for f in features])
        self._continuous = any(feature.kind == "numeric" for feature in features)
        # Numbers that no rows that differ have the same sum of products with, but by a rare chance.
        self._weights = np.sqrt(np.arange(2.0, 2.0 + len(features)))[:, None]
        self._samples = max(baseline.samples, 1)
        self._whole = _Whole.of(baseline, places)
        self._distance = _far_of(baseline)
        self.described: Literal["one", "whole", "parts"] = "parts"
        if self._whole is not None:
            self.described = "whole"
        elif baseline.inputs is None and len(features) == 1 and features[0].kind != "categorical":
            self.described = "one"

    def look(
        self,
        rows: NDArray[np.floating[Any]],
        ignored: Collection[tuple[str, str]],
        *,
        pause: Callable[[], None],
    ) -> Seen:
        """Look at a window's inputs, (n, d); of inputs that nobody saw it is not known what they are."""
        if not len(rows):
            return Seen(float(FEWEST_DISTINCT), outside="inputs")
        judged = np.array([("input", feature.name) not in ignored for feature in self._features])
        columns = rows[:, : len(self._features)]
        distinct = self._distinct(columns)
        pause()
        if self._goes_outside(columns, judged):
            return Seen(distinct, outside="outside_range")
        pause()
        elsewhere = self._categories_elsewhere(columns, judged, distinct)
        unlike = "inputs" if elsewhere > MOST_ELSEWHERE else None
        moved = elsewhere > 0
        pause()
        if self._whole is not None and ("input", ROW_DISTANCE) not in ignored:
            found = self._whole.look(columns, judged, distinct, pause)
            return Seen(distinct, found.outside, unlike or found.unlike, moved or found.moved)
        if self._is_far(rows, distinct, ignored):
            return Seen(distinct, outside="row_distance")
        noise = float(np.sqrt(1 / distinct + 1 / self._samples))
        shift = self._shift(columns, judged & self._numeric)
        if self.described == "parts" and shift > max(LARGEST_SHIFT, SHIFT_ERRORS * noise):
            unlike = "inputs"
        return Seen(distinct, None, unlike, moved or shift > SHIFT_ERRORS * noise)

    def _is_far(
        self, rows: NDArray[np.floating[Any]], distinct: float, ignored: Collection[tuple[str, str]]
    ) -> bool:
        if self._distance is None or ("input", ROW_DISTANCE) in ignored:
            return False
        return _too_far(float((rows[:, -1] > self._distance).mean()), distinct)

    def _distinct(self, columns: NDArray[np.floating[Any]]) -> float:
        """Return how many rows differ; of few-valued columns alone, all: there equal rows are other cases."""
        if not self._continuous:
            return float(len(columns))
        sums = product(np.where(np.isfinite(columns), columns, 0.0).astype(np.float64), self._weights)
        return float(len(np.unique(sums)))

    def _goes_outside(self, columns: NDArray[np.floating[Any]], judged: NDArray[np.bool_]) -> bool:
        holes = np.isnan(columns)
        with np.errstate(invalid="ignore"):
            outside = (columns < self._low) | (columns > self._high)
        outside |= holes & (self._missing < HARDLY_MISSING)
        share = float((outside & judged).any(axis=1).mean())
        usual = 1 - float(np.exp(-self._beyond[judged].sum()))
        return share - usual > MOST_OUTSIDE * (1 - usual)

    def _shift(self, columns: NDArray[np.floating[Any]], judged: NDArray[np.bool_]) -> float:
        """Return the farthest shift of a mean, in standard deviations, of values within four of them."""
        if not judged.any():
            return 0.0
        scaled = (columns[:, judged] - self._mean[judged]) / self._std[judged]
        return float(np.abs(np.clip(np.nan_to_num(scaled), -4.0, 4.0).mean(axis=0)).max())

    def _categories_elsewhere(
        self, columns: NDArray[np.floating[Any]], judged: NDArray[np.bool_], distinct: float
    ) -> float:
        """Return the largest share of rows, beyond chance, in other categories than training rows, or missing."""
        more = np.abs(np.isnan(columns).mean(axis=0) - self._missing) * judged
        chance = 3 * np.sqrt(self._missing * (1 - self._missing) * (1 / distinct + 1 / self._samples))
        found = max(0.0, float((more - chance).max()))
        for place, feature in enumerate(self._features):
            if feature.kind != "categorical" or not judged[place] or not feature.count:
                continue
            values = columns[:, place]
            values = values[(values >= 0) & (values < len(feature.categories))].astype(np.intp)
            counts = np.bincount(values, minlength=len(feature.categories))
            found = max(found, _elsewhere(np.array(feature.counts[:-2]), counts, distinct))
        return found


@dataclass(frozen=True)
class _Whole:
    """Rows as a whole, where the baseline has learned how columns go together."""

    familiarity: Familiarity
    distance: RowDistance
    places: NDArray[np.intp]

    @classmethod
    def of(cls, baseline: BaselineData, places: dict[str, int]) -> Optional[_Whole]:
        found = baseline.familiarity
        distance = None if found is None else found.distance or baseline.rows
        if found is None or distance is None:
            return None
        return cls(found, distance, np.array([places[name] for name in distance.columns], dtype=np.intp))

    def look(
        self,
        columns: NDArray[np.floating[Any]],
        judged: NDArray[np.bool_],
        distinct: float,
        pause: Callable[[], None],
    ) -> Seen:
        # Of wide or many rows some, evenly apart, tell as much.
        step = max(1, columns.shape[0] * len(self.places) // MOST_VALUES)
        rows = columns[::step, self.places]
        distinct = distinct * len(rows) / len(columns)
        found = strangeness(self.familiarity, self.distance, rows, pause=pause)
        outside = "row_distance" if _too_far(found.far, distinct) else None
        noise = np.sqrt(1 / distinct + 1 / self.familiarity.samples)
        usual, spread = np.array(self.familiarity.usual), np.array(self.familiarity.spread)
        deviations = np.maximum(spread * noise / usual, 1e-12)
        excess = found.residuals - 1
        mine = judged[self.places]
        shifted = bool(np.abs(found.shifts[mine]).max(initial=0.0) > SHIFT_ERRORS * noise)
        apart = mine & (excess > RESIDUAL_ERRORS * deviations)
        elsewhere = _elsewhere(np.array(self.familiarity.counts), found.regions, distinct)
        # What moves rows and no mean is no other mix of the same cases: columns that are mixed up, or noise.
        together = excess[mine].sum() > RESIDUAL_ERRORS * np.sqrt((deviations[mine] ** 2).sum())
        unnatural = not shifted and bool(elsewhere > MOST_UNNATURAL or apart.any() or together)
        if unnatural or bool((apart & (excess > LARGEST_EXCESS)).any()):
            return Seen(distinct, outside, "column_relations", True)
        unlike = "inputs" if elsewhere > MOST_ELSEWHERE else None
        return Seen(distinct, outside, unlike, shifted or elsewhere > 0 or bool(apart.any()))


def _far_of(baseline: BaselineData) -> Optional[float]:
    """Return the distance that 1 % of the training rows exceed; None where rows have no distance."""
    if baseline.rows is None:
        return None
    quantiles = baseline.of_source("input")[-1].quantiles
    return quantiles[int(len(quantiles) * 0.99)] if quantiles else None


def _too_far(share: float, distinct: float) -> bool:
    """Tell whether more than a tenth of rows, and more than chance has it of so few, lie beyond a distance."""
    return share > max(MOST_FAR, 0.06 + 4 * float(np.sqrt(0.01 / distinct)))


def _elsewhere(training: NDArray[Any], window: NDArray[Any], distinct: float) -> float:
    """Return the share of rows that would have to move for a window to be spread like training, beyond chance.

    It is the total variation of (k,) counts, less its mean without drift and three standard deviations.
    """
    usual, found = training / max(training.sum(), 1), window / max(window.sum(), 1)
    variances = usual * (1 - usual) * (1 / distinct + 1 / max(training.sum(), 1))
    chance = np.sqrt(2 / np.pi * variances).sum() / 2 + 1.5 * np.sqrt((1 - 2 / np.pi) * variances.sum())
    return max(0.0, float(np.abs(usual - found).sum() / 2 - chance))
