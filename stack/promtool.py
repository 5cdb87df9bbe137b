"""What Prometheus's rules say of given series, by promtool or vmalert-tool: simulated time, real rules."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from . import programs
from .errors import StackError

RULES = Path(__file__).resolve().parents[1] / "prometheus"
RULE_FILES = ("rules.yml", "alerts.yml")
SECONDS = 3600
TIMED_OUT, TRIES = "query timed out", 3
UNITS = {"h": 3600, "m": 60, "s": 1, "d": 86400}
SAID = re.compile(
    r"^ +expr: .*, time: (?P<time>[0-9dhms.]+),\s*\n +exp: .*\n +got: ?(?P<got>.*)$", re.MULTILINE
)
LABELS = re.compile(r'\{((?:\w+="(?:[^"\\]|\\.)*"(?:, )?)+)\}')
LABEL = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*")')

Labels = dict[str, str]


@dataclass(frozen=True)
class Player:
    """A program that plays series to rules.

    title: for a message that it is missing. program: its name, or where it is. words: what stands between its name
    and the file of tests. queries: what the file calls the queries that it asks.
    """

    title: str
    program: str
    words: tuple[str, ...]
    queries: str

    @property
    def installed(self) -> bool:
        """Tell whether it is on this machine."""
        return programs.find(self.program) is not None


PROMTOOL = Player("promtool", "promtool", ("test", "rules"), "promql_expr_test")
PROMTOOL_3 = Player("Prometheus 3's promtool", "promtool-3", PROMTOOL.words, PROMTOOL.queries)
VMALERT_TOOL = Player(
    "VictoriaMetrics's vmalert-tool",
    "vmalert-tool",
    ("unittest", "--disableAlertgroupLabel", "--files"),
    "metricsql_expr_test",
)


@functools.cache
def shipped_groups() -> list[dict[str, Any]]:
    """Return the groups of the shipped rules, as they are."""
    return [
        group
        for name in RULE_FILES
        for group in yaml.load(
            (RULES / name).read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        )["groups"]
    ]


@functools.cache
def groups_of(alerts: str) -> list[dict[str, Any]]:
    """Return the groups of the shipped rules with what some alerts rest on alone; alerts: a regular expression."""
    recorded: dict[str, list[dict[str, Any]]] = {}
    for rule in (rule for group in shipped_groups() for rule in group["rules"]):
        recorded.setdefault(_name(rule), []).append(rule)
    waiting = [name for name, rules in recorded.items() if "alert" in rules[0] and re.fullmatch(alerts, name)]
    needed = set(waiting)
    while waiting:
        text = " ".join(str(rule["expr"]) for rule in recorded[waiting.pop()])
        read = set(re.findall(r"[a-zA-Z_:][\w:]*", text)) & set(recorded) - needed
        needed |= read
        waiting += read
    kept = [
        {**group, "rules": [rule for rule in group["rules"] if _name(rule) in needed]}
        for group in shipped_groups()
    ]
    return [group for group in kept if group["rules"]]


def fed(groups: Sequence[dict[str, Any]], series: Iterable[str]) -> list[dict[str, Any]]:
    """Return the groups without the rules that find nothing, since none of the series exists that they read.

    series: the names of those that there are, beside what the rules make.
    """
    names = set(series)
    rules = [rule for group in groups for rule in group["rules"]]
    kept: list[int] = []
    while True:
        more = [
            place
            for place, rule in enumerate(rules)
            if place not in kept and _may_find(str(rule["expr"]), names)
        ]
        if not more:
            break
        kept += more
        names |= {str(rules[place].get("record", "ALERTS")) for place in more}
    ids = {id(rules[place]) for place in kept}
    left = [{**group, "rules": [rule for rule in group["rules"] if id(rule) in ids]} for group in groups]
    return [group for group in left if group["rules"]]


def _may_find(expr: str, names: set[str]) -> bool:
    # `absent` and `vector` have a value where nothing is, and a selector without a name may find anything.
    return bool(
        re.search(r"\b(absent|absent_over_time|vector)\(|__name__", expr)
        or names & set(re.findall(r"[a-zA-Z_:][\w:]*", expr))
    )


def _name(rule: dict[str, Any]) -> str:
    return str(rule.get("record", rule.get("alert")))


def found(
    tests: Sequence[Sequence[dict[str, str]]],
    query: str,
    times: Iterable[int],
    *,
    groups: Sequence[dict[str, Any]],
    sample_seconds: int,
    evaluation_seconds: int,
    player: Player = PROMTOOL,
) -> dict[int, list[Labels]]:
    """Return the labels of what a query finds, by time.

    Args:
        tests: the series of each test, as promtool reads them; what is found in any is put together.
        query: in PromQL; give it labels that tell the tests apart.
        times: in seconds, at which it is asked.
        groups: of rules.
        sample_seconds: from one value of the series to the next.
        evaluation_seconds: from one turn of the rules to the next.
        player: what plays them.

    Raises:
        StackError: the player is not there, or did not evaluate the rules; the message has its words.
    """
    tool = programs.require(player.title, player.program)
    asked = [
        # An expectation that nothing meets makes promtool say what it got.
        {"expr": query, "eval_time": f"{time}s", "exp_samples": [{"labels": "never", "value": 0}]}
        for time in times
    ]
    content = {
        "rule_files": ["rules.json"],
        "evaluation_interval": f"{evaluation_seconds}s",
        "group_eval_order": [group["name"] for group in groups],
        "tests": [
            {"interval": f"{sample_seconds}s", "input_series": list(series), player.queries: asked}
            for series in tests
        ],
    }
    with tempfile.TemporaryDirectory(prefix="promtool-") as folder:
        file = Path(folder) / "test.json"  # JSON is YAML, and written in a tenth of the time
        file.write_text(json.dumps(content))
        (Path(folder) / "rules.json").write_text(json.dumps({"groups": list(groups)}))
        done = patiently([str(tool), *player.words, str(file)])
    return said(done.stdout + done.stderr)


def patiently(words: Sequence[str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a player, again where a query took longer than it grants: that tells of the machine, not of the rules."""
    for _ in range(TRIES):
        done = subprocess.run(
            words,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            # Fewer collections of garbage: a fifth of promtool's time, and a third of vmalert-tool's.
            env={**os.environ, "GOGC": "400"},
        )
        if TIMED_OUT not in done.stdout + done.stderr:
            break
    return done


def said(text: str) -> dict[int, list[Labels]]:
    """Read what a player says of each time that was asked about. Raises StackError where it says anything else."""
    answers = list(SAID.finditer(text))
    if not answers or "err:" in text:
        raise StackError(f"the rules were not evaluated:\n{text[-2000:]}")
    result: dict[int, list[Labels]] = {}
    for answer in answers:
        result.setdefault(round(seconds(answer["time"])), []).extend(
            {name: json.loads(value) for name, value in LABEL.findall(one)}
            for one in LABELS.findall(answer["got"])
        )
    return result


def seconds(duration: str) -> float:
    """Return a duration as Prometheus writes it, in seconds.

    >>> seconds("1h30m"), seconds("15s")
    (5400.0, 15.0)
    """
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([0-9.]+)([dhms])", duration))


def written(values: Sequence[float | None]) -> str:
    """Return values as promtool reads them, one after the other; the same ones in a row as a run. None is no sample."""
    parts = []
    place = 0
    while place < len(values):
        value = values[place]
        end = place + 1
        while end < len(values) and values[end] == value:
            end += 1
        count = end - place
        number = "_" if value is None else "NaN" if value != value else repr(float(value))
        # `_x3` are three, `1x3` are four.
        parts.append(number if count == 1 else f"{number}x{count if value is None else count - 1}")
        place = end
    return " ".join(parts)
