"""Every Python block of a page runs, one after the other, and prints what the page says that it prints."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from tests.docs.blocks import blocks
from torchvitals import Baseline, MonitoredModel
from torchvitals.featurizers import INPUTS

PAGES = sorted({block.page for block in blocks("python")})
PRINTED = re.compile(r"^ *# prints: (.*)$", re.MULTILINE)


def fraud() -> dict[str, Any]:
    """What README and the pages on servers take for granted: training rows, a network, and its baseline's file."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(3000, 3)).astype(np.float32)
    network = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Sigmoid())
    with torch.inference_mode():
        scores = network(torch.from_numpy(X)).numpy()
    Path("baselines").mkdir()
    Baseline.fit(X, outputs=scores, class_names=["legitimate", "fraud"], name="fraud").save(
        "baselines/fraud-1.0.json"
    )
    return {
        "Baseline": Baseline,
        "X": X,
        "scores": scores,
        "network": network,
        "rows": torch.from_numpy(X[:50]),
        "loader": torch.from_numpy(X).split(1000),
        "FraudAPI": object,
    }


def fastapi_answers(names: dict[str, Any]) -> None:
    app = names["app"]

    async def ask() -> str:
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://page")
        async with app.router.lifespan_context(app), client:
            answer = await client.post("/predict", json=[[0.1, 0.2, 0.3]])
            assert len(answer.raise_for_status().json()) == 1
            app.state.model.monitor.flush()
            return (await client.get("/metrics")).text

    assert 'model_name="fraud"' in asyncio.run(ask())


def readme_monitors(names: dict[str, Any]) -> None:
    assert isinstance(names["model"], MonitoredModel)
    assert names["model"].summary()["calls"] == 1
    names["model"].close()


def handler_names(names: dict[str, Any]) -> None:
    rows = names["Fraud"]().preprocess([{"body": {"order": 17, "values": [1.0, 2.0]}}])
    assert rows.tolist() == [[1.0, 2.0]]


# What is looked at once a page's code has run, beside what it prints.
AFTER: dict[str, Callable[[dict[str, Any]], None]] = {
    "README.md": readme_monitors,
    "docs/fastapi.md": fastapi_answers,
    "docs/baselines.md": lambda names: Baseline.load("baselines/fraud-1.0.json"),
    "docs/handlers.md": handler_names,
    "docs/tutorial.md": lambda names: names["Fraud"]()(torch.zeros(1, 3)),
    "docs/litserve.md": lambda names: names["MonitoringCallback"],
    "docs/what-is-compared.md": lambda names: INPUTS.unregister("sounds"),
}


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_runs(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page", **(fraud() if page in AFTER else {})}
    expected = []
    for block in blocks("python"):
        if block.page == page:
            exec(compile(block.text, block.place, "exec"), names)
            expected += PRINTED.findall(block.text)
    assert capsys.readouterr().out.splitlines() == expected
    assert page in AFTER or expected, "a page of its own prints something, or is looked at afterwards"
    AFTER.get(page, lambda names: None)(names)
