"""A baseline from a stranger is refused in a line, or served: it runs nothing, and exhausts nothing."""

import json
import os
import subprocess
import sys

import msgspec
import pytest

from tests.unit.baseline.hostile import KINDS, changed, made
from torchvitals import Baseline, BaselineError

# More of them, and others: TORCHVITALS_FUZZ_CASES=2000 TORCHVITALS_FUZZ_SEED=7 pytest tests/unit/baseline
CASES = os.environ.get("TORCHVITALS_FUZZ_CASES", "60")
SEED = os.environ.get("TORCHVITALS_FUZZ_SEED", "0")


@pytest.mark.parametrize("kinds", [KINDS[:8], KINDS[8:]], ids=["inputs", "outputs"])
def test_any_value_made_hostile_is_refused_or_served_within_bounds(kinds):
    words = [sys.executable, "-W", "ignore", "-m", "tests.unit.baseline.hostile", CASES, SEED, *kinds]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert list(found) == list(kinds)
    for kind, of_kind in found.items():
        assert of_kind["faults"] == [], kind
        assert of_kind["refused"] > of_kind["loaded"] > 0, (kind, of_kind)
    # What is raised in the flush loop is counted, and would leave the monitor blind.
    assert "TorchVitals failed" not in done.stderr, done.stderr[-2000:]


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("inputs", "channels"), 2**31, "images have 2147483648 channels; they may have 1 to 10,000"),
        (("inputs", "pixels"), 2**62, "pixels of images are looked at; it may be 1 to"),
        (("samples",), -1, "it is of -1 rows"),
        (("features", 0, "categories"), ["a"], "is numeric, and 1 of its categories are texts"),
        (("features", -1, "name"), "nobody's", "'nobody's' is no feature of"),
    ],
)
def test_what_does_not_hang_together_is_told(place, value, words, tmp_path):
    baseline, *_ = made("images")
    file = tmp_path / "baseline.json"
    file.write_bytes(changed(json.loads(msgspec.json.encode(baseline)), place, value))
    with pytest.raises(BaselineError) as caught:
        Baseline.load(file)
    assert words in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_message_is_never_longer_than_anybody_reads():
    error = BaselineError("x" * 100_000 + "; rebuild it")
    assert len(str(error)) < 5_000
    assert str(error).endswith("; rebuild it")
