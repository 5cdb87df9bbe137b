"""What the shipped rules say of published series, by promtool: simulated time, real rules."""

from __future__ import annotations

import functools
import json
import math
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Optional

import yaml

from torchvitals.telemetry import catalogue as m

from .serving import Timeline

RULES = Path(__file__).resolve().parents[2] / "prometheus"
RULE_FILES = ("rules.yml", "alerts.yml")
# What tells people of a model's data. The alerts that read these alone tell nothing new.
ALERTS = "Model.*(Drift|Shift|Invalid|Imbalanced).*"
QUERY = f'count by (alertname, model_name) (ALERTS{{alertstate="firing", alertname=~"{ALERTS}"}})'
# How long calls took says nothing of data, and is half of the series.
OF_TIME = ("model_stage_", "model_queue_", "model_first_step_", "model_last_step_", "model_batch_size")
# Models that share a test: promtool takes 10,000 samples a query.
TOGETHER = 4
SECONDS = 900

# A model and a flush, from 0, at which an alert fires.
Firing = dict[tuple[str, int], set[str]]


class PromtoolError(Exception):
    """The rules could not be evaluated; the message says why."""


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
        PromtoolError: promtool is not there, or says something else than which alerts fire.
    """
    tool = promtool()
    if tool is None:
        raise PromtoolError("promtool is not installed; it comes with Prometheus")
    steps = max(timeline.steps for timeline in timelines.values())
    asked = [
        # An expectation that nothing meets makes promtool say what it got.
        {"expr": QUERY, "eval_time": f"{step * seconds}s", "exp_samples": [{"labels": "never", "value": 0}]}
        for step in (range(steps) if at is None else at)
    ]
    names = list(timelines)
    tests = [
        {
            "interval": f"{seconds}s",
            "input_series": [
                line
                for name in names[start : start + TOGETHER]
                for line in series(name, timelines[name], seconds)
            ],
            "promql_expr_test": asked,
        }
        for start in range(0, len(names), TOGETHER)
    ]
    content = {
        "rule_files": ["rules.json"],
        "evaluation_interval": f"{seconds}s",
        "tests": tests,
    }
    with tempfile.TemporaryDirectory(prefix="scenarios-") as folder:
        file = Path(folder) / "test.json"  # JSON is YAML, and written in a tenth of the time
        file.write_text(json.dumps(content))
        (Path(folder) / "rules.json").write_text(json.dumps({"groups": rules()}))
        done = subprocess.run(
            [tool, "test", "rules", str(file)], capture_output=True, text=True, timeout=SECONDS
        )
    return said(done.stdout + done.stderr, seconds)


@functools.cache
def rules() -> list[dict[str, Any]]:
    """Return the groups of the shipped rules, as they are, without the rules that no alert on data rests on."""
    groups = [
        group
        for name in RULE_FILES
        for group in yaml.safe_load((RULES / name).read_text(encoding="utf-8"))["groups"]
    ]
    recorded: dict[str, list[dict[str, Any]]] = {}
    for rule in (rule for group in groups for rule in group["rules"]):
        recorded.setdefault(rule.get("record", rule.get("alert")), []).append(rule)
    waiting = [name for name in recorded if re.fullmatch(ALERTS, name)]
    needed = set(waiting)
    while waiting:
        text = " ".join(str(rule["expr"]) for rule in recorded[waiting.pop()])
        found = set(re.findall(r"[a-zA-Z_:][\w:]*", text)) & set(recorded) - needed
        needed |= found
        waiting += found
    kept = [
        {
            **group,
            "rules": [rule for rule in group["rules"] if rule.get("record", rule.get("alert")) in needed],
        }
        for group in groups
    ]
    return [group for group in kept if group["rules"]]


SAID = re.compile(
    r"^ +expr: .*, time: (?P<time>[0-9hms.]+),\s*\n +exp: .*\n +got: ?(?P<got>.*)$", re.MULTILINE
)
GOT = re.compile(r'\{alertname="(?P<alert>[^"]+)", model_name="(?P<model>(?:[^"\\]|\\.)*)"\}')


def said(text: str, seconds: int) -> Firing:
    """Read what promtool says of each time that was asked about. Raises PromtoolError."""
    answers = list(SAID.finditer(text))
    if not answers or "err:" in text:
        raise PromtoolError(f"promtool did not evaluate the rules:\n{text[-2000:]}")
    found: Firing = {}
    for answer in answers:
        step = round(_seconds(answer["time"]) / seconds)
        for one in GOT.finditer(answer["got"]):
            found.setdefault((json.loads(f'"{one["model"]}"'), step), set()).add(one["alert"])
    return found


def _seconds(duration: str) -> float:
    units = {"h": 3600, "m": 60, "s": 1, "d": 86400}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([0-9.]+)([dhms])", duration))


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
        lines.append({"series": f"{name}{{{text}}}", "values": _written(values)})
    return lines


def _written(values: list[Any]) -> str:
    """Return values as promtool reads them; the same ones in a row as a run."""
    parts = []
    for value, run in groupby(values, key=lambda one: None if one is None else float(one)):
        count = len(list(run))
        number = "_" if value is None else "NaN" if math.isnan(value) else repr(value)
        # `_x3` are three, `1x3` are four.
        parts.append(number if count == 1 else f"{number}x{count if value is None else count - 1}")
    return " ".join(parts)
