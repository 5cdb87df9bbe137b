"""Ids of predictions, by which labels that come later find them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Optional

from .recorder import Recorder

LONGEST = 200


class PredictionNames:
    """Says which ids the predictions of a call have, and of which segment they are.

    Nothing is raised into a request: what cannot be an id is none, and counted as such.
    """

    def __init__(self, recorder: Optional[Recorder] = None) -> None:
        self._recorder = recorder
        self._next: ContextVar[Optional[tuple[str, str]]] = ContextVar("torchvitals_names", default=None)

    def id(self, *ids: object, segment: object = "") -> None:
        """Give the predictions of this call, or else of this thread's or coroutine's next one, their ids.

        Args:
            ids: one a prediction, in order, of 1 to 200 printable characters; a single one of several predictions
                becomes ID/0, ID/1 and so on.
            segment: what the true accuracy is told apart by, such as a region.
        """
        if self._recorder is None:
            return
        try:
            names = together(ids), name_of(segment)
            call = self._recorder.current.get()
            if call is not None and call in self._recorder.running:
                call.ids, call.segments = names[0], names[1] or call.segments
            else:
                self._next.set(names)
        except BaseException as fault:
            self._recorder.faults.note("requests", fault)

    def take(self) -> Optional[tuple[str, str]]:
        """Return what was said of the call that ends now before it began, once."""
        names = self._next.get()
        if names is not None:
            self._next.set(None)
        return names


def together(names: Iterable[object]) -> str:
    r"""Return names as one text, one a line; what cannot be a name is an empty line.

    >>> together(["a", 7, "two\nlines", None])
    'a\n7\n\n'
    """
    return "\n".join(map(name_of, names))


def name_of(value: object) -> str:
    """Return a name, as text; an empty one of what cannot be a name."""
    if type(value) is int:
        value = str(value)
    if type(value) is str and len(value) <= LONGEST and value.isprintable():
        return value
    return ""


def fields_of(body: Any, field: str) -> Iterator[Any]:
    """Yield a field of a request's body, or of each of its instances; None where it is missing.

    >>> list(fields_of({"order": 7}, "order")), list(fields_of({"instances": [{"order": 7}, {}]}, "order"))
    ([7], [7, None])
    """
    if isinstance(body, Mapping) and field not in body and isinstance(body.get("instances"), list):
        body = body["instances"]
    for one in body if isinstance(body, list) else [body]:
        yield one.get(field) if isinstance(one, Mapping) else None
