"""How a worker runs its model: on which device, in which precision, compiled or not."""

from __future__ import annotations

import functools
import sys
from typing import Any, Optional

import torch

from ..recording.devices import device_name
from ..recording.faults import Faults
from ..recording.forward import COMPILED_IN_PLACE
from ..recording.shadows import Shadow

# The first run is left alone: a compiler that works during it would be slowed down. The next few tell.
FIRST_WATCHED, LAST_WATCHED = 2, 4
ENTER_AUTOCAST = torch.autocast.__enter__.__code__

# Device, precision, version of PyTorch, whether compiled.
RuntimeLabels = tuple[str, str, str, str]


class Runtime:
    """The labels of `model_runtime_info` after `worker`; the flush thread calls it for what is true now.

    model: a torch.nn.Module of any kind, or something else, of which less is known. device: what it runs on, or None.
    """

    def __init__(self, model: Any, device: Any, faults: Optional[Faults] = None) -> None:
        module = model if isinstance(model, torch.nn.Module) else None
        self._device = device_name(device)
        self._parameters = _parameter_types(module)
        self._compiled = str(module is not None and _compiled(module)).lower()
        self._autocast = AutocastWatch(_device_type(module, device), faults or Faults())

    def __call__(self) -> RuntimeLabels:
        """Return the labels."""
        precision = self._autocast.precision or self._parameters
        return (self._device, precision, torch.__version__, self._compiled)

    def watch(self, handler: Any) -> None:
        """See in a few early runs of the handler's `inference` whether it switches autocast on."""
        self._autocast.watch(handler)


class AutocastWatch:
    """Reads whether a handler's early runs of inference are under torch.autocast, which is a thread's own setting.

    precision: `autocast_bfloat16` and so on, of the latest run watched; None without autocast. Autocast inside a
    compiled or scripted model, and in threads that the handler starts, is beyond it.
    A fault of ours is noted; a run never sees it.

    Python's profiling hook tells of each function that is called meanwhile, `torch.autocast.__enter__` among them. It
    leaves the model as it is: a forward hook in it would be compiled, scripted, traced and copied along with it.
    """

    def __init__(self, device_type: str, faults: Faults) -> None:
        self.precision: Optional[str] = None
        self._faults = faults
        self._device_type = device_type
        self._runs = 0
        self._found: Optional[str] = None

    def watch(self, handler: Any) -> None:
        """Shadow `handler.inference` until enough is seen."""
        inference = getattr(handler, "inference", None)
        if not callable(inference):
            return

        @functools.wraps(inference)
        def watched(*args: Any, **kwargs: Any) -> Any:
            watching = False
            try:
                self._runs += 1
                if self._runs >= LAST_WATCHED and vars(handler).get("inference") is shadow:
                    handler.inference = inference
                watching = self._runs >= FIRST_WATCHED and self._begin()
            except BaseException as fault:
                self._faults.note("timing", fault)
            try:
                return inference(*args, **kwargs)
            finally:
                try:
                    if watching:
                        self._end()
                except BaseException as fault:
                    sys.setprofile(None)
                    self._faults.note("timing", fault)

        shadow = Shadow(watched, inference)
        handler.inference = shadow

    def _begin(self) -> bool:
        """Begin to look; False where somebody else profiles this thread."""
        if sys.getprofile() is not None or not torch.amp.is_autocast_available(self._device_type):
            return False
        on = torch.is_autocast_enabled(self._device_type)
        self._found = _autocast(torch.get_autocast_dtype(self._device_type)) if on else None
        sys.setprofile(self._called)
        return True

    def _end(self) -> None:
        if sys.getprofile() == self._called:
            sys.setprofile(None)
        self.precision = self._found

    def _called(self, frame: Any, event: str, argument: Any) -> None:
        if frame.f_code is not ENTER_AUTOCAST or event != "call":
            return
        try:
            autocast = frame.f_locals["self"]
            if autocast._enabled and autocast.device == self._device_type:
                self._found = _autocast(autocast.fast_dtype)
        except BaseException as fault:
            self._faults.note("timing", fault)


def _autocast(dtype: Any) -> str:
    return f"autocast_{_name(dtype)}"


def _parameter_types(module: Optional[torch.nn.Module]) -> str:
    parameters = module.parameters() if module is not None else iter(())
    return "+".join(sorted({_name(p.dtype) for p in parameters if p.is_floating_point()})) or "unknown"


def _device_type(module: Optional[torch.nn.Module], device: Any) -> str:
    """Return where the parameters are; a handler need not say which device it uses."""
    parameters = module.parameters() if module is not None else iter(())
    found = next((parameter.device for parameter in parameters), device)
    return getattr(found, "type", "cpu")


def _compiled(module: torch.nn.Module) -> bool:
    return type(module).__name__ == "OptimizedModule" or vars(module).get(COMPILED_IN_PLACE) is not None


def _name(dtype: torch.dtype) -> str:
    return str(dtype).replace("torch.", "")
