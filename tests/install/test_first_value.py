"""From an installed wheel to a notification: six commands, and one file to write."""

from __future__ import annotations

import random
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from stack.loopback import http
from stack.waiting import eventually

from .conftest import Installed, environment

pytestmark = pytest.mark.server
MODEL = """
import numpy as np
import pandas as pd
import torch


class Fraud(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)

    def forward(self, rows):
        return self.layer(rows).sigmoid()


if __name__ == "__main__":
    torch.manual_seed(1)
    columns = {"amount": np.random.default_rng(1).lognormal(3, 1, 20_000)}
    columns["hour"] = np.random.default_rng(2).integers(0, 24, 20_000)
    columns["age"] = np.random.default_rng(3).normal(40, 9, 20_000)
    pd.DataFrame(columns).to_parquet("train.parquet")
    torch.save(Fraud().state_dict(), "model.pt")
"""
ROWS = 700


@contextmanager
def up(user: Installed) -> Iterator[dict[str, str]]:
    """Run `torchvitals up`; yield the addresses that it prints."""
    log = user.folder / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                user.venv / "bin" / "torchvitals",
                "up",
                "--model-store",
                "fraud/model-store",
                "--scrape-interval",
                "1s",
            ],
            cwd=user.folder,
            env=environment(user.venv),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def ready() -> bool:
        assert process.poll() is None, log.read_text()
        return "Ctrl-C ends everything." in log.read_text()

    try:
        eventually(ready, lambda: f"the stack: {log.read_text()}", seconds=300)
        yield dict(re.findall(r"^(\w+) +(http\S+)$", log.read_text(), re.MULTILINE))
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0, log.read_text()


def row(rng: random.Random, factor: float = 1.0) -> dict[str, Any]:
    return {
        "amount": rng.lognormvariate(3, 1) * factor,
        "hour": rng.randrange(24),
        "age": rng.gauss(40, 9),
    }


def test_first_value(serving: Installed) -> None:
    user, rng = serving, random.Random(1)
    user.run(
        "torchvitals", "init", "fraud", "--columns", "amount,hour,age", "--class-names", "legitimate,fraud"
    )
    (user.folder / "fraud" / "model.py").write_text(MODEL)
    user.run("env", "-C", "fraud", "python", "model.py")
    user.run("make", "-C", "fraud")
    assert "3 features: 3 numbers; outputs: 2 classes by one sigmoid" in user.run(
        "torchvitals", "check", "fraud/model-store/fraud.mar"
    )
    with up(user) as addresses:
        predictions = f"{addresses['Predictions']}fraud"
        answer = http.post(predictions, json=row(rng)).raise_for_status().json()
        assert answer["class"] in ("legitimate", "fraud")
        # Amounts in cents, where euros were meant.
        for _ in range(ROWS):
            http.post(predictions, json=row(rng, factor=100)).raise_for_status()

        def notified() -> bool:
            said = http.get(f"{addresses['Notifications']}/api/notifications").json()
            return any(one["labels"]["alertname"] == "ModelInputDrift" for one in said)

        eventually(notified, "the notification of the drift", seconds=600)
