"""Predictions wait in whole files, and what cannot wait is counted."""

import os
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from torchvitals import Baseline, ConfigurationError, Features, GroundTruth, MonitoredModel, MonitoringConfig
from torchvitals.featurizers.outputs import OutputOptions
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m
from torchvitals.worker import prediction_files
from torchvitals_labels.batch import read_batch
from torchvitals_labels.collecting import waiting

LOGITS = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 2.0], [0.0, 3.0, 0.0]])


def truth(folder: Path, **options: object) -> MonitoringConfig:
    return MonitoringConfig(
        ground_truth=GroundTruth(directory=str(folder), model_name="m", model_version="2", **options),
        flush_interval=10,
        warmup=0,
    )


@pytest.fixture
def baseline():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(2000, 3)) * 3
    right = rng.random(2000) < 0.7
    labels = np.where(right, scores.argmax(axis=1), (scores.argmax(axis=1) + 1) % 3)
    return Baseline.fit(
        rng.normal(size=(2000, 3)), outputs=scores, labels=labels, class_names=["a", "b", "c"]
    )


def lost(publisher):
    return {
        labels[0]: value
        for (name, labels), value in publisher.series.items()
        if name == m.PREDICTIONS_UNWRITTEN.name and value
    }


def test_a_model_outside_a_server_keeps_predictions_by_the_ids_it_is_told(tmp_path, baseline):
    publisher = MemoryPublisher()
    with MonitoredModel(lambda x: x, baseline, config=truth(tmp_path), publisher=publisher) as model:
        model.predictions.id("x", "y", "z", segment="north")
        model.predict(LOGITS)
        model.predictions.id("many")
        model.predict(LOGITS[:2])
        model.predict(LOGITS[:1])
    (batch,) = [read_batch(file) for file in waiting(tmp_path)]
    assert batch.ids == ["x", "y", "z", "many/0", "many/1"]
    assert batch.segments == ["north"] * 3 + [""] * 2
    assert batch.classes == ["a", "b", "c"]
    assert batch.predicted.tolist() == [0, 2, 1, 0, 2]
    shares = LOGITS.double().softmax(1).numpy()
    assert batch.scores == pytest.approx(shares[[0, 1, 2, 0, 1]])
    assert (np.abs(batch.expected - 0.7) < 0.2).all()
    assert lost(publisher) == {"no_id": 1}


def test_values_are_kept_as_they_are(tmp_path):
    baseline = Baseline.fit(
        np.random.default_rng(0).normal(size=(2000, 1)), outputs=np.random.default_rng(1).normal(size=2000)
    )
    with MonitoredModel(lambda x: x[:, 0], baseline, config=truth(tmp_path)) as model:
        model.predictions.id("x", "y")
        model.predict(torch.tensor([[1.5], [2.5]]))
        model.predictions.id("nan")
        model.predict(torch.tensor([[float("nan")]]))
    (batch,) = [read_batch(file) for file in waiting(tmp_path)]
    assert (batch.kind, batch.ids, batch.predicted.tolist()) == ("value", ["x", "y"], [1.5, 2.5])


def test_a_model_of_no_name_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="needs its `model_name` and `model_version`"):
        MonitoredModel(
            lambda x: x, config=MonitoringConfig(ground_truth=GroundTruth(directory=str(tmp_path)))
        )


def test_beyond_the_limit_nothing_is_written_and_it_is_counted(tmp_path, baseline, caplog):
    publisher = MemoryPublisher()
    with MonitoredModel(
        lambda x: x, baseline, config=truth(tmp_path, max_bytes=2_000), publisher=publisher
    ) as model:
        for number in range(20):
            model.predictions.id(f"{number}")
            model.predict(LOGITS[:1])
            model.monitor.flush()
    sizes = [file.stat().st_size for file in waiting(tmp_path)]
    assert 0 < sum(sizes) <= 2_000
    assert lost(publisher) == {"full": 20 - len(sizes)}
    assert [record.message for record in caplog.records].count(
        f"{tmp_path} is full of predictions that wait for 'torchvitals labels serve'"
    ) == 1


def test_a_disk_that_cannot_be_written_costs_no_prediction(tmp_path, baseline):
    publisher = MemoryPublisher()
    folder = tmp_path / "a file"
    folder.write_text("in the way")
    with MonitoredModel(lambda x: x, baseline, config=truth(folder), publisher=publisher) as model:
        model.predictions.id("x", "y", "z")
        assert torch.equal(model.predict(LOGITS), LOGITS)
    assert lost(publisher) == {"disk": 3}


def test_a_write_that_fails_leaves_no_part_of_a_file(tmp_path, baseline, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(prediction_files.os, "replace", fail)
    publisher = MemoryPublisher()
    with MonitoredModel(lambda x: x, baseline, config=truth(tmp_path), publisher=publisher) as model:
        model.predictions.id("x", "y", "z")
        model.predict(LOGITS)
    assert os.listdir(tmp_path) == []
    assert lost(publisher) == {"disk": 3}


def test_ids_that_do_not_fit_the_rows_are_counted(tmp_path, baseline):
    publisher = MemoryPublisher()
    with MonitoredModel(lambda x: x, baseline, config=truth(tmp_path), publisher=publisher) as model:
        model.predictions.id("x", "y")
        model.predict(LOGITS)
    assert waiting(tmp_path) == []
    assert lost(publisher) == {"rows": 3}


def test_many_predictions_are_several_files(tmp_path, baseline, monkeypatch):
    monkeypatch.setattr(prediction_files, "ROWS", 4)
    with MonitoredModel(lambda x: x, baseline, config=truth(tmp_path)) as model:
        model.predictions.id("many")
        model.predict(LOGITS.repeat(3, 1))
    batches = [read_batch(file) for file in waiting(tmp_path)]
    assert [one for batch in batches for one in batch.ids] == [f"many/{place}" for place in range(9)]
    assert [len(batch.ids) for batch in batches] == [4, 4, 1]


def test_files_of_others_in_the_folder_do_no_harm(tmp_path, baseline):
    for name in ("notes.txt", "x.predictions", "1-2-3.predictions", f"a-{'9' * 30}.predictions"):
        (tmp_path / name).write_text("mine")
    publisher = MemoryPublisher()
    with MonitoredModel(lambda x: x, baseline, config=truth(tmp_path), publisher=publisher) as model:
        model.predictions.id("x", "y", "z")
        model.predict(LOGITS)
    assert lost(publisher) == {}
    assert publisher.series[m.PREDICTIONS_WRITTEN.name, ()] == 3


def test_outputs_wait_until_it_is_known_what_they_are(tmp_path):
    """Without a baseline, sigmoids and logits look alike while all are between 0 and 1."""
    publisher = MemoryPublisher()
    with MonitoredModel(lambda x: x, config=truth(tmp_path), publisher=publisher) as model:
        for number in range(5):
            model.predictions.id(f"{number}")
            model.predict(torch.tensor([[0.1 + number / 10, 0.3]]))
            model.monitor.flush()
        assert waiting(tmp_path) == []
        model.predictions.id("telling")
        model.predict(torch.tensor([[4.0, -3.0]]))
    (batch,) = [read_batch(file) for file in waiting(tmp_path)]
    assert batch.ids == ["0", "1", "2", "3", "4", "telling"]
    assert batch.predicted.tolist() == [1, 1, 0, 0, 0, 0]
    assert lost(publisher) == {}


def test_values_need_no_baseline_where_it_is_said_that_they_are_values(tmp_path):
    config = msgspec.structs.replace(
        truth(tmp_path), features=Features(outputs=OutputOptions(kind="regression"))
    )
    publisher = MemoryPublisher()
    with MonitoredModel(lambda x: x, config=config, publisher=publisher) as model:
        model.predictions.id("x", "y")
        model.predict(torch.tensor([[1.5], [2.5]]))
    (batch,) = [read_batch(file) for file in waiting(tmp_path)]
    assert (batch.kind, batch.ids, batch.predicted.tolist()) == ("value", ["x", "y"], [1.5, 2.5])
    assert lost(publisher) == {}


def test_rows_that_came_alone_keep_each_its_own_id_beside_others_without_one(tmp_path, baseline):
    publisher = MemoryPublisher()
    with MonitoredModel(lambda x: x, baseline, config=truth(tmp_path), publisher=publisher) as model:
        for row, name in enumerate(("first", None, "third")):
            if name is not None:
                model.predictions.id(name)
            model.predict(LOGITS[row : row + 1])
    (batch,) = [read_batch(file) for file in waiting(tmp_path)]
    assert batch.ids == ["first", "third"]
    assert batch.predicted.tolist() == [0, 1]
    assert lost(publisher) == {"no_id": 1}
