"""An endpoint for webhooks on loopback that keeps what arrives, by path."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Webhooks(AbstractContextManager["Webhooks"]):
    """Answers with ``status``; what it does not answer with 200 it does not keep."""

    def __init__(self) -> None:
        self.status = 200
        self.bodies: dict[str, list[bytes]] = defaultdict(list)
        self.authorizations: dict[str, list[str | None]] = defaultdict(list)
        self.refused: dict[str, int] = defaultdict(int)
        keep = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                keep.take(self)

            def log_message(self, *words: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Webhooks:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        body = request.rfile.read(int(request.headers["content-length"]))
        name = request.path.removeprefix("/")
        if self.status == 200:
            self.bodies[name].append(body)
            self.authorizations[name].append(request.headers["authorization"])
        else:
            self.refused[name] += 1
        request.send_response(self.status)
        request.send_header("content-length", "0")
        request.end_headers()

    def alerts(self, name: str) -> list[dict[str, Any]]:
        """Return every alert that arrived at a path."""
        return [alert for body in self.bodies[name] for alert in json.loads(body)["alerts"]]
