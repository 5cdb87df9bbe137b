"""Which environment an alert comes from, and whether one from there may retrain."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

# What tells one environment from another: a model has decisions and a cooldown of its own in each.
LABELS = ("env", "environment", "stage", "cluster", "namespace", "job")
# Every alert has one, in a setup with a single environment too.
ALWAYS_THERE = "job"
ANY = "*"

Environment = dict[str, str]
Only = Mapping[str, list[str]]


def environment(labels: Mapping[str, str]) -> Environment:
    """Return the labels that say where an alert comes from."""
    return {name: labels[name] for name in LABELS if labels.get(name)}


def key(where: Environment) -> str:
    """Return an environment as the record has it."""
    return json.dumps(where, sort_keys=True)


def shown(where: Mapping[str, str]) -> str:
    """Return an environment as people read it.

    >>> shown({"env": "production", "job": "torchserve"})
    'env="production", job="torchserve"'
    """
    return ", ".join(f"{name}={json.dumps(value)}" for name, value in where.items()) or "no environment"


def excluded(labels: Mapping[str, str], only: Only | None) -> str | None:
    """Return why an alert may not retrain, or None where it may.

    >>> excluded({"env": "staging"}, {"env": ["production"]})
    'the alert has env="staging"; only env="production" may retrain'
    """
    for name, values in (only or {}).items():
        value = labels.get(name)
        if value and (value in values or ANY in values):
            continue
        allowed = " or ".join(json.dumps(wanted) for wanted in values)
        has = f"{name}={json.dumps(value)}" if value else f"no label {name}"
        return f"the alert has {has}; only {name}={allowed} may retrain"
    return None


def ambiguity(where: Environment, others: Iterable[Environment], only: Only | None) -> str | None:
    """Return why it cannot be told whether an environment is one that may retrain, or None where it can.

    others: environments that alerts of the same model have come from.
    """
    if only is None:
        said = {name: value for name, value in where.items() if name != ALWAYS_THERE}
        if said:
            return f"the alert has {shown(said)}, and the configuration does not say which may retrain: {_advice(said)}"
    for other in others:
        for name in LABELS:
            mine, its = where.get(name), other.get(name)
            if mine == its or (only and name in only) or (name == ALWAYS_THERE and not (mine and its)):
                continue
            return (
                f"alerts of this model have come with {_value(name, mine)} and with {_value(name, its)}, and the "
                f"configuration does not say which may retrain: {_advice({name: mine or its or ANY})}"
            )
    return None


def _value(name: str, value: str | None) -> str:
    return f"{name}={json.dumps(value)}" if value else f"no label {name}"


def _advice(labels: Mapping[str, str]) -> str:
    return f"add only: {json.dumps(labels)} with your values, '*' for each on its own"
