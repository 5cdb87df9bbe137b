"""The site is built as `make docs` builds it: a warning, such as a link or an anchor that is not there, fails it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_readme_is_the_first_page_and_its_links_stay_on_the_site(site: Path) -> None:
    page = (site / "index.html").read_text(encoding="utf-8")
    assert "<h1" in page
    assert 'href="docs/' not in page
    assert 'href="scale.html"' in page
    assert 'href="https://github.com/torchvitals/torchvitals/blob/main/CONTRIBUTING.md"' in page


def test_pictures_and_pages_that_the_site_names_are_in_it(site: Path) -> None:
    missing = []
    for page in site.rglob("*.html"):
        if page.name == "404.html":
            continue  # its links begin at the site's root
        for target in re.findall(r'(?:src|href)="([^"#?]+)', page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:|//", target):
                place = (page.parent / target).resolve()
                if not (place / "index.html" if place.is_dir() else place).exists():
                    missing.append(f"{page.relative_to(site)}: {target}")
    assert missing == []


def test_the_api_has_what_is_public(site: Path) -> None:
    import torchvitals

    page = (site / "api.html").read_text(encoding="utf-8")
    names = [name for name in torchvitals.__all__ if name not in ("__version__", "DriftMonitor")]
    assert [name for name in names if name not in page] == []


def test_a_link_to_nowhere_fails_the_build(tmp_path: Path) -> None:
    from scripts.site_hooks import LINK

    found = LINK.findall('[a](b.md) [c](https://d) [e](#f) <img src="g.png"> [h](../i.md#j)')
    assert found == [("](", "b.md"), ('src="', "g.png"), ("](", "../i.md")]
