"""What torch-model-archiver is given as the handler of the flight delay model.

A request is a JSON object with the ten columns of the model, null where a value is missing; the answer is
``{"class": "late", "probabilities": {"on_time": 0.31, ...}}``. A request that cannot be read is answered
with status 400 and a message that says what is wrong; the other requests of its batch are served.

This file goes into the model archive, so it keeps to Python 3.9.
"""

from __future__ import annotations

import json
from operator import itemgetter
from typing import Any

import numpy as np
import torch

from torchvitals import MonitoredHandler

BAD_REQUEST = 400
NUMBERS_OR_NULL = frozenset((int, float, type(None)))  # bool is an int to isinstance, so types are compared


def fault_of(row: Any, columns: tuple[str, ...]) -> str:
    """Say what is wrong with a decoded body that is not ten numbers or nulls."""
    if not isinstance(row, dict):
        return f"the body must be a JSON object with the columns {', '.join(columns)}"
    missing = [column for column in columns if column not in row]
    if missing:
        return f"missing column {', '.join(map(repr, missing))}; send null where a value is not known"
    unknown = sorted(set(row) - set(columns))
    if unknown:
        shown = ", ".join(repr(name[:40]) for name in unknown[:3]) + (", ..." if len(unknown) > 3 else "")
        return f"unknown column {shown}; the columns are {', '.join(columns)}"
    kinds = {str: "text", bool: "true or false", list: "a list", dict: "an object"}
    for column in columns:
        kind = type(row[column])
        if kind not in NUMBERS_OR_NULL:
            return f"column {column!r} must be a number or null, not {kinds.get(kind, kind.__name__)}"
    return "a number is too large"


class FlightDelayHandler(MonitoredHandler):
    """Turns JSON objects into rows of the model, and its logits into classes with probabilities."""

    def initialize(self, context: Any) -> None:
        """Load the model as BaseHandler does; the columns and classes are the model's own."""
        super().initialize(context)
        self.columns = self.model.COLUMNS
        self.classes = self.model.CLASSES
        self.values_of = itemgetter(*self.columns)
        self.faults: dict[int, str] = {}
        self.requests = 0

    def preprocess(self, data: list[dict[str, Any]]) -> torch.Tensor:
        """Return the rows that can be read as a float32 tensor (n, 10), NaN for null.

        What is wrong with the others is kept for ``postprocess``. Nothing is raised: an exception has one
        message for the whole batch (ts/service.py, predict), and its good requests would fail as well.
        """
        self.faults, self.requests = {}, len(data)
        batch = np.empty((len(data), len(self.columns)), dtype=np.float32)
        good = 0
        with np.errstate(over="ignore"):  # a value beyond float32 becomes infinite, and the monitor counts it
            for index, request in enumerate(data):
                try:
                    self.read(request, into=batch[good])
                    good += 1
                except ValueError as error:
                    self.faults[index] = str(error)
        return torch.from_numpy(batch[:good]).to(self.device)

    def read(self, request: dict[str, Any], *, into: np.ndarray) -> None:
        """Write the ten values of one request into a row; raise ValueError that says what is wrong."""
        # A form field is called "data"; a body that is no form arrives under "body".
        body = request.get("body", request.get("data", b""))
        if isinstance(body, (str, bytes, bytearray)):
            if not body.strip():
                raise ValueError("the request has no body")
            try:
                body = json.loads(body)
            except (ValueError, RecursionError) as error:
                raise ValueError("the body is not valid JSON") from error
        try:
            values = self.values_of(body)
            if len(body) == len(values) and NUMBERS_OR_NULL.issuperset(map(type, values)):
                into[:] = values
                return
        except (KeyError, TypeError, OverflowError):
            pass  # fault_of says which
        raise ValueError(fault_of(body, self.columns))

    def inference(self, data: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Return the logits of the rows; without a row the model is not asked."""
        if not len(data):
            return data.new_empty((0, len(self.classes)))
        logits: torch.Tensor = super().inference(data, *args, **kwargs)
        return logits

    def postprocess(self, logits: torch.Tensor) -> list[str]:
        """Return one JSON text a request, in the order of the batch, and set the status of each."""
        # In NumPy: torch.softmax wakes its thread pool even for a few rows, which took 0.2 ms where this takes 0.01.
        values = logits.cpu().numpy()
        weights = np.exp(values - values.max(axis=1, keepdims=True))
        scores = iter((weights / weights.sum(axis=1, keepdims=True)).tolist())
        answers = []
        for index in range(self.requests):
            self.context.set_response_content_type(index, "application/json")
            fault = self.faults.get(index)
            if fault is None:
                answers.append(self.answer(next(scores)))
            else:
                # The phrase stays plain: its length is sent in characters and its text in UTF-8
                # (ts/protocol/otf_message_handler.py), so a name that is not ASCII would garble the reply.
                self.context.set_response_status(BAD_REQUEST, "Bad Request", index)
                answers.append(json.dumps({"code": BAD_REQUEST, "type": "BadRequest", "message": fault}))
        return answers

    def answer(self, scores: list[float]) -> str:
        """Return the JSON text of one prediction."""
        best = max(range(len(scores)), key=scores.__getitem__)
        return json.dumps({"class": self.classes[best], "probabilities": dict(zip(self.classes, scores))})
