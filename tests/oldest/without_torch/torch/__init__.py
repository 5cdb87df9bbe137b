"""In torch's place where there is none: names that the package looks up when it is imported, and nothing that works.

Only for tests/oldest: rows that are arrays go through the whole core without a tensor.
"""

from __future__ import annotations

from typing import Any

__version__ = "0"


class autocast:  # noqa: N801  torch's name
    """Its `__enter__` is looked up to be told from others."""

    def __enter__(self) -> None: ...

    def __exit__(self, *exception: object) -> None: ...


class inference_mode(autocast):  # noqa: N801  torch's name
    """A model that is a function runs within it."""


class nn:  # noqa: N801  torch's name
    """Of a model it is asked whether it is a module."""

    class Module: ...


def __getattr__(name: str) -> Any:
    """Return a class of that name, of which nothing is an instance."""
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (), {"__module__": __name__})
