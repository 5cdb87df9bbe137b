"""`torchvitals report` against a real Prometheus: the page, its panels, its choices and its errors."""

from __future__ import annotations

import re
import socket
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.dashboards import exporter
from tests.dashboards.live import SCRAPE_SECONDS
from tests.dashboards.queries import load, panels_of
from tests.report.conftest import MODEL, Made, run
from torchvitals_report import NAMES, Choice, Prometheus, Span, collect, html_page
from torchvitals_report.collect import Panel, Series, Target

# Every panel has data in what the exporter serves.
NO_DATA: set[str] = set()


class Outline(HTMLParser):
    """The panels of a page: title and number of series, and every address in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.panels: list[tuple[str, int]] = []
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        found = dict(attrs)
        if "data-panel" in found:
            self.panels.append((str(found["data-panel"]), int(found["data-series"] or 0)))
        self.addresses += [
            str(value) for name, value in attrs if name in {"src", "href", "xlink:href", "action"}
        ]


def test_it_has_the_panels_of_all_dashboards(made: Made) -> None:
    shown = [title for title, _ in Outline(made.text).panels]
    defined = [
        panel["title"]
        .replace("$model_version", "1.9")
        .replace("$canary_version", "1.10")
        .replace("$feature", "temp")
        for name in NAMES
        for panel in panels_of(load(f"torchvitals-{name}"))
    ]
    assert shown == defined
    assert len(shown) > 90


def test_every_panel_has_data(made: Made) -> None:
    empty = {title for title, series in Outline(made.text).panels if not series}
    texts = {
        panel["title"]
        for name in NAMES
        for panel in panels_of(load(f"torchvitals-{name}"))
        if panel["type"] == "text"
    }
    assert empty - texts == NO_DATA
    assert "no data" not in made.text


def test_it_needs_nothing_from_elsewhere(made: Made) -> None:
    outline = Outline(made.text)
    assert not outline.tags & {"script", "iframe", "img", "object", "embed", "form", "base"}
    assert {address for address in outline.addresses if not address.startswith("#")} == set()
    # The names of SVG's own vocabulary are no addresses that anything loads.
    assert set(re.findall(r'https?://[^\s"<)]+', made.text)) - {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    } == {made.url + "."}
    assert "default-src 'none'" in made.text
    assert "url(http" not in made.text
    assert made.page.stat().st_size < 4_000_000


def test_ids_are_unique(made: Made) -> None:
    ids = re.findall(r'\bid="([^"]+)"', made.text)
    assert len(ids) == len(set(ids)) > len(NAMES)
    assert set(re.findall(r"url\(#([^)]+)\)", made.text)) <= set(ids)


def test_what_happened_is_listed(made: Made) -> None:
    events = made.text[made.text.index('id="events"') : made.text.index('id="overview"')]
    assert "ModelInputDrift" in events
    assert "still firing" in events
    assert f"{MODEL} 1.10 is served" in events
    # Of another model.
    assert "fraud" not in made.text


def test_stable_and_canary_are_told_apart(made: Made) -> None:
    versions = made.text[made.text.index('id="versions"') : made.text.index('id="health"')]
    # Both have as many calls; then the older one is the stable one.
    assert "stable 1.9" in versions
    assert "canary 1.10" in versions


def test_the_feature_that_moved_most_is_shown(made: Made) -> None:
    assert "One feature: temp" in made.text


def test_choices_are_taken(made: Made, tmp_path: Path) -> None:
    page = tmp_path / "one.html"
    chosen = ["--dashboard", "drift", "--version", "1.10", "--feature", "humid", "--window", "1000"]
    outcome = run("--model", MODEL, "--last", "30s", "--prometheus", made.url, "--output", str(page), *chosen)
    assert outcome.returncode == 0, outcome.stderr
    text = page.read_text(encoding="utf-8")
    assert "One feature: humid" in text
    assert "<b>1.10</b>" in text
    assert 'id="overview"' not in text


def test_a_time_in_the_past(made: Made, tmp_path: Path) -> None:
    """A span that ends before now has the points of that span alone."""
    end = time.time() - 5
    with Prometheus(made.url) as source:
        report = collect(source, Choice(MODEL), start=end - 24, end=end, dashboards=("model",))
    times = [
        at
        for section in report.sections
        for panel in section.panels
        for target in panel.targets
        for series in target.series
        for at, _ in series.points
    ]
    assert report.span == Span(end - 24, end, SCRAPE_SECONDS)
    # An instant query gives its own moment, and Prometheus keeps milliseconds.
    assert end - 24.001 <= min(times)
    assert max(times) <= end + 0.001


def test_no_such_model(made: Made, tmp_path: Path) -> None:
    page = tmp_path / "none.html"
    outcome = run("--model", "nobody", "--prometheus", made.url, "--output", str(page))
    assert outcome.returncode == 1
    assert outcome.stderr == (
        f"torchvitals: Prometheus at {made.url} knows no model 'nobody'; it knows: {', '.join(exporter.NAMES)}\n"
    )
    assert not page.exists()


def test_nothing_in_that_time(made: Made) -> None:
    outcome = run("--model", MODEL, "--until", "2001-02-03T04:05", "--prometheus", made.url)
    assert outcome.returncode == 1
    assert (
        "has nothing about model 'flight_delay' from 2001-02-03 03:05:00 UTC to 2001-02-03 04:05:00 UTC"
        in outcome.stderr
    )


def test_prometheus_does_not_answer() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    outcome = run("--model", MODEL, "--prometheus", f"http://127.0.0.1:{port}")
    assert outcome.returncode == 1
    assert f"Prometheus at http://127.0.0.1:{port} does not answer" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_it_is_no_prometheus() -> None:
    with exporter.Exporter() as source:
        outcome = run("--model", MODEL, "--prometheus", f"http://{source.address}")
    assert outcome.returncode == 1
    assert "is --prometheus the address of a Prometheus?" in outcome.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--last", "soon"], "'soon' is no duration"),
        (["--last", "0h"], "'0h' is no duration"),
        (["--until", "yesterday"], "'yesterday' is no moment"),
        (["--prometheus", "127.0.0.1:9090"], "'127.0.0.1:9090' is no address of Prometheus"),
        (["--dashboard", "costs"], "--dashboard: there is no 'costs'; there are overview, model"),
    ],
)
def test_wrong_words(words: list[str], message: str) -> None:
    outcome = run("--model", MODEL, *words)
    assert outcome.returncode == 1
    assert message in outcome.stderr
    assert outcome.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--version", "7"], "model 'flight_delay' has no version '7' in that time; it has: 1.10, 1.9"),
        (["--canary", "7"], "model 'flight_delay' has no version '7'"),
        (["--feature", "shoe_size"], "has no feature 'shoe_size' in that time; it has: air_time"),
        (["--window", "12"], "has no window '12' in that time; it has: 1000"),
        (["--output", "/nowhere/report.html"], "'/nowhere/report.html' cannot be written"),
    ],
)
def test_what_does_not_exist(made: Made, words: list[str], message: str) -> None:
    outcome = run(
        "--model", MODEL, "--last", "30s", "--dashboard", "health", "--prometheus", made.url, *words
    )
    assert outcome.returncode == 1
    assert message in outcome.stderr


def test_a_panel_without_data_says_so_and_names_are_escaped(made: Made) -> None:
    """Names come from outside: a model, a feature or a class may be called anything."""
    evil = "<img src=x onerror=alert(1)>\"'&"
    with Prometheus(made.url) as source:
        report = collect(source, Choice(MODEL), start=made.end - 10, end=made.end, dashboards=("drift",))
    [section] = report.sections

    def renamed(panel: Panel) -> Panel:
        targets = tuple(
            Target(
                target.ref,
                target.step,
                tuple(
                    Series(dict.fromkeys(series.labels, evil), evil, series.points)
                    for series in target.series[:1]
                ),
            )
            for target in panel.targets
        )
        if panel.title == "Mean shift":
            targets = ()
        return Panel(
            f"{panel.title} {evil}",
            panel.description,
            panel.kind,
            panel.width,
            panel.height,
            panel.source,
            targets,
        )

    changed = type(section)(section.name, section.title, {evil: evil}, tuple(map(renamed, section.panels)))
    page = html_page(type(report)(Choice(evil), report.span, f"http://{evil}", (changed,), report.events))
    outline = Outline(page)
    assert "img" not in outline.tags
    assert "onerror" in page
    assert "<img" not in page
    assert f"Mean shift {evil}" in dict(outline.panels)
    assert page.count('<p class="nothing">no data</p>') == 1
