"""The shipped rules on VictoriaMetrics: vmalert loads them. What they tell there is in test_other_players.py."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from stack import programs

RULES = Path(__file__).parents[2] / "prometheus"
# vmalert of Debian's next release, and that of the release that the machine runs: 1.79.5 in Debian 12.
NEXT, OWN = "vmalert-next", "vmalert-own"


def loads(program: str, *files: Path) -> None:
    """Let vmalert read rules, their queries and their templates; its own words are the assertion's message."""
    vmalert = programs.find(program)
    if vmalert is None:
        pytest.skip(f"VictoriaMetrics's vmalert is missing: no program '{program}' (scripts/test_tools.sh)")
    words = [str(vmalert), "-dryRun", *(f"-rule={file}" for file in files)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def without_keep_firing_for(folder: Path) -> Path:
    """Write the alerts as docs/victoria-metrics.md says for VictoriaMetrics before 1.92; return the file."""
    file = folder / "alerts.yml"
    command = ["sed", "/keep_firing_for:/d", str(RULES / "alerts.yml")]
    file.write_text(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return file


def test_vmalert_loads_the_rules() -> None:
    loads(NEXT, RULES / "rules.yml", RULES / "alerts.yml")


@pytest.mark.parametrize("program", [NEXT, OWN])
def test_vmalert_of_any_age_loads_the_rules_without_keep_firing_for(program: str, tmp_path: Path) -> None:
    loads(program, RULES / "rules.yml", without_keep_firing_for(tmp_path))


def test_vmalert_refuses_a_function_that_it_does_not_know(tmp_path: Path) -> None:
    """So that loading says something of the queries."""
    file = tmp_path / "rules.yml"
    file.write_text("groups: [{name: g, rules: [{record: a, expr: 'holt_wintersx(up[5m], 1, 1)'}]}]")
    with pytest.raises(AssertionError, match="holt_wintersx"):
        loads(NEXT, file)
