"""A model archive, and TorchServe's own loader, service and context."""

import json
import logging
import sys

import numpy as np
import pytest
import torch
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.model_loader import TsModelLoader

from tests.unit.servers.serving import BASELINE, SUBCLASS, configure, monitor_of
from torchvitals import Baseline
from torchvitals.publishers.coalescing import CoalescingMetrics
from torchvitals.publishers.memory import MemoryPublisher


@pytest.fixture(scope="module")
def baseline():
    rng = np.random.default_rng(5)
    return Baseline.fit(rng.normal(size=(2000, 4)), outputs=rng.normal(size=(2000, 3)), name="linear")


@pytest.fixture
def archive(tmp_path, baseline):
    """The folder that TorchServe unpacks a model archive into."""
    (tmp_path / "MAR-INF").mkdir()
    manifest = {
        "model": {
            "modelName": "linear",
            "modelVersion": "1.0",
            "handler": "my_handler",
            "serializedFile": "model.pt",
            "configFile": "model-config.yaml",
        }
    }
    (tmp_path / "MAR-INF" / "MANIFEST.json").write_text(json.dumps(manifest))
    torch.manual_seed(0)
    torch.jit.trace(torch.nn.Linear(4, 3), torch.zeros(1, 4)).save(tmp_path / "model.pt")
    baseline.save(tmp_path / BASELINE)
    configure(tmp_path, f"baseline: {BASELINE}")
    (tmp_path / "my_handler.py").write_text(SUBCLASS)
    return tmp_path


@pytest.fixture
def publisher(monkeypatch):
    """Series in memory instead of lines on stdout; the lines have tests of their own."""
    publisher = MemoryPublisher()

    def publisher_of(metrics, **names):
        if isinstance(metrics, CoalescingMetrics):
            metrics.begin()
        return publisher

    monkeypatch.setattr("torchvitals.servers.torchserve.loading.TorchServePublisher", publisher_of)
    return publisher


@pytest.fixture
def load(monkeypatch, publisher):
    services = []
    # A handler that is loaded shadows it, those of other tests too.
    monkeypatch.delitem(vars(logging.getLogger()), "info", raising=False)

    def load_archive(folder, handler="my_handler", monitored=True):
        monkeypatch.syspath_prepend(folder)
        for name in ("my_handler", "monitored_handler", "plain_handler"):
            sys.modules.pop(name, None)
        cache = MetricsCacheYamlImpl("metrics.yaml")
        cache.initialize_cache()
        cache.model_name = "linear"
        service = TsModelLoader().load("linear", str(folder), handler, None, 1, metrics_cache=cache)
        service.set_cl_socket(None)
        if monitored:
            services.append(service)
        return service

    yield load_archive
    for service in services:
        monitor_of(service).stop()
