"""What is kept of the segments of the training rows while a baseline is built."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Optional, Union

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..baseline.binning import assign
from ..baseline.encoding import ColumnEncoder
from ..baseline.schema import (
    FEWEST_SEGMENT_ROWS,
    MOST_SEGMENTS,
    Feature,
    Segment,
    Segments,
    Summary,
)
from ..errors import BaselineError
from ..featurizers.columns import as_float32, at_model_precision, holds_texts, text_or_none
from ..featurizers.tables import Columns
from .column import Column
from .fitting import fit_feature
from .weighted import weighted_edges

# Of wider rows the first columns are judged by segment.
MOST_COLUMNS = 100
# Rows of a segment that its distributions are learned from, and points of their quantiles.
SAMPLED_ROWS = 2_000
QUANTILE_POINTS = 50
# Values that may still become a segment while rows are counted; of more, the rarest are part of the rest.
MOST_CANDIDATES = 64
# Rows are told apart so many at a time: a step a value costs as much for one row as for a hundred.
ROWS_AT_ONCE = 8_192
# NumPy draws from no larger urns; of larger samples the shares are drawn from.
LARGEST_URN = 10**9 - 1

# The values of one row in the columns that tell segments apart; None is missing.
Key = tuple[Union[str, float, None], ...]


class SegmentRows:
    """A fair sample of the rows of one segment, of at most SAMPLED_ROWS, column by column.

    count: how many rows it is a sample of. columns: (m,) values of each, as `column_values` makes them. Rows that came
    from a file are no longer whole: each column is a fair sample by itself.
    """

    def __init__(self, count: int = 0, columns: Optional[Columns] = None) -> None:
        self.count = count
        self.columns: Columns = columns or {}

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def copy(self) -> SegmentRows:
        """Return the same rows, to which others may be added."""
        return SegmentRows(self.count, dict(self.columns))

    def merge(self, other: SegmentRows) -> None:
        """Add the rows of another part, which stays as it is."""
        self.add(other.count, len(other), lambda places: _taken(other.columns, places))

    def add(self, count: int, available: int, take: Callable[[NDArray[np.intp]], Columns]) -> None:
        """Add rows.

        Args:
            count: how many rows.
            available: how many of them `take` can give, a fair sample of all: as many, or SAMPLED_ROWS.
            take: returns the columns of those at some places.
        """
        if not count:
            return
        size, mine = min(SAMPLED_ROWS, self.count + count), len(self)
        # Seeded by what was counted: the same data make the same baseline.
        rng = np.random.default_rng([self.count, count])
        kept = min(max(_drawn(rng, self.count, count, size), size - available), mine)
        new = take(_some(rng, available, size - kept))
        if kept:
            old = _taken(self.columns, _some(rng, mine, kept))
            new = {name: _joined(old[name], values) for name, values in new.items() if name in old}
        self.columns = new
        self.count += count


class SegmentCounts:
    """Tells the rows of batches apart by one or two columns, and merges with another that does.

    columns: their names. identifiers: columns of which nothing is kept.
    """

    def __init__(self, columns: Sequence[str], *, identifiers: Iterable[str] = ()) -> None:
        self.columns = list(columns)
        self._identifiers = frozenset(identifiers)
        self._segments: dict[Key, SegmentRows] = {}
        self._rest = SegmentRows()
        self._waiting: list[Columns] = []
        self._waiting_rows = 0

    def empty(self) -> SegmentCounts:
        """Return one by the same columns that has seen nothing."""
        return SegmentCounts(self.columns, identifiers=self._identifiers)

    def update(self, columns: Columns) -> None:
        """Add the rows of a batch, as columns. Raises BaselineError where one that tells segments apart is missing."""
        for name in self.columns:
            if name not in columns:
                close = difflib.get_close_matches(name, columns, n=1)
                hint = f"did you mean '{close[0]}'?" if close else f"they have: {', '.join(columns)}"
                raise BaselineError(f"features: segments: the data have no column '{name}'; {hint}")
        rows = len(columns[self.columns[0]])
        if not rows:
            return
        judged = [name for name in columns if name not in self._identifiers and name not in self.columns]
        wanted = {name: columns[name] for name in [*self.columns, *judged[:MOST_COLUMNS]]}
        if rows >= ROWS_AT_ONCE:
            self._settle()
            self._tell_apart(wanted)
            return
        # A copy: the batch is the caller's, who may fill it anew.
        self._waiting.append({name: values.copy() for name, values in wanted.items()})
        self._waiting_rows += rows
        if self._waiting_rows >= ROWS_AT_ONCE:
            self._settle()

    def merge(self, other: SegmentCounts) -> None:
        """Add what another part has seen. Raises BaselineError where it is told apart by other columns."""
        if self.columns != other.columns:
            raise BaselineError(
                f"one part has segments by {' and '.join(self.columns)}, the other by {' and '.join(other.columns)}"
            )
        other._settle()
        self._settle()
        self._rest.merge(other._rest)
        for key, rows in other._segments.items():
            self._segments.setdefault(key, SegmentRows()).merge(rows)
        self._forget_rarest()

    def describe(self, features: Sequence[Feature], *, mergeable: bool) -> Segments:
        """Return the segments, the largest first.

        features: those of the columns of all rows; what is not among them is not judged. mergeable: keep what a later
        merge needs. Raises BaselineError where a column is not one of categories.
        """
        self._settle()
        by_name = {feature.name: feature for feature in features}
        for name in self.columns:
            self._check(name, by_name.get(name))
        known = [set(by_name[name].categories) for name in self.columns]
        # What is too rare here may be common enough together with another part.
        fewest, most = (1, MOST_CANDIDATES) if mergeable else (FEWEST_SEGMENT_ROWS, MOST_SEGMENTS)
        rest = self._rest.copy()
        chosen: list[tuple[Key, SegmentRows]] = []
        for key in sorted(self._segments, key=self._size, reverse=True):
            rows = self._segments[key]
            fits = all(value in categories for value, categories in zip(key, known))
            if fits and rows.count >= fewest and len(chosen) < most:
                chosen.append((key, rows))
            else:
                rest.merge(rows)
        if rest.count >= fewest:
            chosen.append(((), rest))
        encoders = {name: feature.encoder() for name, feature in by_name.items()}
        return Segments(
            columns=self.columns,
            segments=[
                Segment(
                    values=[value for value in key if value is not None],
                    rows=rows.count,
                    features=[
                        _feature(by_name[name], encoders[name], values, mergeable=mergeable)
                        for name, values in rows.columns.items()
                        if name in by_name and name not in self.columns
                    ],
                )
                for key, rows in chosen
            ],
        )

    @classmethod
    def resume(cls, segments: Segments) -> SegmentCounts:
        """Return what goes on where a mergeable baseline ended."""
        found = cls(segments.columns)
        for segment in segments.segments:
            columns = {
                feature.name: _values(feature.summary) for feature in segment.features if feature.summary
            }
            rows = SegmentRows(segment.rows, columns)
            if segment.values:
                found._segments[tuple(segment.values)] = rows
            else:
                found._rest = rows
        return found

    def _size(self, key: Key) -> tuple[int, str]:
        return self._segments[key].count, repr(key)

    def _check(self, name: str, feature: Optional[Feature]) -> None:
        if feature is None:
            what = "identifiers, each of a row or two"
        elif feature.kind == "numeric":
            what = "numbers of many different values"
        else:
            return
        raise BaselineError(
            f"features: segments: column '{name}' holds {what}; name one or two columns of categories, or say that its "
            f"numbers are categories (features: categories: {{{name}: codes}})"
        )

    def _settle(self) -> None:
        """Tell apart the rows that wait."""
        waiting, self._waiting, self._waiting_rows = self._waiting, [], 0
        if waiting:
            self._tell_apart({name: _joined(*(part[name] for part in waiting)) for name in waiting[0]})

    def _tell_apart(self, columns: Columns) -> None:
        keys, places = _told_apart([columns[name] for name in self.columns])
        kept = {name: values for name, values in columns.items() if name not in self.columns}
        counts = np.bincount(places, minlength=len(keys))
        order = np.argsort(places, kind="stable")
        ends = np.cumsum(counts)
        frequent = set(np.argsort(-counts, kind="stable")[: 2 * MOST_CANDIDATES].tolist())
        rare = []
        for number, key in enumerate(keys):
            rows = order[ends[number] - counts[number] : ends[number]]
            if number in frequent and None not in key:
                _add_rows(self._segments.setdefault(key, SegmentRows()), kept, rows)
            else:
                rare.append(rows)
        if rare:
            _add_rows(self._rest, kept, np.concatenate(rare))
        self._forget_rarest()

    def _forget_rarest(self) -> None:
        """Make the rarest values part of the rest, once there are far more than can become segments."""
        if len(self._segments) <= 2 * MOST_CANDIDATES:
            return
        for key in sorted(self._segments, key=self._size, reverse=True)[MOST_CANDIDATES:]:
            self._rest.merge(self._segments.pop(key))


def _add_rows(segment: SegmentRows, columns: Columns, rows: NDArray[np.intp]) -> None:
    segment.add(len(rows), len(rows), lambda places: _taken(columns, rows[places]))


def _taken(columns: Columns, places: NDArray[np.intp]) -> Columns:
    return {name: values[places] for name, values in columns.items()}


def _joined(*parts: NDArray[Any]) -> NDArray[Any]:
    """Return the values of parts; a part without any text is one of numbers, all missing, beside one of texts."""
    if len({part.dtype for part in parts}) > 1:
        parts = tuple(part.astype(object) for part in parts)
    return np.concatenate(parts)


def _drawn(rng: np.random.Generator, mine: int, theirs: int, size: int) -> int:
    """Return how many of `size` rows that are drawn from two parts come from the first."""
    if max(mine, theirs) > LARGEST_URN:
        return int(rng.binomial(size, mine / (mine + theirs)))
    return int(rng.hypergeometric(mine, theirs, size)) if mine else 0


def _some(rng: np.random.Generator, count: int, size: int) -> NDArray[np.intp]:
    """Return `size` of so many places, in their order."""
    if size >= count:
        return np.arange(count)
    return np.sort(rng.choice(count, size, replace=False))


def _told_apart(columns: list[NDArray[Any]]) -> tuple[list[Key], NDArray[np.intp]]:
    """Return the different values of rows, and of each row, (n,), which of them it has."""
    keys: list[Key] = [()]
    places = np.zeros(len(columns[0]), dtype=np.intp)
    for column in columns:
        values, of_column = _distinct(column)
        pairs, places = np.unique(places * len(values) + of_column, return_inverse=True)
        places = places.reshape(-1)
        keys = [(*keys[pair // len(values)], values[pair % len(values)]) for pair in pairs.tolist()]
    return keys, places


def _distinct(column: NDArray[Any]) -> tuple[list[Union[str, float, None]], NDArray[np.intp]]:
    """Return the different values of a column, None for what is missing, and of each row, (n,), which it has."""
    if not holds_texts(column):
        numbers, places = np.unique(column, return_inverse=True)
        return [None if np.isnan(number) else float(number) for number in numbers], places.reshape(-1)
    objects: dict[Any, int] = {}
    raw = np.array([objects.setdefault(value, len(objects)) for value in column.tolist()], dtype=np.intp)
    texts: dict[Optional[str], int] = {}
    by_object = np.array(
        [texts.setdefault(text_or_none(value), len(texts)) for value in objects], dtype=np.intp
    )
    return [*texts], by_object[raw]


def _feature(whole: Feature, encoder: ColumnEncoder, values: NDArray[Any], *, mergeable: bool) -> Feature:
    """Return a feature of a segment, of the kind that it is in all rows; values: (m,)."""
    numbers = at_model_precision(encoder.of_column(values, table=False))
    missing = int(np.isnan(numbers).sum())
    found = _numeric(numbers, whole.name) if whole.kind == "numeric" else whole
    finite = np.sort(numbers[np.isfinite(numbers)]) if whole.kind != "categorical" else np.empty(0)
    some = len(finite) > 0
    summary = None
    if mergeable:
        column = Column(whole.name, exact=True)
        column.update(values)
        summary = column.summary()
    return msgspec.structs.replace(
        found,
        count=len(numbers) - missing,
        missing=missing,
        mean=float(finite.mean()) if some else 0.0,
        std=float(finite.std()) if some else 0.0,
        min=float(finite[0]) if some else 0.0,
        max=float(finite[-1]) if some else 0.0,
        counts=np.bincount(assign(found, numbers), minlength=found.bins).tolist(),
        quantiles=_quantiles(finite),
        codes={},
        variation=[],
        summary=summary,
    )


def _numeric(numbers: NDArray[np.float64], name: str) -> Feature:
    """Return a feature of numbers in ranges, though a segment may have only a few: another rounding is no new value."""
    found = fit_feature(numbers, name=name, source="input")
    if found.kind == "numeric":
        return found
    values, weights = np.unique(numbers[np.isfinite(numbers)], return_counts=True)
    edges = weighted_edges(values, weights, float(values[-1])) if len(values) else []
    return msgspec.structs.replace(found, kind="numeric", categories=[], edges=edges)


def _quantiles(finite: NDArray[np.float64]) -> list[float]:
    """Return the means of equal slices of sorted values, ascending; none of none."""
    if not len(finite):
        return []
    borders = np.linspace(0, len(finite), min(QUANTILE_POINTS, len(finite)) + 1).astype(np.intp)
    # Around the middle, so that sums of large numbers do not lose what sets the slices apart.
    middle = finite[len(finite) // 2]
    means = np.add.reduceat(finite - middle, borders[:-1]) / np.diff(borders) + middle
    found: list[float] = np.maximum.accumulate(means).tolist()
    return found


def _values(summary: Summary) -> NDArray[Any]:
    """Return the values that a summary tells of, in no order: which of them came together is not known."""
    if summary.kind == "texts":
        texts: list[Optional[str]] = [text for text, times in summary.texts.items() for _ in range(times)]
        return np.array([*texts, *[None] * summary.missing], dtype=object)
    counts = np.frombuffer(summary.counts, dtype="<i8")
    numbers = np.repeat(np.frombuffer(summary.values, dtype="<f4"), counts)
    outside = np.repeat([-np.inf, np.inf, np.nan], [*summary.infinite, summary.missing])
    return as_float32(np.concatenate([numbers, outside]))
