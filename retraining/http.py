"""A try of an action that calls an address, or dispatches a workflow."""

from __future__ import annotations

import json
from typing import Any

import httpx

from .config import ConfigError, UrlAction, WorkflowAction, read_token
from .outcome import Outcome

# What says "later" rather than "no". A workflow that is dispatched twice runs twice, so that a gateway's 502 or 504,
# behind which the dispatch may have worked, is in doubt there.
LATER = {408, 425, 429, 500, 502, 503, 504}
IN_DOUBT = {500, 502, 504}
LONGEST_DETAIL = 500
API_VERSION = "2022-11-28"


async def perform(action: UrlAction | WorkflowAction, *, told: dict[str, Any], decision: str) -> Outcome:
    """Send the one request of the action."""
    try:
        address, headers, body = _request(action, told, decision)
    except ConfigError as error:
        return Outcome("failed", str(error))
    try:
        async with httpx.AsyncClient(timeout=action.timeout) as client:
            answer = await client.post(address, headers=headers, json=body)
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        return Outcome("failed", f"no connection: {error or type(error).__name__}")
    except httpx.TimeoutException:
        return Outcome("timed_out", f"no answer within {action.timeout:g} s", effect_known=False)
    except httpx.HTTPError as error:
        return Outcome("failed", f"no answer: {error or type(error).__name__}", effect_known=False)
    detail = f"HTTP {answer.status_code} {answer.text[:LONGEST_DETAIL]}".strip()
    if answer.is_success:
        return Outcome("succeeded", detail)
    again = answer.status_code in LATER
    return Outcome("failed", detail, again=again, effect_known=answer.status_code not in IN_DOUBT)


def _request(
    action: UrlAction | WorkflowAction, told: dict[str, Any], decision: str
) -> tuple[str, dict[str, str], dict[str, Any]]:
    headers = {"User-Agent": "torchvitals-retraining"}
    if action.token_file is not None:
        headers["Authorization"] = f"Bearer {read_token(action.token_file)}"
    if isinstance(action, UrlAction):
        return str(action.url), {**headers, "Idempotency-Key": decision}, told
    address = (
        f"{str(action.api_url).rstrip('/')}/repos/{action.repository}"
        f"/actions/workflows/{action.workflow}/dispatches"
    )
    headers |= {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": API_VERSION}
    # An input of a workflow is text.
    texts = {**told, "environment": json.dumps(told.get("environment", {}))}
    inputs = {name: texts[name] for name in action.inputs}
    return address, headers, {"ref": action.ref, "inputs": inputs}
