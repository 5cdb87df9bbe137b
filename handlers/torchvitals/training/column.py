"""A column while it is described: numbers or texts, as its first values tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Optional, Union

import numpy as np
from numpy.typing import NDArray

from ..baseline.schema import Feature, Source, Summary
from ..featurizers.columns import holds_texts, mixed, text_or_none, unusable
from ..featurizers.identifiers import texts_of
from .identifiers import IdentifierCounts
from .numbers import EXACT_VALUES, Numbers
from .texts import EXACT_TEXTS, TextCounts

Found = Union[Numbers, TextCounts, IdentifierCounts]


class Column:
    """One feature while it is built. Until a value is present, only missing ones are counted.

    exact: describe every value exactly, in memory that grows with them. found: what holds the values so far.
    """

    def __init__(
        self, name: str, *, exact: bool = False, missing: int = 0, found: Optional[Found] = None
    ) -> None:
        self.name = name
        self.exact = exact
        self.missing = missing
        self.found = found

    def update(self, values: NDArray[Any]) -> None:
        """Add values, (n,), as `column_values` makes them.

        Raises BaselineError where numbers came before and texts come now, or the reverse.
        """
        if isinstance(self.found, IdentifierCounts):
            texts = Counter(texts_of(values))
            self.found.missing += texts.pop(None, 0)
            self.found.update(texts, numbers=not holds_texts(values))
            return
        if not holds_texts(values):
            if not isinstance(self.found, Numbers) and np.isnan(values).all():
                self._add_missing(len(values))
            else:
                self._numbers().update(values)
            return
        counts, missing = _count_texts(values)
        if not all(map(_is_unicode, counts)):
            raise unusable(self.name, "texts that are not Unicode (halves of surrogates)", "decode them anew")
        if counts:
            self._texts().update(counts)
        self._add_missing(missing)

    def merge(self, other: Column) -> None:
        """Add the values of another part. Raises BaselineError where one holds numbers and the other texts."""
        self._add_missing(other.missing)
        if other.found is None:
            return
        if IdentifierCounts in (type(self.found), type(other.found)):
            self._identifiers().merge(_without_texts(self.name, other.found))
        elif isinstance(other.found, Numbers):
            self._numbers().merge(other.found)
        elif isinstance(other.found, TextCounts):
            self._texts().merge(other.found)

    def identifiers(self) -> Optional[IdentifierCounts]:
        """Return what is kept of texts that tell rows apart; None where the values are categories or numbers."""
        return (
            self.found.identifiers()
            if isinstance(self.found, TextCounts)
            else (self.found if isinstance(self.found, IdentifierCounts) else None)
        )

    def describe(self, source: Source) -> Feature:
        """Return the feature that the values make; a column without a value is one of numbers."""
        found = Numbers(missing=self.missing) if self.found is None else self.found
        assert not isinstance(found, IdentifierCounts)  # noqa: S101 - those are two features; see `identifiers`
        return found.describe(name=self.name, source=source)

    def summary(self) -> Summary:
        """Return the state, for a file."""
        return Summary(kind="none", missing=self.missing) if self.found is None else self.found.summary()

    @classmethod
    def resume(cls, name: str, summary: Summary) -> Column:
        """Return the column that `summary` tells of."""
        if summary.kind == "numbers":
            return cls(name, found=Numbers.resume(summary))
        if summary.kind == "identifiers" and summary.hashes is not None:
            return cls(name, found=IdentifierCounts.resume(summary.hashes, summary.missing))
        if summary.kind == "texts":
            return cls(name, found=TextCounts.resume(summary))
        return cls(name, missing=summary.missing)

    def _add_missing(self, missing: int) -> None:
        if self.found is None:
            self.missing += missing
        else:
            self.found.missing += missing

    def _numbers(self) -> Numbers:
        found = self._held(lambda missing: Numbers(None if self.exact else EXACT_VALUES, missing=missing))
        if not isinstance(found, Numbers):
            raise mixed(self.name)
        return found

    def _texts(self) -> TextCounts:
        found = self._held(lambda missing: TextCounts(None if self.exact else EXACT_TEXTS, missing=missing))
        if not isinstance(found, TextCounts):
            raise mixed(self.name)
        return found

    def _identifiers(self) -> IdentifierCounts:
        if self.found is not None:
            self.found = _without_texts(self.name, self.found)
        found = self._held(lambda missing: IdentifierCounts(missing=missing))
        assert isinstance(found, IdentifierCounts)  # noqa: S101 - for the type checker
        return found

    def _held(self, new: Callable[[int], Found]) -> Found:
        """Return what holds the values; a new one takes over the missing ones that came before."""
        if self.found is None:
            self.found, self.missing = new(self.missing), 0
        return self.found


def _without_texts(name: str, found: Found) -> IdentifierCounts:
    """Return what is kept of texts that are identifiers in another part. Raises BaselineError of numbers."""
    if isinstance(found, Numbers):
        raise mixed(name)
    return found if isinstance(found, IdentifierCounts) else found.without_texts()


def _is_unicode(text: str) -> bool:
    """Tell whether a file can hold a text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _count_texts(values: NDArray[Any]) -> tuple[Counter[str], int]:
    """Return how often each text stands, and how many are missing."""
    counts: Counter[str] = Counter()
    missing = 0
    for value, times in Counter(values.tolist()).items():
        text = text_or_none(value)
        if text is None:
            missing += times
        else:
            counts[text] += times
    return counts, missing
