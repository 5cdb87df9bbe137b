"""The handler under a real TorchServe with two workers, scraped by a real Prometheus."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
import yaml

from benchmarks.server import front_end
from examples.flight_delay.replay import bodies, replay
from stack.loopback import http
from stack.metrics_page import flushed, scrape, settled, total
from stack.waiting import PATIENCE_SECONDS, eventually
from tests.conftest import ROOT
from torchvitals import Baseline
from torchvitals.telemetry import catalogue as m

pytestmark = pytest.mark.server
REQUESTS = 5000


def predictions(stack):
    return f"{stack.inference_url}/predictions/flight_delay"


def send(stack, frame, count, **options):
    """Send that many rows as fast as they go; all must be answered."""
    result = replay(predictions(stack), frame, requests=count, **{"rate": 5000, "concurrency": 16, **options})
    assert (result.requests, result.failed) == (count, 0)


def post(stack, body, **headers):
    headers = {"Content-Type": "application/json", **headers}
    return http.post(predictions(stack), content=body, headers=headers)


def requests_seen(series):
    return total(series, m.REQUESTS.name)


@pytest.fixture(scope="module")
def warm(server, flights):
    """The server after its workers' warm-up calls."""
    send(server, flights.frame("heldout"), 60)

    def is_warm(series):
        # Other models of the same server have warm-up calls of their own.
        warmed = total(series, m.WARMUP_REQUESTS.name, model_name="flight_delay")
        return warmed == 4 and requests_seen(series) >= 60

    settled(server, is_warm)
    return server


def test_five_thousand_requests_are_counted_exactly(warm, flights):
    before = flushed(warm)
    send(warm, flights.frame("heldout"), REQUESTS)
    after = settled(warm, lambda series: requests_seen(series) - requests_seen(before) >= REQUESTS)

    def grown(metric, **labels):
        return total(after, metric, **labels) - total(before, metric, **labels)

    assert grown(m.REQUESTS.name, outcome="ok") == REQUESTS
    assert grown(m.REQUESTS.name, outcome="error") == 0
    for stage in m.STAGES:
        assert grown(m.STAGE_DURATION.count.name, stage=stage, clock="host") == REQUESTS
        assert grown(m.STAGE_DURATION.bucket.name, stage=stage, clock="host", le="+Inf") == REQUESTS
    for feature in Baseline.load(flights.baseline).features:
        assert grown(m.OBSERVATIONS.name, source=feature.source, feature=feature.name) == REQUESTS
    assert grown(m.PREDICTIONS.name) == REQUESTS
    assert grown(m.CONFIDENCE.count.name) == REQUESTS
    assert grown(m.MONITOR_DROPPED.name) == 0
    assert grown(m.MONITOR_ERRORS.name) == 0


def test_both_workers_have_gauges_of_their_own(warm, flights):
    send(warm, flights.frame("heldout"), 400)
    series = flushed(warm)
    model = {("model_name", "flight_delay")}
    windows = [labels for name, labels in series if name == m.WINDOW_SAMPLES.name and model <= labels]
    assert len({dict(labels)["worker"] for labels in windows}) == 2
    alive = [
        value
        for (name, labels), value in series.items()
        if name == m.WINDOW_EVALUATED.name and model <= labels
    ]
    assert len(alive) == 2
    assert all(time.time() - value < PATIENCE_SECONDS for value in alive)


def test_the_front_end_passes_requests_on_by_a_pool(warm, flights):
    """Without vmargs in config.properties it starts a thread for each, where Java sees one or two cores."""
    send(warm, flights.frame("heldout"), 50)
    described = http.get(f"{warm.management_url}/models/flight_delay").raise_for_status().json()[0]
    worker = psutil.Process(described["workers"][0]["pid"])
    server = front_end(worker)
    # The kernel keeps the first 15 characters of ForkJoinPool.commonPool-worker-1.
    names = {comm.read_text().strip() for comm in Path(f"/proc/{server.pid}/task").glob("*/comm")}
    assert "ForkJoinPool.co" in names


def test_every_metric_of_a_cpu_model_reaches_the_page(warm):
    shown = {name for name, _ in scrape(warm)}
    learning = {m.BASELINE_LEARNED_ROWS.name, m.BASELINE_LEARNING.name}
    segments = {m.SEGMENT_DRIFT.name, m.DRIFTED_SEGMENTS.name, m.JUDGED_SEGMENTS.name}
    # Until as many predictions came as it takes, the estimate is withheld, and says so.
    withheld = {m.ESTIMATED_ACCURACY.name, m.ESTIMATED_ACCURACY_BOUND.name}
    missing = {metric.name for metric in m.flat()} - shown
    # Nothing was promised of this model's latency.
    promised = {m.SLOW_REQUESTS.name}
    assert missing - withheld == {m.ALLOCATION_RETRIES.name, *learning, *segments, *promised}


def test_the_wait_behind_a_proxy_reaches_the_page(warm, flights):
    """The front end passes headers on as they were spelled; requests without one add nothing."""
    before = flushed(warm)
    body = bodies(flights.frame("heldout").dropna().head(1))[0]
    for spelling in ("X-Request-Start", "x-request-start"):
        sent = f"t={time.time() - 2:.3f}"
        assert post(warm, body, **{spelling: sent}).status_code == 200
    assert post(warm, body, **{"X-Request-Start": "yesterday"}).status_code == 200
    assert post(warm, body).status_code == 200
    after = settled(warm, lambda series: requests_seen(series) - requests_seen(before) >= 4)

    def grown(metric, **labels):
        return total(after, metric, **labels) - total(before, metric, **labels)

    assert grown(m.QUEUE_DURATION.count.name) == 2
    assert grown(m.QUEUE_DURATION.bucket.name, le="1") == 0
    assert 4 <= grown(m.QUEUE_DURATION.sum.name) <= 4 + PATIENCE_SECONDS
    assert total(after, m.INFLIGHT.name) == 0


def test_torchserves_own_metrics_are_still_there(warm, flights):
    before = time.monotonic()
    send(warm, flights.frame("heldout"), 50)
    series = flushed(warm)
    values = {name: value for (name, _), value in series.items() if name in ("HandlerTime", "PredictionTime")}
    assert set(values) == {"HandlerTime", "PredictionTime"}
    assert all(0 < value < (time.monotonic() - before) * 1000 for value in values.values())
    assert total(series, "ts_inference_requests_total", model_name="flight_delay") >= 50


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"hour": 5,', "the body is not valid JSON"),
        (b"", "the request has no body"),
        (b"[1, 2, 3]", "the body must be a JSON object with the columns hour,"),
        (b'{"hour": 5}', "missing column 'minute'"),
    ],
)
def test_a_bad_request_is_answered_with_what_is_wrong(warm, flights, body, message):
    before = flushed(warm)
    answer = post(warm, body)
    assert answer.status_code == 400
    assert message in answer.json()["message"]
    after = settled(
        warm,
        lambda series: (
            total(series, m.REQUESTS.name, outcome="error") > total(before, m.REQUESTS.name, outcome="error")
        ),
    )
    assert (
        total(after, m.REQUESTS.name, outcome="error") - total(before, m.REQUESTS.name, outcome="error") == 1
    )
    assert total(after, m.MONITOR_ERRORS.name) == 0
    send(warm, flights.frame("heldout"), 5)


def test_nan_and_infinite_values_are_served_and_counted(warm, flights):
    row = json.loads(bodies(flights.frame("heldout").dropna().head(1))[0])
    before = flushed(warm)
    texts = [
        json.dumps({**row, "temp": None}),
        json.dumps({**row, "temp": float("inf")}),
        json.dumps({**row, "temp": 1e30}),
        json.dumps({**row, "visib": 3.14159}),
    ]
    assert [post(warm, text).status_code for text in texts] == [200] * 4
    after = settled(warm, lambda series: requests_seen(series) - requests_seen(before) >= 4)
    for feature, reason in (
        ("temp", "missing"),
        ("temp", "infinite"),
        ("temp", "above_range"),
        ("visib", "unseen_category"),
    ):
        labels = {"feature": feature, "reason": reason}
        assert (
            total(after, m.INPUT_INVALID.name, **labels) - total(before, m.INPUT_INVALID.name, **labels) == 1
        )


def query(stack, expression):
    answer = http.get(f"{stack.prometheus_url}/api/v1/query", params={"query": expression}).raise_for_status()
    return [(row["metric"], float(row["value"][1])) for row in answer.json()["data"]["result"]]


def test_the_p95_of_prometheus_is_that_of_the_same_calls_within_a_bucket(warm, timed_calls):
    """A handler of our own writes down how long each call took, by its own clock, inside `handle`."""
    address = f"{warm.inference_url}/predictions/timed"
    with httpx.Client() as client:
        for _ in range(400):
            assert client.post(address, content=b"{}").status_code == 200
    expression = (
        "histogram_quantile(0.95, sum by (le) (model_stage_duration_seconds_bucket"
        '{model_name="timed",stage="handle",clock="host"}))'
    )
    # Each worker has two warm-up calls, which are not among the durations.
    count = (
        'sum(model_stage_duration_seconds_count{model_name="timed",stage="handle"})'
        ' + sum(model_warmup_requests_total{model_name="timed"})'
    )
    eventually(
        lambda: [value for _, value in query(warm, count)] == [400.0],
        lambda: f"400 calls in Prometheus; {query(warm, count)}",
    )
    ((_, warmed),) = query(warm, 'sum(model_warmup_requests_total{model_name="timed"})')
    seconds = np.loadtxt(timed_calls)
    assert len(seconds) == 400
    assert warmed in (2, 4)
    seconds = seconds[int(warmed) :]
    ((_, p95),) = query(warm, expression)
    bounds = np.array([0.0, *m.STAGE_DURATION.buckets])
    place = int(np.searchsorted(bounds, np.percentile(seconds, 95)))
    assert bounds[place - 1] <= p95 <= bounds[place]


def test_drift_of_july_is_seen_in_prometheus(warm, flights):
    send(warm, flights.frame("july"), 2600)
    eventually(
        lambda: (
            {"temp", "dewp"} <= {labels["feature"] for labels, _ in query(warm, "model_feature_drifted == 1")}
        ),
        "the drift of temp and dewp in Prometheus",
    )
    send(warm, flights.frame("heldout"), 2600)
    still = 'max by (feature) (model_feature_drifted{feature=~"temp|dewp"}) == 1'
    eventually(lambda: query(warm, still) == [], lambda: f"the end of the drift; {query(warm, still)}")


def test_two_registrations_of_an_archive_are_two_models_which_torchserves_own_series_join(warm, flights):
    """By the alert that joins them: it sees both, and that both are watched."""
    options = {"url": "flight_delay.mar", "model_name": "second", "initial_workers": "1"}
    models = f"{warm.management_url}/models"
    answer = http.post(models, params={**options, "synchronous": "true"}, timeout=PATIENCE_SECONDS)
    assert answer.status_code == 200, answer.text
    rules = yaml.safe_load((ROOT / "prometheus" / "alerts.yml").read_text())
    (stalled,) = (
        rule["expr"]
        for group in rules["groups"]
        for rule in group["rules"]
        if rule.get("alert") == "ModelMonitorStalled"
    )
    asked, unless, _ = stalled.partition(" unless ")
    assert unless

    rows, sent = bodies(flights.frame("heldout"))[:5], []

    def both_are_asked():
        for name in ("flight_delay", "second"):
            for row in rows:
                address = f"{warm.inference_url}/predictions/{name}"
                http.post(address, content=row).raise_for_status()
        sent.extend(rows)
        return {"flight_delay", "second"} <= {labels["model_name"] for labels, _ in query(warm, asked)}

    try:
        eventually(both_are_asked, lambda: f"both models in {query(warm, asked)}", poll_seconds=0.5)
        series = settled(warm, lambda s: total(s, m.REQUESTS.name, model_name="second") >= len(sent))
        assert total(series, m.REQUESTS.name, model_name="second") == len(sent)
        eventually(
            lambda: (
                not {"flight_delay", "second"} & {labels["model_name"] for labels, _ in query(warm, stalled)}
            ),
            lambda: f"both models watched; {query(warm, stalled)}",
        )
    finally:
        http.delete(f"{models}/second", timeout=PATIENCE_SECONDS)
