"""Values of requests leave the worker in responses alone: not in a series, a log line, or a file of predictions."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from prometheus_client import CollectorRegistry, generate_latest

from torchvitals import Baseline, Features, GroundTruth, MonitoredModel, MonitoringConfig
from torchvitals.publishers.prometheus import PrometheusPublisher

ROWS = 600
# Digits and letters that are in nothing else.
NUMBER, TEXT, ERROR = 27182.81828, "tulip-4417", "crocus-9023"
TRACES = ("27182.8", "2.71828", "tulip", "crocus")
rng = np.random.default_rng(4)


def table(rows=ROWS):
    columns = [
        rng.normal(size=rows),
        rng.choice(["red", "blue"], rows),
        [f"account {row}" for row in range(rows)],
    ]
    return np.array(list(zip(*columns)), dtype=object)


def texts(rows=ROWS):
    return [" ".join(rng.choice(["red", "green", "blue"], 4)) for _ in range(rows)]


def canaries(rows=8):
    return np.array([[NUMBER, TEXT, TEXT]] * rows, dtype=object)


CASES = {
    "columns": (table(), {}, [canaries(), canaries()[:, :2], canaries()[0], {"a": TEXT}]),
    "numbers": (
        rng.normal(size=(ROWS, 3)),
        {},
        [torch.full((8, 3), NUMBER), torch.full((8, 4), NUMBER), canaries(), [TEXT] * 8],
    ),
    "texts": (texts(), {"inputs": "texts"}, [[TEXT] * 8, [NUMBER] * 8, torch.full((8, 3), NUMBER)]),
    "images": (
        rng.uniform(size=(ROWS, 3, 8, 8)).astype(np.float32),
        {"inputs": "images"},
        [torch.full((8, 3, 8, 8), NUMBER), torch.full((8, 1, 8, 8), NUMBER), [TEXT] * 8],
    ),
}
SERVED = {
    "scores": torch.tensor([[0.2, 0.8]] * 8),
    "odd scores": torch.full((8, 2), NUMBER),
    "another width": torch.full((8, 5), NUMBER),
    "texts": [TEXT] * 8,
    "an error": ValueError(f"{ERROR} {NUMBER}"),
}


@pytest.mark.parametrize("served", SERVED)
@pytest.mark.parametrize("kind", CASES)
def test_no_value_of_a_request_is_in_anything_that_is_written(kind, served, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    data, said, requests = CASES[kind]
    shares = np.tile([0.3, 0.7], (ROWS, 1))
    baseline = Baseline.fit(data, outputs=shares, features=Features(**said), windows=(10,), ordered=True)
    registry = CollectorRegistry()
    truth = GroundTruth(directory=str(tmp_path / "predictions"), model_name="m", model_version="1")
    config = MonitoringConfig(window=10, warmup=0, ground_truth=truth, features=Features(**said))
    publisher = PrometheusPublisher(model_name="m", model_version="1", registry=registry)

    def model(_):
        if isinstance(SERVED[served], Exception):
            raise SERVED[served]
        return SERVED[served]

    with MonitoredModel(model, baseline, config=config, publisher=publisher) as monitored:
        for number, request in enumerate(requests * 3):
            monitored.predictions.id(f"order-{number}")
            if isinstance(SERVED[served], Exception):
                with pytest.raises(ValueError, match=ERROR):
                    monitored.predict(request)
            else:
                monitored.predict(request)
            monitored.monitor.flush()
        page = generate_latest(registry).decode()
    assert "model_requests_total" in page
    captured = capfd.readouterr()
    written = {
        "the page": page,
        "the log": caplog.text,
        "stdout": captured.out,
        "stderr": captured.err,
        **{file.name: _text(file) for file in (tmp_path / "predictions").glob("*")},
    }
    for name, content in written.items():
        assert [trace for trace in TRACES if trace in content] == [], name


def _text(file: Path) -> str:
    return file.read_bytes().decode("latin-1")
