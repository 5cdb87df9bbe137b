"""Prometheus: does it scrape TorchServe, judge what it scrapes, and tell an Alertmanager."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Optional
from urllib.parse import urlsplit

from ...telemetry import catalogue as m
from .finding import Finding
from .page import Page
from .places import Places
from .web import Web

PART = "Prometheus"
RECORDING = "torchvitals-rules"
ALERTS = "torchvitals-alerts"
SCRAPE = "add a job that scrapes TorchServe's metrics port: torchvitals merge prometheus.yml"
# A recording rule that has a series for each model that lives, and the metric that it is of.
LIVING = "model:model_monitor:fresh_workers"
EXPORTED = m.WINDOW_EVALUATED.name
# As in the alert ServerClockSkewed.
SKEW_SECONDS = 30
SKEW = (
    f"max by (instance) (abs(timestamp({EXPORTED}) - {EXPORTED}) "
    f"and changes({EXPORTED}[2m]) > 0) > {SKEW_SECONDS}"
)
JOBS = f"count by (job) (ts_inference_requests_total or Requests2XX or {EXPORTED})"
JOB = re.compile(r'up\{job=~?"([^"]+)"\}')


def answers(web: Web, places: Places) -> list[Finding]:
    """Tell whether it answers."""
    if web.json(f"{places.prometheus}/api/v1/status/buildinfo") is not None:
        return []
    return [
        Finding(
            PART, f"Prometheus does not answer at {places.prometheus}", "start it, or say where: --prometheus"
        )
    ]


def checks(web: Web, places: Places, page: Optional[Page]) -> Iterator[Finding]:
    """Name what is wrong with a Prometheus that answers."""
    groups = data(web, places, "rules").get("groups", [])
    yield from _scrapes(web, places, groups)
    yield from _rules(groups)
    yield from _series(web, places, groups, page)
    yield from _clocks(web, places)
    yield from _alertmanagers(web, places)


def _scrapes(web: Web, places: Places, groups: list[dict[str, Any]]) -> Iterator[Finding]:
    scraped = targets(web, places)
    wanted = _job(groups)
    named = [target for target in scraped if re.fullmatch(wanted, job_of(target))]
    # Where Prometheus reaches TorchServe under another address, what it found there tells.
    found = {series["metric"].get("job") for series in query(web, places, JOBS)}
    others = [
        target for target in scraped if job_of(target) in found or _is_at(target["scrapeUrl"], places.metrics)
    ]
    if not named and not others:
        yield Finding(PART, "Prometheus does not scrape TorchServe", SCRAPE)
    elif not named:
        job = job_of(others[0])
        yield Finding(
            PART,
            f"Prometheus scrapes TorchServe as job '{job}'; the rules ask for '{wanted}'",
            f"generate the rules for it: torchvitals rules generate --job {job}",
        )
    for target in named or others:
        if target["health"] == "down":
            yield Finding(
                PART,
                f"Prometheus cannot scrape {target['scrapeUrl']}: {target['lastError']}",
                "start TorchServe, or correct the target in prometheus.yml",
            )


def job_of(target: dict[str, Any]) -> str:
    """Return the job of a target."""
    return str(target["labels"].get("job", ""))


def _is_at(scraped: str, address: str) -> bool:
    one, other = (urlsplit(url).netloc.replace("localhost", "127.0.0.1") for url in (scraped, address))
    return one == other


def _rules(groups: list[dict[str, Any]]) -> Iterator[Finding]:
    loaded = {group["name"] for group in groups}
    remedy = "torchvitals export --part prometheus writes them, torchvitals merge prometheus.yml names both"
    if ALERTS not in loaded and RECORDING not in loaded:
        yield Finding(PART, "Prometheus has none of our rules", remedy)
    elif ALERTS not in loaded:
        yield Finding(PART, "Prometheus has our recording rules, but no alerts.yml", remedy)
    elif RECORDING not in loaded:
        yield Finding(
            PART, "Prometheus has our alerts, but no rules.yml, without which they never fire", remedy
        )
    for group in groups:
        failed = [rule for rule in group["rules"] if rule.get("health") == "err"]
        if group["name"].startswith("torchvitals") and failed:
            yield Finding(
                PART,
                f"{len(failed)} of our rules fail, first {failed[0]['name']}: {failed[0].get('lastError', '')}",
                "generate them anew (torchvitals rules generate); keep labels that tell your servers apart (--label)",
            )


def _series(
    web: Web, places: Places, groups: list[dict[str, Any]], page: Optional[Page]
) -> Iterator[Finding]:
    if page is None or not any(page.of(EXPORTED)):
        return
    if not query(web, places, EXPORTED):
        scraped = query(web, places, "Requests2XX or ts_inference_requests_total")
        if scraped:
            yield Finding(
                PART,
                "workers export our metrics, but Prometheus has none of them, so dashboards are empty",
                "look for metric_relabel_configs and sample limits in the job that scrapes TorchServe",
            )
    elif any(group["name"] == RECORDING and _ran(group) for group in groups) and not query(
        web, places, LIVING
    ):
        yield Finding(
            PART,
            f"workers export our metrics, but the recording rule {LIVING} has no series, so dashboards are empty",
            "keep the labels worker, model_name and model_version in relabel configs, and let the rules run each 15 s",
        )


def _clocks(web: Web, places: Places) -> Iterator[Finding]:
    for found in query(web, places, SKEW):
        yield Finding(
            PART,
            f"the clocks of {found['metric'].get('instance', 'a server')} and Prometheus differ "
            f"by {float(found['value'][1]):.0f} s",
            "let both follow one time server (timedatectl, chrony)",
        )


def _alertmanagers(web: Web, places: Places) -> Iterator[Finding]:
    if not data(web, places, "alertmanagers").get("activeAlertmanagers"):
        yield Finding(
            PART,
            "Prometheus sends its alerts to no Alertmanager",
            "name one in the section alerting: torchvitals merge prometheus.yml",
        )
        return
    answer = web.ask(f"{places.prometheus}/metrics")
    page = Page.read(answer.text) if answer is not None else Page()
    # The counter of what was sent counts alerts, and goes on where they do not arrive; this one counts attempts.
    attempts = _by_alertmanager(page, "prometheus_notifications_latency_seconds_count")
    for manager, failed in _by_alertmanager(page, "prometheus_notifications_errors_total").items():
        if failed and failed >= attempts.get(manager, 0.0) / 2:
            yield Finding(
                PART,
                f"Prometheus cannot send alerts to {manager}: {failed:.0f} attempts failed",
                "start Alertmanager, or correct its address in the section alerting",
            )


def _by_alertmanager(page: Page, metric: str) -> dict[str, float]:
    return {labels.get("alertmanager", ""): value for labels, value in page.of(metric)}


def _job(groups: list[dict[str, Any]]) -> str:
    """Return the job that the loaded rules ask for, ours where none are loaded."""
    queries = (
        rule.get("query", "") for group in groups if group["name"] == ALERTS for rule in group["rules"]
    )
    return next((found[1] for query in queries if (found := JOB.search(query))), "torchserve")


def _ran(group: dict[str, Any]) -> bool:
    return all(rule.get("health") != "unknown" for rule in group["rules"])


def query(web: Web, places: Places, promql: str) -> list[dict[str, Any]]:
    """Return what an instant query finds; nothing where Prometheus does not answer."""
    result: list[dict[str, Any]] = data(web, places, "query", query=promql).get("result", [])
    return result


def targets(web: Web, places: Places) -> list[dict[str, Any]]:
    """Return what Prometheus scrapes."""
    found: list[dict[str, Any]] = data(web, places, "targets", state="active").get("activeTargets", [])
    return found


def data(web: Web, places: Places, what: str, **parameters: str) -> dict[str, Any]:
    """Return the data of an answer of Prometheus's API."""
    answer = web.json(f"{places.prometheus}/api/v1/{what}", **parameters)
    return answer.get("data", {}) if isinstance(answer, dict) else {}
