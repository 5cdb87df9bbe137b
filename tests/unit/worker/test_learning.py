"""A baseline learned from the first rows served, shared by the workers of a model."""

import numpy as np
import pytest
import torch

from torchvitals import Baseline, BaselineError, Monitor, MonitoringConfig
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m
from torchvitals.worker.learning import BaselineLearner

rng = np.random.default_rng(8)


def learner_of(folder, rows=300):
    return BaselineLearner(rows, folder=folder / "logs", name="fraud", version="2.0")


def worker(folder, publisher, name="9000"):
    config = MonitoringConfig(learn=300, flush_interval=10, warmup=0, window=200, overhead_budget=None)
    monitor = Monitor(config, publisher, learner=learner_of(folder), worker=name)
    monitor._pipeline.start()
    return monitor


def serve(monitor, count, shift=0.0):
    for _ in range(count // 50):
        call = monitor.recorder.begin()
        monitor.recorder.inputs(call, torch.tensor(rng.normal(size=(50, 4)) + shift, dtype=torch.float32))
        monitor.recorder.outputs(call, torch.tensor(rng.normal(size=(50, 3)), dtype=torch.float32))
        monitor.recorder.finish(call, requests=50, failed=0)
    monitor.flush()


def test_nothing_is_judged_before_there_are_enough_rows(tmp_path):
    publisher = MemoryPublisher()
    monitor = worker(tmp_path, publisher)
    serve(monitor, 250)
    assert monitor.drift is None
    assert publisher.total(m.BASELINE_INFO) == 0


def test_then_drift_is_watched_and_the_baseline_is_marked_and_kept(tmp_path, caplog):
    publisher = MemoryPublisher()
    monitor = worker(tmp_path, publisher)
    serve(monitor, 300)
    learned = Baseline.load(tmp_path / "logs" / "fraud-2.0-learned.json")
    assert (learned.samples, learned.version) == (300, "2.0-learned")
    assert publisher.value(m.BASELINE_INFO, "2.0-learned", learned.sha256[:12]) == 1
    assert "learned a baseline from the first 300 rows served" in caplog.text
    serve(monitor, 200)
    assert publisher.value(m.DRIFTED_RATIO, "200", "9000") == 0
    for _ in range(3):
        serve(monitor, 100, shift=3)
    assert publisher.value(m.DRIFTED, "input", "f0", "200", "9000") == 1
    assert publisher.value(m.REQUESTS, "ok") == 800
    assert publisher.total(m.MONITOR_ERRORS) == 0


def test_a_second_worker_takes_what_the_first_has_learned(tmp_path):
    first, second = worker(tmp_path, MemoryPublisher()), worker(tmp_path, MemoryPublisher(), "9001")
    serve(first, 300)
    serve(second, 50)
    assert second.drift.baseline == first.drift.baseline


def test_the_slower_of_two_that_finish_at_once_takes_the_others(tmp_path):
    one, two = learner_of(tmp_path), learner_of(tmp_path)
    for learner in (one, two):
        learner.add([rng.normal(size=(300, 2))], [])
    late = Baseline.fit(rng.normal(size=(300, 2)), name="fraud", version="2.0-learned")
    faster = one.learned()
    assert two._write(late) is False
    assert two.learned() == faster
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["fraud-2.0-learned.json"]


def test_rows_of_another_width_do_not_count(tmp_path):
    learner = learner_of(tmp_path)
    learner.add([np.zeros((200, 2)), np.zeros((200, 3))], [])
    assert learner.collected == 200


def test_a_damaged_file_is_refused(tmp_path):
    learner = learner_of(tmp_path)
    learner.path.parent.mkdir()
    learner.path.write_text("{")
    with pytest.raises(BaselineError, match=r"fraud-2\.0-learned\.json' is not whole JSON"):
        learner.known()


KINDS = {
    "images": lambda rows: torch.rand(rows, 3, 40, 40),
    "tokens": lambda rows: torch.randint(1, 500, (rows, 12 + rows % 7)),
    "texts": lambda rows: [" ".join(rng.choice(WORDS, size=9)) for _ in range(rows)],
    "embeddings": lambda rows: torch.randn(rows, 200),
}
MOVED = {
    "images": lambda rows: torch.rand(rows, 3, 40, 40) / 2,
    "tokens": lambda rows: torch.randint(300, 900, (rows, 12)),
    "texts": lambda rows: [
        "lorem ipsum dolor sit amet " + " ".join(rng.choice(WORDS, size=9)) for _ in range(rows)
    ],
    "embeddings": lambda rows: torch.randn(rows, 200) * 1.3,
}
WORDS = np.array(["card", "cash", "loan", "rent", "fee", "salary", "gift", "tax", "food", "fuel"])


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_input_is_learned_and_then_watched(tmp_path, kind):
    publisher = MemoryPublisher()
    monitor = worker(tmp_path, publisher)
    sizes = [48, 50, 51, 53, 49, 50]  # token ids come filled up to another length each time
    for batch in [KINDS[kind](size) for size in sizes] + [KINDS[kind](100)] * 2 + [MOVED[kind](100)] * 3:
        call = monitor.recorder.begin()
        monitor.recorder.inputs(call, batch)
        monitor.recorder.finish(call, requests=len(batch), failed=0)
        monitor.flush()
    learned = Baseline.load(tmp_path / "logs" / "fraud-2.0-learned.json")
    assert (learned.input_kind, learned.samples) == (kind, 300)
    assert publisher.total(m.DRIFTED) > 0
    assert publisher.value(m.WINDOW_SAMPLES, "200", "9000") == 200
    assert publisher.total(m.MONITOR_ERRORS) == publisher.total(m.MONITOR_DROPPED) == 0
    assert publisher.value(m.INPUT_INVALID, "all", "bad_shape") == 0
