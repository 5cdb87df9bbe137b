"""What monitoring adds: a monitored and a plain handler in turns, so that what else the machine does strikes both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import psutil
import torch

from torchvitals.publishers.torchserve import TorchServePublisher

from . import actions
from .actions import CALLS_BETWEEN_FLUSHES, CALLS_TAKEN_IN, Action, seconds_a_call
from .lines import lines_to_null

TURNS = 15
TURNS_OF_IMAGES = 7
SERVED_BATCH = 64
FLUSHES_A_MILLION = 20


def added_seconds(watched: Action, plain: Action, turns: int = TURNS) -> float:
    """Return the CPU seconds that watching adds to a call: the median of the differences, turn by turn."""
    with lines_to_null():
        calls = actions.calls_in_a_round(watched)
        return statistics.median(
            seconds_a_call(watched, calls) - seconds_a_call(plain, calls) for _ in range(turns)
        )


def added_to_rows(rows: int, features: int) -> float:
    """Return what the monitor adds to a call of so many rows, the flush left out."""
    given = torch.randn(rows, features)
    return added_seconds(actions.monitored(actions.tabular_baseline(features), given), actions.plain(given))


def added_to_an_image(side: int) -> float:
    """Return what the monitor adds to a call of one image of 3 × side × side."""
    given = torch.rand(1, 3, side, side)
    monitored = actions.monitored(actions.image_baseline(), given)
    return added_seconds(monitored, actions.plain(given), TURNS_OF_IMAGES)


def added_by_torchserve(way: Callable[[torch.Tensor], Action]) -> float:
    """Return what TorchServe's own ways add to a call of one row, their lines written to the null device."""
    given = torch.randn(1, 10)
    return added_seconds(way(given), actions.plain(given))


def all_seconds_a_request(features: int = 10, requests: int = CALLS_BETWEEN_FLUSHES) -> float:
    """Return CPU seconds a request of all that the monitor does at 1,000 requests/s, its metric lines included."""
    publisher = TorchServePublisher(actions.torchserve_metrics(), model_name="bench", model_version="1.0")
    monitor = actions.monitor_of(actions.tabular_baseline(features), publisher)
    given = torch.randn(1, features)
    monitored, plain = Action(actions.monitored_by(monitor, given)), actions.plain(given)
    costs = []
    with lines_to_null():
        for _ in range(1 + TURNS):
            spent = 0.0
            for _ in range(requests // CALLS_TAKEN_IN):
                added = seconds_a_call(monitored, CALLS_TAKEN_IN) - seconds_a_call(plain, CALLS_TAKEN_IN)
                spent += added * CALLS_TAKEN_IN + _seconds(monitor.take_in)
            costs.append((spent + _seconds(monitor.flush)) / requests)
    return statistics.median(costs[1:])


def _seconds(work: Callable[[], None]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def served_over_time(millions: int, features: int = 10) -> list[dict[str, float]]:
    """Return, for each million of requests served in batches, CPU seconds a request with flushes, and memory."""
    monitor = actions.monitor_of(actions.tabular_baseline(features))
    serve = actions.monitored_by(monitor, torch.randn(SERVED_BATCH, features))
    process = psutil.Process()
    calls = 1_000_000 // SERVED_BATCH // FLUSHES_A_MILLION
    requests = FLUSHES_A_MILLION * calls * SERVED_BATCH
    found = []
    with lines_to_null():
        for million in range(1, millions + 1):
            began = time.thread_time()
            for _ in range(FLUSHES_A_MILLION):
                for _ in range(calls):
                    serve()
                monitor.flush()
            cost = (time.thread_time() - began) / requests
            found.append(
                {"millions": million, "seconds": cost, "rss_bytes": float(process.memory_info().rss)}
            )
    return found
