"""The models that the whole-server benchmark serves, by name."""

from __future__ import annotations

from .flight_delay import FLIGHT_DELAY
from .resnet18 import RESNET18
from .served import Prepared, ServedModel
from .transformer import TRANSFORMER

MODELS = {model.name: model for model in (FLIGHT_DELAY, RESNET18, TRANSFORMER)}

__all__ = ["FLIGHT_DELAY", "MODELS", "RESNET18", "TRANSFORMER", "Prepared", "ServedModel"]
