"""Serving a style plain and monitored, and saying where the two differ, or where the counters do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stack.waiting import eventually
from torchvitals.telemetry import catalogue as m

from .packing import MONITORED, PLAIN
from .serving import Model, Page, Server, by_label, served_name, total
from .style import Reply, Seen, Style

SHOWN_BYTES = 200
BEFORE_BYTES = 40
TRIES = 3


@dataclass
class Outcome:
    """What came of a style. problems: sentences, none where it holds."""

    style: Style
    compared: int = 0
    sent: int = 0
    counted: int = 0
    stages: str = ""
    inputs: int = 0
    outputs: int = 0
    unseen: str = ""
    problems: list[str] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """Return what the table at the end of the run shows of it."""
        return {
            "style": self.style.name,
            "replies": self.compared,
            "counted": f"{self.counted} of {self.sent}",
            "stages": self.stages or "-",
            "inputs": self.inputs,
            "outputs": self.outputs,
            "unseen": self.unseen or "-",
            "holds": "no: " + self.style.lacks if self.style.lacks else "yes",
        }


def serve(server: Server, style: Style) -> Outcome:
    """Serve both sides of a style, send each the same, compare the replies, and the counters with what was sent.

    TorchServe's asynchronous workers and those that torchrun starts lose a request at times, whoever watches: two
    requests copy one context at once, or a process answers before the others are there. Such a style has another try.
    """
    racy = {"asyncCommunication", "parallelType"} & set(style.config)
    for _ in range(TRIES if racy else 1):
        outcome = _served(server, style)
        if not outcome.problems:
            break
    return outcome


def _served(server: Server, style: Style) -> Outcome:
    outcome = Outcome(style)
    plain, watched = Model(server, style, PLAIN), Model(server, style, MONITORED)
    try:
        expected, _ = _replies(plain)
        replies, before = _replies(watched)
        _compare(expected, replies, outcome)
        for suffix, seen in style.by_suffix.items():
            page = watched.flushed(seen.workers, suffix)
            grown = {series: value - before.get(series, 0) for series, value in page.items()}
            _judge(grown, seen, replies, suffix, outcome)
        _compare_own_metrics(plain, watched, outcome)
    except Exception as error:
        outcome.problems.append(f"{type(error).__name__}: {error}")
    finally:
        for model in (plain, watched):
            model.unregister()
    return outcome


def _replies(model: Model) -> tuple[list[Reply], Page]:
    """Send what there is to send; return the replies, and the counters as they were before."""
    try:
        model.register()
        before = _primed(model) if model.style.asynchronous else {}
        return model.style.send(model), before
    except Exception as error:
        raise RuntimeError(f"{model.name}: {type(error).__name__}: {error}") from error


def _primed(model: Model) -> Page:
    """Send everything until it gets through; return the counters then.

    TorchServe loses a request that comes right after an asynchronous worker has loaded its model: what clears the
    load's job away may come after it (frontend: wlm/AsyncBatchAggregator.java, sendResponse).
    """
    eventually(
        lambda: not any(b"Worker died" in reply.body for reply in model.style.send(model)),
        f"an answer of {model.name}",
        seconds=model.patience,
    )
    return model.flushed()


def _compare(plain: list[Reply], watched: list[Reply], outcome: Outcome) -> None:
    outcome.compared = min(len(plain), len(watched))
    if len(plain) != len(watched):
        outcome.problems.append(f"{len(watched)} replies, {len(plain)} from the plain handler")
    for place, (expected, reply) in enumerate(zip(plain, watched)):
        ours, theirs = _named(reply, outcome.style), _named(expected, outcome.style)
        if ours != theirs:
            outcome.problems.append(
                f"reply {place} differs: {reply.status}, plain {expected.status}; {_differing(ours[1], theirs[1])}; "
                f"headers {set(reply.headers) ^ set(expected.headers) or 'the same'}"
            )


def _differing(ours: bytes, theirs: bytes) -> str:
    """Say where two bodies begin to differ."""
    place = next((place for place, pair in enumerate(zip(ours, theirs)) if pair[0] != pair[1]), None)
    if place is None:
        return f"{len(ours)} bytes, plain {len(theirs)}"
    shown = slice(max(place - BEFORE_BYTES, 0), place + SHOWN_BYTES)
    return f"from byte {place} on: {ours[shown]!r}, plain {theirs[shown]!r}"


def _named(reply: Reply, style: Style) -> tuple[Any, ...]:
    """Return a reply without the side that its model is of."""
    name = style.name.encode()
    body = reply.body
    for side in (PLAIN, MONITORED):
        body = body.replace(name + side.encode(), name)
    return reply.status, body, reply.headers


def _shown(reply: Reply) -> str:
    headers = ", ".join(f"{key}: {value}" for key, value in reply.headers)
    return f"{reply.status} {reply.body[:SHOWN_BYTES]!r} ({headers})"


def _judge(page: Page, seen: Seen, replies: list[Reply], suffix: str, outcome: Outcome) -> None:
    """Compare the counters of one served model with what was sent to it."""
    problems = outcome.problems
    name, version = served_name(outcome.style.name + MONITORED, suffix)
    whole = seen.requests is None
    sent = len(replies) if seen.requests is None else seen.requests
    refused = seen.errors + seen.lost
    if whole and sum(not reply.ok for reply in replies) != refused:
        failed = [_shown(reply) for reply in replies if not reply.ok]
        problems.append(f"{len(failed)} requests failed, the table says {refused}: first {failed[:1]}")
    answered = sent - refused

    def count(metric: m.Metric, **labels: str) -> int:
        return int(total(page, metric.name, version, **labels))

    def expect(what: str, found: Any, wanted: Any) -> None:
        if found != wanted:
            problems.append(f"{name}{suffix and f' ({suffix})'}: {what}: {found}, not {wanted}")

    expect("requests answered", count(m.REQUESTS, outcome="ok"), answered)
    expect("requests that failed", count(m.REQUESTS, outcome="error"), seen.errors)
    expect("sum of the batches' sizes", count(m.BATCH_SIZE.sum), seen.steps or answered + seen.errors)
    calls = count(m.BATCH_SIZE.count)
    if not outcome.style.batched:
        expect("calls", calls, answered + seen.errors if seen.calls is None else seen.calls)
    compilations = count(m.COMPILATIONS) > 0
    timed = count(m.STAGE_DURATION.count, stage="handle", clock="host")
    if not compilations:
        expect("calls that are timed", timed, calls - seen.untimed)
    if seen.steps:
        for metric in (m.FIRST_STEP_DURATION, m.LAST_STEP_DURATION):
            expect(metric.name, count(metric.count), answered)
    stages = by_label(page, m.STAGE_DURATION.count.name, "stage", version, clock="host")
    stages.pop("handle", None)
    wanted = seen.stages if isinstance(seen.stages, Mapping) else dict.fromkeys(seen.stages, timed)
    expect("stages", {k: int(v) for k, v in stages.items()}, {k: v for k, v in wanted.items() if v})
    inputs, outputs = (_rows(page, source, version) for source in ("input", "output"))
    if outcome.style.baseline is not None or seen.inputs is not None:
        expect("rows of inputs", inputs, [answered if seen.inputs is None else seen.inputs])
        wanted_outputs = answered if seen.outputs is None else seen.outputs
        expect("rows of outputs", outputs, [wanted_outputs])
        wanted_predictions = wanted_outputs if seen.predictions is None else seen.predictions
        expect("predictions of classes", count(m.PREDICTIONS), wanted_predictions)
    expect("rows by bin", _bins(page, seen.bins, version), seen.bins)
    unseen = by_label(page, m.MONITOR_UNSEEN.name, "reason", version)
    expect("unseen", {k: int(v) for k, v in unseen.items()}, dict(seen.unseen))
    dropped = by_label(page, m.MONITOR_DROPPED.name, "reason", version)
    expect("dropped", {k: int(v) for k, v in dropped.items()}, dict(seen.dropped))
    expect("faults of the monitor", by_label(page, m.MONITOR_ERRORS.name, "phase", version), {})
    expect("calls out of memory", count(m.OUT_OF_MEMORY), seen.out_of_memory)
    outcome.sent += sent
    outcome.counted += count(m.REQUESTS)
    outcome.stages = " ".join(f"{stage} {int(number)}" for stage, number in sorted(stages.items()))
    outcome.inputs += sum(inputs)
    outcome.outputs += sum(outputs)
    outcome.unseen = " ".join(f"{reason} {int(number)}" for reason, number in sorted(unseen.items()))


def _rows(page: Page, source: str, version: str | None) -> list[int]:
    """Return how many rows of each feature of a source were observed, each number once."""
    features = by_label(page, m.OBSERVATIONS.name, "feature", version, source=source)
    return sorted({int(rows) for rows in features.values()}) or [0]


def _bins(page: Page, features: Iterable[str], version: str | None) -> dict[str, dict[str, int]]:
    """Return how many rows each bin of some input features got, without the bins that got none."""
    name = m.OBSERVATIONS.name
    return {
        feature: {
            bin_: int(rows)
            for bin_, rows in by_label(page, name, "bin", version, source="input", feature=feature).items()
        }
        for feature in features
    }


def _compare_own_metrics(plain: Model, watched: Model, outcome: Outcome) -> None:
    """Compare the sums of the user's metrics."""
    for metric in outcome.style.own_metrics:
        expected, found = (total(side.server.series(side.name, metric), metric) for side in (plain, watched))
        if expected != found or not found:
            outcome.problems.append(f"the user's {metric}: {found}, plain {expected}")
