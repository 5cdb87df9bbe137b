"""Puts variables and macros into queries and texts, as Grafana's Prometheus data source does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Union

from .errors import QueryError
from .span import Span

# $name, ${name}, ${name:format} and [[name]], as in Grafana's template service; $1 is a group of a label_replace.
VARIABLE = re.compile(
    r"\$\{(?P<braced>\w+)(?::(?P<format>\w+))?\}|\$(?P<plain>[A-Za-z_]\w*)|\[\[(?P<square>\w+)\]\]"
)
LABEL_VALUES = re.compile(r"^label_values\((?:(?P<selector>.+), *)?(?P<label>\w+)\)$", re.DOTALL)
_LEGEND = re.compile(r"\{\{\s*(\w+)\s*\}\}")

# A list is what a variable of many values has chosen: it becomes a pattern.
Value = Union[str, list[str]]


def substitute(text: str, values: Mapping[str, Value]) -> str:
    """Replace variables and macros. Raises QueryError for an unknown one."""

    def replacement(match: re.Match[str]) -> str:
        name = match["braced"] or match["plain"] or match["square"]
        if name not in values:
            raise QueryError(f"query names the variable '{name}', which does not exist: {text}")
        value = values[name]
        if isinstance(value, list):
            escaped = [_escape_pattern(option) for option in value]
            return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
        return re.escape(value) if match["format"] == "regex" else _escape_string(value)

    return VARIABLE.sub(replacement, text)


def substitute_text(text: str, values: Mapping[str, Value]) -> str:
    """Replace the variables of a title; an unknown one stays."""

    def replacement(match: re.Match[str]) -> str:
        value = values.get(match["braced"] or match["plain"] or match["square"], match[0])
        return value if isinstance(value, str) else ", ".join(value)

    return VARIABLE.sub(replacement, text)


def macros(span: Span, step_seconds: float) -> dict[str, Value]:
    """Return the values of Grafana's time macros; $__rate_interval is at least four scrapes."""
    return {
        "__interval": _duration(step_seconds),
        "__interval_ms": str(round(step_seconds * 1000)),
        "__rate_interval": _duration(span.rate_seconds(step_seconds)),
        "__range": _duration(span.seconds),
        "__range_s": str(round(span.seconds)),
        "__range_ms": str(round(span.seconds * 1000)),
    }


def legend(template: str, labels: Mapping[str, str]) -> str:
    """Put labels into a legend such as ``{{feature}}``; one that the series lacks is empty."""
    return _LEGEND.sub(lambda match: labels.get(match[1], ""), template)


def natural(text: str) -> list[tuple[bool, int, str]]:
    """Return the key that sorts 1.10 after 1.9, as Grafana's natural order does."""
    parts = re.findall(r"\d+|\D+", text)
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def _escape_pattern(value: str) -> str:
    r"""Escape for a regular expression in a PromQL string: each backslash twice, as Grafana does."""
    return re.sub(r"[$^*{}\[\]'+?.()|]", r"\\\\\g<0>", value.replace("\\", "\\\\\\\\")).replace('"', '\\"')


def _escape_string(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
