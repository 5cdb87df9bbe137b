"""What a worker needs of that which learns a baseline from the rows that it serves."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Optional, Protocol

from numpy.typing import NDArray

from ..baseline.schema import BaselineData
from ..config import MonitoringConfig
from ..telemetry.publisher import Publisher


class Learner(Protocol):
    """Collects what a model is given and gives until it makes a baseline of it; `learning.BaselineLearner` is one."""

    def reduce(self, value: Any) -> Any:
        """Return what is copied of a model's inputs on the request path."""

    def reduce_outputs(self, value: Any) -> Any:
        """Return what is copied of a model's outputs on the request path."""

    def add(self, inputs: list[NDArray[Any]], outputs: list[NDArray[Any]]) -> None:
        """Take in rows."""

    def known(self) -> Optional[BaselineData]:
        """Return the baseline that an earlier worker has learned, if there is one."""

    def learned(self) -> Optional[BaselineData]:
        """Return the baseline once there is one."""

    def forget(self) -> None:
        """Begin anew in a forked process."""

    def publish(self, publisher: Publisher, worker: str) -> None:
        """Send how far it is."""


def learner_of(config: MonitoringConfig, folder: Path, *, name: str, version: str) -> Optional[Learner]:
    """Return what learns the baseline of a model; None where the configuration does not ask for it.

    folder: where the baseline is kept.
    """
    if config.learn is None:
        return None
    # What builds baselines takes megabytes, and only a worker that builds one needs them (docs/decisions/014).
    learning = importlib.import_module(".learning", __package__)
    learner: Learner = learning.BaselineLearner(
        config.learn, folder=folder, name=name, version=version, features=config.features
    )
    return learner
