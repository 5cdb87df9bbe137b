"""What only a GPU can show: time, copies, memory, precision and compilation on a real CUDA device."""

from __future__ import annotations

import statistics
import threading
import time

import pytest
import torch

from torchvitals import Monitor, MonitoringConfig
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.recording.accelerators import spare_captures
from torchvitals.recording.capture import DeviceCopy
from torchvitals.recording.forward import ModelWatch
from torchvitals.recording.stages import instrument_stages
from torchvitals.telemetry import catalogue as m
from torchvitals.telemetry.runtime import LAST_WATCHED, Runtime

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not torch.cuda.is_available(), reason="needs a CUDA device and a PyTorch that can use it"
    ),
]

MEGABYTE = 1 << 20
KERNEL_SECONDS = 0.1
WITHIN = 0.02
TURNS = 5


@pytest.fixture
def device():
    return torch.device("cuda", torch.cuda.current_device())


@pytest.fixture
def cycles(device):
    """Device cycles that a kernel which does nothing needs to last KERNEL_SECONDS."""
    torch.cuda._sleep(100_000_000)  # wakes the device up: its clock rises under load
    trial = 100_000_000
    return int(trial * KERNEL_SECONDS / median_kernel_seconds(trial))


def median_kernel_seconds(cycles):
    """Time the kernel with events of our own, synchronised."""
    measured = []
    for _ in range(TURNS):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        torch.cuda._sleep(cycles)
        end.record()
        end.synchronize()
        measured.append(begin.elapsed_time(end) / 1e3)
    return statistics.median(measured)


class Handler:
    """Shaped like BaseHandler; `work` is what inference does on the device."""

    def __init__(self, device, work):
        self.device = device
        self.work = work

    def preprocess(self, data):
        return torch.as_tensor(data, device=self.device)

    def inference(self, data, *args, **kwargs):
        return self.work(data)

    def postprocess(self, data):
        return data.tolist()

    def handle(self, data, context=None):
        return self.postprocess(self.inference(self.preprocess(data)))


def monitor_of(device, runtime=None, **options):
    monitor = Monitor(
        MonitoringConfig(**{"warmup": 0, "flush_interval": 10, **options}),
        MemoryPublisher(),
        device=device,
        worker="9000",
        runtime=runtime,
    )
    monitor.recorder._capture_inputs = True
    return monitor


def watched(device, work, *, of=Handler, runtime=None, **options):
    """Return a monitor, a handler, and a function that serves one call under it without ending its flush."""
    monitor = monitor_of(device, runtime, **options)
    handler = of(device, work)
    instrument_stages(handler, monitor.recorder, monitor.clock)
    if runtime is not None:
        runtime.watch(handler)

    def serve(data, run=handler.handle):
        call = monitor.recorder.begin()
        result = run(data)
        monitor.recorder.finish(call, requests=len(data), failed=0)
        return call, result

    return monitor, handler, serve


def settle(monitor, serve, data):
    """Serve once and give the copies back; making new pinned memory would wait for the device."""
    serve(data)
    torch.cuda.synchronize()
    monitor.recorder.take()


def device_seconds(monitor, call):
    """Return a call's seconds on the device, by stage."""
    torch.cuda.synchronize()
    spans = monitor.clock.read(call.span)
    assert spans is not None
    return dict(spans)


def sleeping(cycles):
    def work(data):
        torch.cuda._sleep(cycles)
        return data * 2

    return work


def test_events_give_the_length_of_a_known_kernel(device, cycles):
    known = median_kernel_seconds(cycles)
    monitor, _, serve = watched(device, sleeping(cycles))
    measured = statistics.median(device_seconds(monitor, serve([[1.0]])[0])[1] for _ in range(TURNS))
    assert measured == pytest.approx(known, rel=WITHIN)


def test_events_and_sync_agree(device, cycles):
    by_events, _, serve = watched(device, sleeping(cycles))
    events = statistics.median(device_seconds(by_events, serve([[1.0]])[0])[1] for _ in range(TURNS))
    _, _, serve = watched(device, sleeping(cycles), timing="sync")
    sync = statistics.median(serve([[1.0]])[0].inference_ns / 1e9 for _ in range(TURNS))
    assert events == pytest.approx(sync, rel=WITHIN)


def test_with_events_a_request_does_not_wait_for_the_device(device, cycles):
    monitor, handler, serve = watched(device, sleeping(cycles))
    settle(monitor, serve, [[1.0]])
    call, _ = serve([[1.0]], run=lambda data: handler.inference(handler.preprocess(data)))
    assert call.handle_ns / 1e9 < KERNEL_SECONDS / 2
    assert monitor.clock.read(call.span) is None, "the kernel cannot have ended yet"
    assert device_seconds(monitor, call)[1] == pytest.approx(KERNEL_SECONDS, rel=5 * WITHIN)


def test_a_postprocess_that_waits_for_the_device_shows_it_on_the_host_alone(device, cycles):
    monitor, _, serve = watched(device, sleeping(cycles))
    call, result = serve([[1.0, 2.0]])
    assert result == [[2.0, 4.0]]
    assert call.postprocess_ns / 1e9 > KERNEL_SECONDS / 2
    on_device = device_seconds(monitor, call)
    assert on_device[1] == pytest.approx(KERNEL_SECONDS, rel=5 * WITHIN)
    assert on_device[2] < KERNEL_SECONDS / 2


def test_events_are_of_the_stream_that_the_handler_uses(device, cycles):
    side = torch.cuda.Stream(device)
    monitor, handler, serve = watched(device, sleeping(cycles))

    def on_side_stream(data):
        with torch.cuda.stream(side):
            return handler.inference(handler.preprocess(data))

    call, result = serve([[1.0, 2.0]], run=on_side_stream)
    assert device_seconds(monitor, call)[1] == pytest.approx(KERNEL_SECONDS, rel=5 * WITHIN)
    assert result.tolist() == [[2.0, 4.0]]
    assert monitor.recorder.take()[0].outputs.array().tolist() == [[2.0, 4.0]]


def test_the_replay_of_a_cuda_graph_is_timed(device, cycles):
    static = torch.zeros(1, 2, device=device)
    warm = torch.cuda.Stream(device)
    with torch.cuda.stream(warm):
        static * 2
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        torch.cuda._sleep(cycles)
        output = static * 2

    def replay(data):
        static.copy_(data)
        graph.replay()
        return output

    monitor, _, serve = watched(device, replay)
    call, result = serve([[1.0, 2.0]])
    assert result == [[2.0, 4.0]]
    assert device_seconds(monitor, call)[1] == pytest.approx(KERNEL_SECONDS, rel=5 * WITHIN)


class Graphed(Handler):
    """Runs its model in `handle`; the first call captures it, and each call replays the graph."""

    graph = None

    def __init__(self, device, work):
        super().__init__(device, work)
        self.model = torch.nn.Linear(100, 100).to(device)
        self.static = torch.zeros(2, 100, device=device)
        with torch.inference_mode():
            self.model(self.static)
        torch.cuda.synchronize()

    inference = None

    def handle(self, data, context=None):
        self.static.copy_(torch.as_tensor(data))
        if self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            with torch.inference_mode(), torch.cuda.graph(self.graph):
                self.output = self.model(self.static)
        self.graph.replay()
        return self.output


def test_a_graph_that_is_captured_in_a_request_is_the_one_without_a_monitor(device):
    monitor = monitor_of(device)
    handler = Graphed(device, None)
    ModelWatch(monitor.recorder, monitor.clock).look(handler)
    data = torch.randn(2, 100)
    for _ in range(3):
        call = monitor.recorder.begin()
        result = handler.handle(data)
        monitor.recorder.finish(call, requests=2, failed=0)
        torch.cuda.synchronize()
        with torch.inference_mode():
            assert torch.allclose(result, handler.model(data.to(device)))
        assert call.inputs is None
        assert call.outputs is None
        monitor.recorder.take()
    assert monitor.faults.take() == {}


def test_events_that_the_flush_thread_asks_for_end_no_capture(device):
    ended, failed = threading.Event(), []

    def ask():
        failed.append(not spare_captures(device))
        event = torch.cuda.Event()
        event.record()
        while not ended.is_set():
            event.query()

    thread = threading.Thread(target=ask)
    static = torch.zeros(64, 64, device=device)
    static @ static
    torch.cuda.synchronize()
    thread.start()
    try:
        for _ in range(200):
            with torch.cuda.graph(torch.cuda.CUDAGraph()):
                static @ static
    finally:
        ended.set()
        thread.join()
    assert failed == [False]


def test_a_model_that_runs_on_a_side_stream_is_marked_and_copied_there(device, cycles):
    side = torch.cuda.Stream(device)

    class Sleeps(torch.nn.Module):
        def forward(self, rows):
            torch.cuda._sleep(cycles)
            return rows * 2

    class Aside(Handler):
        inference = None

        def __init__(self, device, work):
            super().__init__(device, work)
            self.model = Sleeps()

        def handle(self, data, context=None):
            rows = torch.as_tensor(data, device=self.device)
            side.wait_stream(torch.cuda.current_stream(self.device))
            with torch.cuda.stream(side):
                return self.model(rows)

    monitor = monitor_of(device)
    handler = Aside(device, None)
    ModelWatch(monitor.recorder, monitor.clock).look(handler)
    call = monitor.recorder.begin()
    handler.handle([[1.0, 2.0]])
    monitor.recorder.finish(call, requests=1, failed=0)
    assert device_seconds(monitor, call)[1] == pytest.approx(KERNEL_SECONDS, rel=5 * WITHIN)
    assert monitor.recorder.take()[0].outputs.array().tolist() == [[2.0, 4.0]]


def test_a_handlers_own_asynchronous_copy_is_timed_on_the_device(device, cycles):
    """The copy waits behind a kernel, and the host for neither."""

    class Asynchronous(Handler):
        def preprocess(self, data):
            rows = torch.tensor(data, pin_memory=True)
            torch.cuda._sleep(cycles)
            return rows.to(self.device, non_blocking=True)

    monitor, handler, serve = watched(device, lambda data: data * 2, of=Asynchronous)
    settle(monitor, serve, [[0.0, 0.0]])
    call, result = serve([[1.0, 2.0]], run=lambda data: handler.inference(handler.preprocess(data)))
    assert call.preprocess_ns / 1e9 < KERNEL_SECONDS / 2
    on_device = device_seconds(monitor, call)
    assert on_device[0] == pytest.approx(KERNEL_SECONDS, rel=5 * WITHIN)
    assert on_device[1] < KERNEL_SECONDS / 2
    (taken,) = monitor.recorder.take()
    assert taken.inputs.array().tolist() == [[1.0, 2.0]]
    assert taken.outputs.array().tolist() == result.tolist() == [[2.0, 4.0]]


def test_copies_arrive_with_the_values_that_the_model_was_given(device, cycles):
    """The handler overwrites its input on the device right after the call; the copy was queued before that."""
    monitor, handler, serve = watched(device, sleeping(cycles))
    settle(monitor, serve, [[0.0, 0.0], [0.0, 0.0]])
    given = torch.tensor([[1.0, 2.0], [3.0, 4.0]], device=device)

    def run(data):
        result = handler.inference(given)
        given.zero_()
        return result

    call, _ = serve([[0.0]], run=run)
    assert isinstance(call.inputs, DeviceCopy)
    assert monitor.recorder.take() == [], "the outputs' copy waits behind the kernel"
    torch.cuda.synchronize()
    (taken,) = monitor.recorder.take()
    assert taken.inputs.array().tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert taken.outputs.array().tolist() == [[2.0, 4.0], [6.0, 8.0]]


def test_no_device_tensor_is_kept_alive(device):
    monitor, _, serve = watched(device, lambda data: data + 1)
    rows = torch.zeros(1000, 1000).tolist()
    serve(rows)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated(device)
    for _ in range(5):
        serve(rows)
    torch.cuda.synchronize()
    assert len(monitor.recorder.waiting) == 6
    assert torch.cuda.memory_allocated(device) == before
    assert all(call.inputs is not None for call in monitor.recorder.take())


def test_memory_is_what_pytorch_says(device):
    monitor = monitor_of(device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    block = torch.zeros(64 * MEGABYTE, dtype=torch.uint8, device=device)
    del block
    monitor.flush()
    publisher, name = monitor._publisher, f"cuda{device.index}"

    def published(kind):
        return publisher.value(m.MEMORY, "9000", name, kind)

    stats = torch.cuda.memory_stats(device)
    assert published("peak_allocated") == torch.cuda.max_memory_allocated(device) >= 64 * MEGABYTE
    assert published("allocated") == torch.cuda.memory_allocated(device)
    assert published("reserved") == torch.cuda.memory_reserved(device)
    assert published("inactive_split") == stats["inactive_split_bytes.all.current"]
    assert published("device_total") == pytest.approx(
        torch.cuda.get_device_properties(device).total_memory, rel=WITHIN
    )
    assert published("device_used") >= published("reserved")
    assert publisher.total(m.MONITOR_ERRORS) == 0


def test_running_out_of_memory_is_counted_by_device(device):
    monitor = monitor_of(device)
    call = monitor.recorder.begin()
    total = torch.cuda.get_device_properties(device).total_memory
    with pytest.raises(torch.OutOfMemoryError) as raised:
        torch.empty(2 * total, dtype=torch.uint8, device=device)
    monitor.recorder.fail(call, requests=1, error=raised.value)
    monitor.flush()
    assert monitor._publisher.value(m.OUT_OF_MEMORY, f"cuda{device.index}") == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_scores_of_every_precision_are_read(device, dtype):
    """bfloat16, which NumPy lacks, as well; autocast gives such scores too."""
    monitor, _, serve = watched(device, lambda data: data.to(dtype))
    for _ in range(3):
        serve([[9.0, 0.0, 0.0]])
    torch.cuda.synchronize()
    monitor.flush()
    assert monitor._publisher.value(m.PREDICTIONS, "0") == 3
    assert monitor._publisher.total(m.MONITOR_ERRORS) == 0


def test_the_scores_of_a_model_under_autocast_are_read(device):
    model = torch.nn.Linear(3, 3).to(device)

    def work(data):
        with torch.inference_mode(), torch.autocast("cuda", dtype=torch.bfloat16):
            result = model(data)
        assert result.dtype is torch.bfloat16
        return result

    monitor, _, serve = watched(device, work)
    serve([[9.0, 0.0, 0.0]])
    torch.cuda.synchronize()
    monitor.flush()
    assert monitor._publisher.total(m.PREDICTIONS) == 1
    assert monitor._publisher.total(m.MONITOR_ERRORS) == 0


# By what is recorded: the type of the weights, and of autocast where the handler's inference uses it.
PRECISIONS = {
    "float32": (torch.float32, None),
    "bfloat16": (torch.bfloat16, None),
    "autocast_bfloat16": (torch.float32, torch.bfloat16),
    "autocast_float16": (torch.float32, torch.float16),
}


def shown_precisions(monitor, device, *, compiled="false"):
    """Return what the monitor has published of the worker's precision, by its name."""
    series = {
        labels: value
        for (name, labels), value in monitor._publisher.series.items()
        if name == m.RUNTIME_INFO.name
    }
    for worker, where, _, version, how in series:
        assert (worker, where, version, how) == ("9000", f"cuda{device.index}", torch.__version__, compiled)
    return {precision: value for (_, _, precision, _, _), value in series.items()}


def in_precision(model, weights, autocast):
    """Return what a handler's inference does to run a model in one of PRECISIONS."""

    def work(data):
        enabled = autocast is not None
        with torch.inference_mode(), torch.autocast("cuda", dtype=autocast or torch.float16, enabled=enabled):
            result = model(data.to(weights))
        assert result.dtype is (autocast or weights)
        return result

    return work


@pytest.mark.parametrize("kind", ["plain", "traced"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_precision_is_recorded(device, precision, kind):
    weights, autocast = PRECISIONS[precision]
    model = torch.nn.Linear(4, 3).to(device, weights).eval()
    if kind == "traced":
        model = torch.jit.trace(model, torch.zeros(1, 4, device=device, dtype=weights))
    monitor, _, serve = watched(
        device, in_precision(model, weights, autocast), runtime=Runtime(model, device)
    )
    monitor.flush()
    loaded = str(weights).replace("torch.", "")
    assert shown_precisions(monitor, device) == {loaded: 1}
    for _ in range(LAST_WATCHED):
        serve([[1.0, 2.0, 3.0, 4.0]])
    torch.cuda.synchronize()
    monitor.flush()
    assert shown_precisions(monitor, device) == {loaded: 0, precision: 1}
    assert monitor._publisher.total(m.MONITOR_ERRORS) == 0


@pytest.mark.filterwarnings("ignore")  # the compiler's advice, which depends on the device
def test_autocast_around_a_compiled_model_is_recorded_and_compiles_nothing_more(device):
    pytest.importorskip("triton", reason="torch.compile needs triton on a GPU")
    model = torch.compile(torch.nn.Linear(4, 3).to(device), dynamic=False)
    runtime = Runtime(model, device)
    work = in_precision(model, torch.float32, torch.bfloat16)
    monitor, _, serve = watched(device, work, runtime=runtime)
    compiled = [serve([[1.0, 2.0, 3.0, 4.0]])[0].compiled for _ in range(LAST_WATCHED + 2)]
    assert compiled == [1] + [0] * (LAST_WATCHED + 1)
    torch.cuda.synchronize()
    monitor.flush()
    assert shown_precisions(monitor, device, compiled="true") == {"autocast_bfloat16": 1}


@pytest.mark.filterwarnings("ignore")  # the compiler's advice, which depends on the device
def test_compilations_on_the_device_are_seen(device):
    pytest.importorskip("triton", reason="torch.compile needs triton on a GPU")
    model = torch.compile(torch.nn.Linear(4, 3).to(device), dynamic=False)

    def work(data):
        with torch.inference_mode():
            return model(data)

    _, _, serve = watched(device, work)
    compiled = [serve(torch.zeros(rows, 4).tolist())[0].compiled for rows in (2, 2, 2, 3, 3)]
    assert [count > 0 for count in compiled] == [True, False, False, True, False]


def test_event_objects_are_used_again(device):
    monitor, _, serve = watched(device, lambda data: data)
    for _ in range(50):
        serve([[1.0]])
        torch.cuda.synchronize()
        monitor.flush()
    deadline = time.monotonic() + 10
    while monitor.calls._unread and time.monotonic() < deadline:
        monitor.flush()
    assert len(monitor.clock._pool._free) == 6
