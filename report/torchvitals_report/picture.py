"""Pictures of a page, taken by headless Chromium."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from .collect import Report
from .errors import ReportError
from .page import PAGE_PIXELS, html_page

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
TIMEOUT_SECONDS = 120
# What Chromium can hold in one picture.
MOST_PIXELS = 16384
MARGIN_PIXELS = 24
SCALE = 1.5

# Writes the height of the page where --dump-dom shows it; it is in no page that a user gets.
_MEASURE = (
    "<script>document.documentElement.dataset.height = document.documentElement.scrollHeight</script></body>"
)


def find_chromium() -> str:
    """Return the path of Chromium. Raises ReportError where there is none."""
    found = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if found is None:
        raise ReportError(
            "--png needs Chromium (Debian and Ubuntu: apt install chromium), and none of "
            f"{', '.join(PROGRAMS)} is on the PATH"
        )
    return found


def write_pictures(report: Report, output: Path, *, dark: bool = False) -> list[Path]:
    """Write a PNG of each dashboard beside ``output``: report.html gives report-overview.png and so on.

    Raises ReportError where Chromium is missing or fails.
    """
    chromium = find_chromium()
    written = []
    for section in report.sections:
        path = output.with_name(f"{output.stem}-{section.name}.png")
        take(chromium, html_page(report, (section.name,)), path, dark=dark)
        written.append(path)
    return written


def take(chromium: str, page: str, path: Path, *, dark: bool = False) -> None:
    """Write a PNG of a whole page. Raises ReportError where Chromium fails."""
    with tempfile.TemporaryDirectory(prefix="torchvitals-") as name:
        folder = Path(name)
        width = PAGE_PIXELS + 2 * MARGIN_PIXELS
        # The page forbids scripts; the copy that is measured allows its one.
        measured = page.replace("default-src 'none'", "default-src 'none'; script-src 'unsafe-inline'")
        (folder / "measured.html").write_text(measured.replace("</body>", _MEASURE), encoding="utf-8")
        (folder / "page.html").write_text(page, encoding="utf-8")
        dom = _run(chromium, folder, "measured.html", "--dump-dom", f"--window-size={width},800")
        match = re.search(r'<html[^>]* data-height="(\d+)"', dom)
        if match is None:
            raise ReportError("Chromium did not lay the page out; is it a headless-capable version?")
        height = int(match[1])
        scale = min(SCALE, MOST_PIXELS / height)
        picture = folder / "picture.png"
        _run(
            chromium,
            folder,
            "page.html",
            f"--screenshot={picture}",
            f"--window-size={width},{height}",
            f"--force-device-scale-factor={scale:.3f}",
            "--hide-scrollbars",
            *(["--blink-settings=preferredColorScheme=0"] if dark else []),
        )
        if not picture.is_file():
            raise ReportError("Chromium ended without a picture")
        path.write_bytes(picture.read_bytes())


def _run(chromium: str, folder: Path, page: str, *options: str) -> str:
    words = [chromium, "--headless", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
             f"--user-data-dir={folder / 'profile'}", *options]  # fmt: skip
    if os.geteuid() == 0:
        # Chromium's sandbox does not work for root; the page is our own, without scripts and network.
        words.append("--no-sandbox")
    words.append((folder / page).as_uri())
    try:
        outcome = subprocess.run(  # noqa: S603
            words, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ReportError(f"Chromium could not take a picture: {error}") from error
    if outcome.returncode:
        last = (outcome.stderr.strip().splitlines() or ["no message"])[-1]
        raise ReportError(f"Chromium ended with status {outcome.returncode}: {last}")
    return outcome.stdout
