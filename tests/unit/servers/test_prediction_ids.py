"""Predictions under TorchServe have ids; files hold each once, with what was predicted and nothing of the inputs."""

import textwrap

import numpy as np
import pytest
import torch

from tests.unit.servers.serving import BASELINE, configure, monitor_of, predict
from torchvitals.telemetry import catalogue as m
from torchvitals_labels.batch import read_batch
from torchvitals_labels.collecting import waiting

CANARY = "canary 7f3a"

HANDLER = """
import torch
from torchvitals import MonitoredHandler

class MyHandler(MonitoredHandler):
    def preprocess(self, data):
        rows = []
        for row in data:
            body = row.get("body") if isinstance(row, dict) and "body" in row else row
            for one in body.get("instances", [body]) if isinstance(body, dict) else [body]:
                rows.append(one["x"] if isinstance(one, dict) else one)
        {named}
        return torch.tensor(rows, dtype=torch.float32)

    def postprocess(self, data):
        {replied}
"""
EACH, ONE = "return data.argmax(1).tolist()", "return [data.argmax(1).tolist()]"


@pytest.fixture
def served(load, archive, tmp_path):
    """Load a handler with `ground_truth:` and give its service, and what is in its files."""

    def load_it(options="", named="pass", replied=EACH, envelope=None):
        options = textwrap.indent(options, "  ")
        configure(
            archive,
            f"baseline: {BASELINE}\nground_truth:\n  directory: {tmp_path / 'waiting'}\n{options}",
        )
        (archive / "my_handler.py").write_text(HANDLER.format(named=named, replied=replied))
        return load(archive)

    return load_it


@pytest.fixture
def kept(tmp_path):
    """Return what files hold once a service has flushed."""

    def kept_by(service):
        monitor_of(service).flush()
        return [read_batch(file) for file in waiting(tmp_path / "waiting")]

    return kept_by


def ids_of(batches):
    return [one for batch in batches for one in batch.ids]


def test_without_a_section_nothing_is_kept(load, archive, tmp_path):
    configure(archive, f"baseline: {BASELINE}")
    service = load(archive)
    predict(service, [1.0, 2.0, 3.0, 4.0])
    monitor_of(service).flush()
    assert not (tmp_path / "waiting").exists()


def test_the_request_s_own_id_is_that_of_its_prediction(served, archive, kept, publisher):
    service = served()
    rows = np.random.default_rng(0).normal(size=(3, 4))
    predict(service, *rows.tolist())
    (batch,) = kept(service)
    assert batch.ids == ["r0", "r1", "r2"]
    assert (batch.model_name, batch.model_version, batch.kind) == ("linear", "1.0", "class")
    model = torch.jit.load(archive / "model.pt")
    shares = model(torch.tensor(rows, dtype=torch.float32)).softmax(1).detach().numpy()
    assert batch.predicted.tolist() == shares.argmax(axis=1).tolist()
    assert batch.scores == pytest.approx(shares, rel=1e-5)
    assert batch.confidence == pytest.approx(shares.max(axis=1), rel=1e-5)
    assert np.isnan(batch.expected).all()
    assert publisher.series[m.PREDICTIONS_WRITTEN.name, ()] == 3


def test_a_header_counts_before_the_request_s_own_id(served, kept):
    service = served()
    predict(service, [1.0, 2.0, 3.0, 4.0], headers={b"X-Prediction-Id": b"order 17"})
    predict(service, [1.0, 2.0, 3.0, 4.0], headers={b"x-prediction-id": b"order 18"})
    assert ids_of(kept(service)) == ["order 17", "order 18"]


def test_a_field_counts_before_a_header(served, kept):
    service = served("id_field: number\nid_header: X-Order")
    row = {"x": [1.0, 2.0, 3.0, 4.0], "number": 17}
    predict(service, row, {"x": [4.0, 3.0, 2.0, 1.0]}, headers={b"X-Order": b"a"})
    predict(service, [1.0, 2.0, 3.0, 4.0], headers={b"X-Order": b"b"})
    assert ids_of(kept(service)) == ["17", "r1", "b"]


@pytest.mark.parametrize(
    ("said", "ids"),
    [
        ("self.predictions.id('mine')", ["mine"]),
        ("self.predictions.id(17, segment='north')", ["17"]),
        ("self.predictions.id('two\\nlines')", []),
        ("self.predictions.id('x' * 201)", []),
        ("self.predictions.id(None)", []),
        ("self.predictions.id(*[object()] * 3)", []),
        ("self.predictions.id()", []),
    ],
)
def test_what_a_handler_says_counts_before_all_else_and_never_fails_a_request(
    served, kept, publisher, said, ids
):
    service = served("id_field: number", named=said)
    reply = predict(service, {"x": [1.0, 2.0, 3.0, 4.0], "number": 1}, headers={b"X-Prediction-Id": b"a"})
    assert reply[:4] == (200).to_bytes(4, "big")
    assert ids_of(kept(service)) == ids
    lost = sum(value for (name, _), value in publisher.series.items() if name == m.PREDICTIONS_UNWRITTEN.name)
    assert lost == 1 - len(ids)
    assert not any(value for (name, _), value in publisher.series.items() if name == m.MONITOR_ERRORS.name)


def test_instances_of_one_request_are_numbered(served, kept):
    service = served(replied=ONE)
    instances = [[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]]
    predict(service, {"instances": instances}, headers={b"X-Prediction-Id": b"batch"})
    predict(service, {"instances": instances})
    assert ids_of(kept(service)) == ["batch/0", "batch/1", "r0/0", "r0/1"]


def test_instances_have_ids_of_their_own_in_fields(served, kept):
    service = served("id_field: number\nsegment_field: region", replied=ONE)
    instances = [
        {"x": [1.0, 2.0, 3.0, 4.0], "number": f"a{place}", "region": f"r{place}"} for place in range(3)
    ]
    predict(service, {"instances": instances})
    (batch,) = kept(service)
    assert batch.ids == ["a0", "a1", "a2"]
    assert batch.segments == ["r0", "r1", "r2"]


def test_segments_come_from_a_header(served, kept):
    service = served("segment_header: X-Region")
    predict(service, [1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0], headers={b"X-Region": b"north"})
    predict(service, [1.0, 2.0, 3.0, 4.0])
    assert [one for batch in kept(service) for one in batch.segments] == ["north", "north", ""]


def test_a_call_that_fails_predicts_nothing(served, kept, publisher):
    service = served(replied="raise ValueError('no')")
    predict(service, [1.0, 2.0, 3.0, 4.0])
    assert kept(service) == []
    assert publisher.series[m.PREDICTIONS_UNWRITTEN.name, ("failed",)] == 1


def test_nothing_of_inputs_bodies_or_other_headers_is_kept(served, kept, tmp_path):
    service = served("id_field: number\nsegment_field: region")
    number = 8.123456789
    row = {"x": [number, 2.0, 3.0, 4.0], "number": "a", "region": "b", "name": CANARY}
    predict(service, row, headers={b"X-Secret": CANARY.encode(), b"Authorization": CANARY.encode()})
    assert ids_of(kept(service)) == ["a"]
    (file,) = waiting(tmp_path / "waiting")
    content = file.read_bytes()
    assert CANARY.encode() not in content
    assert np.float64(number).tobytes() not in content
    assert np.float32(number).tobytes() not in content


def test_files_are_their_owner_s_alone(served, kept, tmp_path):
    service = served()
    predict(service, [1.0, 2.0, 3.0, 4.0])
    kept(service)
    (file,) = waiting(tmp_path / "waiting")
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "waiting").stat().st_mode & 0o777 == 0o700


def test_a_handler_may_have_predictions_of_its_own(served, kept):
    service = served(named="self.predictions = [1]")
    predict(service, [1.0, 2.0, 3.0, 4.0])
    assert ids_of(kept(service)) == ["r0"]
