"""TorchServe's metrics page, read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

SERIES = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
TYPE = re.compile(r"^# TYPE (\S+) ", re.MULTILINE)

Model = tuple[str, str]


@dataclass(frozen=True)
class Page:
    """names: of the metrics that TorchServe knows, with values or without. series: name, labels and value of each."""

    names: frozenset[str] = frozenset()
    series: tuple[tuple[str, dict[str, str], float], ...] = field(default=())

    @classmethod
    def read(cls, text: str) -> Page:
        """Read a page."""
        found = (SERIES.match(line) for line in text.splitlines() if not line.startswith("#"))
        series = tuple((one[1], dict(LABEL.findall(one[2] or "")), _number(one[3])) for one in found if one)
        return cls(frozenset(TYPE.findall(text)) | {name for name, _, _ in series}, series)

    def of(self, metric: str) -> Iterator[tuple[dict[str, str], float]]:
        """Yield the labels and values of a metric's series."""
        return ((labels, value) for name, labels, value in self.series if name == metric)

    def models(self, metric: str) -> dict[Model, float]:
        """Return the sum of a metric's series by name and version of the model."""
        sums: dict[Model, float] = {}
        for labels, value in self.of(metric):
            model = labels.get("model_name", ""), labels.get("model_version", "")
            sums[model] = sums.get(model, 0.0) + value
        return sums


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
