"""One report of the exporter's canary model, from a real Prometheus, for all tests here."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.dashboards.live import SCRAPED_SECONDS, prometheus_over_exporter

TORCHVITALS = Path(sys.executable).parent / "torchvitals"
MODEL = "flight_delay"


@dataclass(frozen=True)
class Made:
    """A report that the command wrote, and the Prometheus that it asked."""

    url: str
    page: Path
    end: float

    @property
    def text(self) -> str:
        return self.page.read_text(encoding="utf-8")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `torchvitals report`, wide enough that no message is broken."""
    return subprocess.run(
        [TORCHVITALS, "report", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "400"},
    )


@pytest.fixture(scope="package")
def prometheus_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prometheus_over_exporter(tmp_path_factory.mktemp("prometheus")) as url:
        yield url


@pytest.fixture(scope="package")
def made(prometheus_url: str, tmp_path_factory: pytest.TempPathFactory) -> Made:
    page = tmp_path_factory.mktemp("report") / "report.html"
    end = time.time()
    outcome = run(
        "--model",
        MODEL,
        "--last",
        f"{2 * SCRAPED_SECONDS}s",
        "--prometheus",
        prometheus_url,
        "--output",
        str(page),
    )
    assert outcome.returncode == 0, outcome.stderr
    return Made(prometheus_url, page, end)
