"""Verdicts that do not flicker."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from collections.abc import Set as AbstractSet


class Hysteresis:
    """Turns a feature's verdicts, made again and again on windows that overlap, into a steady one.

    A drift is believed once it has held over a quarter of a window of new rows, so that one unlucky window that is
    judged ten times counts once; and it is over once it has been gone for as long.
    """

    def __init__(self, window: int) -> None:
        self._patience = max(window // 4, 1)
        self._steady: set[Hashable] = set()
        self._since: dict[Hashable, int] = {}

    def update(
        self, names: Iterable[Hashable], drifted: AbstractSet[Hashable], rows_seen: int
    ) -> set[Hashable]:
        """Take the verdicts after `rows_seen` rows in all; return the names that have steadily drifted."""
        for name in names:
            if (name in drifted) == (name in self._steady):
                self._since.pop(name, None)
                continue
            changed_at = self._since.setdefault(name, rows_seen)
            if rows_seen - changed_at >= self._patience:
                self._steady ^= {name}
                del self._since[name]
        return set(self._steady)
