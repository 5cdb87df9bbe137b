"""Asking the programs of a stack over HTTP."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Optional

import httpx

TIMEOUT_SECONDS = 10.0


class Web(AbstractContextManager["Web"]):
    """Asks addresses; one that does not answer is None, so that each check says what that means."""

    def __init__(self) -> None:
        # Programs of a stack are on this machine or beside it, not behind a proxy.
        self._client = httpx.Client(trust_env=False, timeout=TIMEOUT_SECONDS, follow_redirects=True)

    def __exit__(self, *exception: object) -> None:
        self._client.close()

    def ask(
        self, address: str, *, token: Optional[str] = None, method: str = "GET", **query: str
    ) -> Optional[httpx.Response]:
        """Return the answer, whatever its status, or None."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            return self._client.request(method, address, params=query or None, headers=headers)
        except (httpx.TransportError, httpx.InvalidURL):
            return None

    def json(self, address: str, *, token: Optional[str] = None, **query: str) -> Any:
        """Return the data of an answer, or None where there is none."""
        answer = self.ask(address, token=token, **query)
        if answer is None or answer.status_code != httpx.codes.OK:
            return None
        try:
            return answer.json()
        except ValueError:
            return None
