"""Handlers of other styles than BaseHandler's: answered as without a monitor, counted, and seen."""

import gc
import json
import pickle
import shutil
import struct
import sys
import textwrap

import pytest
from ts.handler_utils.micro_batching import MicroBatching
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.model_loader import TsModelLoader

from tests.unit.servers.serving import BASELINE, HANDLERS, configure, predict
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.recording.shadows import Shadow
from torchvitals.telemetry import catalogue as m
from torchvitals.worker.monitor import Monitor

ROW = [0.1, 0.2, 0.3, 0.4]
# How a reply begins.
OK = struct.pack("!i", 200)
STYLES = {
    "handle_calls_the_model": """
        def handle(self, data, context):
            rows = torch.tensor([row["body"] for row in data])
            return self.model(rows).tolist()
    """,
    "stages_by_keyword": """
        def handle(self, data, context):
            return self.postprocess(data=self.inference(data=self.preprocess(data=data)))
    """,
    "stages_in_a_loop": """
        def handle(self, data, context):
            return [self.postprocess(self.inference(self.preprocess([row])))[0] for row in data]
    """,
    "stages_of_other_names": """
        def prepare(self, data):
            return torch.tensor([row["body"] for row in data])
        def run(self, rows):
            with torch.inference_mode():
                return self.model(rows)
        def handle(self, data, context):
            return self.run(self.prepare(data)).tolist()
    """,
    "a_compiled_model": """
        def initialize(self, context):
            super().initialize(context)
            torch.manual_seed(0)
            self.model = torch.compile(torch.nn.Linear(4, 3), backend="eager")
        def handle(self, data, context):
            return self.model(torch.tensor([row["body"] for row in data])).tolist()
    """,
    "a_model_compiled_in_place": """
        def initialize(self, context):
            super().initialize(context)
            torch.manual_seed(0)
            self.model = torch.nn.Linear(4, 3)
            self.model.compile(backend="eager")
        def handle(self, data, context):
            return self.model(torch.tensor([row["body"] for row in data])).tolist()
    """,
    "a_model_of_another_name": """
        def initialize(self, context):
            super().initialize(context)
            self.net, self.model = self.model, None
        def handle(self, data, context):
            return self.net(torch.tensor([row["body"] for row in data])).tolist()
    """,
    "a_model_inside_a_pipeline": """
        def initialize(self, context):
            super().initialize(context)
            class Pipeline: pass
            self.pipeline = Pipeline()
            self.pipeline.model, self.model = self.model, None
        def handle(self, data, context):
            return self.pipeline.model(torch.tensor([row["body"] for row in data])).tolist()
    """,
    "a_model_that_is_a_function": """
        def initialize(self, context):
            super().initialize(context)
            self.weights = self.model
            self.model = lambda rows: rows @ self.weights.weight.T + self.weights.bias
            del self.weights._parameters  # no module any more
        def handle(self, data, context):
            return self.model(torch.tensor([row["body"] for row in data])).tolist()
    """,
    "a_wrapper_with_threads_in_init": """
        def __init__(self):
            super().__init__()
            from ts.handler_utils.micro_batching import MicroBatching
            self.handle = MicroBatching(self, micro_batch_size=1)
        def initialize(self, context):
            super().initialize(context)
            self.handle.parallelism = {"preprocess": 2, "inference": 2}
            assert self.handle.parallelism["inference"] == 2
    """,
    "initialize_replaced_in_init": """
        def __init__(self):
            super().__init__()
            self.start, self.initialize = self.initialize, self.begin
        def begin(self, context):
            self.start(context)
    """,
    "handle_replaced_after_the_load": """
        def initialize(self, context):
            super().initialize(context)
            self.handle = None  # TorchServe has taken the first one
    """,
    "device_is_a_text": """
        def initialize(self, context):
            super().initialize(context)
            self.device = "cpu"
    """,
    "device_is_a_number": """
        def initialize(self, context):
            super().initialize(context)
            self.device = -1
        def inference(self, data):
            return self.model(data)
    """,
    "device_is_unknown": """
        def initialize(self, context):
            super().initialize(context)
            self.device = "abacus:0,1"
        def inference(self, data):
            return self.model(data)
    """,
    "names_of_its_own": """
        def initialize(self, context):
            super().initialize(context)
            self.monitor = self.delegate = self.recorder = self.entry = self.config = None
    """,
    "an_initialize_that_calls_itself_again": """
        def initialize(self, context):
            super().initialize(context)
            if not hasattr(self, "again"):
                self.again = True
                self.initialize(context)
    """,
    "an_initialize_anew_at_a_request": """
        def preprocess(self, data):
            if not hasattr(self, "again"):
                self.again = True
                self.initialize(self.context)
            return super().preprocess([row["body"] for row in data])
    """,
    "attributes_of_its_own_kind": """
        def __setattr__(self, name, value):
            if name != "kept":
                self.kept.add(name)  # made in __init__
            super().__setattr__(name, value)
        def __init__(self):
            self.kept = set()
            super().__init__()
        def inference(self, data):
            assert self.preprocess.__self__ is self
            return super().inference(data)
    """,
    "two_models_of_which_one_prepares": """
        def initialize(self, context):
            super().initialize(context)
            self.encoder = torch.nn.Identity()
        def preprocess(self, data):
            return self.encoder(torch.tensor([row["body"] for row in data]))
    """,
}
# What the stages cannot show: they do not run.
WITHOUT_STAGES = {name for name, code in STYLES.items() if ".tolist()" in code and "def handle" in code}

HANDLER = """
import torch
from {module} import {base}

class Handler({base}):
    def preprocess(self, data):
        return torch.tensor([row["body"] for row in data])
{code}
"""


def write(folder, name, module, base, code):
    body = textwrap.indent(textwrap.dedent(code), "    ")
    (folder / f"{name}.py").write_text(HANDLER.format(module=module, base=base, code=body))


@pytest.fixture
def serve(load, archive, publisher):
    """Serve a style plain and monitored, by calls of some rows each; return both services' replies."""

    def both(code, *calls, handler="my_handler"):
        if code is not None:
            write(archive, "plain_handler", "ts.torch_handler.base_handler", "BaseHandler", code)
            write(archive, "my_handler", "torchvitals", "MonitoredHandler", code)
        plain = load(archive, "plain_handler", monitored=False)
        expected = [predict(plain, *call) for call in calls]
        watched = load(archive, handler, monitored=False)
        return expected, [predict(watched, *call) for call in calls], watched

    yield both
    # Its threads are no daemons, and would keep the process from ending.
    for wrapper in [thing for thing in gc.get_objects() if type(thing) is MicroBatching]:
        wrapper.shutdown()


@pytest.fixture(autouse=True)
def monitors(monkeypatch):
    """The monitors that were started, so that they end."""
    found, start = [], Monitor.start
    monkeypatch.setattr(Monitor, "start", lambda self: (found.append(self), start(self)))
    yield found
    for one in found:
        one.stop()


@pytest.mark.parametrize("style", STYLES)
def test_a_style_is_answered_as_without_a_monitor_and_seen_whole(serve, publisher, monitors, style):
    calls = [[ROW], [ROW, [1.0, 2.0, 3.0, 4.0], ROW], *[[ROW]] * 4]
    expected, answers, _ = serve(STYLES[style], *calls)
    assert answers == expected
    (one,) = monitors
    one.stop()
    assert publisher.value(m.REQUESTS, "ok") == 8
    assert publisher.value(m.REQUESTS, "error") == 0
    assert publisher.value(m.WINDOW_SAMPLES, "1000", "0") == 8
    assert publisher.total(m.PREDICTIONS) == 8
    assert publisher.value(m.STAGE_DURATION.count, "handle", "host") == 4
    assert publisher.value(m.STAGE_DURATION.count, "inference", "host") == 4
    assert publisher.total(m.MONITOR_UNSEEN) == 0
    assert publisher.total(m.MONITOR_ERRORS) == 0
    if style not in WITHOUT_STAGES:
        assert publisher.value(m.STAGE_DURATION.count, "preprocess", "host") == 4


FUNCTION = """
import torch

model = None

def handle(data, context):
    global model
    if model is None:
        model = torch.jit.load(context.system_properties["model_dir"] + "/model.pt")
    if data is None:
        return None
    return model(torch.tensor([row["body"] for row in data])).tolist()
"""
SERVICE = """
import torch
from ts.torch_handler.base_handler import BaseHandler

class Service(BaseHandler):
    def preprocess(self, data):
        return torch.tensor([row["body"] for row in data])

_service = Service()

def handle(data, context):
    if not _service.initialized:
        _service.initialize(context)
    if data is None:
        return None
    return [{"scores": row} for row in _service.postprocess(_service.inference(_service.preprocess(data)))]
"""
UNINITIALISED = """
import torch

class Bare:
    def initialize(self, context):
        self.model = torch.jit.load(context.system_properties["model_dir"] + "/model.pt")
    def handle(self, data, context):
        return self.model(torch.tensor([row["body"] for row in data])).tolist()
"""
LAZY = """
import torch

def late(data, context):
    if data is None:
        return None
    if "network" not in globals():
        globals()["network"] = torch.jit.load(context.system_properties["model_dir"] + "/model.pt")
    return network(torch.tensor([row["body"] for row in data])).tolist()
"""


@pytest.mark.parametrize(
    ("source", "name", "unseen"),
    [
        (FUNCTION, "plain_handler", 0),
        (FUNCTION.replace("def handle", "def answer"), "plain_handler:answer", 0),
        (SERVICE, "plain_handler.py", 0),
        (UNINITIALISED, "plain_handler", 0),
        # Its model is there after the first call only.
        (LAZY, "plain_handler:late", 1),
    ],
    ids=["function", "named_function", "function_beside_a_class", "class_without_initialized", "late_model"],
)
def test_base_handler_serves_what_torchserve_serves(load, archive, publisher, monitors, source, name, unseen):
    shutil.copy(HANDLERS / "monitored_handler.py", archive)
    (archive / "plain_handler.py").write_text(source)
    configure(archive, f"baseline: {BASELINE}\nbase_handler: {name}")
    plain = load(archive, name, monitored=False)
    watched = load(archive, "monitored_handler", monitored=False)
    for rows in ([ROW], [ROW, ROW], [ROW], [ROW]):
        assert predict(watched, *rows) == predict(plain, *rows)
    monitors[0].stop()
    assert publisher.value(m.REQUESTS, "ok") == 5
    assert publisher.value(m.WINDOW_SAMPLES, "1000", "0") == 5 - unseen
    assert publisher.value(m.MONITOR_UNSEEN, "stage") == unseen
    assert publisher.value(m.STAGE_DURATION.count, "inference", "host") == 2
    assert publisher.total(m.MONITOR_ERRORS) == 0


@pytest.mark.parametrize(
    ("result", "code"),
    [
        ("('a', 'tuple')", 503),
        ("['one']", 503),
        ("['one', object()]", 503),
        ("None", 503),
        ("['one', 'two']", 200),
    ],
)
def test_a_result_that_torchserve_refuses_counts_as_an_error(serve, publisher, monitors, result, code):
    expected, answers, _ = serve(f"def handle(self, data, context):\n    return {result}\n", [ROW, ROW])
    assert answers == expected
    assert struct.unpack("!i", answers[0][:4]) == (code,)
    monitors[0].stop()
    outcome = publisher.value(m.REQUESTS, "ok"), publisher.value(m.REQUESTS, "error")
    assert outcome == ((2, 0) if code == 200 else (0, 2))


def test_with_an_envelope_requests_count_and_those_that_it_refuses_are_errors(
    archive, publisher, monitors, monkeypatch
):
    monkeypatch.syspath_prepend(archive)
    monkeypatch.delitem(sys.modules, "my_handler", raising=False)
    write(
        archive,
        "my_handler",
        "torchvitals",
        "MonitoredHandler",
        "def preprocess(self, data):\n    return torch.tensor(data)\n",
    )
    cache = MetricsCacheYamlImpl("metrics.yaml")
    cache.initialize_cache()
    cache.model_name = "linear"
    service = TsModelLoader().load(
        "linear", str(archive), "my_handler", None, 1, envelope="json", metrics_cache=cache
    )
    service.set_cl_socket(None)
    three = {"instances": [ROW, ROW, ROW]}
    assert predict(service, three, three)[:4] == OK
    assert predict(service, {"wrong": 1})[:4] != OK
    assert predict(service, {"instances": [ROW, [1.0]]})[:4] != OK
    monitors[0].stop()
    assert (publisher.value(m.REQUESTS, "ok"), publisher.value(m.REQUESTS, "error")) == (2, 2)
    assert publisher.value(m.WINDOW_SAMPLES, "1000", "0") == 6


def test_series_have_the_name_that_the_model_is_served_under(load, archive, monkeypatch, monitors):
    names = []

    def publisher_of(metrics, **labels):
        names.append(labels)
        return MemoryPublisher()

    monkeypatch.setattr("torchvitals.servers.torchserve.loading.TorchServePublisher", publisher_of)
    manifest = json.loads((archive / "MAR-INF" / "MANIFEST.json").read_text())
    manifest["model"]["modelName"] = "packed"
    (archive / "MAR-INF" / "MANIFEST.json").write_text(json.dumps(manifest))
    load(archive, monitored=False)
    assert names == [{"model_name": "linear", "model_version": "1.0"}]


def test_a_handler_and_its_methods_can_be_pickled_and_are_plain_elsewhere(load, archive):
    service = load(archive)
    handler = service._entry_point.__wrapped__.__self__
    handler.model = None  # a scripted model cannot be pickled anyhow
    handler.context = handler.manifest = None
    predict_plain = pickle.loads(pickle.dumps(handler.preprocess))
    predict_inference = pickle.loads(pickle.dumps(handler.inference))
    assert predict_inference.__self__.mapping is None
    assert predict_plain([{"body": ROW}]).shape == (1, 4)
    copy = pickle.loads(pickle.dumps(handler))
    assert type(copy) is type(handler)
    shadows = [value for value in vars(copy).values() if isinstance(value, Shadow)]
    assert shadows == []
    assert copy.preprocess([{"body": ROW}]).shape == (1, 4)
    assert isinstance(handler.preprocess, Shadow)


def test_a_model_that_cannot_be_read_does_not_stop_the_load(serve, publisher, monitors, caplog):
    code = """
    def initialize(self, context):
        self.device = torch.device("cpu")
        self.initialized = True
    @property
    def model(self):
        raise ValueError("later")
    @model.setter
    def model(self, value):
        pass
    def handle(self, data, context):
        return ["fine"] * len(data)
    """
    expected, answers, _ = serve(code, *[[ROW]] * 12)
    assert answers == expected
    monitors[0].stop()
    assert publisher.value(m.REQUESTS, "ok") == 12
    assert publisher.value(m.MONITOR_UNSEEN, "stage") == 12
    assert publisher.value(m.MONITOR_UNSEEN, "inputs") == 12
    assert caplog.text.count("reason 'stage'") == 1
    assert (m.DRIFTED_RATIO.name, ("1000", "0")) not in publisher.series


OUTPUTS = {
    "generated_ids": "torch.arange(len(data) * (3 + self.n)).reshape(len(data), -1)",
    "lists_of_ids": "[torch.arange(3 + place) for place in range(len(data))]",
    "logits_of_a_language": "torch.randn(len(data), 5, 20)",
    "loss_and_logits": "{'loss': torch.tensor(0.5), 'logits': torch.randn(len(data), 3)}",
    "a_tuple_with_a_loss": "(torch.tensor(0.5), torch.randn(len(data), 3))",
    "detections": "[{'boxes': torch.zeros(2, 4), 'labels': torch.ones(2)} for _ in data]",
    "masks": "torch.zeros(len(data), 8, 8, dtype=torch.bool)",
    "flat_masks": "torch.zeros(len(data), 64, dtype=torch.uint8)",
    "embeddings": "torch.ones(len(data), 64)",
    "unit_embeddings": "torch.nn.functional.normalize(torch.ones(len(data), 30))",
    "a_nested_tensor": "torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged)",
    "texts": "['a text'] * len(data)",
    "nothing": "None",
    "an_object": "object()",
}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_outputs_that_are_no_scores_become_no_classes_without_a_baseline(
    serve, archive, publisher, monitors, kind
):
    configure(archive, "flush_interval: 5")
    code = f"""
    n = 0
    def inference(self, data):
        torch.manual_seed(self.n)
        self.n += 1
        return {OUTPUTS[kind]}
    def postprocess(self, data):
        return ["fine"] * self.size
    def preprocess(self, data):
        self.size = len(data)
        return data
    """
    expected, answers, _ = serve(code, *[[ROW] * 40] * 5)
    assert answers == expected
    monitors[0].stop()
    assert publisher.value(m.REQUESTS, "ok") == 200
    assert publisher.total(m.MONITOR_ERRORS) == 0
    assert publisher.value(m.ANOMALIES, "imbalanced_output") == 0
    assert publisher.total(m.PREDICTIONS) == (200 if "randn(len(data), 3)" in OUTPUTS[kind] else 0)


def test_continuous_batching_counts_a_request_once_and_times_its_first_and_last_step(
    load, archive, publisher, monitors
):
    code = """
    def handle(self, data, context):
        counts = self.__dict__.setdefault("counts", {})
        def stop_after(request):
            def stop(result):
                counts[request] = counts.get(request, 0) + 1
                return counts[request] >= int(request[1:])
            return stop
        context.stopping_criteria = [stop_after(context.get_request_id(i)) for i in range(len(data))]
        return self.postprocess(self.inference(self.preprocess(data)))
    """
    write(archive, "my_handler", "torchvitals", "MonitoredHandler", code)
    service = load(archive, monitored=False)

    def step(*ids):
        body = [
            {
                "requestId": name.encode(),
                "headers": [],
                "parameters": [{"name": "body", "value": ROW, "contentType": "application/json"}],
            }
            for name in ids
        ]
        return service.predict(body)

    # r1 ends with its first step, r3 with its third; r9 is given up after its second.
    for ids in (["r1", "r3"], ["r3", "r9"], ["r3", "r9"], ["r2"], ["r2"]):
        assert step(*ids)[:4] == OK
    monitors[0].stop()
    assert publisher.value(m.REQUESTS, "ok") == 4
    assert publisher.value(m.REQUESTS, "error") == 0
    assert publisher.value(m.BATCH_SIZE.sum) == 8
    assert publisher.value(m.FIRST_STEP_DURATION.count) == 4
    assert publisher.value(m.LAST_STEP_DURATION.count) == 4
    assert publisher.value(m.LAST_STEP_DURATION.sum) > publisher.value(m.FIRST_STEP_DURATION.sum) > 0
    assert publisher.value(m.STAGE_DURATION.count, "handle", "host") == 3


def test_a_second_rank_of_torchrun_counts_nothing_and_has_a_worker_of_its_own(
    load, archive, publisher, monitors, monkeypatch
):
    monkeypatch.setenv("LOCAL_RANK", "1")
    write(archive, "my_handler", "torchvitals", "MonitoredHandler", "")
    service = load(archive, monitored=False)
    for _ in range(4):
        predict(service, ROW)
    monitors[0].stop()
    assert publisher.total(m.REQUESTS) == 0
    assert publisher.total(m.OBSERVATIONS) == 0
    workers = {labels[0] for name, labels in publisher.series if name == m.MEMORY.name}
    assert workers == {"1"}
    assert publisher.value(m.MONITOR_SECONDS, "flush") > 0
