"""A baseline learned from the first rows served, shared by the workers of a model."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

from torchvitals import Baseline, BaselineError, Features, Monitor, MonitoringConfig
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m
from torchvitals.worker import learning
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
    late = two._fit()
    faster = one.learned()
    assert late != faster
    assert two._shared(late) == faster
    assert two.learned() == faster
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["fraud-2.0-learned.json"]


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


def state_of(publisher, worker="9000"):
    """Return in which state a worker's learning is, and of how many rows."""
    (state,) = (
        state for state in learning.STATES if publisher.value(m.BASELINE_LEARNING, state, worker) == 1
    )
    return state, publisher.value(m.BASELINE_LEARNED_ROWS, worker)


def test_a_metric_says_how_far_it_is(tmp_path):
    publisher = MemoryPublisher()
    monitor = worker(tmp_path, publisher)
    assert state_of(publisher) == ("collecting", 0)
    serve(monitor, 250)
    assert state_of(publisher) == ("collecting", 250)
    serve(monitor, 250)
    assert state_of(publisher) == ("shared", 300)
    serve(monitor, 250)
    assert state_of(publisher) == ("shared", 300)
    other = MemoryPublisher()
    serve(worker(tmp_path, other, "9001"), 50)
    assert state_of(other, "9001") == ("shared", 300)


# Token ids one request at a time


def serve_one_by_one(monitor, rows, outputs=None):
    for place, row in enumerate(rows):
        call = monitor.recorder.begin()
        monitor.recorder.inputs(call, row)
        if outputs is not None:
            monitor.recorder.outputs(call, outputs[place])
        monitor.recorder.finish(call, requests=1, failed=0)
        if place % 100 == 99:
            monitor.flush()
    monitor.flush()


def token_rows(count, *, low=1, high=500, shortest=3, longest=90):
    lengths = rng.integers(shortest, longest + 1, size=count)
    return [torch.from_numpy(rng.integers(low, high, size=(1, length))) for length in lengths]


@pytest.mark.parametrize(
    ("shortest", "longest"),
    [(3, 90), (1, 5), (12, 12), (200, 900), (900, 2_500)],
    ids=["mixed", "short", "one length", "long", "very long"],
)
def test_token_ids_of_any_length_are_learned_one_by_one(tmp_path, shortest, longest):
    publisher = MemoryPublisher()
    monitor = worker(tmp_path, publisher)
    sizes = {"shortest": shortest, "longest": longest}
    serve_one_by_one(monitor, token_rows(300, **sizes))
    assert state_of(publisher) == ("shared", 300)
    learned = Baseline.load(tmp_path / "logs" / "fraud-2.0-learned.json")
    assert (learned.input_kind, learned.samples) == ("tokens", 300)
    length = learned.of_source("input")[0]
    assert shortest <= length.min <= length.max <= longest
    serve_one_by_one(monitor, token_rows(200, **sizes))
    assert publisher.total(m.DRIFTED) == 0
    serve_one_by_one(monitor, token_rows(400, low=600, high=900, **sizes))
    assert publisher.value(m.DRIFTED, "input", "out_of_vocabulary", "200", "9000") == 1
    assert publisher.total(m.MONITOR_ERRORS) == publisher.total(m.MONITOR_DROPPED) == 0


def test_one_by_one_and_in_batches_the_same_is_learned(tmp_path):
    rows = token_rows(300)
    one, many = learner_of(tmp_path / "one"), learner_of(tmp_path / "many")
    for row in rows:
        one.add([np.asarray(one.reduce(row))], [])
    longest = max(row.shape[1] for row in rows)
    padded = torch.cat([torch.nn.functional.pad(row, (0, longest - row.shape[1])) for row in rows])
    many.add([np.asarray(many.reduce(padded))], [])
    found, expected = one.learned(), many.learned()
    assert found.inputs == expected.inputs
    lengths = [baseline.features[0] for baseline in (found, expected)]
    assert lengths[0] == lengths[1]


def test_columns_of_whole_numbers_stay_columns(tmp_path):
    publisher = MemoryPublisher()
    monitor = worker(tmp_path, publisher)
    odd = [torch.ones(1, 3, dtype=torch.int64)] * 5
    serve_one_by_one(monitor, odd + [torch.from_numpy(rng.integers(0, 50, size=(1, 4))) for _ in range(300)])
    learned = Baseline.load(tmp_path / "logs" / "fraud-2.0-learned.json")
    assert (learned.input_kind, len(learned.column_features)) == ("columns", 4)
    assert learned.samples == 295


def test_one_row_at_a_time_with_outputs_learns_both(tmp_path):
    publisher = MemoryPublisher()
    monitor = worker(tmp_path, publisher)
    scores = torch.softmax(torch.randn(320, 3), dim=1)
    serve_one_by_one(monitor, torch.randn(320, 1, 4), scores.unsqueeze(1))
    learned = Baseline.load(tmp_path / "logs" / "fraud-2.0-learned.json")
    assert (learned.samples, learned.outputs.classes) == (300, ["0", "1", "2"])
    assert state_of(publisher) == ("shared", 300)


# Rows that are not like the others


@pytest.mark.parametrize("first", [1, 40], ids=["one", "some"])
def test_calls_of_another_width_come_in_nobodys_way(tmp_path, first):
    learner = learner_of(tmp_path)
    learner.add([rng.normal(size=(first, 7))], [])
    for width in range(20, 60):
        learner.add([rng.normal(size=(1, width)), rng.normal(size=(10, 3))], [])
    assert learner.collected == 300
    baseline = learner.learned()
    assert (baseline.samples, len(baseline.column_features)) == (300, 3)


def test_failures_do_not_keep_the_outputs_from_being_learned(tmp_path):
    learner = learner_of(tmp_path)
    learner.add([rng.normal(size=(300, 2))], [rng.dirichlet([1, 1, 1], size=280)])
    baseline = learner.learned()
    assert (baseline.samples, baseline.outputs.kind) == (280, "classification")
    learner = learner_of(tmp_path / "other")
    learner.add([rng.normal(size=(300, 2))], [rng.dirichlet([1, 1, 1], size=100)])
    baseline = learner.learned()
    assert (baseline.samples, baseline.outputs) == (300, None)


def test_outputs_that_cannot_be_described_are_left_out_and_the_rest_is_learned(tmp_path, caplog):
    learner = learner_of(tmp_path)
    learner.add([rng.normal(size=(300, 2))], [np.full((300, 3), 1j)])
    baseline = learner.learned()
    assert (baseline.samples, baseline.outputs) == (300, None)
    assert "the outputs are not part of the learned baseline" in caplog.text


def test_a_first_image_of_another_kind_is_not_the_rule(tmp_path):
    publisher = MemoryPublisher()
    monitor = worker(tmp_path, publisher)
    serve_one_by_one(monitor, [torch.rand(1, 1, 20, 20)] + [torch.rand(1, 3, 20, 20)] * 450)
    learned = Baseline.load(tmp_path / "logs" / "fraud-2.0-learned.json")
    assert learned.inputs.channels == 3
    assert all(feature.missing == 0 for feature in learned.column_features)


def test_an_image_among_rows_is_left_out(tmp_path):
    publisher = MemoryPublisher()
    monitor = worker(tmp_path, publisher)
    calls = [torch.randn(1, 4) for _ in range(320)]
    for place in (150, 160, 250):
        calls[place] = torch.rand(1, 3, 20, 20)
    serve_one_by_one(monitor, calls)
    learned = Baseline.load(tmp_path / "logs" / "fraud-2.0-learned.json")
    assert (learned.input_kind, learned.samples, len(learned.column_features)) == ("columns", 300, 4)


# Memory


def test_rows_are_kept_as_far_as_they_are_wanted(tmp_path):
    learner = learner_of(tmp_path)
    for _ in range(50):
        learner.add([rng.normal(size=(1000, 8))], [rng.normal(size=(1000, 2))])
    assert learner._rows.inputs.bytes == 300 * 8 * 4
    assert learner._rows.outputs.bytes == 300 * 2 * 4
    assert learner.learned().samples == 300
    learner.add([rng.normal(size=(1000, 8))], [])
    assert learner._rows.inputs.bytes == 0


def test_rows_beyond_the_bytes_are_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(learning, "MOST_BYTES", 150 * 1000 * 4)
    learner = learner_of(tmp_path)
    for _ in range(40):
        learner.add([rng.normal(size=(10, 1000)), rng.normal(size=(1, 900))], [])
        assert learner._rows.inputs.bytes <= 170 * 1000 * 4
    baseline = learner.learned()
    assert 140 <= baseline.samples <= 170
    assert baseline.input_kind == "embeddings"


def test_texts_count_with_what_they_hold(tmp_path, monkeypatch):
    monkeypatch.setattr(learning, "MOST_BYTES", 200_000)
    learner = learner_of(tmp_path)
    for number in range(290):
        learner.add([np.array([f"word{number} " * 100], dtype=object).reshape(-1, 1)], [])
    assert learner._rows.inputs.bytes < 202_000
    assert 100 < learner.learned().samples < 290


# The file


def filled(folder, rows=300, **names):
    learner = BaselineLearner(rows, folder=folder, **{"name": "fraud", "version": "2.0", **names})
    learner.add([rng.normal(size=(rows, 2))], [])
    return learner


NAMES = {
    "long": ("n" * 300, "v" * 300),
    "of four bytes": ("\U0001f600" * 80, "1.0"),
    "with slashes": ("team/fraud", "2.0/rc"),
    "of another folder": ("../../fraud", "../2.0"),
    "absolute": ("/tmp/fraud", "1"),
    "with line ends": ("fraud\n[METRICS]a.b:1|#c:d|#hostname:h,1", "1\u20282"),
    "with a nul": ("fraud\0", "1"),
    "of Windows' signs": ('fraud:"*?<>|', "1\\2"),
    "hidden": (".fraud", "."),
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_a_model_of_any_name_has_a_file(tmp_path, names, caplog):
    folder = tmp_path / "logs"
    name, version = names
    baseline = filled(folder, name=name, version=version).learned()
    (file,) = folder.iterdir()
    assert file.is_file()
    assert len(file.name.encode()) <= 255
    assert list(tmp_path.iterdir()) == [folder]
    assert (baseline.name, baseline.version) == (name, f"{version}-learned")
    again = BaselineLearner(300, folder=folder, name=name, version=version)
    assert again.known() == baseline
    for record in caplog.records:
        assert len(record.getMessage().splitlines()) == 1


def test_models_whose_files_would_have_one_name_have_two(tmp_path):
    pairs = [("a", "1-2"), ("a-1", "2"), ("x/y", "1"), ("x_y", "1"), ("x:y", "1")]
    learned = [filled(tmp_path, name=name, version=version).learned() for name, version in pairs]
    assert len(list(tmp_path.iterdir())) == len(pairs)
    for (name, version), baseline in zip(pairs, learned, strict=True):
        assert BaselineLearner(300, folder=tmp_path, name=name, version=version).known() == baseline


def test_a_file_of_the_first_version_is_found(tmp_path):
    baseline = Baseline.fit(rng.normal(size=(300, 2)), name="fraud", version="2.0-learned")
    baseline.save(tmp_path / "fraud-2.0-learned.json")
    assert BaselineLearner(300, folder=tmp_path, name="fraud", version="2.0").known() == baseline


def is_old(path):
    """Let a file be older than any that is still being written."""
    os.utime(path, (1_000_000_000, 1_000_000_000))


DAMAGED = {"no JSON": "{", "empty": "", "not a baseline": "[]", "changed": None}


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_file_is_put_aside_and_learned_anew(tmp_path, content, caplog):
    path = tmp_path / "fraud-2.0-learned.json"
    if DAMAGED[content] is None:
        Baseline.fit(rng.normal(size=(300, 2)), name="fraud", version="2.0-learned").save(path)
        path.write_text(path.read_text().replace('"samples": 300', '"samples": 301'))
    else:
        path.write_text(DAMAGED[content])
    before = path.read_text()
    is_old(path)
    learner = filled(tmp_path)
    assert learner.known() is None
    assert learner.learned() == Baseline.load(path)
    assert (tmp_path / "fraud-2.0-learned.json.damaged").read_text() == before
    assert caplog.text.count("is put aside as 'fraud-2.0-learned.json.damaged'") == 1


def test_a_file_that_is_being_written_is_waited_for(tmp_path):
    whole = Baseline.fit(rng.normal(size=(300, 2)), name="fraud", version="2.0-learned")
    path = tmp_path / "fraud-2.0-learned.json"
    path.write_text("{")
    learner = filled(tmp_path)
    assert learner.learned() is None
    assert learner.learned() is None
    assert learner.collected == 300
    whole.save(path)
    assert learner.learned() == whole
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_one_that_is_never_whole_is_waited_for_only_so_long(tmp_path):
    path = tmp_path / "fraud-2.0-learned.json"
    path.write_text("{")
    learner = filled(tmp_path)
    assert learner.learned() is None
    is_old(path)
    assert learner.learned() == Baseline.load(path)


def test_without_hard_links_the_file_is_written_all_the_same(tmp_path, monkeypatch):
    def refuse(*paths):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    one, two = filled(tmp_path), filled(tmp_path)
    baseline = one.learned()
    late = two._fit()
    assert two._shared(late) == baseline != late
    assert [file.name for file in tmp_path.iterdir()] == ["fraud-2.0-learned.json"]


def test_where_it_cannot_be_written_the_worker_uses_it_all_the_same(tmp_path, caplog):
    (tmp_path / "logs").write_text("a file where the folder should be")
    publisher = MemoryPublisher()
    monitor = worker(tmp_path, publisher)
    serve(monitor, 300)
    assert state_of(publisher) == ("unshared", 300)
    assert publisher.value(m.BASELINE_SAMPLES) == 300
    serve(monitor, 200)
    serve(monitor, 200, shift=3)
    serve(monitor, 200, shift=3)
    assert publisher.value(m.DRIFTED, "input", "f0", "200", "9000") == 1
    assert publisher.total(m.MONITOR_ERRORS) == 0
    (record,) = (record for record in caplog.records if record.name == learning.__name__)
    assert "cannot be written (its folder is a file)" in record.getMessage()


def test_a_folder_that_is_removed_meanwhile_is_made_again(tmp_path):
    learner = learner_of(tmp_path)
    (tmp_path / "logs").mkdir()
    learner.add([rng.normal(size=(299, 2))], [])
    assert learner.learned() is None
    (tmp_path / "logs").rmdir()
    learner.add([rng.normal(size=(1, 2))], [])
    assert learner.learned() == Baseline.load(learner.path)


def test_a_folder_in_the_place_of_the_file_is_left_alone(tmp_path, caplog):
    path = tmp_path / "fraud-2.0-learned.json"
    path.mkdir()
    is_old(path)
    baseline = filled(tmp_path).learned()
    assert path.is_dir()
    (file,) = (file for file in tmp_path.iterdir() if file.is_file())
    assert Baseline.load(file) == baseline
    assert "it cannot be put aside either (it is no file)" in caplog.text


def run(code, folder):
    words = [sys.executable, "-c", textwrap.dedent(code), str(folder)]
    return subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)


def test_a_full_disk_leaves_no_piece_behind(tmp_path):
    done = run(
        """
        import logging, os, resource, sys
        from pathlib import Path
        import numpy as np
        from torchvitals.worker.learning import BaselineLearner

        logging.basicConfig(stream=sys.stdout, format="%(message)s")
        learner = BaselineLearner(300, folder=Path(sys.argv[1]), name="fraud", version="2.0")
        learner.add([np.random.default_rng(1).normal(size=(300, 2))], [])
        resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))  # no file may be larger, as on a disk that is full
        baseline = learner.learned()
        print(learner._state, baseline.samples, os.listdir(sys.argv[1]))
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    warning, result = done.stdout.splitlines()
    assert "cannot be written (File too large)" in warning
    assert result == "unshared 300 []"


def test_workers_that_learn_at_once_end_with_one_baseline(tmp_path):
    code = """
        import sys
        from pathlib import Path
        import numpy as np
        from torchvitals.worker.learning import BaselineLearner

        learner = BaselineLearner(300, folder=Path(sys.argv[1]), name="fraud", version="2.0")
        learner.add([np.random.default_rng(int(SEED)).normal(size=(300, 2))], [])
        print("ready", flush=True)
        sys.stdin.readline()
        while (baseline := learner.learned()) is None:
            pass
        print(baseline.sha256)
        """
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code).replace("SEED", str(seed)), str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(3)
    ]
    assert [process.stdout.readline() for process in workers] == ["ready\n"] * 3
    for process in workers:
        process.stdin.write("go\n")
        process.stdin.flush()
    found = [process.communicate(timeout=300)[0] for process in workers]
    assert [process.returncode for process in workers] == [0, 0, 0]
    assert set(found) == {Baseline.load(tmp_path / "fraud-2.0-learned.json").sha256 + "\n"}
    assert [file.name for file in tmp_path.iterdir()] == ["fraud-2.0-learned.json"]


# What cannot be learned


def test_what_cannot_be_learned_is_tried_a_few_times_and_then_left(tmp_path, caplog):
    publisher = MemoryPublisher()
    config = MonitoringConfig(learn=100, flush_interval=10, warmup=0, window=100, overhead_budget=None)
    # Embeddings of which none is finite have no middle.
    learner = BaselineLearner(
        100, folder=tmp_path, name="fraud", version="2.0", features=Features(inputs="embeddings")
    )
    monitor = Monitor(config, publisher, learner=learner, worker="9000")
    monitor._pipeline.start()
    for turn in range(10):
        for _ in range(100):
            call = monitor.recorder.begin()
            monitor.recorder.inputs(call, torch.full((1, 6), float("nan")))
            monitor.recorder.outputs(call, torch.softmax(torch.randn(1, 3), 1))
            monitor.recorder.finish(call, requests=1, failed=0)
        monitor.flush()
        assert learner.collected <= 100
        assert state_of(publisher)[0] == ("collecting" if turn < 2 else "failed")
    assert publisher.value(m.MONITOR_ERRORS, "drift") == learning.ATTEMPTS
    assert publisher.value(m.REQUESTS, "ok") == 1000
    assert publisher.total(m.PREDICTIONS) == 1000
    assert learner._rows.inputs.bytes == 0
    assert learner.reduce(torch.zeros(1, 6)) is None
    (line,) = (
        record.getMessage()
        for record in caplog.records
        if "no baseline can be learned" in record.getMessage()
    )
    assert "100 embeddings are too few" in line


def test_what_another_worker_learned_after_all_is_used(tmp_path):
    failed = filled(tmp_path, features=Features(inputs="tokens"))
    for _ in range(learning.ATTEMPTS):
        failed.add([rng.normal(size=(300, 2))], [])
        with pytest.raises(BaselineError, match="token ids have shape"):
            failed.learned()
    assert failed.learned() is None
    assert filled(tmp_path).learned() == failed.learned()


def test_a_fork_learns_of_its_own_rows(tmp_path):
    learner = filled(tmp_path)
    learner.forget()
    assert (learner.collected, learner.learned()) == (0, None)
    learner.add([rng.normal(size=(300, 2))], [])
    assert learner.learned().samples == 300


def boxes(count, least=0, most=4):
    return [
        {"boxes": torch.rand(n, 4), "scores": torch.rand(n), "labels": torch.randint(1, 4, (n,))}
        for n in rng.integers(least, most, count)
    ]


GIVEN = {
    "binary": (lambda rows: torch.rand(rows, 1), lambda rows: torch.rand(rows, 1) ** 4),
    "values": (lambda rows: torch.randn(rows, 24), lambda rows: torch.randn(rows, 24) + 1000),
    "embeddings": (lambda rows: torch.randn(rows, 40), lambda rows: torch.randn(rows, 40) * 2),
    "tokens": (
        lambda rows: torch.randint(1, 500, (rows, 20 + rows % 3)),
        lambda rows: torch.randint(1, 4, (rows, 20)),
    ),
    "sequences": (
        lambda rows: 5 * torch.randn(rows, 6, 300),
        lambda rows: torch.randn(rows, 6, 300),
    ),
    "detections": (boxes, lambda rows: boxes(rows, 5, 9)),
    "masks": (
        lambda rows: torch.randint(0, 3, (rows, 20, 20)),
        lambda rows: torch.randint(0, 2, (rows, 20, 20)),
    ),
}


@pytest.mark.parametrize("kind", GIVEN)
def test_any_kind_of_output_that_is_said_is_learned_and_then_watched(tmp_path, kind):
    features = Features(outputs=kind)
    config = MonitoringConfig(
        learn=300, flush_interval=10, warmup=0, window=200, overhead_budget=None, features=features
    )
    learner = BaselineLearner(300, folder=tmp_path / "logs", name="fraud", version="2.0", features=features)
    publisher = MemoryPublisher()
    monitor = Monitor(config, publisher, learner=learner, worker="9000")
    monitor._pipeline.start()
    healthy, broken = GIVEN[kind]
    for gives in [healthy] * 10 + [broken] * 3:
        call = monitor.recorder.begin()
        rows = int(rng.integers(48, 53)) if gives is healthy else 100
        monitor.recorder.inputs(call, torch.randn(rows, 3))
        monitor.recorder.outputs(call, gives(rows))
        monitor.recorder.finish(call, requests=rows, failed=0)
        monitor.flush()
    learned = Baseline.load(tmp_path / "logs" / "fraud-2.0-learned.json")
    assert (learned.outputs.kind, learned.samples) == (kind, 300)
    outputs = {feature.name for feature in learned.of_source("output")}
    drifted = {
        labels[1]
        for (name, labels), value in publisher.series.items()
        if name == m.DRIFTED.name and labels[0] == "output" and value
    }
    assert drifted
    assert drifted <= outputs
    assert publisher.total(m.MONITOR_ERRORS) == publisher.total(m.MONITOR_DROPPED) == 0
    assert (
        publisher.value(m.MONITOR_UNSEEN, "outputs") == publisher.value(m.MONITOR_UNSEEN, "uncomparable") == 0
    )


def test_segments_are_learned_and_then_judged(tmp_path):
    """The first column says of which of three partners a row is; one of them is served in another unit."""

    def rows(faulty):
        partner = rng.integers(0, 3, 500)
        amount = rng.normal(10, 1, 500) * np.where((partner == 1) & faulty, 100, 1)
        return torch.tensor(np.column_stack([partner, amount]), dtype=torch.float32)

    learner = BaselineLearner(
        3000, folder=tmp_path, name="fraud", version="2.0", features=Features(segments=["f0"])
    )
    config = MonitoringConfig(learn=3000, flush_interval=10, warmup=0, overhead_budget=None)
    monitor = Monitor(config, MemoryPublisher(), learner=learner, worker="9000")
    for turn in range(12):
        call = monitor.recorder.begin()
        monitor.recorder.inputs(call, rows(turn >= 8))
        monitor.recorder.finish(call, requests=500, failed=0)
        monitor.flush()
        if turn == 7:
            assert monitor.drift.report.segments.keys() == {"f0=0", "f0=1", "f0=2"}
            assert not monitor.drift.report.drifted_segments
    assert monitor.drift.report.drifted_segments == ["f0=1"]
