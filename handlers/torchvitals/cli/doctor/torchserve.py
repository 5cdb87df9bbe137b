"""TorchServe's own ports: does it answer, to whom, in which version, and are its models served."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Optional

from .finding import Finding
from .logs import load_error
from .places import Places
from .web import Web

PART = "TorchServe"
REFUSED = (400, 401, 403)
SUPPORTED = "0.12"
TOKEN = "--token-file key_file.json; TorchServe writes that file into the folder in which it starts"  # noqa: S105


@dataclass(frozen=True)
class Served:
    """A version of a model, as the management port describes it."""

    name: str
    version: str
    ready: int
    workers: int


def answers(web: Web, places: Places) -> list[Finding]:
    """Tell whether the inference port answers, with the token that is given."""
    answer = web.ask(f"{places.inference}/ping", token=places.inference_token)
    if answer is None:
        return [
            Finding(
                PART,
                f"TorchServe does not answer at {places.inference}",
                "start it, or say where it is: torchvitals doctor http://HOST:8080",
            )
        ]
    if answer.status_code in REFUSED:
        return [_refused(places.inference, places.inference_token)]
    return []


def version(web: Web, places: Places) -> list[Finding]:
    """Tell whether TorchServe is of a version that this works with."""
    answer = web.ask(f"{places.inference}/", token=places.inference_token, method="OPTIONS")
    return unsupported(answer.text) if answer is not None else []


def unsupported(description: str) -> list[Finding]:
    """Judge the version in what TorchServe says of its API."""
    found = re.search(r'"version"\s*:\s*"([\d.]+)', description)
    if found is None or found[1].startswith(f"{SUPPORTED}."):
        return []
    return [
        Finding(
            PART,
            f"TorchServe is {found[1]}; {SUPPORTED} is supported",
            f"pip install torchserve=={SUPPORTED}.0",
        )
    ]


def served(web: Web, places: Places) -> Optional[list[Served]]:
    """Return what is served, or None where the management port does not say."""
    listed = web.json(f"{places.management}/models", token=places.management_token, limit="1000")
    if not isinstance(listed, dict):
        return None
    found = []
    for model in listed.get("models", []):
        address = f"{places.management}/models/{model['modelName']}/all"
        described: Any = web.json(address, token=places.management_token) or []
        for one in described if isinstance(described, list) else []:
            states = [worker.get("status") for worker in one.get("workers", [])]
            found.append(
                Served(
                    one["modelName"], str(one["modelVersion"]), states.count("READY"), int(one["minWorkers"])
                )
            )
    return found


def management(web: Web, places: Places, models: Optional[list[Served]]) -> list[Finding]:
    """Tell why the management port does not say what is served."""
    if models is not None:
        return []
    answer = web.ask(f"{places.management}/models", token=places.management_token)
    if answer is not None and answer.status_code in REFUSED:
        return [_refused(places.management, places.management_token)]
    return [
        Finding(
            PART,
            f"TorchServe's management port does not answer at {places.management}",
            "give its address: --management",
        )
    ]


def models_load(models: list[Served], places: Places) -> Iterator[Finding]:
    """Name the models that no worker serves, and why where a log says."""
    for model in models:
        if model.ready or not model.workers:
            continue
        reason = load_error(places.logs, model.name, model.version)
        yield Finding(
            PART,
            f"model {model.name} {model.version} is not served: none of its workers is ready"
            + (f"; its log says: {reason}" if reason else ""),
            _remedy(reason, places),
        )


def _remedy(reason: Optional[str], places: Places) -> str:
    if reason and (module := re.search(r"No module named '([\w.]+)'", reason)):
        return f"install {module[1].partition('.')[0]} where the workers run, or pack it with --extra-files"
    if reason:
        return "fix what the log says, and make the archive anew"
    if places.folder is None:
        return "look into model_log.log; torchvitals doctor FOLDER names the error of TorchServe's logs there"
    return "look into model_log.log, and wait where the model is still loading"


def _refused(address: str, token: Optional[str]) -> Finding:
    if token is None:
        return Finding(PART, f"TorchServe asks for a token at {address}", f"give it: {TOKEN}")
    return Finding(PART, f"TorchServe refuses the token at {address}", f"give that of this start: {TOKEN}")
