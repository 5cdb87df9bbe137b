"""Which statistics there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from .statistic import Statistic

# What `FeatureDrift` says besides its statistics, which are attributes of it too.
RESERVED = frozenset(
    {"name", "source", "samples", "values", "drifted", "threshold", "full", "knows_order", "beyond", "excess"}
)


class Statistics:
    """Statistics by name, in the order of reports, series and docs.

    learned: those for which a baseline learns a limit, in the same order.
    """

    def __init__(self, statistics: Iterable[Statistic] = ()) -> None:
        self._by_name: dict[str, Statistic] = {}
        self.learned: tuple[Statistic, ...] = ()
        for statistic in statistics:
            self.add(statistic)

    def __iter__(self) -> Iterator[Statistic]:
        return iter(tuple(self._by_name.values()))

    def __len__(self) -> int:
        return len(self._by_name)

    def __getitem__(self, name: str) -> Statistic:
        """Return a statistic. Raises KeyError that lists the known ones."""
        try:
            return self._by_name[name]
        except KeyError:
            raise KeyError(f"unknown statistic '{name}'; known: {', '.join(self._by_name)}") from None

    def add(self, statistic: Statistic) -> None:
        """Take a statistic in, after the others.

        Raises ValueError when its name is taken or no attribute can be called so, a text is missing, or it has a margin
        although a larger value is not a farther one.
        """
        kind = type(statistic).__name__
        missing = [field for field in ("name", "title", "unit", "help") if not getattr(statistic, field, "")]
        if missing:
            raise ValueError(f"statistic {kind} has no {' and no '.join(missing)}; set it in the class")
        name = statistic.name
        if not name.isidentifier() or name.startswith("_") or name in RESERVED:
            raise ValueError(
                f"statistic {kind} is called '{name}', which FeatureDrift cannot have as a statistic; rename it"
            )
        taken = [other for other in self if name == other.name or statistic.gauge == other.gauge]
        if taken:
            raise ValueError(
                f"statistic {kind} has the name or the gauge of {type(taken[0]).__name__} "
                f"('{name}', {statistic.gauge}); rename one of them"
            )
        if statistic.margin is not None and statistic.worst != "max":
            raise ValueError(
                f"statistic {kind} has a margin, but its worst value is the {statistic.worst}; only a statistic that "
                "grows with the distance can learn a limit"
            )
        self._set({**self._by_name, name: statistic})

    @contextmanager
    def restoring(self) -> Iterator[None]:
        """Take back, at the end, whatever is added inside."""
        before = self._by_name
        try:
            yield
        finally:
            self._set(before)

    def _set(self, by_name: dict[str, Statistic]) -> None:
        self._by_name = by_name
        self.learned = tuple(statistic for statistic in by_name.values() if statistic.margin is not None)
