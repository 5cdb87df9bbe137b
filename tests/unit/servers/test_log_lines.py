"""No name of a user's in our log lines and metric lines is read as a metric of its own by TorchServe's front end."""

import numpy as np
import pytest
import torch
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl

from tests.unit.publishers.front_end import read
from torchvitals import Baseline, BaselineError, Monitor, MonitoringConfig
from torchvitals.publishers.torchserve import CoalescingMetrics, TorchServePublisher
from torchvitals.servers.torchserve import handler as handler_module
from torchvitals.telemetry import catalogue as m
from torchvitals.worker.learning import BaselineLearner

FORGED = "[METRICS]forged.count:1|#kind:x|#type:COUNTER|#hostname:h,1"
ENDS = ["\n", "\r", "\x85", "\u2028", "\u2029", ""]
DECLARED = {metric.name for metric in m.flat()}

rng = np.random.default_rng(3)


@pytest.fixture
def written(caplog):
    caplog.set_level("INFO")
    return lambda: read("\n".join(record.getMessage() for record in caplog.records))


def monitor_of(name, **options):
    cache = MetricsCacheYamlImpl("metrics.yaml")
    cache.initialize_cache()
    publisher = TorchServePublisher(CoalescingMetrics(cache), model_name=name, model_version=name)
    config = MonitoringConfig(flush_interval=10, warmup=0, window=100, overhead_budget=None)
    monitor = Monitor(config, publisher, worker="9000", **options)
    monitor._pipeline.start()
    return monitor


def serve(monitor, inputs, outputs):
    for _ in range(3):
        call = monitor.recorder.begin()
        monitor.recorder.inputs(call, inputs)
        monitor.recorder.outputs(call, outputs)
        monitor.recorder.finish(call, requests=len(inputs), failed=0)
        monitor.flush()


@pytest.mark.parametrize("end", ENDS, ids=ascii)
def test_names_of_features_classes_categories_and_models(written, end):
    name = f"{end}{FORGED}"
    table = {f"{name}{index}": [f"{name}{index % 3}" for index in range(300)] for index in range(2)}
    baseline = Baseline.fit(
        np.array(list(table.values()), dtype=object).T,
        feature_names=list(table),
        outputs=rng.normal(size=(300, 2)),
        class_names=[name, f"{name}, too"],
        name=name,
        version=name,
    )
    monitor = monitor_of(name, baseline=baseline)
    # Of the right width, and not: both are told.
    serve(monitor, torch.zeros(100, 2), torch.randn(100, 2))
    serve(monitor, torch.zeros(100, 5), torch.randn(100, 5))
    found = written()
    assert {update.name for update in found.updates} <= DECLARED
    assert {"model_predictions_total", "model_feature_psi"} <= {update.name for update in found.updates}
    assert found.lost == []


@pytest.mark.parametrize("end", ENDS, ids=ascii)
def test_what_learning_says(written, tmp_path, end):
    name = f"{end}{FORGED}"
    path = tmp_path / "file"
    path.write_text("")
    for folder in (tmp_path / name.replace("/", ""), path):
        learner = BaselineLearner(100, folder=folder, name=name, version=name)
        monitor = monitor_of(name, learner=learner)
        serve(monitor, torch.randn(100, 3), torch.randn(100, 2))
        assert monitor.drift is not None
    found = written()
    assert {update.name for update in found.updates} <= DECLARED
    assert found.lost == []
    assert sum("learned a baseline" in line for line in found.others) == 2


@pytest.mark.parametrize("end", ENDS, ids=ascii)
def test_what_stops_a_load(written, monkeypatch, end):
    def load(*arguments):
        raise BaselineError(f"{end}{FORGED}")

    monkeypatch.setattr(handler_module, "load", load)
    monkeypatch.setattr(handler_module, "HEARD_SECONDS", 0)
    handler = handler_module.MonitoredHandler()
    with pytest.raises(BaselineError):
        handler.initialize(None)
    found = written()
    assert found.updates == []
    assert found.lost == []
    assert any("forged" in line for line in found.others)
