"""The metrics port: are our metrics let through, and is each model watched."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Optional

from ...telemetry import catalogue as m
from .finding import Finding
from .page import Page
from .places import Places
from .torchserve import Served
from .web import Web

PART = "metrics"
# Requests from which on a share says something.
FEW = 10
MOST = 0.5
OLDEST_TORCH = (2, 4)
# By the reason, from the first of a call to the last: one that is not seen hides those behind it.
UNSEEN = {
    "stage": "the model run",
    "inputs": "inputs that it can compare",
    "outputs": "outputs that it can compare",
    "uncomparable": "values that the baseline describes",
    "window": "a window of a size that the baseline has limits for",
}


def read(web: Web, places: Places) -> Optional[Page]:
    """Return the page, or None where the port does not answer."""
    answer = web.ask(f"{places.metrics}/metrics")
    return Page.read(answer.text) if answer is not None and answer.status_code == 200 else None


def port(page: Optional[Page], places: Places) -> list[Finding]:
    """Tell whether the port answers."""
    if page is not None:
        return []
    return [
        Finding(
            PART,
            f"TorchServe's metrics port does not answer at {places.metrics}",
            "set metrics_address and enable_metrics_api=true in config.properties, or give its address: --metrics",
        )
    ]


def let_through(page: Page) -> list[Finding]:
    """Tell whether TorchServe is in the right mode, and knows our metrics."""
    if not any(name.startswith(("ts_", "Requests", "model_")) for name in page.names):
        return [
            Finding(
                PART,
                "TorchServe writes its metrics to a file: metrics_mode is not prometheus",
                "set metrics_mode=prometheus in config.properties: torchvitals merge config.properties",
            )
        ]
    wanted = _names()
    missing = sorted(wanted - page.names)
    if not missing:
        return []
    few = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    return [
        Finding(
            PART,
            f"TorchServe drops {len(missing)} of our {len(wanted)} metrics, which its metrics.yaml lacks: {few}",
            "add them, and start TorchServe anew: torchvitals merge metrics.yaml; "
            "metrics_config in config.properties names that file",
        )
    ]


def watched(page: Page, models: list[Served]) -> Iterator[Finding]:
    """Name the models whose handler is not monitored, those without baseline, and those that are not seen."""
    monitored = page.models(m.WINDOW_EVALUATED.name)
    for model in models:
        key = model.name, model.version
        if model.ready and key not in monitored:
            yield Finding(
                PART,
                f"model {model.name} {model.version} is not monitored",
                "derive its handler from MonitoredHandler, or pack monitored_handler.py and name it in base_handler",
            )
    served = [(model.name, model.version) for model in models if model.ready]
    for key in monitored:
        if key in served:
            yield from _baseline(page, key)
            yield from _unseen(page, key)


def torch_version(page: Page) -> list[Finding]:
    """Tell whether workers run a torch that this works with."""
    found = {labels.get("torch_version", "") for labels, value in page.of(m.RUNTIME_INFO.name) if value == 1}
    return [
        Finding(
            PART, f"workers run torch {text}; 2.4 is the oldest that is supported", "install a newer torch"
        )
        for text in sorted(found)
        if _numbers(text) and _numbers(text) < OLDEST_TORCH
    ]


def _baseline(page: Page, key: tuple[str, str]) -> Iterator[Finding]:
    name, version = key
    limits = {labels.get("signal"): value for labels, value in page.of(m.THRESHOLD.name) if _is(labels, key)}
    baselines = [labels for labels, value in page.of(m.BASELINE_INFO.name) if _is(labels, key) and value == 1]
    if not baselines:
        learning = any(value == 1 and _is(labels, key) for labels, value in page.of(m.BASELINE_LEARNING.name))
        if "kl_divergence" in limits and not learning:
            yield Finding(
                PART,
                f"model {name} {version} has no baseline: its drift is unknown",
                "build one (torchvitals baseline build), pack it, and name it in model-config.yaml: "
                "handler: monitoring: baseline",
            )
        return
    baseline_version = baselines[0].get("baseline_version", "").removesuffix("-learned")
    if baseline_version and baseline_version != version:
        yield Finding(
            PART,
            f"model {name} is version {version}, its baseline {baseline_version}",
            f"build the baseline of the data that version {version} was trained on",
        )
    created = max(page.models(m.BASELINE_CREATED.name).get(key, 0.0), 0.0)
    oldest = limits.get("baseline_age_seconds")
    count = sum(_is(labels, key) for labels, _ in page.of(m.BASELINE_CREATED.name)) or 1
    age = time.time() - created / count
    if created and oldest is not None and age > oldest:
        yield Finding(
            PART,
            f"the baseline of model {name} {version} is {age / 86400:.0f} days old; its limit is {oldest / 86400:.0f}",
            "train on recent data and build it anew, or raise thresholds: baseline_age_seconds",
        )


def _unseen(page: Page, key: tuple[str, str]) -> Iterator[Finding]:
    requests = page.models(m.REQUESTS.name).get(key, 0.0)
    unseen = {
        labels.get("reason", ""): value
        for labels, value in page.of(m.MONITOR_UNSEEN.name)
        if _is(labels, key) and requests >= FEW and value > MOST * requests
    }
    for reason in [reason for reason in UNSEEN if reason in unseen][:1]:
        yield Finding(
            PART,
            f"the monitor of model {key[0]} {key[1]} did not see {UNSEEN[reason]} "
            f"in {unseen[reason]:.0f} of {requests:.0f} requests",
            "the model's log says what to change; docs/handlers.md says what is seen of which handler",
        )


def _is(labels: dict[str, str], key: tuple[str, str]) -> bool:
    return (labels.get("model_name"), labels.get("model_version")) == key


def _numbers(text: str) -> tuple[int, ...]:
    numbers = text.split("+")[0].split(".")[:2]
    return tuple(int(number) for number in numbers) if all(number.isdigit() for number in numbers) else ()


def _names() -> set[str]:
    """Return the names of all our metrics, as metrics.yaml has them."""
    return {metric.name for metric in m.flat()}
