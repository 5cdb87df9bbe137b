"""Files by which several workers share a page."""

from __future__ import annotations

import os

import pytest

from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.servers.litserve.snapshots import SnapshotPublisher, add_up
from torchvitals.telemetry import catalogue as m


def added_up(folder):
    page = MemoryPublisher()
    add_up(folder, page)
    return page


def test_counters_add_up_and_gauges_stay_a_workers_own(tmp_path):
    for worker, amount in (("0", 3), ("1", 4.5)):
        publisher = SnapshotPublisher(tmp_path, worker)
        publisher.increase(m.REQUESTS, ("ok",), amount)
        publisher.increase(m.REQUESTS, ("error",), 0)
        publisher.set(m.INFLIGHT, (worker,), amount)
        publisher.set(m.THRESHOLD, ("psi",), 0.1)
        publisher.flush()
    assert added_up(tmp_path).series == {
        (m.REQUESTS.name, ("ok",)): 7.5,
        (m.REQUESTS.name, ("error",)): 0,
        (m.INFLIGHT.name, ("0",)): 3,
        (m.INFLIGHT.name, ("1",)): 4.5,
        (m.THRESHOLD.name, ("psi",)): 0.1,
    }


def test_nothing_is_seen_before_a_flush(tmp_path):
    publisher = SnapshotPublisher(tmp_path / "new", "0")
    publisher.increase(m.REQUESTS, ("ok",), 1)
    assert added_up(tmp_path / "new").series == {}
    publisher.flush()
    publisher.increase(m.REQUESTS, ("ok",), 1)
    assert added_up(tmp_path / "new").value(m.REQUESTS, "ok") == 1


def test_a_worker_that_is_started_anew_goes_on_counting(tmp_path):
    first = SnapshotPublisher(tmp_path, "0")
    first.increase(m.REQUESTS, ("ok",), 5)
    first.set(m.INFLIGHT, ("0",), 2)
    first.flush()
    second = SnapshotPublisher(tmp_path, "0")
    second.increase(m.REQUESTS, ("ok",), 1)
    second.flush()
    assert added_up(tmp_path).series == {(m.REQUESTS.name, ("ok",)): 6}


def test_a_flush_makes_the_folder_again_and_leaves_nothing_unfinished(tmp_path):
    folder = tmp_path / "snapshots"
    publisher = SnapshotPublisher(folder, "0")
    publisher.increase(m.REQUESTS, ("ok",), 5)
    publisher.flush()
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    publisher.flush()
    assert [file.name for file in folder.iterdir()] == ["0.msgpack"]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert added_up(folder).value(m.REQUESTS, "ok") == 5


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_has_a_file_of_its_own(tmp_path):
    publisher = SnapshotPublisher(tmp_path, "0")
    publisher.increase(m.REQUESTS, ("ok",), 5)
    publisher.flush()
    child = os.fork()
    if not child:
        publisher.forked()
        publisher.increase(m.REQUESTS, ("ok",), 2)
        publisher.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    publisher.increase(m.REQUESTS, ("ok",), 1)
    publisher.flush()
    assert added_up(tmp_path).value(m.REQUESTS, "ok") == 8
