"""The handler that `base_handler` names, made as TorchServe would make it."""

from __future__ import annotations

import importlib
import logging
from types import ModuleType
from typing import Any

from ts.utils.util import list_classes_from_module

from ...errors import ConfigurationError, one_line
from ...recording.stages import shadow_stages

logger = logging.getLogger(__name__)

STAGES_OF_A_HANDLER = ("preprocess", "inference", "postprocess", "handle")
WHERE = "handler.monitoring.base_handler"


class FunctionHandler:
    """A function of a module, `handle(data, context)`; TorchServe initialises it with a call that has no data.

    module: where it is defined, and where it keeps its model, as a rule.
    """

    def __init__(self, module: ModuleType, function: Any) -> None:
        self.module = module
        self.handle = function

    def initialize(self, context: Any) -> None:
        """Call it as ts/model_loader.py does."""
        self.handle(None, context)

    @property
    def model(self) -> Any:
        """The module's variable `model`."""
        return getattr(self.module, "model", None)

    @property
    def device(self) -> Any:
        """The module's variable `device`."""
        return getattr(self.module, "device", None)


def base_handler(name: str, handler: Any) -> Any:
    """Make the handler that a name stands for.

    As TorchServe takes it (ts/model_loader.py): a module in the archive or one of TorchServe's own handlers; a function
    of it, `handle` unless the name says `module:function`; else its one class.

    Args:
        name: what the configuration says.
        handler: the MonitoredHandler in whose place it serves.

    Raises:
        ConfigurationError: there is none, or it cannot be told which.
    """
    overridden = [stage for stage in STAGES_OF_A_HANDLER if stage in vars(type(handler))]
    if overridden:
        raise ConfigurationError(
            f"{WHERE}: {type(handler).__name__} has a {overridden[0]} of its own; remove one of the two"
        )
    place, _, function = name.partition(":")
    module = _module(place, name)
    if hasattr(module, function or "handle"):
        return FunctionHandler(module, getattr(module, function or "handle"))
    if function:
        raise ConfigurationError(f"{WHERE}: '{name}': the module has no '{function}'")
    classes = [cls for cls in list_classes_from_module(module) if hasattr(cls, "handle")]
    if len(classes) != 1:
        raise ConfigurationError(
            f"{WHERE}: '{name}' defines {len(classes)} handler classes; it must define one, or a function `handle`"
        )
    return _made(classes[0])


def _made(cls: Any) -> Any:
    """Make an object as `cls()` does, with its stages shadowed before `__init__` may hand them to threads."""
    if type(cls).__call__ is not type.__call__:
        return cls()
    made = cls.__new__(cls)
    if isinstance(made, cls):
        try:
            shadow_stages(made)
        except Exception as error:
            # It has no place for attributes, for example; the models are watched all the same.
            why = one_line(str(error))
            logger.warning("%s: the stages of %s cannot be measured: %s", WHERE, cls.__name__, why)
        cls.__init__(made)
    return made


def _module(place: str, name: str) -> ModuleType:
    module_name = (place[:-3] if place.endswith(".py") else place).split("/")[-1]
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name:
            raise ConfigurationError(f"{WHERE}: '{name}' cannot be imported: {error}") from error
    try:
        return importlib.import_module(f"ts.torch_handler.{module_name}")
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            f"{WHERE}: '{name}' is neither in the archive nor one of TorchServe's ({missing})"
        ) from missing
