"""What is kept of a column of texts that tell rows apart, while a baseline is built: never the texts."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..baseline.schema import Feature, HashSummary, Source, Summary
from ..featurizers.identifiers import HASHES, Identifier, hash_of, length_name, new_name
from ..featurizers.vocabulary import packed, unpacked
from .numbers import Numbers
from .weighted import weighted_quantiles

# A column of texts is one of identifiers where so many are different, and each stands in fewer rows than this.
FEWEST_TEXTS = 50
ROWS_PER_TEXT = 2
# Numbers that were written as texts; an account number is one of digits alone.
DECIMAL = re.compile(r"\s*[+-]?(\d+[.,]\d*|[.,]\d+|\d+(?=[eE]))([eE][+-]?\d+)?\s*")
WHOLE = re.compile(r"\s*[+-]?\d+\s*")


def are_identifiers(different: float, present: int) -> bool:
    """Tell whether texts tell rows apart, from how many there are and how many of them are different."""
    return different >= FEWEST_TEXTS and different * ROWS_PER_TEXT > present


class IdentifierCounts:
    """Mergeable counts of texts by their hash: which came once, which more often, and how long they are."""

    def __init__(self, *, missing: int = 0, numbers: bool = True) -> None:
        self.missing = missing
        # Whether all that came were numbers.
        self.numbers = numbers
        # Whether all that came look like numbers, and one has decimals; a part from a file does not tell.
        self._decimals, self._others = False, False
        self._once = np.zeros(HASHES, dtype=bool)
        self._twice = np.zeros(HASHES, dtype=bool)
        self._lengths = Numbers()

    @classmethod
    def of(cls, counts: Mapping[str, int], *, missing: int = 0) -> IdentifierCounts:
        """Return what is kept of texts that were counted."""
        found = cls(missing=missing)
        found.update(counts, numbers=False)
        return found

    @property
    def present(self) -> int:
        """Number of rows with a text."""
        return self._lengths.moments.count

    @property
    def different(self) -> float:
        """About how many different texts came; infinite where they are more than hashes can tell.

        Source: linear counting; Whang, Vander-Zanden and Taylor, 1990.
        """
        free = 1.0 - float(self._once.mean())
        return math.inf if free <= 0 else min(-HASHES * math.log(free), float(self.present))

    @property
    def are_decimals(self) -> bool:
        """Whether the texts are numbers with decimals, and so no identifiers."""
        return self._decimals and not self._others

    def update(self, counts: Mapping[str, int], *, numbers: bool) -> None:
        """Add texts with how often each came. numbers: they stand for numbers."""
        if not counts:
            return
        self.numbers = self.numbers and numbers
        if not (numbers or self._others):
            decimals = [text for text in counts if DECIMAL.fullmatch(text)]
            self._decimals = self._decimals or bool(decimals)
            self._others = len(decimals) + sum(map(bool, map(WHOLE.fullmatch, counts))) < len(counts)
        hashes = np.fromiter(map(hash_of, counts), dtype=np.intp, count=len(counts))
        times = np.fromiter(counts.values(), dtype=np.int64, count=len(counts))
        different, places = np.unique(hashes, return_inverse=True)
        rows = np.bincount(places, weights=times)
        self._twice[different] |= (rows > 1) | self._once[different]
        self._once[different] = True
        by_length: Counter[int] = Counter()
        for text, count in counts.items():
            by_length[len(text)] += count
        lengths = np.array(list(by_length), dtype=np.float32)
        self._lengths.update(np.repeat(lengths, list(by_length.values())))

    def merge(self, other: IdentifierCounts) -> None:
        """Add what another part has seen, which stays as it is."""
        self.missing += other.missing
        self.numbers = self.numbers and other.numbers
        self._decimals = self._decimals or other._decimals
        self._others = self._others or other._others
        self._twice |= other._twice | (self._once & other._once)
        self._once |= other._once
        self._lengths.merge(other._lengths)

    def identifier(self) -> Identifier:
        """Return what the baseline needs to know of the texts."""
        return Identifier(seen=packed(self._once), numbers=self.numbers and self.present > 0)

    def describe(self, *, name: str, source: Source) -> list[Feature]:
        """Return the features: the length, and whether a text is new.

        What stands in one training row alone would have been new in it: so training rows do not look better known than
        served ones will.
        """
        lengths = self._lengths.describe(name=length_name(name), source=source)
        length = msgspec.structs.replace(
            lengths, missing=self.missing, counts=[*lengths.counts[:-1], self.missing]
        )
        new = int((self._once & ~self._twice).sum())
        return [length, _truth(new_name(name), source, present=self.present, true=new, missing=self.missing)]

    def summary(self) -> Summary:
        """Return the state, for a file or another process."""
        return Summary(kind="identifiers", missing=self.missing, hashes=self.hashes())

    def hashes(self) -> HashSummary:
        """Return the state but for what is missing."""
        return HashSummary(
            once=packed(self._once),
            twice=packed(self._twice),
            numbers=self.numbers,
            lengths=self._lengths.summary(),
        )

    @classmethod
    def resume(cls, hashes: HashSummary, missing: int) -> IdentifierCounts:
        """Return the counts that `hashes` tells of."""
        found = cls(missing=missing, numbers=hashes.numbers)
        found._others = True
        found._once |= _whole(hashes.once)
        found._twice |= _whole(hashes.twice)
        found._lengths = Numbers.resume(hashes.lengths)
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return IdentifierCounts.resume, (self.hashes(), self.missing)


def _whole(bits: bytes) -> NDArray[np.bool_]:
    found = np.zeros(HASHES, dtype=bool)
    known = unpacked(bits)
    found[: len(known)] = known
    return found


def _truth(name: str, source: Source, *, present: int, true: int, missing: int) -> Feature:
    """Return the feature that is 1 in some rows and 0 in the others."""
    share = true / present if present else 0.0
    values, times = np.array([0.0, 1.0]), np.array([present - true, true], dtype=np.int64)
    there = times > 0
    some = values[there]
    low, high = (float(some[0]), float(some[-1])) if len(some) else (0.0, 0.0)
    return Feature(
        name=name,
        source=source,
        kind="discrete",
        count=present,
        missing=missing,
        mean=share,
        std=math.sqrt(share * (1 - share)),
        min=low,
        max=high,
        edges=[],
        categories=[0.0, 1.0],
        counts=[present - true, true, 0, missing],
        **weighted_quantiles(some, times[there], low, high),
    )
