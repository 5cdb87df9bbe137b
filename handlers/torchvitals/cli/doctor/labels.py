"""The labels service: does it run where models keep predictions, and does it take them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

from ...telemetry import catalogue as m
from .finding import Finding
from .page import Page
from .places import Places
from .prometheus import job_of, query, targets
from .web import Web

PART = "labels"
# As in the alerts, which ask for up{job="labels"}.
JOB = "labels"
WAITING_FILES = 100
WAITING = f"min_over_time(predictions_waiting_files[5m]) > {WAITING_FILES} unless labels_store_up == 0"
REFUSED = "round(increase(predictions_refused_files_total[1h])) >= 1"
FEW = 3


def checks(web: Web, places: Places, page: Optional[Page]) -> Iterator[Finding]:
    """Name what keeps predictions from their labels, by a Prometheus that answers."""
    models = sorted(page.models(m.PREDICTIONS_WRITTEN.name)) if page is not None else []
    if not models:
        return
    services = [target for target in targets(web, places) if job_of(target) == JOB]
    others = {found["metric"].get("job", "") for found in query(web, places, "labels_store_up")} - {JOB}
    if not services and others:
        yield Finding(
            PART,
            f"Prometheus scrapes the labels service as job '{min(others)}'; the rules ask for '{JOB}'",
            f"name its job {JOB} in prometheus.yml",
        )
    elif not services:
        yield Finding(
            PART,
            f"predictions of {_named(models)} are kept for labels, and Prometheus scrapes no labels service",
            "start one (torchvitals labels serve), and name it in labels.yml beside prometheus.yml: "
            "- targets: [HOST:9096]",
        )
    for target in services:
        if target["health"] == "down":
            yield Finding(
                PART,
                f"Prometheus cannot scrape the labels service at {target['scrapeUrl']}: {target['lastError']}",
                "start it (torchvitals labels serve), or correct its line in labels.yml beside prometheus.yml",
            )
    yield from _of_services(web, places)


def _of_services(web: Web, places: Places) -> Iterator[Finding]:
    for instance, _ in _by_instance(web, places, "labels_store_up == 0"):
        yield Finding(
            PART,
            f"the labels service at {instance} cannot use its store: predictions wait, and labels are refused",
            "its log says why; repair the database, or correct --store (TORCHVITALS_STORE)",
        )
    for instance, files in _by_instance(web, places, WAITING):
        yield Finding(
            PART,
            f"{files:.0f} files of predictions wait for the labels service at {instance}",
            "its log says whether it cannot take them; where there are too many, give it PostgreSQL or a faster disk",
        )
    for instance, files in _by_instance(web, places, REFUSED):
        yield Finding(
            PART,
            f"the labels service at {instance} refused files of predictions in the last hour: {files:.0f}",
            "its log names them; update it to the version of the workers, or newer",
        )


def _by_instance(web: Web, places: Places, promql: str) -> Iterator[tuple[str, float]]:
    for found in query(web, places, promql):
        yield found["metric"].get("instance", ""), float(found["value"][1])


def _named(models: list[tuple[str, str]]) -> str:
    few = ", ".join(f"{name} {version}" for name, version in models[:FEW])
    return few + (f" and {len(models) - FEW} more" if len(models) > FEW else "")
