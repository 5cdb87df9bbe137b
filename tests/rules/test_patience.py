"""A player that a busy machine makes too slow is asked again; what is wrong is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from stack.promtool import TRIES, patiently


@pytest.mark.parametrize(
    ("says", "status", "runs"),
    [
        ("err: query timed out in expression evaluation", 1, TRIES),
        ("FAILED: exp: 1 got: 2", 1, 1),
        ("SUCCESS", 0, 1),
    ],
)
def test_only_a_query_that_took_too_long_is_asked_again(
    says: str, status: int, runs: int, tmp_path: Path
) -> None:
    done = patiently(["sh", "-c", f"echo run >> runs; echo '{says}'; exit {status}"], tmp_path)
    assert (done.returncode, done.stdout.strip()) == (status, says)
    assert (tmp_path / "runs").read_text().split() == ["run"] * runs


def test_it_is_content_as_soon_as_there_is_time(tmp_path: Path) -> None:
    slow_once = "if test -e ran; then echo SUCCESS; else touch ran; echo 'query timed out'; exit 1; fi"
    done = patiently(["sh", "-c", slow_once], tmp_path)
    assert (done.returncode, done.stdout) == (0, "SUCCESS\n")
