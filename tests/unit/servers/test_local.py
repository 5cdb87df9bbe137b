"""The monitor around a bare module, and the prometheus_client publisher."""

import urllib.request

import numpy as np
import pytest
import torch
from prometheus_client import CollectorRegistry, generate_latest, start_http_server

from torchvitals import Baseline, MonitoredModel, MonitoringConfig, Thresholds
from torchvitals.publishers.prometheus import PrometheusPublisher

rng = np.random.default_rng(6)
QUIET = MonitoringConfig(flush_interval=60, warmup=0)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return torch.nn.Linear(4, 3)


@pytest.fixture
def baseline(model):
    rows = rng.normal(size=(5000, 4)).astype(np.float32)
    with torch.inference_mode():
        return Baseline.fit(rows, outputs=model(torch.from_numpy(rows)).numpy())


def rows(count, shift=0.0):
    return torch.tensor(rng.normal(size=(count, 4)) + shift, dtype=torch.float32)


def test_predict_gives_what_the_model_gives(model):
    watched = MonitoredModel(model, config=QUIET)
    inputs = rows(5)
    assert torch.equal(watched.predict(inputs), model(inputs))
    watched.close()


def test_summary_has_latency_confidence_memory_and_drift(model, baseline):
    watched = MonitoredModel(model, baseline, config=QUIET)
    for _ in range(50):
        watched.predict(rows(20))
    summary = watched.summary()
    assert summary["calls"] == 50
    latency = summary["latency_seconds"]
    assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"] < 5
    assert 1 / 3 < summary["confidence"]["min"] <= summary["confidence"]["mean"] <= 1
    assert summary["memory_bytes"]["host", "rss"] > 10_000_000
    assert summary["drift"].samples == 1000
    assert not summary["drift"].drifted
    watched.close()


def test_check_anomalies_says_what_is_wrong(model, baseline):
    limits = Thresholds(latency_p95_seconds=1e-9, confidence=0.999, class_share=0.34)
    watched = MonitoredModel(
        model, baseline, config=MonitoringConfig(flush_interval=60, warmup=0, thresholds=limits)
    )
    for _ in range(2):
        watched.predict(rows(500, shift=3))
        watched.check_anomalies()
    kinds = {sentence.split(":")[0] for sentence in watched.check_anomalies()}
    assert kinds == {"high latency", "low confidence", "imbalanced output", "drift"}
    watched.close()


def test_a_healthy_model_has_no_anomalies(model, baseline):
    watched = MonitoredModel(
        model, baseline, config=MonitoringConfig(flush_interval=60, thresholds=Thresholds(confidence=0.1))
    )
    for _ in range(20):
        watched.predict(rows(100))
    assert watched.check_anomalies() == []
    watched.close()


def test_errors_of_the_model_pass_and_are_counted(model):
    registry = CollectorRegistry()
    publisher = PrometheusPublisher(model_name="linear", model_version="1.0", registry=registry)
    watched = MonitoredModel(model, config=QUIET, publisher=publisher)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        watched.predict(torch.zeros(1, 9))
    watched.close()
    labels = {"model_name": "linear", "model_version": "1.0", "outcome": "error"}
    assert registry.get_sample_value("model_requests_total", labels) == 1


def test_the_exposition_has_the_same_names_as_torchserves(model, baseline):
    registry = CollectorRegistry()
    publisher = PrometheusPublisher(model_name="linear", model_version="1.0", registry=registry)
    watched = MonitoredModel(model, baseline, config=QUIET, publisher=publisher)
    watched.predict(rows(100))
    watched.close()
    text = generate_latest(registry).decode()
    assert 'model_requests_total{model_name="linear",model_version="1.0",outcome="ok"} 100.0' in text
    assert 'model_stage_duration_seconds_bucket{clock="host",le="+Inf"' in text
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as answer:
        assert b"model_feature_psi" in answer.read()
    server.shutdown()
    server.server_close()
    thread.join()
