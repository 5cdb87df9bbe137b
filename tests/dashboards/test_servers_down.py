"""The overview counts the servers that are down, however long they are, and no other targets of Prometheus."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.dashboards.queries import load, panels_of, substitute

PROMTOOL = shutil.which("promtool")
CHOSEN = {"job": ".+", "instance": ".+", "cluster": ".*", "namespace": ".*", "env": ".*"}
LIVES, DIED, NEVER_CAME = "1x800", "1x5 0x800", "0x800"


@pytest.mark.skipif(PROMTOOL is None, reason="needs the program 'promtool' (Debian package prometheus)")
@pytest.mark.parametrize(
    ("servers", "seen", "down"),
    [
        pytest.param({("torchserve", "a"): LIVES}, {"a"}, 0, id="all are up"),
        pytest.param({("torchserve", "a"): LIVES, ("torchserve", "b"): DIED}, {"a"}, 1, id="one died"),
        pytest.param(
            {("torchserve", "a"): NEVER_CAME, ("torchserve", "b"): DIED}, set(), 2, id="no one is up"
        ),
        pytest.param(
            {("ours", "a"): LIVES, ("ours", "b"): NEVER_CAME}, {"a"}, 1, id="another name of the job"
        ),
        pytest.param({("torchserve", "a"): LIVES, ("prometheus", "p"): DIED}, {"a"}, 0, id="another program"),
    ],
)
def test_servers_that_are_down(
    tmp_path: Path, servers: dict[tuple[str, str], str], seen: set[str], down: int
) -> None:
    assert PROMTOOL is not None
    [panel] = [panel for panel in panels_of(load("torchvitals-overview")) if panel["title"] == "Servers down"]
    up = [
        {"series": f'up{{job="{job}", instance="{instance}"}}', "values": values}
        for (job, instance), values in servers.items()
    ]
    models = [
        {
            "series": f'model:model_monitor:fresh_workers{{job="{job}", instance="{instance}", model_name="m"}}',
            "values": "2x800",
        }
        for job, instance in servers
        if instance in seen
    ]
    case = {
        "interval": "1m",
        "input_series": [*up, *models],
        "promql_expr_test": [
            {
                "expr": substitute(panel["targets"][0]["expr"], CHOSEN),
                "eval_time": "12h",
                "exp_samples": [{"labels": "{}", "value": down}],
            }
        ],
    }
    (tmp_path / "rules.yml").write_text("groups: []\n", encoding="utf-8")
    test = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [case]}
    (tmp_path / "test.yml").write_text(json.dumps(test), encoding="utf-8")  # JSON is YAML
    outcome = subprocess.run(
        [PROMTOOL, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
