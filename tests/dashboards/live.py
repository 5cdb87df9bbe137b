"""A real Prometheus and a real Alertmanager over the exporter's series, with our recording rules and alerts."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.dashboards.exporter import Exporter

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = shutil.which("prometheus")
# Debian calls it prometheus-alertmanager.
ALERTMANAGER = shutil.which("alertmanager") or shutil.which("prometheus-alertmanager")

SCRAPES = 15


@contextmanager
def prometheus_over_exporter(folder: Path) -> Iterator[str]:
    """Give the address of a Prometheus that scraped the exporter, itself and Alertmanager SCRAPES times, once a second.

    Skips the test where a program is missing.
    """
    if PROMETHEUS is None:
        pytest.skip("needs the program 'prometheus' (Debian package prometheus)")
    if ALERTMANAGER is None:
        pytest.skip("needs the program 'alertmanager' (Debian package prometheus-alertmanager)")
    own, alerting = _free_ports(2)
    with ExitStack() as stack:
        source = stack.enter_context(Exporter())
        _write_files(folder, source.address, own, alerting)
        stack.enter_context(
            _running(
                [
                    ALERTMANAGER,
                    f"--config.file={folder / 'alertmanager.yml'}",
                    f"--storage.path={folder / 'alertmanager'}",
                    f"--web.listen-address=127.0.0.1:{alerting}",
                    "--cluster.listen-address=",
                ],
                folder / "alertmanager.log",
            )
        )
        log = folder / "prometheus.log"
        process = stack.enter_context(
            _running(
                [
                    PROMETHEUS,
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{own}",
                ],
                log,
            )
        )
        _wait_for_scrapes(f"http://127.0.0.1:{own}", process, log)
        yield f"http://127.0.0.1:{own}"


def _write_files(folder: Path, exporter: str, own: int, alerting: int) -> None:
    def job(name: str, target: str) -> dict[str, Any]:
        return {"job_name": name, "static_configs": [{"targets": [target]}]}

    files = {
        "rules.yml": _frequent_rules(),
        "alerts.yml": _immediate_alerts(),
        "prometheus.yml": {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(folder / "rules.yml"), str(folder / "alerts.yml")],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alerting}"]}]}]},
            "scrape_configs": [
                job("torchserve", exporter),
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


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [free.getsockname()[1] for free in sockets]
    finally:
        for free in sockets:
            free.close()


@contextmanager
def _running(words: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("w", encoding="utf-8") as written:
        process = subprocess.Popen(words, stdout=written, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=30)


def _frequent_rules() -> dict[str, Any]:
    """Return the real recording rules, all at the test's interval: the fleet's are minutes apart."""
    rules: dict[str, Any] = yaml.safe_load((ROOT / "prometheus" / "rules.yml").read_text(encoding="utf-8"))
    for group in rules["groups"]:
        group.pop("interval", None)
    return rules


def _immediate_alerts() -> dict[str, Any]:
    """Return the real alerts without their waiting time, which is longer than this test."""
    alerts: dict[str, Any] = yaml.safe_load((ROOT / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
    for group in alerts["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)
    return alerts


def _wait_for_scrapes(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(
                f"prometheus ended with status {process.returncode}:\n{log.read_text(encoding='utf-8')}"
            )
        try:
            answer = httpx.get(f"{url}/api/v1/query", params={"query": "count_over_time(up[5m])"}, timeout=5)
        except httpx.TransportError:
            time.sleep(0.2)  # not listening yet
            continue
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            time.sleep(0.2)  # listening, but still opening its storage
            continue
        found = answer.raise_for_status().json()["data"]["result"]
        if any(float(series["value"][1]) >= SCRAPES for series in found):
            return
        time.sleep(0.5)
    pytest.fail(f"prometheus did not scrape {SCRAPES} times in a minute:\n{log.read_text(encoding='utf-8')}")
