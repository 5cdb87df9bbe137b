"""The page of a server of a fleet, the line through the sizes, and what is written of both."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.scale import report
from benchmarks.scale.fit import Line, most, through
from benchmarks.scale.hosts import MOVED, Page, page, serving
from stack.documents import pattern
from stack.loopback import http
from torchvitals.telemetry import catalogue as m

FEATURES, WORKERS = 6, 3


@pytest.fixture(scope="module")
def served() -> Page:
    return page(FEATURES, WORKERS)


def series_of(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_page_has_the_series_of_each_worker_and_its_counters_grow(served):
    with serving(served) as port:
        text = http.get(f"http://127.0.0.1:{port}/metrics").raise_for_status().text
    assert served.names.total() == len(served.heads)
    assert len(series_of(text)) == len(served.heads) == len(text.splitlines())
    begun, later = (series_of(served.at(seconds, 1e9 + seconds).decode()) for seconds in (0, 300))
    assert set(begun) == set(later)
    by_worker = {labels for name, labels in begun if name == m.WINDOW_EVALUATED.name}
    assert {dict(labels)["worker"] for labels in by_worker} == {"9000", "9001", "9002"}
    assert all(later[m.WINDOW_EVALUATED.name, labels] == 1e9 + 300 for labels in by_worker)
    drifted = {
        dict(labels)["feature"] for (name, labels), value in begun.items() if name == m.DRIFTED.name and value
    }
    assert {f"feature_{index:03}" for index in MOVED} <= drifted
    counted = [key for key in begun if key[0] == m.OBSERVATIONS.name and begun[key]]
    assert counted
    assert all(later[key] == 2 * begun[key] for key in counted)
    assert all(later[key] == begun[key] for key in begun if key[0] == m.BASELINE_BIN_RATIO.name)


def test_the_line_is_the_one_that_the_values_lie_on():
    line = through([1, 10, 50], [0.12, 0.3, 1.1])
    assert line == Line(pytest.approx(0.1), pytest.approx(0.02))
    assert line.reaches(7.5) == pytest.approx(370)
    assert Line(1.0, 0.0).reaches(7.5) == math.inf
    level = through([1, 10, 50], [0.5, 0.4, 0.4])
    assert level.each == 0
    assert 0.4 < level.fixed < 0.5
    with pytest.raises(ValueError, match="two sizes"):
        through([10, 10], [1.0, 1.0])


def costs() -> list[dict[str, Any]]:
    return [
        {
            "hosts": hosts,
            "series": 200 * hosts,
            "group_seconds": {"torchvitals-rules": 0.01 * hosts, "torchvitals-fleet-1d": 0.5},
            "intervals": {"torchvitals-rules": 15, "torchvitals-fleet-1d": 120},
            "processor": 0.01 * hosts,
            "rss_bytes": 10_000_000 * hosts,
        }
        for hosts in (1, 10, 50)
    ]


def test_the_bound_is_the_first_group_that_fills_half_of_its_interval():
    hosts, group = most(costs())
    assert (hosts, group) == (pytest.approx(750, abs=1), "torchvitals-rules")


def test_the_document_has_the_table_and_the_rest_stays(tmp_path):
    document, picture = tmp_path / "scale.md", tmp_path / "scale.png"
    before = report.DOCUMENT.read_text(encoding="utf-8")
    document.write_text(before, encoding="utf-8")
    results = {
        "date": "2026-01-01",
        "machine": {"processor": "a processor", "cores": "2"},
        "settings": {"features": 100, "workers": 4},
        "page": {m.DRIFTED.name: 60, m.OBSERVATIONS.name: 30, m.REQUESTS.name: 10},
        "all_detailed": 200,
        "costs": costs(),
    }
    report.write(results, document)
    report.draw(results, picture)
    after = document.read_text(encoding="utf-8")
    assert "| `torchvitals-rules`, seconds of 15 | 0.010 | 0.100 | 0.500 | 10.00 |" in after
    assert "| series | 200 | 2,000 | 10,000 | 200,000 |" in after
    assert "| counts by bin, and the baseline's shares: 2 × features × bins | 30 |" in after
    assert "| latency, requests, memory, the monitor itself | 10 |" in after
    assert "| all | 100 |" in after
    measured = pattern("measured")
    assert measured.sub("", after) == measured.sub("", before)
    assert picture.read_bytes().startswith(b"\x89PNG")
    document.write_text("# Nothing", encoding="utf-8")
    with pytest.raises(ValueError, match="0 places"):
        report.write(results, document)


def test_the_configurations_in_the_document_are_yaml():
    blocks = re.findall(r"```yaml\n(.*?)```", report.DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    assert all("scrape_configs" in yaml.safe_load(block) for block in blocks)
