"""How requests are sent."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from .style import Reply, Send

if TYPE_CHECKING:
    from .serving import Model

JSON = {"Content-Type": "application/json"}
ROWS = np.random.default_rng(11).integers(-4, 5, size=(12, 4)).tolist()


def each(*bodies: Any, path: str = "/predictions/{name}", headers: dict[str, str] | None = None) -> Send:
    """Send one after the other; what is not bytes already is sent as JSON."""

    def send(model: Model) -> list[Reply]:
        return [_post(model, body, path, headers) for body in bodies]

    return send


def together(*bodies: Any, path: str = "/predictions/{name}", headers: dict[str, str] | None = None) -> Send:
    """Send all at once; the replies are in the order of the bodies."""

    def send(model: Model) -> list[Reply]:
        with ThreadPoolExecutor(len(bodies)) as threads:
            return list(threads.map(lambda body: _post(model, body, path, headers), bodies))

    return send


def several(*parts: Send) -> Send:
    """Send one part after the other."""
    return lambda model: [reply for part in parts for reply in part(model)]


def _post(model: Model, body: Any, path: str, headers: dict[str, str] | None) -> Reply:
    if isinstance(body, bytes):
        return model.post(body, path=path, headers=headers)
    return model.post(json.dumps(body).encode(), path=path, headers={**JSON, **(headers or {})})
