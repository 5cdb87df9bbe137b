"""Baselines that are learned from the first rows served (`learn:`)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from stack.waiting import eventually
from torchvitals.telemetry import catalogue as m

from ..sending import JSON
from ..style import Reply, Seen, Style, own

if TYPE_CHECKING:
    from ..serving import Model

LEARNED, AFTERWARDS = 100, 20


def tokens(number: int) -> list[bytes]:
    """Return requests of token ids, each of another length."""
    rng = np.random.default_rng(5)
    return [
        json.dumps(rng.integers(1, 200, size=length).tolist()).encode()
        for length in rng.integers(3, 60, size=number)
    ]


def learning(model: Model) -> list[Reply]:
    """Send what is learned from; once it is learned, send what is compared."""
    bodies = tokens(LEARNED + AFTERWARDS)

    def learned() -> bool:
        page = model.server.series(model.name, m.BASELINE_LEARNED_ROWS.name, m.BASELINE_LEARNING.name)
        states = {(name, dict(labels).get("state")): value for (name, labels), value in page.items() if value}
        return states == {
            (m.BASELINE_LEARNED_ROWS.name, None): LEARNED,
            (m.BASELINE_LEARNING.name, "shared"): 1,
        }

    replies = [model.post(body, headers=JSON) for body in bodies[:LEARNED]]
    if model.monitored:
        eventually(learned, f"the baseline that {model.name} learns", seconds=model.patience)
    return replies + [model.post(body, headers=JSON) for body in bodies[LEARNED:]]


STYLES = (
    Style(
        "learns-tokens-one-by-one",
        own("""
class Handler(Numbers):
    def preprocess(self, data):
        return torch.tensor([self.row(request) for request in data])

    def inference(self, data, *args, **kwargs):
        return [float(row.float().mean()) for row in data]

    def postprocess(self, data):
        return data
"""),
        learning,
        baseline=None,
        monitoring={"learn": LEARNED},
        sees=Seen(inputs=AFTERWARDS, outputs=0, predictions=0),
    ),
)
