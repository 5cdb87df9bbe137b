"""Parses the queries of the dashboards, for the tests that look inside them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import promql_parser as parser

# As in dashboard-linter, durations that nobody would write by hand stand for Grafana's macros.
RATE_INTERVAL = timedelta(milliseconds=8869991)
MACROS = {"__rate_interval": "8869991ms", "__interval": "4867857ms", "__range": "6069771ms"}
_SIGNS = {"MatchOp.Equal": "=", "MatchOp.NotEqual": "!=", "MatchOp.Re": "=~", "MatchOp.NotRe": "!~"}
_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)(?::\w+)?\}|\[\[(\w+)\]\]")


def expand(expr: str) -> str:
    """Replace macros and variables outside strings, as dashboard-linter does; those inside stay as they are."""
    parts = expr.split('"')
    for index in range(0, len(parts), 2):
        parts[index] = _VARIABLE.sub(_sample, parts[index])
    return '"'.join(parts)


def _sample(match: re.Match[str]) -> str:
    name = match[1] or match[2] or match[3]
    return MACROS.get(name, name)


def parse(expr: str) -> Any:
    """Parse a query; raises ValueError where it is not PromQL."""
    return parser.parse(expand(expr))


def walk(node: Any, parents: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Yield each node with its parents, outermost first."""
    yield node, parents
    for child in _children(node):
        yield from walk(child, (*parents, node))


def _children(node: Any) -> list[Any]:
    if isinstance(node, parser.BinaryExpr):
        return [node.lhs, node.rhs]
    if isinstance(node, parser.AggregateExpr):
        return [node.expr, *([node.param] if node.param is not None else [])]
    if isinstance(node, parser.Call):
        return list(node.args)
    if isinstance(node, parser.MatrixSelector):
        return [node.vector_selector]
    if isinstance(node, (parser.ParenExpr, parser.UnaryExpr, parser.SubqueryExpr)):
        return [node.expr]
    return []


def selectors(expr: str) -> list[tuple[Any, tuple[Any, ...]]]:
    """Return every instant selector of a query with its parents."""
    return [(node, parents) for node, parents in walk(parse(expr)) if isinstance(node, parser.VectorSelector)]


def matchers(selector: Any) -> Mapping[str, tuple[str, str]]:
    """Return operator and value of each matcher, by label."""
    return {matcher.name: (_SIGNS[str(matcher.op)], matcher.value) for matcher in selector.matchers.matchers}
