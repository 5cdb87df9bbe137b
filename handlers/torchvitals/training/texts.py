"""What is kept of a column of texts, however many different ones it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Optional

from ..baseline.schema import Feature, Source, Summary
from ..errors import BaselineError
from .fitting import categorical_feature
from .identifiers import IdentifierCounts, are_identifiers
from .sketches import frequency_sketch, frequent_texts

# Up to so many different texts are counted exactly; more go into a sketch.
EXACT_TEXTS = 4096


class TextCounts:
    """Mergeable counts of texts. Beyond EXACT_TEXTS a text's count may be too low, never too high: the rest is `other`.

    exact_texts: how many different ones are counted exactly, None for all; a model's classes are known and all
    counted. missing, exact, sketch: what was counted so far; the sketch, where there is one, is of all texts, and
    hashes beside it tell how many are different.
    """

    def __init__(
        self,
        exact_texts: Optional[int] = EXACT_TEXTS,
        *,
        missing: int = 0,
        exact: Optional[Mapping[str, int]] = None,
        sketch: Optional[Any] = None,
        hashes: Optional[IdentifierCounts] = None,
    ) -> None:
        self.missing = missing
        self.exact_texts = exact_texts
        self._exact: Counter[str] = Counter(exact)
        self._sketch = sketch
        self._hashes = hashes

    def update(self, counts: Mapping[str, int]) -> None:
        """Add texts with how often each came."""
        if self._sketch is not None:
            for text, count in counts.items():
                self._sketch.update(text, count)
            if self._hashes is not None:
                self._hashes.update(counts, numbers=False)
            return
        self._exact.update(counts)
        if self.exact_texts is not None and len(self._exact) > self.exact_texts:
            self._to_sketch()

    def merge(self, other: TextCounts) -> None:
        """Add the texts of another part, which stays as it is."""
        self.missing += other.missing
        if other._sketch is not None:
            self._to_sketch().merge(other._sketch)
            if self._hashes is None or other._hashes is None:
                self._hashes = None
            else:
                self._hashes.merge(other._hashes)
        else:
            self.update(other._exact)

    def identifiers(self) -> Optional[IdentifierCounts]:
        """Return what is kept of the texts where they tell rows apart; None where they are categories."""
        if self._sketch is None:
            different, present = float(len(self._exact)), sum(self._exact.values())
        elif self._hashes is None:
            return None
        else:
            different, present = self._hashes.different, int(self._sketch.total_weight)
        return self.without_texts() if are_identifiers(different, present) else None

    def without_texts(self) -> IdentifierCounts:
        """Return what is kept of the texts where they are identifiers. Raises BaselineError."""
        if self._sketch is None:
            return IdentifierCounts.of(self._exact, missing=self.missing)
        if self._hashes is None:
            raise BaselineError(
                "a part has texts of a version that knew no identifiers, and the other identifiers; rebuild both"
            )
        self._hashes.missing = self.missing
        return self._hashes

    def describe(self, *, name: str, source: Source, categories: Optional[list[str]] = None) -> Feature:
        """Return the feature that these texts make; `categories` names its bins where they are known."""
        exact = self._sketch is None
        by_text = self._exact if exact else frequent_texts(self._sketch)
        count = sum(self._exact.values()) if self._sketch is None else int(self._sketch.total_weight)
        return categorical_feature(
            by_text, count=count, missing=self.missing, name=name, source=source, categories=categories
        )

    def summary(self) -> Summary:
        """Return the state, for a file or another process."""
        return Summary(
            kind="texts",
            missing=self.missing,
            texts=dict(sorted(self._exact.items())),
            sketch=b"" if self._sketch is None else self._sketch.serialize(),
            hashes=None if self._hashes is None else self._hashes.hashes(),
        )

    @classmethod
    def resume(cls, summary: Summary, exact_texts: Optional[int] = EXACT_TEXTS) -> TextCounts:
        """Return the texts that `summary` tells of."""
        sketch = frequency_sketch(summary.sketch) if summary.sketch else None
        hashes = None if summary.hashes is None else IdentifierCounts.resume(summary.hashes, 0)
        return cls(exact_texts, missing=summary.missing, exact=summary.texts, sketch=sketch, hashes=hashes)

    def __reduce__(self) -> tuple[Any, ...]:
        return TextCounts.resume, (self.summary(), self.exact_texts)

    def _to_sketch(self) -> Any:
        """Return the sketch; what was counted exactly so far moves into it."""
        if self._sketch is None:
            self._sketch = frequency_sketch()
            self._hashes = IdentifierCounts.of(self._exact)
            for text, count in self._exact.items():
                self._sketch.update(text, count)
            self._exact = Counter()
        return self._sketch
