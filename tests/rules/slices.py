"""One promtool test with the rules that its assertions rest on.

promtool evaluates every rule at every step of every test, whatever the test asks: 122 rules where 25 to 45 matter.
Each test runs by itself with those, which are found by following the selectors of its queries and of the texts of its
alerts, less those that can find nothing, since the test has no series of what they read. `make test-rules` runs the
files as they are, with all rules.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import promql_parser as parser
import yaml

from stack.promtool import fed, seconds
from tests.dashboards.promql import matchers, walk

PROMETHEUS = Path(__file__).parents[2] / "prometheus"
RULE_FILES = ("rules.yml", "alerts.yml")


@dataclass(frozen=True)
class Query:
    """A query in the text of an alert, with sample values in the place of what the template fills in."""

    text: str

    @property
    def promql(self) -> str:
        filled = re.sub(r"(?<=[{,( ])%(?:\[\d\])?s", 'job="j"', self.text)
        return re.sub(r"%(?:\[\d\])?q", '"x"', filled)


def queries(rule: dict[str, Any]) -> list[Query]:
    """The queries in an alert's texts: in backquotes, and not label matchers alone."""
    texts = "".join(rule["annotations"].values())
    return [Query(found) for found in re.findall(r"printf `([^`]*)`", texts) if "(" in found or "{" in found]


@functools.cache
def load(path: Path) -> Any:
    """Return what a YAML file holds; it is read once, so leave it as it is."""
    return yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@dataclass(frozen=True)
class Slice:
    """One test of a file of promtool tests."""

    path: Path
    number: int

    @property
    def name(self) -> str:
        """The file's name and the test's number, from 1."""
        return f"{self.path.stem}-{self.number}"

    @property
    def steps(self) -> float:
        """How often its rules are evaluated."""
        content = load(self.path)
        test = content["tests"][self.number - 1]
        asked = [*test.get("alert_rule_test", []), *test.get("promql_expr_test", [])]
        last = max(seconds(case["eval_time"]) for case in asked)
        return last / seconds(content["evaluation_interval"])

    def write(self, folder: Path) -> Path:
        """Write the test and its rules into a folder; return the file that promtool takes."""
        content = dict(load(self.path))
        assert [Path(name).name for name in content["rule_files"]] == list(RULE_FILES)[
            : len(content["rule_files"])
        ]
        test = content["tests"][self.number - 1]
        groups = fed(_groups(_needed(test)), {one["series"].split("{")[0] for one in test["input_series"]})
        rules, file = folder / "rules.yml", folder / "test.yml"
        rules.write_text(yaml.safe_dump({"groups": groups}, sort_keys=False))
        content |= {"rule_files": [str(rules)], "tests": [test]}
        if "group_eval_order" in content:
            kept = {group["name"] for group in groups}
            content["group_eval_order"] = [name for name in content["group_eval_order"] if name in kept]
        file.write_text(yaml.safe_dump(content, sort_keys=False))
        return file


def shortest() -> list[Slice]:
    """Return the test of each file that takes the fewest steps."""
    return [min(of_file, key=lambda one: one.steps) for _, of_file in groupby(slices(), lambda one: one.path)]


def slices() -> list[Slice]:
    """Return every test of every file."""
    return [
        Slice(path, number)
        for path in sorted((PROMETHEUS / "tests").glob("*.yml"))
        for number in range(1, len(load(path)["tests"]) + 1)
    ]


RULES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (group, rule)
    for name in RULE_FILES
    for group in load(PROMETHEUS / name)["groups"]
    for rule in group["rules"]
]


def _needed(test: dict[str, Any]) -> set[int]:
    """Return the places in RULES of what a test's assertions rest on."""
    found: set[int] = set()
    for case in test.get("alert_rule_test", []):
        _follow("alert", case["alertname"], found)
    for case in test.get("promql_expr_test", []):
        _follow_all(case["expr"], found)
    return found


def _follow_all(expr: str, found: set[int]) -> None:
    for kind, pattern in _read(expr):
        _follow(kind, pattern, found)


def _follow(kind: str, pattern: str, found: set[int]) -> None:
    """Add the rules whose name matches, and all that they read."""
    for place, (_, rule) in enumerate(RULES):
        if place not in found and kind in rule and re.fullmatch(pattern, rule[kind]):
            found.add(place)
            _follow_all(rule["expr"], found)
            for query in queries(rule) if kind == "alert" else []:
                _follow_all(query.promql, found)


def _read(expr: str) -> Iterator[tuple[str, str]]:
    """Yield what a query reads: the kind of rule that makes it, and a pattern of its name."""
    for node, _ in walk(parser.parse(expr)):
        if not isinstance(node, parser.VectorSelector):
            continue
        if node.name is None:
            # It may be anything.
            yield from (("record", ".*"), ("alert", ".*"))
        elif node.name.startswith("ALERTS"):
            sign, value = matchers(node).get("alertname", ("=~", ".*"))
            yield "alert", {"=": re.escape(value), "=~": value}.get(sign, ".*")
        else:
            yield "record", re.escape(node.name)


def _groups(needed: set[int]) -> list[dict[str, Any]]:
    groups: dict[str, dict[str, Any]] = {}
    for place in sorted(needed):
        group, rule = RULES[place]
        groups.setdefault(group["name"], {**group, "rules": []})["rules"].append(rule)
    return list(groups.values())
