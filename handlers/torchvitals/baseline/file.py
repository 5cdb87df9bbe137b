"""A baseline file as such: who wrote it, whether it is whole, and whether it is as it was sealed."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import msgspec

from .._version import __version__
from ..errors import BaselineError

SCHEMA = "torchvitals/baseline/1"
REBUILD = "rebuild it with 'torchvitals baseline build'"
# Far more than any baseline has; what is no baseline is not read into memory.
LARGEST_BYTES = 2**30
SCHEMA_NUMBER = re.compile(r"torchvitals/baseline/(\d{1,9})")
VERSION = re.compile(r"(\d{1,9}(?:\.\d{1,9})*)[\w.+-]{0,40}")
# The fields whose names are values of the training data.
NAMED_BY_VALUES = (".texts",)


class Origin(msgspec.Struct, frozen=True):
    """What a file of any version says of itself. torchvitals: the version that wrote it, where that is known."""

    schema: str = ""
    torchvitals: str = ""

    @property
    def newer_schema(self) -> bool:
        """Whether the schema came after the one that is read here."""
        theirs, ours = SCHEMA_NUMBER.fullmatch(self.schema), SCHEMA_NUMBER.fullmatch(SCHEMA)
        return theirs is not None and ours is not None and int(theirs[1]) > int(ours[1])

    @property
    def way_out(self) -> str:
        """How to get a file that can be read."""
        newer = _release(self.torchvitals) > _release(__version__)
        if newer:
            return (
                f"it was written by TorchVitals {self.torchvitals}, which is newer than this one, {__version__}: "
                f"install torchvitals>={self.torchvitals} where it is read, or {REBUILD} of this version"
            )
        if self.newer_schema:
            return (
                f"it is newer than this TorchVitals, {__version__}: install the version that wrote it, or {REBUILD} "
                "of this version"
            )
        return REBUILD


def read_bytes(path: Path) -> bytes:
    """Return a file's content. Raises BaselineError where it cannot be read, or is too large to be a baseline."""
    try:
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            raise BaselineError(
                f"baseline '{path}' has {size} bytes, which no baseline has; name the file that "
                "'torchvitals baseline build' wrote"
            )
        return path.read_bytes()
    except OSError as error:
        raise BaselineError(
            f"baseline '{path}' cannot be read: {error.strerror}; name the file that is in the archive "
            "(--extra-files), or build one with 'torchvitals baseline build'"
        ) from error


def origin_of(raw: bytes) -> Origin:
    """Return what a file says of itself. Raises msgspec.DecodeError where it is not whole JSON."""
    try:
        return msgspec.json.decode(raw, type=Origin)
    except msgspec.ValidationError:
        return Origin()


def refuse_schema(schema: str) -> None:
    """Raise BaselineError for a schema that is not read here."""
    if schema != SCHEMA:
        raise BaselineError(f"schema is '{schema}', this version reads '{SCHEMA}'")


def refuse_repetition(raw: bytes) -> None:
    """Raise BaselineError where an object has one name twice: readers of JSON differ in which of the two they take."""
    repeating = False

    def as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeating
        content = dict(pairs)
        if len(content) == len(pairs):
            return content
        repeating = True
        seen: set[str] = set()
        name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        return _Repeating(content, name)

    # Numbers have no names. Millions of them would take as much memory again as the baseline; `bool` makes none.
    content = json.loads(raw, object_pairs_hook=as_object, parse_float=bool, parse_int=bool)
    if repeating:
        place, name = next(_repetitions(content, "$"))
        field = "a name" if place.endswith(NAMED_BY_VALUES) else f"field `{name}`"
        raise BaselineError(f"{field} stands twice - at `{place}`")


class _Repeating(dict):  # type: ignore[type-arg]
    """An object of which one name stands twice."""

    def __init__(self, content: dict[str, Any], name: str) -> None:
        super().__init__(content)
        self.name = name


def _repetitions(value: Any, place: str) -> Any:
    if isinstance(value, _Repeating):
        yield place, value.name
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _repetitions(inner, f"{place}.{name}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _repetitions(inner, f"{place}[{index}]")


def seal_of(unsealed: bytes) -> str:
    """Return the SHA-256 that stands in a file. unsealed: its JSON without white space, and without that field."""
    return hashlib.sha256(unsealed).hexdigest()


def bears_seal(raw: bytes, sha256: str) -> bool:
    """Tell whether a file is as it was when it was sealed, each byte but white space: what nobody decodes included."""
    compact = msgspec.json.format(raw, indent=-1)
    seal = f',"sha256":"{sha256}"}}'.encode()
    if not compact.endswith(seal):
        return False
    # Not a copy of the file: the room that a worker has taken once it hardly gives back.
    found = hashlib.sha256(memoryview(compact)[: -len(seal)])
    found.update(b"}")
    return found.hexdigest() == sha256


def is_rewritten(raw: bytes, content: bytes) -> bool:
    """Tell whether a file is what Python's json writes of some content, names in any order: formatters rewrite files.

    Each value has one spelling there, so that this is no way around the seal. content: JSON.
    """
    compact = msgspec.json.format(raw, indent=-1)
    found = json.loads(compact)
    spellings = (json.dumps(found, separators=(",", ":"), ensure_ascii=escaped) for escaped in (True, False))
    same = any(spelling.encode("utf-8", "surrogatepass") == compact for spelling in spellings)
    return same and json.dumps(found, sort_keys=True) == json.dumps(json.loads(content), sort_keys=True)


def _release(version: str) -> tuple[int, ...]:
    """Return a version's numbers; none of what is no version."""
    found = VERSION.fullmatch(version)
    numbers = [int(number) for number in found[1].split(".")] if found else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
