"""The five lines of a graph: one series a rank, all different, also where series are equally large."""

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
def test_each_rank_is_one_series_of_its_own(tmp_path: Path, series: int) -> None:
    assert PROMTOOL is not None
    targets = ranked("max by (name) (x)", "max by (name) (max_over_time(x[3s] @ end()))", "{{name}}")
    union = " or ".join(f"({target.expr})" for target in targets)
    expected = [min(1, max(0, series - rank)) for rank in range(LINES)]
    chooser = random.Random(3)
    cases = []
    for _ in range(40):
        # Few different values, so that most ranks are tied.
        values = [chooser.choice([0, 0, 0, 1, 1, 2, 5]) for _ in range(series)]
        cases.append(
            {
                "interval": "1s",
                "input_series": [
                    {"series": f'x{{name="{index}"}}', "values": f"{value}x5"}
                    for index, value in enumerate(values)
                ],
                "promql_expr_test": [
                    _case(f"count({expr})", count)
                    for expr, count in [
                        *((target.expr, count) for target, count in zip(targets, expected)),
                        (union, sum(expected)),
                    ]
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


def _case(expr: str, count: int) -> dict[str, object]:
    samples = [{"labels": "{}", "value": count}] if count else []
    return {"expr": expr, "eval_time": "3s", "exp_samples": samples}
