"""Says a person's word to the service that runs with a configuration."""

from __future__ import annotations

from typing import Any

import httpx

from .config import Config, read_token

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  what the service may listen on
TIMEOUT_SECONDS = 30.0


class WordError(Exception):
    """The service did not take the word; the message says why."""


def address(config: Config) -> str:
    """Return where the service of a configuration is reached on its own machine."""
    host = ANYWHERE.get(config.host, config.host)
    return f"http://[{host}]:{config.port}" if ":" in host else f"http://{host}:{config.port}"


def say(
    config: Config, word: str, model_name: str, said: dict[str, Any], *, url: str | None
) -> dict[str, Any]:
    """POST a word ("confirm" or "reject") and return what came of it; raise WordError."""
    base = (url or address(config)).rstrip("/")
    headers = {"Authorization": f"Bearer {read_token(config.token_file)}"}
    try:
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=url is not None) as client:
            answer = client.post(f"{base}/models/{model_name}/{word}", headers=headers, json=said)
    except httpx.HTTPError as error:
        raise WordError(f"the service does not answer at {base}: {error or type(error).__name__}") from error
    try:
        content: dict[str, Any] = answer.json()
    except ValueError as error:
        raise WordError(f"{base} is not the retraining service: HTTP {answer.status_code}") from error
    if not answer.is_success:
        raise WordError(str(content.get("error") or content))
    return content
