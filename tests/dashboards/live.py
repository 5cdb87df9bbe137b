"""A real Prometheus and a real Alertmanager over the exporter's series, with our recording rules and alerts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from stack import programs
from stack.loopback import http
from stack.ports import Ports, url
from stack.waiting import Program, eventually
from tests.dashboards import labelled
from tests.dashboards.exporter import Exporter

ROOT = Path(__file__).resolve().parents[2]
# A server that nobody has ever seen: nothing listens on this port.
NEVER_UP = "127.0.0.1:1"
PLACE = {"cluster": "blue", "namespace": "ml"}
SCRAPES = 15
# Between two scrapes, and two evaluations of the rules. On a busy machine one takes seconds.
SCRAPE_SECONDS = 3
SCRAPED_SECONDS = SCRAPES * SCRAPE_SECONDS
# Groups that are evaluated once in so many scrapes.
SELDOM = {"torchvitals-quality-1h": 2, "torchvitals-quality-1d": 3, "torchvitals-quality-7d": 4}


@contextmanager
def prometheus_over_exporter(folder: Path) -> Iterator[str]:
    """Give the address of a Prometheus that scraped the exporter, itself and Alertmanager SCRAPES times.

    Raises MissingProgramError, which says how to install it.
    """
    ports = Ports.free()
    own, alerting = ports.prometheus, ports.alertmanager
    address = url(own)
    with ExitStack() as stack:
        source = stack.enter_context(Exporter())
        labels = stack.enter_context(labelled.exposed())
        _write_files(folder, source.address, labels, own, alerting)
        manager = programs.alertmanager(
            folder / "alertmanager.yml", data=folder / "alertmanager", port=alerting
        )
        stack.enter_context(
            Program(manager, health=f"{url(alerting)}/-/ready", log=folder / "alertmanager.log")
        )
        words = programs.prometheus(folder / "prometheus.yml", data=folder / "data", port=own)
        prometheus = stack.enter_context(
            Program(words, health=f"{address}/-/ready", log=folder / "prometheus.log")
        )
        eventually(
            lambda: prometheus.healthy() and _scrapes(address) >= SCRAPES,
            lambda: f"{SCRAPES} scrapes:\n{prometheus.log}",
        )
        yield address


def _scrapes(address: str) -> float:
    """Return how often Prometheus has scraped what it scraped most."""
    query = {"query": "max(count_over_time(up[10m])) or vector(0)"}
    answer = http.get(f"{address}/api/v1/query", params=query, timeout=30)
    return float(answer.raise_for_status().json()["data"]["result"][0]["value"][1])


def _write_files(folder: Path, exporter: str, labels: str, own: int, alerting: int) -> None:
    def job(name: str, *targets: str, place: dict[str, str] | None = None) -> dict[str, Any]:
        return {"job_name": name, "static_configs": [{"targets": list(targets), "labels": place or {}}]}

    files = {
        "rules.yml": _frequent_rules(),
        "alerts.yml": _immediate_alerts(),
        "prometheus.yml": {
            "global": {
                "scrape_interval": f"{SCRAPE_SECONDS}s",
                "scrape_timeout": f"{SCRAPE_SECONDS}s",
                "evaluation_interval": f"{SCRAPE_SECONDS}s",
            },
            "rule_files": [str(folder / "rules.yml"), str(folder / "alerts.yml")],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alerting}"]}]}]},
            "scrape_configs": [
                # A third label of clusters and environments is not set.
                job("torchserve", exporter, NEVER_UP, place=PLACE),
                job("labels", labels, place=PLACE),
                job("prometheus", f"127.0.0.1:{own}"),
                job("alertmanager", f"127.0.0.1:{alerting}"),
            ],
        },
        # The exporter answers a POST with 405: deliveries that fail at once.
        "alertmanager.yml": {
            "route": {"receiver": "nobody", "group_wait": "0s", "group_interval": "1s"},
            "receivers": [{"name": "nobody", "webhook_configs": [{"url": f"http://{exporter}/"}]}],
        },
    }
    for name, content in files.items():
        (folder / name).write_text(yaml.safe_dump(content), encoding="utf-8")


def _frequent_rules() -> dict[str, Any]:
    """Return the real recording rules, all at the test's interval: the fleet's are minutes apart.

    What is recorded of labels reads the most, and every few evaluations are enough of it.

    A worker is alive by its clock alone here, and not because it wrote something in the last two minutes, which are
    longer than the test.
    """
    rules: dict[str, Any] = yaml.safe_load((ROOT / "prometheus" / "rules.yml").read_text(encoding="utf-8"))
    for group in rules["groups"]:
        group.pop("interval", None)
        if group["name"] in SELDOM:
            group["interval"] = f"{SELDOM[group['name']] * SCRAPE_SECONDS}s"
        for rule in group["rules"]:
            if rule["record"] == "worker:model_monitor:fresh":
                clock = "model_window_evaluated_timestamp_seconds"
                rule["expr"] = rule["expr"].replace(f"changes({clock}[2m])", f"0 * {clock}")
    return rules


def _immediate_alerts() -> dict[str, Any]:
    """Return the real alerts without their waiting time, which is longer than this test."""
    alerts: dict[str, Any] = yaml.safe_load((ROOT / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
    for group in alerts["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)
    return alerts
