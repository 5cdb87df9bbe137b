"""A model of every kind of output, judged by our rules: no alert while all is well, and one for a fault of the kind."""

import re
import time
from datetime import datetime

import numpy as np
import pytest
import torch
from prometheus_client import CollectorRegistry, start_http_server

from stack.loopback import http
from stack.ports import Ports
from stack.waiting import PATIENCE_SECONDS, eventually
from tests.servers.live import prometheus
from tests.unit.featurizers.outputs_by_kind import CASES
from torchvitals import Baseline, MonitoredModel, MonitoringConfig, Thresholds
from torchvitals.publishers.prometheus import PrometheusPublisher

ROWS, BATCH, CALLS = 2000, 50, 16
INPUTS = np.random.default_rng(1).normal(size=(ROWS, 2)).astype(np.float32)
# A machine that has ten times as much to do is no reason for an alert here.
QUIET = MonitoringConfig(
    flush_interval=1,
    window=500,
    warmup=0,
    overhead_budget=None,
    thresholds=Thresholds(latency_p95_seconds=None),
)


class Served:
    """One model, whose outputs are what a case says."""

    def __init__(self, name, registry):
        self.case, self.rng, self.broken = CASES[name], np.random.default_rng(7), False
        baseline = Baseline.from_batches(
            np.array_split(INPUTS, 10),
            model=self,
            features=self.case.features,
            class_names=self.case.class_names,
        )
        publisher = PrometheusPublisher(model_name=name, model_version="1.0", registry=registry)
        self.model = MonitoredModel(self, baseline, config=QUIET, publisher=publisher)

    def __call__(self, rows):
        gives = self.case.broken if self.broken else self.case.healthy
        return gives(self.rng, len(rows))

    def serve(self):
        """Answer so many calls, judged four times: a verdict must hold over new rows."""
        for call in range(CALLS):
            start = self.rng.integers(0, ROWS - BATCH)
            self.model.predict(torch.from_numpy(INPUTS[start : start + BATCH]))
            if call % 4 == 3:
                self.model.monitor.flush()


@pytest.fixture(scope="module")
def served():
    registry = CollectorRegistry()
    models = {name: Served(name, registry) for name in CASES}
    ports = Ports.free()
    page, thread = start_http_server(ports.metrics, "127.0.0.1", registry)
    try:
        yield models, f"127.0.0.1:{ports.metrics}"
    finally:
        page.shutdown()
        thread.join()
        page.server_close()
        for one in models.values():
            one.model.close()


@pytest.fixture(scope="module")
def address(served, tmp_path_factory):
    _, page = served
    folder = tmp_path_factory.mktemp("prometheus")
    # The page of so many models takes a second to write.
    with prometheus(folder, Ports.free().prometheus, {"models": [page]}, seconds=5) as found:
        yield found


def of_models(address, promql):
    """Return the values of an instant query by the model's name."""
    answer = http.get(f"{address}/api/v1/query", params={"query": promql}, timeout=PATIENCE_SECONDS)
    found = answer.raise_for_status().json()["data"]["result"]
    return {series["metric"].get("model_name", ""): float(series["value"][1]) for series in found}


def seen(address, rows):
    """Wait until the rules have judged so many rows of each model."""

    def there():
        counted = of_models(address, "sum by (model_name) (model_requests_total)")
        return set(counted) == set(CASES) and min(counted.values()) >= rows

    eventually(there, f"{rows} rows of each model in Prometheus")
    # What is scraped by now is judged once every group of rules has run again.
    begun = time.time()
    eventually(lambda: all(run > begun for run in last_runs(address)), "every group of rules to run again")


def last_runs(address):
    """Return when each group of rules ran last."""
    groups = http.get(f"{address}/api/v1/rules").raise_for_status().json()["data"]["groups"]
    # Nanoseconds are more than Python reads.
    runs = [
        re.sub(r"(\.\d{6})\d*", r"\1", group["lastEvaluation"]).replace("Z", "+00:00") for group in groups
    ]
    return [datetime.fromisoformat(run).timestamp() for run in runs]


def firing(address):
    """Return what fires, as pairs of an alert and a model."""
    answer = http.get(f"{address}/api/v1/query", params={"query": 'ALERTS{alertname!="Watchdog"}'})
    return {
        (series["metric"]["alertname"], series["metric"].get("model_name"))
        for series in answer.raise_for_status().json()["data"]["result"]
    }


def test_no_alert_while_all_is_well_and_one_for_each_fault(served, address):
    models, _ = served
    for one in models.values():
        one.serve()
    seen(address, BATCH * CALLS)
    assert firing(address) == set()
    for one in models.values():
        one.broken = True
        one.serve()
    seen(address, 2 * BATCH * CALLS)
    eventually(
        lambda: {name for alert, name in firing(address) if "Drift" in alert} == set(CASES),
        lambda: f"an alert for each fault; none for {set(CASES) - {name for _, name in firing(address)}}",
        seconds=60,
    )
