"""What the numbers of a column of categories stand for: said by the user, learned while building, kept in the file."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Optional, Union

import numpy as np
from numpy.typing import NDArray

from ..errors import BaselineError, ConfigurationError
from .batches import is_table
from .columns import NUMBER_TYPES, holds_texts, text_or_none
from .tables import Columns, category_order

SORTED, CODES = "sorted", "codes"
# A code and the category that it stands for; None is missing.
Codes = dict[float, Optional[str]]
# What a user may say of a column: the order of the codes, from 0; what each stands for; the categories' own order; or
# that the numbers are all there is.
Said = Union[Literal["sorted", "codes"], list[Optional[str]], dict[float, Optional[str]]]
# What no code stands for.
INFINITE = ("inf", "-inf")
# More texts than any model has codes for; their order is kept in memory while a baseline is built.
MOST_CATEGORIES = 100_000


class CodesError(ConfigurationError, BaselineError, ValueError):
    """What is said of codes contradicts itself. A ``ValueError``, so that msgspec adds its place in the file."""


def number_text(value: float) -> str:
    """Return a code as the name of a category.

    >>> number_text(3.0), number_text(0.5)
    ('3', '0.5')
    """
    return str(int(value)) if value == math.floor(value) else f"{value:.9g}"


def codes_of(said: Union[Iterable[Any], Mapping[float, Any]], column: str) -> Codes:
    """Return what each code stands for, at float32, ascending. Raises CodesError.

    said: the categories in the order of their codes, such as an encoder's `categories_[0]`, or a mapping.
    """
    where = f"categories: '{column}'"
    listed = not isinstance(said, Mapping)
    pairs = said.items() if isinstance(said, Mapping) else enumerate(said)
    texts = {code: text_or_none(text) for code, text in pairs}
    if not texts:
        raise CodesError(f"{where}: nothing is listed; give the categories in the order of their codes")
    if listed and len(set(texts.values())) < len(texts):
        raise CodesError(
            f"{where}: a category is listed twice; where several codes mean the same, give a mapping of codes to "
            "categories"
        )
    codes = {float(np.float32(code)): text for code, text in texts.items()}
    if len(codes) < len(texts) or not all(map(math.isfinite, codes)):
        raise CodesError(f"{where}: codes must be finite numbers, and different ones at float32")
    return dict(sorted(codes.items()))


def codes_in_order(texts: Iterable[str]) -> Codes:
    """Return the codes of categories in their sorted order, as scikit-learn's encoders and pandas give them.

    Categories that are all numbers are sorted as numbers.
    """
    found = set(texts)
    return {
        float(code): text
        for code, text in enumerate(sorted(found, key=_number if _all_numbers(found) else None))
    }


def own_codes(texts: Iterable[str], column: str) -> Codes:
    """Return the codes of categories that are codes themselves. Raises CodesError where one is no number."""
    found = [text for text in texts if text not in INFINITE]
    if not _all_numbers(found):
        raise CodesError(
            f"categories: '{column}' holds texts, so that it does not say which code is which; list them in the order "
            "of their codes, or say 'sorted'"
        )
    return dict(sorted((_number(text), text) for text in found))


class CodedColumns:
    """What is known of the codes of columns while a baseline is built; it can be sent to another process.

    said: by column, what the user says of its codes.
    """

    def __init__(self, said: Optional[Mapping[str, Said]] = None) -> None:
        self._said = dict(said or {})
        self._known = {
            name: codes_of(codes, name) for name, codes in self._said.items() if not isinstance(codes, str)
        }
        # Of columns whose codes follow from their texts: the texts so far, and a table's own order of them.
        self._texts: dict[str, set[str]] = {name: set() for name in self._said if name not in self._known}
        self._orders: dict[str, Codes] = {}
        self._numbers: set[str] = set()

    def decoded(self, columns: Columns, batch: Any) -> Columns:
        """Return the columns of a batch with texts in the place of codes. Raises BaselineError."""
        if not self._said:
            return columns
        for name in self._said:
            if name not in columns:
                close = difflib.get_close_matches(name, columns, n=1)
                hint = f"did you mean '{close[0]}'?" if close else f"they have: {', '.join(columns)}"
                raise BaselineError(f"features: categories: the data have no column '{name}'; {hint}")
        return {name: self._decoded(name, values, batch) for name, values in columns.items()}

    def merge(self, other: CodedColumns) -> None:
        """Add what another part has seen. Raises BaselineError where a code means something else there."""
        for name, said in other._said.items():
            self._said.setdefault(name, said)
            if name in other._known:
                self._known[name] = _together(self._known.get(name, {}), other._known[name], name)
            else:
                self._texts.setdefault(name, set()).update(other._texts[name])
        for name, codes in other._orders.items():
            self._set_order(name, codes)
        self._numbers |= other._numbers

    def empty(self) -> CodedColumns:
        """Return one to which the same was said, and that has seen nothing."""
        return CodedColumns(self._said)

    def codes(self) -> dict[str, Codes]:
        """Return by column what each code stands for. Raises BaselineError where the texts do not tell."""
        found = dict(self._known)
        for name, texts in self._texts.items():
            if name in self._orders:
                found[name] = self._orders[name]
            elif self._said[name] == CODES or name in self._numbers:
                found[name] = own_codes(texts, name)
            else:
                found[name] = codes_in_order(texts)
        return found

    @classmethod
    def resumed(cls, codes: Mapping[str, Codes]) -> CodedColumns:
        """Return what goes on with the codes of a baseline file."""
        said: dict[str, Said] = {}
        for name, known in codes.items():
            own = all(text == number_text(code) for code, text in known.items())
            if known:
                said[name] = "codes" if own else known
        return cls(said)

    def _decoded(self, name: str, values: NDArray[Any], batch: Any) -> NDArray[Any]:
        if name not in self._said:
            return values
        numbers = not holds_texts(values)
        if numbers and not (self._said[name] == SORTED and is_table(batch)):
            # An array holds what the model is given; a table's numbers may be the categories themselves.
            self._numbers |= {name} if name in self._texts else set()
        if numbers:
            values = texts_of(values, self._known.get(name, {}))
        if name in self._texts:
            order = category_order(batch, name) if self._said[name] == SORTED and is_table(batch) else None
            if order is not None:
                self._set_order(name, codes_of(list(map(_category_name, order)), name))
            texts = self._texts[name]
            texts.update(text for text in map(text_or_none, set(values.tolist())) if text is not None)
            if len(texts) > MOST_CATEGORIES:
                raise BaselineError(
                    f"features: categories: '{name}' has more than {MOST_CATEGORIES:,} different texts; list those "
                    "that have a code"
                )
        return values

    def _set_order(self, name: str, codes: Codes) -> None:
        if self._orders.setdefault(name, codes) != codes:
            raise BaselineError(
                f"features: categories: '{name}' has another order of its categories in another part of the data; "
                "list them in the order of their codes"
            )


def texts_of(numbers: NDArray[np.float32], codes: Codes) -> NDArray[Any]:
    """Return what numbers, (n,), stand for; NaN is missing, and an unknown code its own name."""
    distinct, places = np.unique(numbers, return_inverse=True)
    found = np.empty(len(distinct), dtype=object)
    found[:] = [
        None if value != value else codes[value] if value in codes else _named(value)
        for value in distinct.tolist()
    ]
    return np.asarray(found[places.reshape(-1)], dtype=object)


def numbers_of(texts: NDArray[Any], codes: Codes) -> NDArray[np.float64]:
    """Return the codes of (n,) texts; NaN for a text without one."""
    by_text = {text: code for code, text in reversed(codes.items())}
    return np.array([by_text.get(text_or_none(text), np.nan) for text in texts.tolist()], dtype=np.float64)


def _category_name(category: Any) -> str:
    return _named(float(np.float32(category))) if isinstance(category, NUMBER_TYPES) else str(category)


def _named(value: float) -> str:
    return number_text(value) if math.isfinite(value) else str(value)


def _together(mine: Codes, theirs: Codes, name: str) -> Codes:
    both = {**mine, **theirs}
    texts = [text for text in both.values() if text is not None]
    agree = all(both[code] == text for code, text in mine.items())
    if not agree or (len(set(texts)) < len(texts) and mine != theirs):
        raise BaselineError(
            f"the codes of '{name}' mean other categories in the other part; build both with the same list "
            "(features: categories)"
        )
    return both


def is_number(text: str) -> bool:
    """Tell whether a category's name is one that `number_text` gives."""
    try:
        return number_text(_number(text)) == text
    except (ValueError, OverflowError):
        return False


def _all_numbers(texts: Iterable[str]) -> bool:
    return all(map(is_number, texts))


def _number(text: str) -> float:
    return float(np.float32(float(text)))
