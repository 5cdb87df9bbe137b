"""The monitor around a bare module, and the prometheus_client publisher."""

import asyncio
import collections
import gc
import subprocess
import sys
import threading
import urllib.request

import numpy as np
import pytest
import torch
from prometheus_client import CollectorRegistry, generate_latest, start_http_server

from stack import programs
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
    assert summary["drift"].samples == 250
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
    watched.summary()
    text = generate_latest(registry).decode()
    assert 'model_requests_total{model_name="linear",model_version="1.0",outcome="ok"} 100.0' in text
    assert 'model_stage_duration_seconds_bucket{clock="host",le="+Inf"' in text
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as answer:
        assert b"model_feature_psi" in answer.read()
    server.shutdown()
    server.server_close()
    thread.join()
    watched.close()


def exposed(registry, **labels):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in registry.collect()
        for sample in family.samples
        if labels.items() <= sample.labels.items()
    }


def published(registry, model, baseline=None, **names):
    names = {"model_name": "linear", "model_version": "1.0", **names}
    publisher = PrometheusPublisher(registry=registry, **names)
    return MonitoredModel(model, baseline, config=QUIET, publisher=publisher)


def flush_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("torchvitals")]


def test_promtool_is_content_with_the_whole_page_of_two_models(model, baseline):
    registry = CollectorRegistry()
    with published(registry, model, baseline) as one, published(registry, model, model_name="other") as two:
        for watched in (one, two, one):
            watched.predict(rows(600))
            watched.summary()
        page = generate_latest(registry)
    promtool = programs.require("The exposition", "promtool")
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert b"model_feature_psi" in page
    assert b'model_stage_duration_seconds_bucket{clock="host",le="+Inf"' in page


def test_closed_and_made_anew_it_goes_on_where_it_ended(model, baseline):
    registry = CollectorRegistry()
    ok = {"model_name": "linear", "model_version": "1.0", "outcome": "ok"}
    for turn in (1, 2, 3):
        watched = published(registry, model, baseline)
        watched.predict(rows(10))
        watched.summary()
        assert registry.get_sample_value("model_requests_total", ok) == 10 * turn
        assert exposed(registry, worker="0")
        watched.close()
        assert not {family.name for family in registry.collect() if family.type == "gauge"}
        assert registry.get_sample_value("model_requests_total", ok) == 10 * turn


def test_after_it_is_closed_nothing_is_published_and_predict_only_runs_the_model(model, baseline):
    registry = CollectorRegistry()
    watched = published(registry, model, baseline)
    watched.predict(rows(10))
    watched.close()
    before = exposed(registry)
    inputs = rows(10)
    assert torch.equal(watched.predict(inputs), model(inputs))
    assert watched.summary()["calls"] == 1
    watched.check_anomalies()
    watched.close()
    assert exposed(registry) == before
    assert len(watched.monitor.recorder.waiting) == 0


def test_two_that_are_open_under_one_name_are_two_workers(model, baseline):
    registry = CollectorRegistry()
    ok = {"model_name": "linear", "model_version": "1.0", "outcome": "ok"}
    with published(registry, model, baseline) as one, published(registry, model, baseline) as two:
        one.predict(rows(10))
        two.predict(rows(20))
        one.summary(), two.summary()
        assert registry.get_sample_value("model_requests_total", ok) == 30
        assert len(exposed(registry, worker="0")) == len(exposed(registry, worker="1")) > 0
        samples = {"model_name": "linear", "model_version": "1.0", "window": "1000"}
        found = [
            registry.get_sample_value("model_window_samples", {**samples, "worker": worker})
            for worker in "01"
        ]
        assert found == [10, 20]
        one.close()
        assert not exposed(registry, worker="0")
        assert exposed(registry, worker="1")
    assert not exposed(registry, worker="1")


@pytest.fixture
def quick_collections():
    """Leave what was there before out of collections, which go through all of PyTorch otherwise."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("quick_collections")
def test_a_cell_that_runs_again_and_again_leaves_no_thread_and_no_memory(model, baseline):
    registry = CollectorRegistry()
    threads, kept = len(flush_threads()), []
    for turn in range(50):
        watched = published(registry, model, baseline)
        watched.predict(rows(50))
        watched.summary()
        if turn % 2:
            watched.close()
        del watched
        gc.collect()
        for thread in flush_threads():
            thread.join()
        assert len(flush_threads()) == threads == 0
        if turn in (9, 49):
            kept.append((len(exposed(registry)), len(gc.get_objects())))
    (series, objects), (series_now, objects_now) = kept
    assert series_now == series
    # Fewer than one series of each turn would be.
    assert objects_now - objects < 1000
    ok = {"model_name": "linear", "model_version": "1.0", "outcome": "ok"}
    assert registry.get_sample_value("model_requests_total", ok) == 50 * 50


def test_one_that_nobody_refers_to_closes_by_itself(model):
    registry = CollectorRegistry()
    watched = published(registry, model)
    watched.predict(rows(3))
    thread = watched.monitor._loop._thread
    del watched
    gc.collect()
    thread.join()
    for closing in [thread for thread in threading.enumerate() if thread.name == "torchvitals-close"]:
        closing.join()
    assert not {family.name for family in registry.collect() if family.type == "gauge"}
    ok = {"model_name": "linear", "model_version": "1.0", "outcome": "ok"}
    assert registry.get_sample_value("model_requests_total", ok) == 3


def test_a_with_statement_closes_it_whatever_happens(model):
    def fails(watched):
        with watched:
            raise LookupError

    watched = MonitoredModel(model, config=QUIET)
    thread = watched.monitor._loop._thread
    assert thread.is_alive()
    with pytest.raises(LookupError):
        fails(watched)
    assert not thread.is_alive()
    watched.close()


class Several(torch.nn.Module):
    """A model with several inputs, by place and by name."""

    def __init__(self, give):
        super().__init__()
        self.linear = torch.nn.Linear(4, 3)
        self.give = give

    def forward(self, rows, mask=None, *, scale=1.0):
        scores = self.linear(rows if mask is None else rows * mask) * scale
        return self.give(scores)


Named = collections.namedtuple("Named", ["scores", "loss"])
GIVES = {
    "a tensor": lambda scores: scores,
    "a tuple": lambda scores: (scores, scores.sum()),
    "a named tuple": lambda scores: Named(scores, None),
    "a dict": lambda scores: {"logits": scores, "hidden": [scores]},
    "a list": lambda scores: [scores, scores],
    "a list of dicts": lambda scores: [{"boxes": row} for row in scores],
    "nothing": lambda scores: None,
    "a text": lambda scores: "positive",
    "a generator": lambda scores: (row for row in scores),
}


def same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return one == other or [*map(torch.Tensor.tolist, one)] == [*map(torch.Tensor.tolist, other)]


@pytest.mark.parametrize("give", GIVES)
def test_several_inputs_and_any_output_pass_as_they_are(give):
    model = Several(GIVES[give])
    inputs, mask = rows(5), torch.ones(5, 4)
    with MonitoredModel(model, config=QUIET) as watched:
        for args, named in [
            ((inputs,), {}),
            ((inputs, mask), {}),
            ((inputs,), {"mask": mask, "scale": 2.0}),
            ((), {"rows": inputs, "scale": 3.0}),
        ]:
            with torch.inference_mode():
                expected = model(*args, **named)
            assert same(watched.predict(*args, **named), expected)
        assert same(watched.predict(inputs=inputs), model(inputs))
        assert watched.summary()["calls"] == 5
        assert watched.monitor.faults.take() == {}


class Refuses:
    """An input whose length cannot be told."""

    def __len__(self):
        raise LookupError("no length")


NESTED = torch.nested.nested_tensor([torch.zeros(2, 4), torch.zeros(3, 4)], layout=torch.jagged)
INPUTS = {
    "rows": (torch.zeros(7, 4), 7),
    "an array": (np.zeros((6, 4)), 6),
    "a list": ([torch.zeros(3, 8, 8), torch.zeros(3, 9, 9)], 2),
    "a dict": ({"ids": torch.zeros(5, 9), "mask": torch.zeros(5, 9), "types": torch.zeros(5, 9)}, 5),
    "an empty dict": ({}, 1),
    "a pair": ((torch.zeros(4, 2), torch.zeros(4, 3), torch.zeros(1)), 4),
    "texts": (["good", "bad", "so so"], 3),
    "a text": ("good", 1),
    "bytes": (b"JPEG", 1),
    "a number": (3.5, 1),
    "none": (None, 1),
    "no dimensions": (torch.tensor(3.0), 1),
    "no rows": (torch.zeros(0, 4), 0),
    "a nested tensor": (NESTED, 2),
    "a generator": ((number for number in range(3)), 1),
    "what refuses": (Refuses(), 1),
}


@pytest.mark.parametrize("given", INPUTS)
def test_inputs_of_any_kind_are_counted_by_their_rows(given):
    inputs, expected = INPUTS[given]
    registry = CollectorRegistry()
    with published(registry, lambda value: value) as watched:
        assert watched.predict(inputs) is inputs
        watched.summary()
        ok = {"model_name": "linear", "model_version": "1.0", "outcome": "ok"}
        assert registry.get_sample_value("model_requests_total", ok) == expected
        errors = {
            key: value for key, value in exposed(registry).items() if key[0] == "model_monitor_errors_total"
        }
        assert sum(errors.values()) == 0


class NoParameters(torch.nn.Module):
    def forward(self, rows):
        return rows.sum(1)


class RefusesParameters(NoParameters):
    def parameters(self, recurse=True):
        raise LookupError("no parameters")

    @property
    def device(self):
        raise LookupError("no device")


class Lazy(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.LazyLinear(2)

    def forward(self, rows):
        return self.linear(rows)


def plain_function(rows):
    return rows * 2


class Callable:
    def __call__(self, rows):
        return rows * 3


MODELS = {
    "a module without parameters": NoParameters,
    "a module whose parameters cannot be listed": RefusesParameters,
    "a lazy module": Lazy,
    "a scripted module": lambda: torch.jit.script(torch.nn.Linear(4, 3)),
    "a traced module": lambda: torch.jit.trace(torch.nn.Linear(4, 3), torch.zeros(1, 4)),
    "a compiled module": lambda: torch.compile(torch.nn.Linear(4, 3), backend="eager"),
    "a compiled function": lambda: torch.compile(plain_function, backend="eager"),
    "a function": lambda: plain_function,
    "an object": Callable,
    "a builtin": lambda: torch.relu,
    "a module of double precision": lambda: torch.nn.Linear(4, 3).double(),
}


@pytest.mark.parametrize("kind", MODELS)
def test_models_of_any_kind_are_watched(kind):
    model = MODELS[kind]()
    inputs = rows(5).double() if "double" in kind else rows(5)
    with MonitoredModel(model, config=QUIET) as watched:
        for _ in range(5):  # the first few are watched for autocast
            assert torch.equal(watched.predict(inputs), model(inputs))
        assert watched.summary()["calls"] == 5


def test_a_model_without_data_runs_as_it_would():
    model = torch.nn.Linear(4, 3, device="meta")
    with MonitoredModel(model, config=QUIET) as watched:
        answer = watched.predict(torch.zeros(5, 4, device="meta"))
        assert (answer.shape, answer.device.type) == ((5, 3), "meta")
        assert watched.summary()["calls"] == 1


class UsersError(Exception):
    """Whatever a user raises."""


@pytest.mark.parametrize("error", [UsersError, SystemExit, KeyboardInterrupt, StopIteration, MemoryError])
def test_whatever_a_model_raises_passes_as_it_is(error):
    raised = error("mine")

    def model(inputs):
        raise raised

    registry = CollectorRegistry()
    with published(registry, model) as watched:
        with pytest.raises(error) as passed:
            watched.predict(rows(2))
        assert passed.value is raised
        watched.summary()
        failed = {"model_name": "linear", "model_version": "1.0", "outcome": "error"}
        assert registry.get_sample_value("model_requests_total", failed) == 2


class Awaits(torch.nn.Module):
    def __init__(self, gate):
        super().__init__()
        self.linear = torch.nn.Linear(4, 3)
        self.gate = gate

    async def forward(self, rows, fail=False):
        await self.gate.wait()
        if fail:
            raise UsersError
        return self.linear(rows)


def test_an_asynchronous_model_is_watched_until_it_ends():
    async def serve():
        gate = asyncio.Event()
        model = Awaits(gate)
        registry = CollectorRegistry()
        with published(registry, model) as watched:
            inputs = rows(2)
            calls = [asyncio.ensure_future(watched.predict(inputs)) for _ in range(3)]
            failing = asyncio.ensure_future(watched.predict(inputs, fail=True))
            await asyncio.sleep(0)
            watched.summary()
            assert exposed(registry, outcome="ok") == dict.fromkeys(exposed(registry, outcome="ok"), 0), (
                "counted before they ended"
            )
            gate.set()
            answers = await asyncio.gather(*calls)
            with pytest.raises(UsersError):
                await failing
            summary = watched.summary()
            expected = model.linear(inputs)
            assert all(torch.equal(answer, expected) for answer in answers)
            return summary, {
                outcome: list(exposed(registry, outcome=outcome).values()) for outcome in ("ok", "error")
            }

    summary, outcomes = asyncio.run(serve())
    assert summary["calls"] == 4
    assert outcomes == {"ok": [6], "error": [2]}


def test_named_inputs_are_compared_with_the_baseline(model, baseline):
    class ByName(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = model

        def forward(self, *, rows):
            return self.linear(rows)

    with MonitoredModel(ByName(), baseline, config=QUIET) as watched:
        watched.predict(rows=rows(1000, shift=3))
        watched.summary()
        watched.predict(rows=rows(1000, shift=3))
        assert watched.summary()["drift"].features["f0"].drifted


def test_outputs_drift_where_inputs_cannot_be_compared(model, baseline):
    """The inputs have a column too many, which the model leaves out."""
    wide = torch.nn.Sequential(torch.nn.Linear(5, 4, bias=False), model)
    with torch.no_grad():
        wide[0].weight.copy_(torch.eye(4, 5))
    with MonitoredModel(wide, baseline, config=QUIET) as watched:
        for shift, drifted in ((0, False), (3, True)):
            for _ in range(2):
                watched.predict(torch.cat([rows(1000, shift), torch.zeros(1000, 1)], dim=1))
                report = watched.summary()["drift"]
            assert {drift.source for drift in report.features.values()} == {"output"}
            assert report.features["confidence"].drifted is drifted


def test_exit_without_close_flushes_and_does_not_hang(tmp_path):
    code = """
import torch
from torchvitals import MonitoredModel
from torchvitals.publishers.memory import MemoryPublisher
class Tells(MemoryPublisher):
    def flush(self):
        print("flushed", self.series.get(("model_requests_total", ("ok",))), flush=True)
watched = MonitoredModel(torch.nn.Linear(4, 3), publisher=Tells())
watched.predict(torch.zeros(2, 4))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "flushed 2.0"
