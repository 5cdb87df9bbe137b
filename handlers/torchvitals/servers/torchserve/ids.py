"""The ids and segments of predictions, out of a batch of TorchServe's requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Optional

from ...config import GroundTruth
from ...recording.call import CallRecord
from ...recording.naming import fields_of, name_of, together


class RequestIds:
    """Gives each call the ids of its predictions, where the handler has not.

    A body's field counts before a header, a header before TorchServe's own id of the request, which is in the answer
    as `x-request-id`. Bodies are looked at as TorchServe decoded them.
    """

    def __init__(self, options: GroundTruth) -> None:
        self._id = options.id_field, _both(options.id_header)
        self._segment = options.segment_field, _both(options.segment_header)
        self._has_segments = self._segment != (None, ())
        self._only_header = options.id_field is None and not self._has_segments
        self._header, self._lower_header = self._id[1]

    def fill(self, call: CallRecord, data: Any, context: Any) -> None:
        """Fill in the ids of a call whose requests and instances are known."""
        requests = context.request_processor
        if self._only_header and len(requests) == 1:
            # What most calls are takes a fifth of the time.
            if call.ids is None:
                properties = requests[0].get_request_properties()
                said = properties.get(self._header) or properties.get(self._lower_header)
                if said is None:
                    (said,) = context.request_ids.values()
                elif "," in said and call.instances != 1:
                    said = [part.strip() for part in said.split(",")]
                call.ids = name_of(said) if type(said) is str else together(said)
            return
        if call.ids is None:
            own = list(context.request_ids.values())
            ids = list(self._names(self._id, call, data, requests))
            if len(ids) == len(own):
                # What is missing, and not what is wrong.
                ids = [mine if said is None else said for said, mine in zip(ids, own)]
            elif len(own) == 1 and (not ids or None in ids):
                ids = own
            call.ids = together(ids)
        if not call.segments and self._has_segments:
            call.segments = together(list(self._names(self._segment, call, data, requests)))

    def _names(
        self, where: tuple[Optional[str], tuple[str, ...]], call: CallRecord, data: Any, requests: list[Any]
    ) -> Iterator[Any]:
        field, headers = where
        rows = data if isinstance(data, (list, tuple)) else [data]
        if field is not None:
            found = [name for row in rows for name in _in_body(row, field)]
            if any(name is not None for name in found):
                yield from found
                return
        for request in requests:
            properties = request.get_request_properties()
            said = next((properties[header] for header in headers if properties.get(header)), None)
            if said is None:
                yield None
            elif "," in said and call.instances != 1:
                yield from (part.strip() for part in said.split(","))
            else:
                yield said


def _in_body(row: Any, field: str) -> Iterator[Any]:
    """Yield the field of a body, or of each of its instances."""
    body = row
    if isinstance(row, dict) and field not in row:
        body = row.get("body") if row.get("body") is not None else row.get("data")
    yield from fields_of(body, field)


def _both(header: Optional[str]) -> tuple[str, ...]:
    """Return a header as clients write it, and as HTTP/2 and some proxies do."""
    return () if header is None else (header, header.lower())
