"""Seeing inference in the model itself, for handlers that do not use the stage of that name."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from threading import get_ident
from typing import Any, Optional

import torch

from .clocks import StageClock
from .recorder import Recorder
from .shadows import Function, Shadow
from .stages import INFERENCE, Run, Stopwatch

# What `Module.compile()` sets, and `Module.__call__` then runs in the place of all else (torch/nn/modules/module.py).
COMPILED_IN_PLACE = "_compiled_call_impl"
# Modules and sessions of a handler that are watched.
MOST_MODELS = 16
# The attribute that a pipeline, or whatever else wraps a model, keeps it in.
MODEL = "model"


class ModelWatch:
    """Measures the runs of models as inference, in calls in which the handler's own `inference` does not run.

    Eager, compiled, scripted, traced and exported modules are seen through forward hooks; an ONNX session through its
    `run`; a plain function that is the handler's `model` through a shadow. Only the outermost run counts where one
    model runs another.
    """

    def __init__(self, recorder: Recorder, clock: StageClock) -> None:
        self._stopwatch = Stopwatch(INFERENCE, recorder, clock)
        self._note = recorder.faults.note
        # The run of each thread, and how many models deep it is.
        self._runs: dict[int, tuple[Optional[Run], int]] = {}
        # Watched models; kept, so that no other object takes the identity of one.
        self._watched: dict[int, Any] = {}

    def look(self, owner: Any) -> None:
        """Watch the models among an object's attributes, or a module's variables, that are not watched yet."""
        for name, value in _models(owner):
            if id(value) not in self._watched and len(self._watched) < MOST_MODELS:
                self._watch(owner, name, value)

    def _watch(self, owner: Any, name: str, model: Any) -> None:
        if isinstance(model, torch.nn.Module):
            compiled = vars(model).get(COMPILED_IN_PLACE)
            if compiled is not None:
                object.__setattr__(model, COMPILED_IN_PLACE, Shadow(self._measured(compiled), compiled))
            else:
                # Of the base class: scripted modules refuse the methods, and run the hooks.
                register = torch.nn.Module
                register.register_forward_pre_hook(model, _BeforeForward(self), with_kwargs=True)
                register.register_forward_hook(model, _AfterForward(self), with_kwargs=True, always_call=True)
        elif _is_session(model):
            model.run = Shadow(self._measured(model.run, feeds=True), model.run)
        else:
            shadow = Shadow(self._measured(model), model)
            setattr(owner, name, shadow)
            self._watched[id(shadow)] = shadow
        self._watched[id(model)] = model

    def _measured(self, function: Function, *, feeds: bool = False) -> Function:
        """Return a function that is measured; `feeds` for one that is given names of outputs and then its inputs."""

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            self.begin(args[1:] if feeds else args, kwargs)
            returned = False
            result = None
            try:
                result = function(*args, **kwargs)
                returned = True
                return result
            finally:
                self.end(returned, result)

        return run

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Begin a run of a model in this thread; a fault of ours is noted."""
        try:
            thread = get_ident()
            run, depth = self._runs.get(thread, (None, 0))
            if not depth:
                run = self._stopwatch.begin(args, kwargs, staged=False)
            self._runs[thread] = (run, depth + 1)
        except BaseException as fault:
            self._note("timing", fault)

    def end(self, returned: bool, result: Any) -> None:
        """End it; a fault of ours is noted."""
        try:
            thread = get_ident()
            run, depth = self._runs.get(thread, (None, 0))
            if depth > 1:
                self._runs[thread] = (run, depth - 1)
                return
            self._runs.pop(thread, None)
            if run is not None:
                self._stopwatch.end(run, returned, result)
        except BaseException as fault:
            self._note("timing", fault)


class _Hook:
    """A hook that compilers do not look into, and that does not go along with a copy of the model."""

    def __init__(self, watch: ModelWatch) -> None:
        self._watch = watch

    def __reduce__(self) -> Any:
        return _no_hook, ()


class _BeforeForward(_Hook):
    def __call__(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not torch.compiler.is_compiling():
            self._watch.begin(args, kwargs)


class _AfterForward(_Hook):
    def __call__(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        if not torch.compiler.is_compiling():
            # Called without a result where forward raised.
            self._watch.end(result is not None, result)


def _nothing(*args: Any) -> None:
    """Do nothing, as a hook."""


def _no_hook() -> Any:
    return _nothing


def _models(owner: Any) -> Iterator[tuple[str, Any]]:
    """Yield what looks like a model among an object's attributes, `model` first, with its name; no part of another."""
    attributes = dict(vars(owner)) if hasattr(owner, "__dict__") else {}
    found: dict[str, Any] = {}
    try:
        # A property, perhaps.
        main = attributes.get(MODEL, getattr(owner, MODEL, None))
    except Exception:
        main = None
    inner = _model_in(main)
    if inner is not None:
        found[MODEL] = inner
    elif MODEL in attributes and _is_function(main):
        found[MODEL] = main
    for name, value in attributes.items():
        inner = _model_in(value)
        if inner is not None:
            found.setdefault(name, inner)
    modules = [value for value in found.values() if isinstance(value, torch.nn.Module)]
    parts = {id(part) for module in modules for part in _parts(module)}
    for name, value in found.items():
        if id(value) not in parts:
            yield name, value


def _parts(module: torch.nn.Module) -> Iterator[torch.nn.Module]:
    modules = module.modules()
    next(modules)
    return modules


def _is_model(value: Any) -> bool:
    return isinstance(value, torch.nn.Module) or _is_session(value)


def _model_in(value: Any) -> Any:
    """Return a model, or the one that a pipeline, or whatever else wraps one, keeps; None without one."""
    if _is_model(value):
        return value
    if isinstance(value, (type, types.ModuleType)) or not hasattr(value, "__dict__"):
        return None
    inner = vars(value).get(MODEL)
    return inner if _is_model(inner) else None


def _is_session(value: Any) -> bool:
    """Tell an inference session of ONNX Runtime, which need not be installed."""
    return type(value).__name__ == "InferenceSession" and callable(getattr(value, "run", None))


def _is_function(value: Any) -> bool:
    """Tell what has no attributes that somebody could miss: a function, such as torch._export.aot_load gives."""
    return isinstance(
        value, (types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools.partial)
    )
