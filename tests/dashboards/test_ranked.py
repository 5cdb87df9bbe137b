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
    [target] = ranked("max by (name) (x)", "max by (name) (max_over_time(x[3s] @ end()))", "{{name}}")
    chooser = random.Random(3)
    cases: list[dict[str, object]] = []
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
    _play(tmp_path, cases)


@pytest.mark.skipif(PROMTOOL is None, reason="needs the program 'promtool' (Debian package prometheus)")
def test_equal_quantiles_are_drawn_once_each(tmp_path: Path) -> None:
    """histogram_quantile returns its series in another order each time: a query for each rank loses some of them."""
    p95 = "histogram_quantile(0.95, sum by (le, name) (increase(x[3s] @ end())))"
    [target] = ranked(p95, p95, "{{name}}")
    case = {
        "interval": "1s",
        "input_series": [
            {"series": f'x{{name="{name}", le="{bound}"}}', "values": f"0+{growth}x6"}
            for name in "abc"
            for bound, growth in (("1", 1), ("2", 2), ("+Inf", 2))
        ],
        "promql_expr_test": [
            {**_case(f"count({target.expr})", 3), "eval_time": "5s"},
            {**_case(f"max(count by (name) ({target.expr}))", 1), "eval_time": "5s"},
        ],
    }
    _play(tmp_path, [case] * 40)


def _play(folder: Path, cases: list[dict[str, object]]) -> None:
    assert PROMTOOL is not None
    (folder / "rules.yml").write_text("groups: []\n", encoding="utf-8")
    test = {"rule_files": ["rules.yml"], "evaluation_interval": "1s", "tests": cases}
    (folder / "test.yml").write_text(json.dumps(test), encoding="utf-8")  # JSON is YAML
    outcome = subprocess.run(
        [PROMTOOL, "test", "rules", "test.yml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def _case(expr: str, value: int) -> dict[str, object]:
    return {"expr": expr, "eval_time": "3s", "exp_samples": [{"labels": "{}", "value": value}]}
