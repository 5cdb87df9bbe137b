"""The precision that a model runs in, found out on a handler's early runs, with real modules of every kind."""

import contextlib
import copy
import logging
import pickle
import shutil
import sys
import threading

import pytest
import torch
from torch._dynamo.utils import counters

from torchvitals import Monitor, MonitoredModel, MonitoringConfig
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.recording.faults import Faults
from torchvitals.recording.forward import COMPILED_IN_PLACE
from torchvitals.telemetry import catalogue as m
from torchvitals.telemetry.runtime import (
    FIRST_WATCHED,
    LAST_WATCHED,
    AutocastWatch,
    Runtime,
)

ROWS = torch.zeros(2, 4)
CPU = torch.device("cpu")
UNKNOWN = "no_such_device"


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))

    def forward(self, rows):
        return self.layers(rows)


class Inside(Net):
    """Switches autocast on by itself."""

    def forward(self, rows):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return super().forward(rows)


class Handler:
    """Runs its model as a handler's inference does, under autocast with these settings."""

    def __init__(self, model, **autocast):
        self.model = model
        self.autocast = autocast
        self.profilers = []

    def inference(self, rows):
        self.profilers.append(sys.getprofile())
        context = torch.autocast("cpu", **self.autocast) if self.autocast else contextlib.nullcontext()
        with torch.inference_mode(), context:
            return self.model(rows)


def compiled_in_place(model):
    model.compile(backend="eager", fullgraph=True)
    return model


# How a handler may serve a model, and the rows that it is traced with.
KINDS = {
    "plain": lambda model, rows: model,
    "sequential": lambda model, rows: model.layers,
    "compiled": lambda model, rows: torch.compile(model, backend="eager", fullgraph=True),
    "compiled sequential": lambda model, rows: torch.compile(model.layers, backend="eager", fullgraph=True),
    "compiled in place": lambda model, rows: compiled_in_place(model),
    "scripted": lambda model, rows: torch.jit.script(model),
    "traced": lambda model, rows: torch.jit.trace(model, rows),
}


@pytest.fixture(autouse=True)
def fresh_compiler():
    """Without what another test compiled."""
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()
    counters.clear()


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def made(kind, dtype=torch.float32):
    return KINDS[kind](Net().to(dtype), ROWS.to(dtype))


def watched(handler, faults=None):
    runtime = Runtime(handler.model, CPU, faults)
    runtime.watch(handler)
    return runtime


def run(handler, times=LAST_WATCHED, rows=ROWS):
    """Serve a few times; return the dtype of the last result."""
    for _ in range(times):
        result = handler.inference(rows)
    return result.dtype


def precision(runtime):
    return runtime()[1]


def test_without_autocast_it_is_the_parameters_type(kind):
    handler = Handler(made(kind))
    runtime = watched(handler)
    assert precision(runtime) == "float32"
    assert run(handler) is torch.float32
    assert runtime() == ("cpu", "float32", torch.__version__, str("compiled" in kind).lower())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_in_a_handlers_inference_is_seen(kind, dtype):
    handler = Handler(made(kind), dtype=dtype)
    runtime = watched(handler)
    assert precision(runtime) == "float32", "nobody can know before the first runs"
    assert run(handler) is dtype
    assert precision(runtime) == f"autocast_{dtype}".replace("torch.", "")


def test_autocast_switched_off_is_not_autocast(kind):
    handler = Handler(made(kind), dtype=torch.bfloat16, enabled=False)
    runtime = watched(handler)
    assert run(handler) is torch.float32
    assert precision(runtime) == "float32"


def test_autocast_inside_the_models_own_forward_is_seen():
    handler = Handler(Inside())
    runtime = watched(handler)
    assert run(handler) is torch.bfloat16
    assert precision(runtime) == "autocast_bfloat16"


def test_autocast_around_all_that_a_handler_does_is_seen():
    handler = Handler(Net())
    runtime = watched(handler)
    with torch.autocast("cpu", dtype=torch.float16):
        assert run(handler) is torch.float16
    assert precision(runtime) == "autocast_float16"


def test_autocast_of_another_device_says_nothing():
    handler = Handler(Net(), dtype=torch.bfloat16)
    watch = AutocastWatch("cuda", Faults())
    watch.watch(handler)
    assert run(handler) is torch.bfloat16
    assert watch.precision is None


def test_bfloat16_weights_are_not_autocast(kind):
    handler = Handler(made(kind, torch.bfloat16))
    runtime = watched(handler)
    assert run(handler, rows=ROWS.bfloat16()) is torch.bfloat16
    assert precision(runtime) == "bfloat16"


def test_weights_of_several_types_are_all_named():
    model = Net()
    model.layers[0].bfloat16()
    assert precision(Runtime(model, CPU)) == "bfloat16+float32"


@pytest.mark.parametrize("model", [None, lambda rows: rows, object(), torch.nn.ReLU()])
def test_what_has_no_parameters_has_no_known_precision(model):
    assert Runtime(model, None)() == ("cpu", "unknown", torch.__version__, "false")


def test_a_device_that_has_no_autocast_is_left_alone():
    handler = Handler(Net().to("meta"))
    runtime = Runtime(handler.model, torch.device("meta"))
    runtime.watch(handler)
    run(handler, rows=ROWS.to("meta"))
    assert handler.profilers == [None] * LAST_WATCHED
    assert runtime()[:2] == ("meta", "float32")


def test_what_has_no_inference_is_left_alone():
    handler = object()
    Runtime(Net(), CPU).watch(handler)
    assert not hasattr(handler, "inference")


def test_a_few_early_runs_are_watched_and_not_the_first():
    handler = Handler(Net())
    watched(handler)
    run(handler, LAST_WATCHED + 2)
    assert [profiler is not None for profiler in handler.profilers] == [False, True, True, True, False, False]
    assert sys.getprofile() is None


def test_what_was_shadowed_is_there_again_after_the_last_run_watched():
    handler = Handler(Net())
    measured = handler.inference = handler.inference
    watched(handler)
    assert handler.inference is not measured
    run(handler)
    assert handler.inference is measured


def test_a_handler_that_replaces_its_inference_keeps_its_own():
    handler = Handler(Net())
    watched(handler)
    shadow = handler.inference
    mine = handler.inference = lambda rows: shadow(rows)
    run(handler, LAST_WATCHED + 1)
    assert handler.inference is mine


def test_the_latest_run_watched_counts():
    """A handler may warm its model up in another precision."""
    handler = Handler(Net(), dtype=torch.bfloat16)
    runtime = watched(handler)
    run(handler, 3)
    assert precision(runtime) == "autocast_bfloat16"
    handler.autocast = {}
    run(handler, 3)
    assert precision(runtime) == "float32"


def test_an_error_of_the_model_passes_and_leaves_no_profiler():
    handler = Handler(Net(), dtype=torch.bfloat16)
    runtime = watched(handler)
    for _ in range(LAST_WATCHED + 1):
        with pytest.raises(RuntimeError, match="cannot be multiplied"):
            handler.inference(torch.zeros(2, 7))
        assert sys.getprofile() is None
    assert precision(runtime) == "autocast_bfloat16"


def test_somebody_elses_profiler_is_left_alone():
    handler = Handler(Net(), dtype=torch.bfloat16)
    runtime = watched(handler)
    events = []

    def theirs(frame, event, argument):
        events.append(event)

    sys.setprofile(theirs)
    try:
        run(handler)
        assert sys.getprofile() is theirs
    finally:
        sys.setprofile(None)
    assert events
    assert precision(runtime) == "float32"


def graphs():
    return (counters["stats"]["unique_graphs"], sum(counters["graph_break"].values()))


@pytest.mark.parametrize("kind", ["compiled", "compiled sequential", "compiled in place"])
def test_watching_a_compiled_model_compiles_nothing_more(kind):
    found = []
    for watching in (False, True):
        torch._dynamo.reset()
        counters.clear()
        handler = Handler(made(kind), dtype=torch.bfloat16)
        runtime = watched(handler) if watching else None
        before = vars(handler.model).get(COMPILED_IN_PLACE)
        run(handler, LAST_WATCHED + 2)
        found.append(graphs())
        assert vars(handler.model).get(COMPILED_IN_PLACE) is before
    assert precision(runtime) == "autocast_bfloat16"
    assert found == [(1, 0), (1, 0)]


@pytest.mark.skipif(
    shutil.which("g++") is None, reason="torch.compile's own backend needs a C++ compiler: install g++"
)
def test_autocast_is_seen_with_the_compilers_own_backend():
    handler = Handler(torch.compile(Net(), fullgraph=True), dtype=torch.bfloat16)
    runtime = watched(handler)
    assert run(handler) is torch.bfloat16
    assert runtime() == ("cpu", "autocast_bfloat16", torch.__version__, "true")
    assert graphs() == (1, 0)


@pytest.mark.parametrize(
    "remake",
    [
        copy.deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),
        lambda model: torch.jit.trace(model, ROWS),
        torch.jit.script,
        lambda model: torch.compile(model, backend="eager", fullgraph=True),
        compiled_in_place,
    ],
    ids=["copied", "pickled", "traced", "scripted", "compiled", "compiled in place"],
)
@pytest.mark.parametrize("when", range(1, LAST_WATCHED + 2))
def test_a_handler_may_remake_its_model_during_any_request(remake, when):
    class Late(Handler):
        def inference(self, rows):
            if len(self.profilers) == when - 1:
                self.model = remake(self.model)
            return super().inference(rows)

    handler = Late(Net(), dtype=torch.bfloat16)
    runtime = watched(handler)
    assert run(handler, LAST_WATCHED + 2) is torch.bfloat16
    assert precision(runtime) == "autocast_bfloat16"
    assert dict(handler.model._forward_pre_hooks) == {}


def test_a_failure_never_reaches_the_run_and_is_noted(kind):
    handler, faults = Handler(made(kind), dtype=torch.bfloat16), Faults()
    runtime = watched(handler, faults)
    runtime._autocast._device_type = UNKNOWN
    assert run(handler) is torch.bfloat16
    assert faults.take() == {"timing": LAST_WATCHED - FIRST_WATCHED + 1}
    assert precision(runtime) == "float32"


@pytest.mark.parametrize("place", ["_begin", "_end"])
def test_what_is_raised_around_a_run_never_reaches_it(monkeypatch, place):
    def fail(self):
        raise SystemExit

    handler, faults = Handler(Net(), dtype=torch.bfloat16), Faults()
    watched(handler, faults)
    monkeypatch.setattr(AutocastWatch, place, fail)
    assert run(handler) is torch.bfloat16
    assert faults.take() == {"timing": LAST_WATCHED - FIRST_WATCHED + 1}
    assert sys.getprofile() is None


def test_threads_keep_their_profilers_and_end_the_watch_together():
    handler = Handler(Net(), dtype=torch.bfloat16)
    runtime = watched(handler)
    errors, left = [], []

    def serve():
        try:
            run(handler, 8)
            left.append(sys.getprofile())
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=serve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert left == [None] * 4
    assert precision(runtime) == "autocast_bfloat16"
    assert handler.inference.__func__ is Handler.inference


@pytest.fixture
def monitor():
    """A started monitor of a handler, which flushes when asked to."""
    monitors = []

    def start(handler):
        publisher = MemoryPublisher()
        config, faults = MonitoringConfig(flush_interval=10), Faults()
        monitor = Monitor(config, publisher, worker="9000", runtime=watched(handler, faults), faults=faults)
        monitors.append(monitor)
        monitor.start()
        return monitor, publisher

    yield start
    for monitor in monitors:
        monitor.stop()


def shown(publisher, worker="9000"):
    """Return the worker's runtime series, by precision."""
    series = {
        labels: value for (name, labels), value in publisher.series.items() if name == m.RUNTIME_INFO.name
    }
    assert {(worker, device, version) for worker, device, _, version, _ in series} == {
        (worker, "cpu", torch.__version__)
    }
    return {precision: value for (_, _, precision, _, _), value in series.items()}


def test_the_series_of_a_precision_that_is_no_more_becomes_0(monitor):
    handler = Handler(Net(), dtype=torch.bfloat16)
    monitor, publisher = monitor(handler)
    assert shown(publisher) == {"float32": 1}
    run(handler, 3)
    monitor.flush()
    assert shown(publisher) == {"float32": 0, "autocast_bfloat16": 1}
    handler.autocast = {}
    run(handler, 1)
    monitor.flush()
    assert shown(publisher) == {"float32": 1, "autocast_bfloat16": 0}


def test_a_failure_is_counted_and_logged_by_the_flush(monitor, caplog):
    handler = Handler(Net())
    monitor, publisher = monitor(handler)
    monitor._pipeline._runtime._autocast._device_type = UNKNOWN
    run(handler)
    with caplog.at_level(logging.ERROR):
        monitor.flush()
        monitor.flush()
    assert "is_autocast_available" in caplog.text
    assert publisher.value(m.MONITOR_ERRORS, "timing") == LAST_WATCHED - FIRST_WATCHED + 1
    assert shown(publisher) == {"float32": 1}


def test_outside_a_server_it_is_recorded_too():
    publisher = MemoryPublisher()
    model = MonitoredModel(Inside(), config=MonitoringConfig(flush_interval=10), publisher=publisher)
    for _ in range(LAST_WATCHED):
        model.predict(ROWS)
    model.close()
    assert shown(publisher, "0") == {"float32": 0, "autocast_bfloat16": 1}
    assert publisher.value(m.REQUESTS, "ok") == 2 * LAST_WATCHED
