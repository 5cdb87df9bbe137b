"""TorchServe's logs: why a model does not load, and whether they grow too fast."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Optional

from .finding import Finding

PART = "logging"
TAIL_BYTES = 2_000_000
# "2026-01-01T00:00:00,000 [WARN ] W-9000-fraud_1.0-stderr MODEL_LOG - text"
LINE = re.compile(r" W-\d+-(?P<model>.+?)-std(?:out|err) MODEL_LOG - (?P<text>.*)$")
ERROR = re.compile(r"^(?:[\w.]+\.)?\w*(?:Error|Exception|NotFound)\b: .+|^(?:[\w.]+\.)?\w*Error$")
# TorchServe looks for a handler of its own of that name after the import failed (ts/model_loader.py).
MASK = re.compile(r"No module named '?ts\.torch_handler\.|Backend worker process died|Failed to load model")
PER_REQUEST = re.compile(
    r"Backend received inference at: |\[METRICS\]|Looping backend response at|Sending response for jobId"
)
FEW = 20


def load_error(logs: Optional[Path], name: str, version: str) -> Optional[str]:
    """Return the last error that a model's workers logged, the real one where TorchServe masks it."""
    wanted = f"{name}_{version}"
    found = (LINE.search(line) for line in _tail(logs, "model_log.log"))
    texts = [one["text"].strip() for one in found if one and one["model"] == wanted]
    errors = [text for text in texts if ERROR.match(text)]
    real = [text for text in errors if not MASK.search(text)]
    return (real or errors or [None])[-1]


def volume(logs: Optional[Path]) -> list[Finding]:
    """Tell whether TorchServe logs many lines a request."""
    for name in ("model_log.log", "ts_log.log"):
        loud = sum(bool(PER_REQUEST.search(line)) for line in _tail(logs, name))
        if loud >= FEW:
            return [
                Finding(
                    PART,
                    f"{name} has lines for each request and metric, gigabytes a day under load",
                    "start it with our log4j2.xml (torchvitals export), or add to yours: torchvitals merge log4j2.xml",
                )
            ]
    return []


def _tail(logs: Optional[Path], name: str) -> list[str]:
    if logs is None or not (logs / name).is_file():
        return []
    with (logs / name).open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - TAIL_BYTES))
        return file.read().decode("utf-8", errors="replace").splitlines()
