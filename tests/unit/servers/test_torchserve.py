"""MonitoredHandler as TorchServe's worker uses it: its own loader, service and context, without the front end."""

import logging
import shutil
import socket
import struct
import sys
import time

import pytest
import torch
from ts.protocol import otf_message_handler

from tests.unit.servers.serving import BASELINE, HANDLERS, SUBCLASS, configure, monitor_of, predict
from torchvitals import BaselineError, ConfigurationError, TorchVitalsError
from torchvitals.telemetry import catalogue as m


def test_a_subclass_is_measured_where_it_overrides(load, archive, publisher):
    service = load(archive)
    for _ in range(10):
        predict(service, [0.1, 0.2, 0.3, 0.4])
    monitor_of(service).flush()
    assert publisher.value(m.REQUESTS, "ok") == 10
    assert publisher.value(m.WARMUP_REQUESTS) == 2
    for stage in m.STAGES:
        assert publisher.value(m.STAGE_DURATION.count, stage, "host") == 8
    assert publisher.value(m.WINDOW_SAMPLES, "1000", "0") == 10
    assert publisher.total(m.PREDICTIONS) == 10
    runtime = [labels for name, labels in publisher.series if name == m.RUNTIME_INFO.name]
    assert runtime == [("0", "cpu", "float32", torch.__version__, "false")]


def test_the_wait_in_front_of_the_handler_is_read_from_each_requests_header(load, archive, publisher):
    service = load(archive)
    sent = time.time() - 2
    predict(
        service, [0.0] * 4, [1.0] * 4, headers={b"X-Request-Start": f"t={sent:.3f}".encode(), b"Host": b"a"}
    )
    predict(service, [0.0] * 4, headers={b"x-request-start": f"{sent * 1000:.0f}".encode()})
    predict(service, [0.0] * 4, headers={b"X-Request-Start": b"soon"})
    predict(service, [0.0] * 4)
    monitor_of(service).flush()
    assert publisher.value(m.REQUESTS, "ok") == 5
    assert publisher.value(m.QUEUE_DURATION.count) == 3
    assert publisher.value(m.QUEUE_DURATION.bucket, "1") == 0
    assert publisher.value(m.QUEUE_DURATION.bucket, "30") == 3
    assert publisher.total(m.MONITOR_ERRORS) == 0


def test_a_batch_counts_each_request(load, archive, publisher):
    service = load(archive)
    predict(service, [0.0] * 4, [1.0] * 4, [2.0] * 4)
    monitor_of(service).flush()
    assert publisher.value(m.REQUESTS, "ok") == 3
    assert publisher.value(m.BATCH_SIZE.sum) == 3


def test_an_error_in_a_stage_is_counted_and_answered_as_torchserve_does(load, archive, publisher):
    service = load(archive)
    answer = predict(service, [0.0] * 7)
    assert b"Prediction failed" in answer
    monitor_of(service).flush()
    assert publisher.value(m.REQUESTS, "error") == 1
    assert publisher.value(m.REQUESTS, "ok") == 0


def test_a_handle_of_its_own_is_measured_as_a_whole(load, archive, publisher):
    (archive / "my_handler.py").write_text(
        SUBCLASS + "\n    def handle(self, data, context):\n        return ['fixed'] * len(data)\n"
    )
    service = load(archive)
    for _ in range(5):
        assert b"fixed" in predict(service, [0.0] * 4)
    monitor_of(service).flush()
    assert publisher.value(m.STAGE_DURATION.count, "handle", "host") == 3
    assert publisher.value(m.STAGE_DURATION.count, "inference", "host") == 0


def test_an_initialize_that_skips_super_still_starts_the_monitor(load, archive, publisher):
    (archive / "my_handler.py").write_text(
        SUBCLASS + "\n    def initialize(self, context):\n        self.context = context\n"
        "        self.device = torch.device('cpu')\n        self.model = torch.nn.Linear(4, 3)\n"
    )
    service = load(archive)
    predict(service, [0.0] * 4)
    monitor_of(service).flush()
    assert publisher.value(m.REQUESTS, "ok") == 1


def test_an_init_that_skips_super_is_measured_all_the_same(load, archive, publisher):
    (archive / "my_handler.py").write_text(
        SUBCLASS
        + "\n    def __init__(self):\n        self.context = self.manifest = None\n        self.explain = False\n"
    )
    service = load(archive)
    predict(service, [0.0] * 4)
    monitor_of(service).flush()
    assert publisher.value(m.REQUESTS, "ok") == 1


def test_statuses_that_the_handler_sets_count_as_errors(load, archive, publisher):
    (archive / "my_handler.py").write_text(
        SUBCLASS
        + "\n    def postprocess(self, data):\n        self.context.set_response_status(400, 'bad', 1)\n"
        "        return data.tolist()\n"
    )
    service = load(archive)
    predict(service, [0.0] * 4, [1.0] * 4, [2.0] * 4)
    monitor_of(service).flush()
    assert (publisher.value(m.REQUESTS, "ok"), publisher.value(m.REQUESTS, "error")) == (2, 1)


PLAIN = """
import torch
from ts.torch_handler.base_handler import BaseHandler

class Plain(BaseHandler):
    def preprocess(self, data):
        return torch.tensor([row["body"] for row in data], dtype=torch.float32)
"""


def test_base_handler_monitors_an_existing_handler_without_code(load, archive, publisher):
    shutil.copy(HANDLERS / "monitored_handler.py", archive)
    (archive / "plain_handler.py").write_text(PLAIN)
    configure(archive, f"baseline: {BASELINE}\nbase_handler: plain_handler.py")
    service = load(archive, "monitored_handler")
    for _ in range(5):
        predict(service, [0.0] * 4)
    monitor_of(service).flush()
    assert publisher.value(m.REQUESTS, "ok") == 5
    assert publisher.value(m.STAGE_DURATION.count, "inference", "host") == 3


@pytest.mark.parametrize(
    ("handler", "base", "complaint"),
    [
        (
            "monitored_handler",
            "no_such_handler",
            "'no_such_handler' is neither in the archive nor one of TorchServe's",
        ),
        ("my_handler", "base_handler", "MyHandler has a preprocess of its own; remove one of the two"),
        ("monitored_handler", "json", "'json' defines 0 handler classes; it must define one"),
    ],
)
def test_a_wrong_base_handler_stops_the_load(load, archive, handler, base, complaint):
    shutil.copy(HANDLERS / "monitored_handler.py", archive)
    configure(archive, f"base_handler: {base}")
    with pytest.raises(ConfigurationError, match=complaint):
        load(archive, handler)


def test_a_built_in_handler_of_torchserve_can_be_the_base(load, archive):
    """`trt_llm_handler` needs tensorrt_llm, which is not installed here, and the message says so."""
    shutil.copy(HANDLERS / "monitored_handler.py", archive)
    configure(archive, "base_handler: trt_llm_handler")
    with pytest.raises(ConfigurationError, match="No module named 'tensorrt_llm'"):
        load(archive, "monitored_handler")


def test_a_wrong_configuration_stops_the_load(load, archive):
    configure(archive, "windw: 5")
    with pytest.raises(
        ConfigurationError, match=r"model-config.yaml: handler.monitoring: unknown key 'windw'"
    ):
        load(archive)


def test_a_baseline_that_is_not_packed_stops_the_load(load, archive):
    configure(archive, "baseline: other.json")
    with pytest.raises(
        BaselineError, match=rf"no 'other.json' in the archive \(JSON files in it: {BASELINE}\)"
    ):
        load(archive)


def test_a_truncated_baseline_stops_the_load(load, archive):
    path = archive / BASELINE
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BaselineError, match="is not whole JSON"):
        load(archive)


def test_these_errors_are_what_torchserve_answers_at_load():
    """ts/model_service_worker.py, load_model: only a RuntimeError is logged and answered."""
    assert issubclass(TorchVitalsError, RuntimeError)


def test_without_a_baseline_drift_is_not_watched_and_that_is_said(load, archive, publisher, caplog):
    (archive / "model-config.yaml").write_text("minWorkers: 1\n")
    with caplog.at_level(logging.WARNING):
        service = load(archive)
    assert "no baseline is configured" in caplog.text
    predict(service, [0.0] * 4)
    monitor_of(service).flush()
    assert publisher.value(m.REQUESTS, "ok") == 1
    assert publisher.total(m.PREDICTIONS) == 1


@pytest.mark.parametrize("coalesce", [True, False])
def test_torchserves_own_lines_are_held_back_only_when_asked(load, archive, publisher, caplog, coalesce):
    configure(archive, f"coalesce: {str(coalesce).lower()}")
    service = load(archive)
    caplog.set_level("INFO")
    caplog.clear()
    for _ in range(5):
        predict(service, [0.0] * 4)
    lines = [record for record in caplog.records if "[METRICS]" in record.getMessage()]
    assert len(lines) == (0 if coalesce else 10)


@pytest.mark.parametrize("quiet", [True, False])
def test_torchserves_line_for_each_request_is_left_out_unless_asked_for(load, archive, caplog, quiet):
    configure(archive, f"quiet: {str(quiet).lower()}")
    load(archive)
    caplog.set_level("INFO")
    caplog.clear()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"I" + struct.pack("!i", -1))  # a prediction of no request
        otf_message_handler.retrieve_msg(ours)
    logging.info("a line of the model's own")
    lines = [record.getMessage() for record in caplog.records]
    assert any(line.startswith("Backend received inference at: ") for line in lines) is not quiet
    assert lines[-1] == "a line of the model's own"


def test_a_missing_package_is_named_instead_of_hidden(archive, monkeypatch):
    source = (HANDLERS / "monitored_handler.py").read_text()
    monkeypatch.setitem(sys.modules, "torchvitals", None)
    with pytest.raises(RuntimeError, match="pack it with --extra-files handlers"):
        exec(compile(source, "monitored_handler.py", "exec"), {"__name__": "monitored_handler"})
