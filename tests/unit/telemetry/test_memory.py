"""Memory of host and device; the device through a stand-in of what PyTorch says of it."""

import subprocess
import sys

import numpy as np
import psutil
import pytest
import torch

from torchvitals.telemetry import memory
from torchvitals.telemetry.memory import MemorySampler, peak_rss

MEGABYTE = 1 << 20
DEVICE = torch.device("cuda", 1)


class Allocator:
    """What torch.cuda.memory_stats and its neighbours answer."""

    def __init__(self, monkeypatch):
        self.stats = {
            "allocated_bytes.all.current": 300,
            "allocated_bytes.all.peak": 500,
            "reserved_bytes.all.current": 1000,
            "inactive_split_bytes.all.current": 70,
            "num_alloc_retries": 2,
        }
        self.resets = 0
        monkeypatch.setattr(torch.cuda, "memory_stats", lambda device: dict(self.stats))
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (4000, 10_000))
        monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", self.reset)

    def reset(self, device):
        assert device == DEVICE
        self.resets += 1


@pytest.fixture
def allocator(monkeypatch):
    return Allocator(monkeypatch)


def test_on_a_cpu_there_are_the_hosts_kinds_alone():
    sample = MemorySampler(torch.device("cpu")).sample()
    assert set(sample.bytes) == {("host", "rss"), ("host", "peak_rss")}
    assert 50 * MEGABYTE < sample.bytes["host", "rss"] <= sample.bytes["host", "peak_rss"]
    assert (sample.peak_device_bytes, sample.allocation_retries) == (0, 0)


def test_the_peak_stays_after_memory_was_given_back():
    sampler = MemorySampler(None)
    block = np.ones(200 * MEGABYTE // 8)
    high = sampler.sample().bytes["host", "rss"]
    del block
    after = sampler.sample().bytes
    assert after["host", "rss"] < high - 150 * MEGABYTE
    assert after["host", "peak_rss"] >= high - MEGABYTE


@pytest.mark.skipif(not memory.STATUS.exists(), reason="needs Linux's /proc")
def test_the_peak_is_of_this_program_and_not_of_the_one_that_started_it():
    """Java starts TorchServe's workers."""
    block = np.ones(300 * MEGABYTE // 8)
    code = (
        "import runpy; print(runpy.run_path("
        f"{memory.__file__!r}, run_name='torchvitals.memory')['peak_rss']())"
    )
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert 5 * MEGABYTE < int(output) < len(block) * 8


def test_without_proc_the_peak_comes_from_getrusage(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "STATUS", tmp_path / "absent")
    assert peak_rss() >= psutil.Process().memory_info().rss * 0.9


def test_a_device_gives_all_kinds_in_one_reading(allocator):
    sample = MemorySampler(DEVICE).sample()
    assert {kind: value for (device, kind), value in sample.bytes.items() if device == "cuda1"} == {
        "allocated": 300,
        "reserved": 1000,
        "peak_allocated": 500,
        "inactive_split": 70,
        "device_used": 6000,
        "device_total": 10_000,
    }
    assert sample.peak_device_bytes == 500


def test_allocation_retries_are_those_since_the_last_sample(allocator):
    sampler = MemorySampler(DEVICE)
    assert sampler.sample().allocation_retries == 2
    assert sampler.sample().allocation_retries == 0
    allocator.stats["num_alloc_retries"] = 7
    assert sampler.sample().allocation_retries == 5
    allocator.stats["num_alloc_retries"] = 0  # someone reset PyTorch's counts
    assert sampler.sample().allocation_retries == 0


def test_an_allocator_that_lacks_some_kinds_gives_the_others(allocator):
    del allocator.stats["inactive_split_bytes.all.current"], allocator.stats["num_alloc_retries"]
    sample = MemorySampler(DEVICE).sample()
    assert ("cuda1", "inactive_split") not in sample.bytes
    assert (sample.bytes["cuda1", "allocated"], sample.allocation_retries) == (300, 0)


def test_the_devices_peak_is_reset_once_a_window(allocator):
    now = 0.0
    sampler = MemorySampler(DEVICE, clock=lambda: now)
    for now in (5.0, 30.0, 59.0, 61.0, 66.0):  # noqa: B007 - the clock
        sampler.sample()
    assert allocator.resets == 1
