"""Files changed at random: each is refused, or kept around our part, and then complete."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from torchvitals.cli.merging.kinds import merged
from torchvitals.cli.merging.ours import Wishes
from torchvitals.cli.merging.text import MergeError

from .files import FILES

TEXTS = sorted({(name, text) for name, text in FILES.values() if text})
SIGNS = "{}[]:-#'\" <>&*|"


@st.composite
def changed(draw: st.DrawFn) -> tuple[str, str]:
    """Return a file's name and its text with up to three lines left out, moved, or with a sign in them."""
    name, text = draw(st.sampled_from(TEXTS))
    lines = text.splitlines(keepends=True)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(lines) - 1))
        line = lines[place]
        sign, at = draw(st.sampled_from(SIGNS)), draw(st.integers(0, len(line)))
        ways = ["", f" {line}", line.lstrip(" "), f"{line}# a comment\n", line[:at] + sign + line[at:]]
        lines[place] = draw(st.sampled_from(ways)) or "\n"
    return name, "".join(lines)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(changed())
def test_a_file_is_refused_or_kept(tmp_path_factory: pytest.TempPathFactory, file: tuple[str, str]) -> None:
    name, text = file
    path: Path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(text.encode())
    try:
        result = merged(path, Wishes())
    except MergeError:
        return
    rest = iter(result.after)
    assert all(character in rest for character in result.document.text)
    path.write_bytes(result.document.written(result.after))
    assert not merged(path, Wishes()).changed
