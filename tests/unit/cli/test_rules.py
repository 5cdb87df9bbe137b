"""`torchvitals rules generate`: the shipped files, other labels, other jobs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from torchvitals import ConfigurationError
from torchvitals.cli import app
from torchvitals.cli.rules.render import LABELS, rendered

ROOT = Path(__file__).resolve().parents[3]
GROUPED = re.compile(r"\b(?:on|by) \(([^)]*)\)")


def queries(text: str) -> list[str]:
    return [rule["expr"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("name", ["rules.yml", "alerts.yml"])
def test_the_shipped_files_are_what_is_generated(name: str) -> None:
    assert (ROOT / "prometheus" / name).read_text(encoding="utf-8") == rendered()[name]


@pytest.mark.parametrize("labels", [(), ("region",), LABELS])
def test_every_join_and_sum_over_servers_carries_the_labels(labels: tuple[str, ...]) -> None:
    for text in rendered(labels=labels).values():
        for query in queries(text):
            for group in GROUPED.findall(query):
                names = [name.strip() for name in group.split(",") if name.strip()]
                # What labels say is of a model in a place, and of no job.
                place = [*labels, "model_name"] if "job" not in names else [*labels, "job"]
                assert names[: len(labels) + 1] == place or names == []


def test_texts_ask_about_the_same_place() -> None:
    # What names the job where there is none asks about nothing.
    text = rendered(labels=("region",))["alerts.yml"].replace("or $labels.job ", "")
    assert text.count("job=%q") == text.count("region=%q, job=%q") > 0
    assert text.count("$labels.job ") == text.count("$labels.region $labels.job ") > 0
    assert "cluster" not in text


def test_another_job() -> None:
    texts = rendered(job="prod/.*")
    assert 'up{job=~"prod/.*"} == 0' in texts["alerts.yml"]
    assert 'job="torchserve"' not in texts["alerts.yml"]


def test_only_production_is_retrained() -> None:
    assert 'share{env=~"live"}' in rendered(production="live")["alerts.yml"]
    assert "share{env" not in rendered(labels=("region",))["alerts.yml"]


@pytest.mark.parametrize("label", ["a-b", "", "1st", "instance", "model_name"])
def test_a_label_that_cannot_be_is_refused(label: str) -> None:
    with pytest.raises(ConfigurationError, match="label"):
        rendered(labels=(label,))


def test_the_command_writes_both_files_and_checks_them(tmp_path: Path) -> None:
    words = ["rules", "generate", "--root", str(tmp_path), "--label", "region", "--label", "env"]
    runner = CliRunner()
    assert runner.invoke(app, [*words, "--check"]).exit_code == 1
    assert runner.invoke(app, words).exit_code == 0
    assert "by (region, env, job" in (tmp_path / "rules.yml").read_text()
    assert runner.invoke(app, [*words, "--check"]).exit_code == 0
    refused = runner.invoke(app, [*words, "--label", "a-b"])
    assert refused.exit_code == 1
    assert "a-b" in refused.output
