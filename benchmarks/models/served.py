"""What a server benchmark has to know of a model: where its handler is, and how its files are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Prepared:
    """What is made of a model before it is served: a state_dict, a baseline, and bodies of requests."""

    weights: Path
    baseline: Path
    bodies: tuple[bytes, ...]


@dataclass(frozen=True)
class ServedModel:
    """A model that can be served plain and monitored.

    folder: has `handler.py`, which imports MonitoredHandler by `variants.IMPORT`, and `model.py`. prepare: writes the
    files into the folder that it is given. extra_files: what else the archive holds. environment: variables that
    TorchServe and its workers are started with.
    """

    name: str
    title: str
    folder: Path
    content_type: str
    prepare: Callable[[Path], Prepared]
    extra_files: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
