"""A model of every kind of input and of output, judged by our rules: no alert while all is well, and one for its fault.

All of them share a metrics page and a Prometheus; each is one row of a table (inputs_by_kind.py, outputs_by_kind.py).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from prometheus_client import CollectorRegistry, start_http_server

from stack.loopback import http
from stack.ports import Ports
from stack.waiting import PATIENCE_SECONDS, eventually
from tests.servers.live import prometheus
from tests.unit.featurizers.inputs_by_kind import INPUT_CASES
from tests.unit.featurizers.outputs_by_kind import CASES, frauds
from torchvitals import Baseline, Features, MonitoredModel, MonitoringConfig, Thresholds
from torchvitals.publishers.prometheus import PrometheusPublisher

ROWS, BATCH, CALLS, WINDOW = 2000, 50, 16, 500
# So many rows of a fault that a mean or a share over ten minutes is theirs, and not that of the rows before.
FLOOD = 12 * BATCH
DRIFTED = "model_feature:model_feature_drifted:max"
# A busy machine may miss a scrape, and then there is no sample of this moment: the alerts look back so far, too.
RECENT = "90s"
TWO_COLUMNS = np.random.default_rng(1).normal(size=(ROWS, 2)).astype(np.float32)
Gives = Callable[[np.random.Generator, int], Any]


@dataclass
class Served:
    """One model, what it is given and what it gives.

    batch: rows a call once it is broken. alert: what its fault must raise. first: the features one of which that alert
    must name first; empty for an alert that names none.
    """

    model: MonitoredModel
    given: Gives
    rng: np.random.Generator
    alert: str
    first: tuple[str, ...] = ()
    batch: int = BATCH
    broken: bool = False

    def serve(self) -> None:
        """Answer so many calls, judged four times: a verdict must hold over new rows."""
        for call in range(CALLS):
            self.model.predict(self.given(self.rng, self.batch if self.broken else BATCH))
            if call % 4 == 3:
                # One of the monitor's own may be under way, and last where forty models flush at once.
                eventually(self.model.monitor.flush, "a flush of the test's own")


def monitored(
    name: str, model: Any, baseline: Baseline, registry: CollectorRegistry, features: Features
) -> MonitoredModel:
    """Return a model on the page; a machine that has ten times as much to do is no reason for an alert here."""
    config = MonitoringConfig(
        # The longest there is: a flush of the test waits so long for one of the monitor's own.
        flush_interval=10,
        window=WINDOW,
        warmup=0,
        overhead_budget=None,
        features=features,
        thresholds=Thresholds(latency_p95_seconds=None),
    )
    publisher = PrometheusPublisher(model_name=name, model_version="1.0", registry=registry)
    return MonitoredModel(model, baseline, config=config, publisher=publisher)


def two_columns(rng: np.random.Generator, rows: int) -> torch.Tensor:
    return torch.from_numpy(TWO_COLUMNS[rng.integers(0, ROWS, rows)])


def of_inputs(name: str, registry: CollectorRegistry) -> Served:
    """Serve a case of inputs; its outputs are nothing that anybody looks at."""
    case = INPUT_CASES[name]
    baseline = Baseline.fit(
        case.train(np.random.default_rng(7), ROWS),
        features=case.features,
        feature_names=case.names,
    )
    model = monitored(name, lambda rows: None, baseline, registry, Features(outputs="none"))
    served = Served(model, case.healthy, np.random.default_rng(8), "ModelInputDrift", case.first)
    served.given = lambda rng, rows: (case.broken if served.broken else case.healthy)(rng, rows)
    return served


def of_outputs(name: str, registry: CollectorRegistry) -> Served:
    """Serve a case of outputs, of two columns that never change."""
    case = CASES[name]
    gives = Giving(case.healthy, case.broken)
    baseline = Baseline.from_batches(
        np.array_split(TWO_COLUMNS, 10), model=gives, features=case.features, class_names=case.class_names
    )
    served = Served(
        monitored(name, gives, baseline, registry, Features()),
        two_columns,
        gives.rng,
        "ModelPredictionDrift",
        case.first,
    )
    gives.served = served
    return served


def of_frauds(broken: Gives, alert: str, name: str, registry: CollectorRegistry) -> Served:
    """Serve the fraud model of README, which has one sigmoid and labels, and of which nothing is said but two names."""
    rng = np.random.default_rng(5)
    shares = frauds(rng, ROWS)[:, None].astype(np.float32)
    labels = np.where(rng.random(ROWS) < shares[:, 0], "fraud", "legitimate")
    baseline = Baseline.fit(
        TWO_COLUMNS, outputs=shares, class_names=["legitimate", "fraud"], name=name
    ).with_accuracy(shares, labels)
    gives = Giving(lambda rng, rows: torch.from_numpy(frauds(rng, rows)[:, None]).float(), broken)
    served = Served(
        monitored(name, gives, baseline, registry, Features()), two_columns, gives.rng, alert, batch=FLOOD
    )
    gives.served = served
    return served


class Giving:
    """A model that gives what a case says."""

    def __init__(self, healthy: Gives, broken: Gives) -> None:
        self.healthy, self.broken = healthy, broken
        self.rng = np.random.default_rng(7)
        self.served: Served | None = None

    def __call__(self, rows: Any) -> Any:
        gives = self.broken if self.served is not None and self.served.broken else self.healthy
        return gives(self.rng, len(rows))


FRAUDS = {
    "frauds alone": (
        lambda rng, rows: torch.from_numpy(0.5 + 0.5 * rng.beta(20, 1, (rows, 1))).float(),
        "ModelPredictionsImbalanced",
    ),
    "unsure of frauds": (
        lambda rng, rows: torch.from_numpy(rng.uniform(0.35, 0.62, (rows, 1))).float(),
        "ModelConfidenceLow",
    ),
}
NAMES = {*INPUT_CASES, *CASES, *FRAUDS}


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[dict[str, Served], str]]:
    """Return the models by name, and the address of their page."""
    registry = CollectorRegistry()
    models = {name: of_inputs(name, registry) for name in INPUT_CASES}
    models |= {name: of_outputs(name, registry) for name in CASES}
    models |= {name: of_frauds(*case, name, registry) for name, case in FRAUDS.items()}
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
def address(served: tuple[dict[str, Served], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    _, page = served
    folder: Path = tmp_path_factory.mktemp("prometheus")
    # The page of so many models takes seconds to write.
    with prometheus(folder, Ports.free().prometheus, {"torchserve": [page]}, seconds=5) as found:
        yield found


def instant(address: str, promql: str) -> list[dict[str, Any]]:
    """Return the series of an instant query."""
    answer = http.get(f"{address}/api/v1/query", params={"query": promql}, timeout=PATIENCE_SECONDS)
    found: list[dict[str, Any]] = answer.raise_for_status().json()["data"]["result"]
    return found


def of_models(address: str, promql: str) -> dict[str, float]:
    """Return the values of an instant query by the model's name."""
    return {
        series["metric"].get("model_name", ""): float(series["value"][1])
        for series in instant(address, promql)
    }


def seen(address: str, rows: dict[str, int]) -> None:
    """Wait until the rules have judged so many rows of each model."""

    def there() -> bool:
        counted = of_models(address, "sum by (model_name) (model_requests_total)")
        return set(counted) == set(rows) and all(counted[name] >= least for name, least in rows.items())

    eventually(there, "all rows of each model in Prometheus")
    # What is scraped by now is judged once every group of rules has run again.
    begun = time.time()
    eventually(lambda: all(run > begun for run in last_runs(address)), "every group of rules to run again")


def last_runs(address: str) -> list[float]:
    """Return when each group of rules ran last."""
    groups = http.get(f"{address}/api/v1/rules").raise_for_status().json()["data"]["groups"]
    # Nanoseconds are more than Python reads.
    runs = [
        re.sub(r"(\.\d{6})\d*", r"\1", group["lastEvaluation"]).replace("Z", "+00:00") for group in groups
    ]
    return [datetime.fromisoformat(run).timestamp() for run in runs]


def firing(address: str) -> dict[tuple[str, str], str]:
    """Return the descriptions of what fires about models, by alert and model.

    What is said of servers is left out: a busy machine may miss a scrape, and nothing waits here until it is over.
    """
    answer = http.get(f"{address}/api/v1/alerts").raise_for_status().json()
    return {
        (alert["labels"]["alertname"], alert["labels"]["model_name"]): " ".join(
            alert["annotations"]["description"].split()
        )
        for alert in answer["data"]["alerts"]
        if "model_name" in alert["labels"]
    }


def named_first(description: str) -> str:
    """Return the feature that an alert names first."""
    found = re.search(r": (\S+) \(last \d+ rows", description)
    return found[1] if found else ""


def test_no_alert_while_all_is_well_and_one_for_each_fault(
    served: tuple[dict[str, Served], str], address: str
) -> None:
    models, _ = served
    assert len(models) == len(INPUT_CASES) + len(CASES) + len(FRAUDS), "two cases have one name"
    for one in models.values():
        one.serve()
    seen(address, dict.fromkeys(models, BATCH * CALLS))
    # A scrape may see half of a flush, and no alert waits here until that is over.
    eventually(lambda: not firing(address), lambda: f"no alert: {firing(address)}")
    both = "|".join(FRAUDS)
    stated = of_models(
        address,
        f'max by (model_name) (last_over_time(model_estimated_accuracy_ratio{{model_name=~"{both}"}}[{RECENT}]))',
    )
    assert set(stated) == set(FRAUDS)
    assert all(0.88 < accuracy < 0.96 for accuracy in stated.values())
    for one in models.values():
        one.broken = True
        one.serve()
    seen(address, {name: CALLS * (BATCH + one.batch) for name, one in models.items()})
    expected = {(one.alert, name) for name, one in models.items()}
    eventually(
        lambda: expected <= set(firing(address)),
        lambda: f"an alert for each fault; none for {expected - set(firing(address))}",
    )
    fired = firing(address)
    named = {name: named_first(fired[one.alert, name]) for name, one in models.items() if one.first}
    assert {name: feature for name, feature in named.items() if feature not in models[name].first} == {}
    drifted = {
        (series["metric"]["model_name"], series["metric"]["feature"])
        for series in instant(address, f"last_over_time({DRIFTED}[{RECENT}]) == 1")
    }
    assert set(named.items()) <= drifted
    # An alert about the other side would send people the wrong way.
    assert not {name for alert, name in fired if alert == "ModelInputDrift"} & {*CASES, *FRAUDS}
    assert not {name for alert, name in fired if alert == "ModelPredictionDrift"} & set(INPUT_CASES)
    # Of README's fraud model all is known: the class, the confidence, the accuracy to expect.
    fraud = '{model_name="unsure of frauds"}'
    classes = instant(address, f"sum by (class) (model_predictions_total{fraud}) > 0")
    assert {series["metric"]["class"] for series in classes} == {"legitimate", "fraud"}
    (confidence,) = of_models(
        address, f"last_over_time(model:model_prediction_confidence:mean_increase10m{fraud}[{RECENT}])"
    ).values()
    assert 0.5 < confidence < 0.7
    # What no labelled row was like has no stated accuracy, and says so.
    withheld = instant(
        address,
        f"max by (model_name, reason) (last_over_time(model_estimated_accuracy_withheld{fraud}[{RECENT}])) == 1",
    )
    assert {series["metric"]["reason"] for series in withheld} == {"outputs"}
