"""The page in a real headless Chromium: what it lays out, and pictures of it in light and in dark."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.report.conftest import MODEL, Made, run
from tests.report.test_report import Outline
from torchvitals_report import NAMES, picture
from torchvitals_report.errors import ReportError

CHROMIUM = next((path for name in picture.PROGRAMS if (path := shutil.which(name))), None)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian package chromium)")

LIGHT_PAGE, DARK_PAGE = (0xF4, 0xF5, 0xF7), (0x11, 0x12, 0x17)


def dump_dom(page: Path, profile: Path) -> str:
    """Return what Chromium made of the page, after scripts and network had their time."""
    assert CHROMIUM is not None
    outcome = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={profile}",
            "--enable-logging=stderr",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    # What the page's own policy refused would be said here.
    assert "Refused to" not in outcome.stderr
    assert "CONSOLE" not in outcome.stderr
    return outcome.stdout


def pixels(path: Path) -> tuple[tuple[int, int], tuple[int, ...], int]:
    """Size of a picture, the colour of its corner, and how many colours it has."""
    with Image.open(path) as opened:
        whole = opened.convert("RGB")
        colours = whole.getcolors(maxcolors=1 << 24)
        corner = whole.getpixel((2, 2))
        assert isinstance(corner, tuple)
        return whole.size, corner, len(colours)


def test_chromium_shows_every_panel(made: Made, tmp_path: Path) -> None:
    dom = dump_dom(made.page, tmp_path / "profile")
    outline = Outline(dom)
    assert outline.panels == Outline(made.text).panels
    assert {"svg", "path", "table"} <= outline.tags
    # One drawing for each panel that is drawn: lines, heatmaps, timelines and bars.
    drawn = sum(
        dom.count(f'class="panel {kind}"') for kind in ("timeseries", "heatmap", "state-timeline", "barchart")
    )
    assert dom.count("<svg") == drawn > 50


def test_png_of_each_dashboard(made: Made, tmp_path: Path) -> None:
    page = tmp_path / "incident.html"
    outcome = run("--model", MODEL, "--last", "30s", "--prometheus", made.url, "--output", str(page),
                  "--dashboard", "overview", "--dashboard", "drift", "--png")  # fmt: skip
    assert outcome.returncode == 0, outcome.stderr
    written = sorted(path.name for path in tmp_path.glob("*.png"))
    assert written == ["incident-drift.png", "incident-overview.png"]
    assert set(NAMES) > {"overview", "drift"}
    for name in written:
        (width, height), corner, colours = pixels(tmp_path / name)
        assert width == round((1400 + 2 * picture.MARGIN_PIXELS) * picture.SCALE)
        # The whole page, and not a window of it.
        assert height > 2 * width
        assert corner == LIGHT_PAGE
        assert colours > 100


def test_dark_where_the_reader_prefers_it(made: Made, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    path = tmp_path / "dark.png"
    picture.take(CHROMIUM, made.text, path, dark=True)
    _, corner, colours = pixels(path)
    assert corner == DARK_PAGE
    assert colours > 100


def test_without_chromium(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ReportError, match="--png needs Chromium"):
        picture.find_chromium()
    outcome = run("--model", MODEL, "--last", "30s", "--prometheus", made.url, "--dashboard", "health",
                  "--output", str(tmp_path / "page.html"), "--png")  # fmt: skip
    assert outcome.returncode == 1
    assert "apt install chromium" in outcome.stderr


def test_chromium_that_fails(tmp_path: Path) -> None:
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho 'no display' >&2\nexit 3\n", encoding="utf-8")
    broken.chmod(0o755)
    with pytest.raises(ReportError, match="Chromium ended with status 3: no display"):
        picture.take(str(broken), "<html><body></body></html>", tmp_path / "x.png")
