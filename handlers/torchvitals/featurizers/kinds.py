"""A registry of kinds: of inputs, or of outputs. One class a kind, found by the name that stands in a baseline file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import msgspec

from ..errors import BaselineError, ConfigurationError

K = TypeVar("K")


class UnknownKindError(ConfigurationError, BaselineError, ValueError):
    """There is no kind, or no feature, of that name. A ``ValueError``, so that msgspec adds its place in the file."""


class Kinds(Generic[K]):
    """The known kinds, by name. `of` is what they are kinds of: inputs or outputs."""

    def __init__(self, of: str) -> None:
        self.of = of
        self._classes: dict[str, type[K]] = {}

    def register(self, cls: type[K]) -> type[K]:
        """Add a kind, a msgspec struct with a tag; a decorator. Raises ValueError for a name that is taken."""
        kind = kind_of(cls)
        if self._classes.get(kind, cls) is not cls:
            raise ValueError(f"the kind of {self.of} '{kind}' is registered already; choose another tag")
        self._classes[kind] = cls
        return cls

    def unregister(self, kind: str) -> None:
        """Forget a kind. Raises UnknownKindError."""
        self.named(kind)
        del self._classes[kind]

    def named(self, kind: str) -> type[K]:
        """Return the class of a kind. Raises UnknownKindError that lists the known ones."""
        if kind not in self._classes:
            raise UnknownKindError(
                f"{self.of}: unknown kind '{kind}'; known kinds: {', '.join(self._classes)}"
            )
        return self._classes[kind]

    def decode(self, raw: Any) -> K:
        """Return what a file holds: a mapping with the kind's name under `kind`.

        Raises ValueError for an unknown kind, and where the content does not fit it.
        """
        kind = raw.get("kind") if isinstance(raw, dict) else None
        cls = self.named(str(kind))
        config, fields = cls.__struct_config__, msgspec.structs.fields(cls)  # type: ignore[attr-defined, arg-type]
        known = {config.tag_field, *(field.encode_name for field in fields)}
        unknown = [name for name in raw if name not in known]
        if unknown:
            raise ValueError(f"{self.of} of kind '{kind}': Object contains unknown field `{unknown[0]}`")
        try:
            # Through JSON, so that bytes are read from base64.
            found = msgspec.json.decode(msgspec.json.encode(raw), type=cls)
        except msgspec.ValidationError as error:
            raise ValueError(f"{self.of} of kind '{kind}': {error}") from error
        completed = getattr(cls, "completed", None)
        return found if completed is None else completed(found, raw.keys())

    def __iter__(self) -> Iterator[type[K]]:
        """Yield the classes, the latest first: what comes later may be more particular."""
        return iter(reversed(self._classes.values()))

    def __contains__(self, kind: object) -> bool:
        return kind in self._classes


def kind_of(cls: Any) -> str:
    """Return the name of a kind, from its class or one of its objects: the struct's tag."""
    return str(cls.__struct_config__.tag)
