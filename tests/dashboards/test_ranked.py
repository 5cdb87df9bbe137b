"""The five lines of a graph are five series, all different, also where series are equally large."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from grafana.build.promql import LINES, ranked

PROMTOOL = shutil.which("promtool")


@pytest.mark.skipif(PROMTOOL is None, reason="needs the program 'promtool' (Debian package prometheus)")
@pytest.mark.parametrize("series", [3, 9])
def test_it_draws_the_largest_and_no_more_than_five(tmp_path: Path, series: int) -> None:
    assert PROMTOOL is not None
    [target] = ranked("max by (name) (x)", "max by (name) (max_over_time(x[3s] @ end()))", "{{name}}")
    chooser = random.Random(3)
    cases = []
    for _ in range(40):
        # Few different values, so that most are tied.
        values = [chooser.choice([0, 0, 0, 1, 1, 2, 5]) for _ in range(series)]
        largest = sorted(values, reverse=True)[:LINES]
        cases.append(
            {
                "interval": "1s",
                "input_series": [
                    {"series": f'x{{name="{index}"}}', "values": f"{value}x5"}
                    for index, value in enumerate(values)
                ],
                "promql_expr_test": [
                    _case(f"count({target.expr})", len(largest)),
                    _case(f"sum({target.expr})", sum(largest)),
                    _case(f"max(count by (name) ({target.expr}))", 1),
                ],
            }
        )
    (tmp_path / "rules.yml").write_text("groups: []\n", encoding="utf-8")
    test = {"rule_files": ["rules.yml"], "evaluation_interval": "1s", "tests": cases}
    (tmp_path / "test.yml").write_text(json.dumps(test), encoding="utf-8")  # JSON is YAML
    outcome = subprocess.run(
        [PROMTOOL, "test", "rules", "test.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def _case(expr: str, value: int) -> dict[str, object]:
    return {"expr": expr, "eval_time": "3s", "exp_samples": [{"labels": "{}", "value": value}]}
