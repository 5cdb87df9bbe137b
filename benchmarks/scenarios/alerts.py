"""What the shipped rules say of published series, by promtool: simulated time, real rules."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from typing import Optional

from stack.promtool import found, groups_of, written
from torchvitals.telemetry import catalogue as m

from .serving import Timeline

# What tells people of a model's data. The alerts that read these alone tell nothing new.
ALERTS = "Model.*(Drift|Shift|Invalid|Imbalanced).*"
QUERY = f'count by (alertname, model_name) (ALERTS{{alertstate="firing", alertname=~"{ALERTS}"}})'
# How long calls took says nothing of data, and is half of the series.
OF_TIME = ("model_stage_", "model_queue_", "model_first_step_", "model_last_step_", "model_batch_size")
# Models that share a test: promtool takes 10,000 samples a query.
TOGETHER = 4

# A model and a flush, from 0, at which an alert fires.
Firing = dict[tuple[str, int], set[str]]


def promtool() -> Optional[str]:
    """Return where promtool is; None where it is not installed."""
    return shutil.which("promtool")


def firing(timelines: Mapping[str, Timeline], seconds: int, at: Optional[Iterable[int]] = None) -> Firing:
    """Return the alerts that fire after each flush, by the shipped rules.

    Args:
        timelines: by name of the model.
        seconds: from one flush to the next, in simulated time.
        at: the flushes that are asked about; all of them where it is left out.

    Raises:
        StackError: promtool is not there, or did not evaluate the rules.
    """
    steps = max(timeline.steps for timeline in timelines.values())
    names = list(timelines)
    answers = found(
        [
            [
                line
                for name in names[start : start + TOGETHER]
                for line in series(name, timelines[name], seconds)
            ]
            for start in range(0, len(names), TOGETHER)
        ],
        QUERY,
        [step * seconds for step in (range(steps) if at is None else at)],
        groups=groups_of(ALERTS),
        sample_seconds=seconds,
        evaluation_seconds=seconds,
    )
    result: Firing = {}
    for time, labels in answers.items():
        for one in labels:
            result.setdefault((one["model_name"], round(time / seconds)), set()).add(one["alertname"])
    return result


def series(model: str, timeline: Timeline, seconds: int) -> list[dict[str, str]]:
    """Return the series of one model as promtool reads them.

    The clock of a test begins at 0: what is published as the time of now becomes that.
    """
    lines = []
    common = (("job", "torchserve"), ("instance", model), ("model_name", model), ("model_version", "1.0"))
    for (name, labels), values in timeline.values.items():
        if name.startswith(OF_TIME):
            continue
        if name == m.WINDOW_EVALUATED.name:
            values = [step * seconds for step in range(timeline.steps)]
        elif name == m.BASELINE_CREATED.name:
            values = [0] * timeline.steps
        text = ",".join(
            f"{label}={json.dumps(value, ensure_ascii=False)}" for label, value in (*common, *labels)
        )
        lines.append({"series": f"{name}{{{text}}}", "values": written(values)})
    return lines
