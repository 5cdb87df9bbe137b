"""Turns verdicts that flicker into steady ones."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from collections.abc import Set as AbstractSet


class Hysteresis:
    """Makes one steady verdict of many that were reached on overlapping windows.

    A drift is believed once it has held for a quarter of a window of new rows, so that one unlucky window that is
    judged ten times counts once. It is over once it has been gone for as long.

    Args:
        window: rows in the window that is judged.
    """

    def __init__(self, window: int) -> None:
        self._patience = max(window // 4, 1)
        self._steady: set[Hashable] = set()
        self._since: dict[Hashable, int] = {}

    def update(
        self, names: Iterable[Hashable], drifted: AbstractSet[Hashable], rows_seen: int
    ) -> set[Hashable]:
        """Take in the verdicts of one evaluation.

        Args:
            names: what was judged; a name that is left out keeps its verdict.
            drifted: those of them that drifted.
            rows_seen: rows that were added so far to the window that they were judged on, those that left it
                included.

        Returns:
            The names whose drift is believed.
        """
        for name in names:
            if (name in drifted) == (name in self._steady):
                self._since.pop(name, None)
                continue
            changed_at = self._since.setdefault(name, rows_seen)
            if rows_seen - changed_at >= self._patience:
                self._steady ^= {name}
                del self._since[name]
        return set(self._steady)
