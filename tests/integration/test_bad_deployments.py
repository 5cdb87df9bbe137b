"""What a wrong configuration or baseline does to a server that already serves another model."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from examples.flight_delay.replay import bodies
from stack.loopback import http
from stack.metrics_page import settled, total
from stack.waiting import PATIENCE_SECONDS, eventually
from tests.conftest import BASELINE
from torchvitals import Baseline
from torchvitals.telemetry import catalogue as m

pytestmark = pytest.mark.server


def truncated(source, target):
    target.write_bytes(source.read_bytes()[:2000])


def changed(source, target):
    content = json.loads(source.read_text())
    content["features"][3]["mean"] += 1
    target.write_text(json.dumps(content))


def logged(server, message):
    """Return the models' log once it holds a message; TorchServe writes it from a thread of its own."""
    log = server.logs / "model_log.log"
    eventually(lambda: message in log.read_text(), lambda: f"'{message}' in:\n{log.read_text()}")
    return log.read_text()


WRONG = {
    "key": (
        {"baseline": BASELINE, "windw": 5},
        shutil.copy,
        "handler.monitoring: unknown key 'windw'; did you mean 'window'?",
    ),
    "value": (
        {"baseline": BASELINE, "window": "all"},
        shutil.copy,
        "handler.monitoring.window: expected `int | array`, got `str`",
    ),
    "missing": ({"baseline": "other.json"}, shutil.copy, "there is no 'other.json' in the archive"),
    "truncated": ({"baseline": BASELINE}, truncated, f"{BASELINE}' is not whole JSON"),
    "changed": (
        {"baseline": BASELINE},
        changed,
        "does not match its sha256, so it was changed after it was built",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_archive_stops_its_own_load_with_file_and_mend(server, flights, tmp_path, kind):
    monitoring, spoil, message = WRONG[kind]
    spoil(flights.baseline, tmp_path / BASELINE)
    archive = flights.package(server.model_store, f"wrong_{kind}", monitoring, baseline=tmp_path / BASELINE)
    options = {"url": archive, "initial_workers": "1", "synchronous": "true"}
    answer = http.post(f"{server.management_url}/models", params=options, timeout=PATIENCE_SECONDS)
    assert answer.status_code >= 500
    log = logged(server, message)
    assert message in log
    # TorchServe's own "Failed to load model" may come too late to be read, so our line must say whose load it was.
    assert re.search(rf"W-\d+-wrong_{kind}_1\.0-stdout .*{re.escape(message)}", log)
    http.delete(f"{server.management_url}/models/wrong_{kind}", timeout=PATIENCE_SECONDS)
    good = http.post(
        f"{server.inference_url}/predictions/flight_delay", content=bodies(flights.frame("heldout"))[0]
    )
    assert good.status_code == 200


def test_a_baseline_for_another_width_serves_counts_and_says_so(server, flights, tmp_path):
    narrow = tmp_path / BASELINE
    Baseline.fit(flights.frame("train").iloc[:, :7], name="flight_delay").save(narrow)
    archive = flights.package(
        server.model_store, "narrow", {"baseline": BASELINE, "flush_interval": 1}, baseline=narrow
    )
    options = {"url": archive, "initial_workers": "1", "synchronous": "true"}
    assert (
        http.post(f"{server.management_url}/models", params=options, timeout=PATIENCE_SECONDS).status_code
        == 200
    )
    rows = bodies(flights.frame("heldout"))[:20]
    statuses = [
        http.post(f"{server.inference_url}/predictions/narrow", content=row).status_code for row in rows
    ]
    assert statuses == [200] * 20
    series = settled(
        server, lambda s: total(s, m.INPUT_INVALID.name, model_name="narrow", reason="bad_shape") == 20
    )
    assert total(series, m.INPUT_INVALID.name, model_name="narrow", reason="bad_shape") == 20
    assert total(series, m.REQUESTS.name, model_name="narrow", outcome="ok") == 20
    assert total(series, m.MONITOR_ERRORS.name, model_name="narrow") == 0
    log = logged(server, "rows have 10 values")
    assert "rows have 10 values, baseline 'flight_delay' version 1.0 has 7 input features" in log
    http.delete(f"{server.management_url}/models/narrow", timeout=PATIENCE_SECONDS)
