"""What columns hold that is no number of its own: codes in the place of texts, and texts that tell rows apart."""

from __future__ import annotations

from ..baselines import accounts, carriers
from ..sending import each
from ..style import Seen, Style, own

SCORES = """
    def inference(self, data, *args, **kwargs):
        return torch.tensor([[float(row[1]), 0.0, 1.0] for row in data])
"""

STYLES = (
    # Carriers are sorted; 7, a fraction and -1 are no carrier's code.
    Style(
        "codes-of-categories",
        own("class Handler(Numbers):" + SCORES),
        each(*([code, 0.5] for code in (0, 0, 1, 2, 2, 2, 7, 0.5, -1))),
        sees=Seen(bins={"carrier": {"00 AA": 2, "01 B6": 1, "02 UA": 3, "other": 3}}),
        baseline=carriers,
    ),
    # Two accounts of training, one that it did not have, and one that is missing.
    Style(
        "identifiers",
        own(
            """
import numpy


class Handler(Numbers):
    def preprocess(self, data):
        return numpy.array([self.row(request) for request in data], dtype=object)
"""
            + SCORES
        ),
        each(*([account, 0.5] for account in ("acc-1", "acc-12", "acc-987654321", None))),
        sees=Seen(bins={"account_new": {"other": 2, "01 1": 1, "missing": 1}}),
        baseline=accounts,
    ),
)
