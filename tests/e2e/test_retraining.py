"""Summer comes, the service retrains: a spoilt version is rejected, a good one serves. All of it for real.

ModelRetrainHeld is sent to Alertmanager as Prometheus sends it; that it fires is tested in prometheus/tests, and
`make demo RETRAIN=1` has both together.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from examples.flight_delay.acting import ROOT, RetrainingService, live_traffic
from examples.flight_delay.prometheus import Prometheus
from examples.flight_delay.replay import replay
from stack import Stack
from stack.loopback import http
from stack.ports import Ports
from stack.waiting import eventually
from tests.conftest import READY_SECONDS

pytestmark = pytest.mark.server

FIRST = 7_000
WINDOW = 4_000
LABELS = {
    "alertname": "ModelRetrainHeld",
    "severity": "warning",
    "cause": "retrain",
    "action": "confirm",
    "job": "torchserve",
    "model_name": "flight_delay",
    "model_version": "1.0",
}


class Run:
    """The stack with the example, its first days of July served, and the retraining service beside it."""

    def __init__(self, stack: Stack, service: RetrainingService, words: list[str]) -> None:
        self.stack = stack
        self.service = service
        self.words = words  # how retrain.py is called

    def models(self, path: str = "") -> list[dict[str, Any]]:
        answer = http.get(f"{self.stack.management_url}/models/flight_delay{path}")
        return answer.raise_for_status().json()

    @property
    def serving(self) -> str:
        return self.models()[0]["modelVersion"]

    @property
    def versions(self) -> set[str]:
        return {found["modelVersion"] for found in self.models("/all")}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A temporary folder for the archiver that the retraining starts, as in tests/conftest.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("scratch")))
        yield


@pytest.fixture(scope="module")
def run(flights, scratch: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("retraining")
    store = tmp_path_factory.mktemp("store")
    archive = flights.package(
        store,
        "flight_delay",
        {"baseline": "flight_delay-1.0.json", "flush_interval": 1, "ground_truth": {}},
    )
    ports = Ports.free()
    service = RetrainingService(ports, folder=folder, trained=flights.folder, store=store, window=WINDOW)
    with service, Stack(
        tmp_path_factory.mktemp("stack"), model_store=store, models={"flight_delay": archive},
        scrape_interval="1s", ports=ports, retraining=service.hook, alerts=service.alerts, labels=True,
    ) as stack:  # fmt: skip
        stack.wait_ready(READY_SECONDS)
        address = f"{stack.inference_url}/predictions/flight_delay"
        july = pd.read_parquet(flights.folder / "july.parquet")
        replay(address, july, rate=400, requests=FIRST, in_order=True)
        words = [
            sys.executable, "-m", "examples.flight_delay.retrain", "--live", str(service.exchange.folder),
            "--management", stack.management_url, "--prometheus", stack.prometheus_url,
            "--trained", str(flights.folder), "--store", str(store), "--window", str(WINDOW),
        ]  # fmt: skip
        with live_traffic(stack, july, service.exchange, first=FIRST) as live:
            yield Run(stack, service, words)
            live.check()
        assert live.failed == 0


def test_a_version_trained_on_shuffled_labels_is_rejected_with_the_reason(run: Run, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    environment = {**os.environ, "FAULT": "labels", "RETRAINING_REPORT": str(report)}
    done = subprocess.run(run.words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert found["outcome"] == "rejected"
    assert "its confidence does not tell right answers from wrong ones" in found["reason"]
    assert abs(found["new"]["ranking"] - 0.5) < 0.05
    assert run.serving == "1.0"
    assert run.versions == {"1.0"}
    assert not (Path(run.words[run.words.index("--store") + 1]) / "flight_delay-2.0.mar").exists()


def test_a_word_on_the_alert_leads_to_a_better_version_that_serves(run: Run) -> None:
    alert = {"labels": LABELS, "startsAt": datetime.now(timezone.utc).isoformat()}
    address = f"{run.stack.alertmanager_url}/api/v2/alerts"
    http.post(address, json=[alert]).raise_for_status()
    eventually(run.service.held, "a decision that waits for a word")
    assert run.service.decision() is None
    run.service.confirm("it is summer")
    deadline = time.monotonic() + 900
    while not ((decision := run.service.decision()) and decision["ended_at"]):
        assert time.monotonic() < deadline, decision
        time.sleep(0.5)
    assert decision["state"] == "succeeded", run.service.output(decision)
    report = run.service.report(decision)
    assert report["outcome"] == "promoted"
    assert "version 3.0 serves instead of 1.0" in decision["detail"]
    assert report["old"]["requests"] + report["new"]["requests"] >= WINDOW
    assert report["new"]["requests"] > WINDOW / 3
    # Of the old version some of before the trial are among them.
    for version in ("old", "new"):
        assert report[version]["labels"] >= 0.9 * report[version]["requests"]
    assert report["new"]["labels"] <= report["new"]["requests"]
    assert (report["old"]["errors"], report["new"]["errors"]) == (0, 0)
    before, after = report["held_out"]["1.0"], report["held_out"]["3.0"]
    assert after["accuracy"] > before["accuracy"] + 0.05
    assert after["log_loss"] < before["log_loss"]

    # The number of the one that was rejected is not given again: its series are still there.
    assert run.serving == "3.0"
    assert run.versions == {"1.0", "3.0"}
    (old,) = run.models("/1.0")
    assert old["workers"] == []
    # The new version has a baseline of its own, in which July is as July is.
    prometheus = Prometheus(run.stack.prometheus_url, model="flight_delay")
    info = prometheus.query('model_baseline_info{model_name="flight_delay", model_version="3.0"}')
    assert [labels["baseline_version"] for labels, _ in info] == ["3.0"]
    # People were told of the alert too.
    names = {found["labels"]["alertname"] for found in run.stack.notifications()}
    assert "ModelRetrainHeld" in names
