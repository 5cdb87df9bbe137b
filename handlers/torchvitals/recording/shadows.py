"""What stands on an object in the place of one of its methods, and is taken for it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Optional

Function = Callable[..., Any]
OF_A_METHOD = ("__self__", "__func__")
NAMES = ("__module__", "__name__", "__qualname__", "__doc__")


class Shadow(functools.partial):  # type: ignore[type-arg]
    """A function that runs in the place of `original`: pickled and copied as the original, and with its attributes.

    A process pool pickles a handler with all that stands on it, and the handler in the other process is not ours to
    measure. Calls cost as much as those of a function: `functools.partial` is C's.

    Args:
        function: what is run.
        original: what it stands for: a method, a function, or any object that can be called.
        become: changes what `function` runs, where that can change.
    """

    def __new__(
        cls, function: Function, original: Function, become: Optional[Callable[[Function], None]] = None
    ) -> Shadow:
        """Make it; attributes that are set later are the original's."""
        shadow: Shadow = super().__new__(cls, function)
        own = vars(shadow)
        own["__wrapped__"] = original
        own["become"] = become
        for name in NAMES:
            own[name] = getattr(original, name, None)
        return shadow

    def stands_on(self, owner: Any, name: str) -> Shadow:
        """Say of which object's method it stands in the place, and return it."""
        if getattr(self.__wrapped__, "__self__", None) is owner and hasattr(type(owner), name):
            vars(self)["place"] = (owner, name)
        return self

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the original."""
        if name.startswith("__") and name not in OF_A_METHOD:
            raise AttributeError(name)
        return getattr(self.__wrapped__, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute of the original."""
        setattr(self.__wrapped__, name, value)

    def __delattr__(self, name: str) -> None:
        """Delete an attribute of the original."""
        delattr(self.__wrapped__, name)

    def __reduce__(self) -> Any:
        """Be pickled and copied as the original.

        A method is found by where it is: what a decorator made of it may have another name.
        """
        place = vars(self).get("place")
        return (_itself, (self.__wrapped__,)) if place is None else (_method, place)


def put(owner: Any, name: str, shadow: Shadow) -> None:
    """Put a shadow on an object, past a `__setattr__` of its own, which may not expect one."""
    try:
        vars(owner)[name] = shadow
    except TypeError:  # an object without a dictionary
        setattr(owner, name, shadow)


def switchable(function: Function) -> Shadow:
    """Return a shadow that runs `function` until `become` gives it another one to run.

    Whoever took it early, such as a thread that a handler starts in `__init__`, runs what it has become.
    """
    run = function

    def become(other: Function) -> None:
        nonlocal run
        run = other

    if inspect.iscoroutinefunction(function):

        async def call_coroutine(*args: Any, **kwargs: Any) -> Any:
            return await run(*args, **kwargs)

        return Shadow(call_coroutine, function, become)

    def call(*args: Any, **kwargs: Any) -> Any:
        return run(*args, **kwargs)

    return Shadow(call, function, become)


def _itself(original: Any) -> Any:
    return original


def _method(owner: Any, name: str) -> Any:
    return getattr(type(owner), name).__get__(owner)
