"""Every block of settings is read by what it is for: our configuration, Prometheus, Alertmanager, and so on."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from retraining.loading import parse
from tests.docs.blocks import ROOT, Block, blocks
from torchvitals.config import read_config

YAML = blocks("yaml")


def monitoring(block: Block, content: dict[str, Any]) -> None:
    """A section of model-config.yaml, whole or from `features:` on."""
    section = content.get("handler", {"monitoring": content})
    assert read_config({"handler": section}) is not None


def prometheus(block: Block, content: dict[str, Any], folder: Path) -> None:
    for name in ("rules.yml", "alerts.yml"):
        shutil.copy(ROOT / "prometheus" / name, folder)
    (folder / "prometheus.yml").write_text(block.text)
    done = subprocess.run(
        ["promtool", "check", "config", "prometheus.yml"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def alertmanager(block: Block, content: dict[str, Any], folder: Path) -> None:
    names = [receiver["name"] for receiver in content["receivers"]]
    text = yaml.safe_dump({"route": {"receiver": names[0]}, **content})
    (folder / "alertmanager.yml").write_text(text)
    done = subprocess.run(
        ["amtool", "check-config", "alertmanager.yml"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    templates = "".join(file.read_text() for file in (ROOT / "alertmanager" / "templates").glob("*.tmpl"))
    assert all(f'define "{name}"' in templates for name in re.findall(r'template "([\w.]+)"', block.text))


def compose(block: Block, content: dict[str, Any]) -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert set(content["services"]) <= set(services)


def retraining(block: Block, folder: Path) -> None:
    file = folder / "retraining.yml"
    file.write_text(block.text)
    assert set(parse(file).models) == {"fraud", "churn"}


def cluster(block: Block, content: dict[str, Any]) -> None:
    """Resources of a cluster: no test has one, so that their kind and place alone are looked at."""
    assert content["kind"] in {"InferenceService", "PodMonitor"}
    assert content["metadata"]["name"]


@pytest.mark.parametrize("block", [pytest.param(block, id=block.place) for block in YAML])
def test_settings_are_read(block: Block, tmp_path: Path) -> None:
    content = yaml.safe_load(textwrap.dedent(block.text))
    keys = set(content)
    if keys & {"handler", "features"}:
        monitoring(block, content)
    elif "apiVersion" in keys:
        cluster(block, content)
    elif "services" in keys:
        compose(block, content)
    elif "actions" in keys:
        retraining(block, tmp_path)
    elif "receivers" in keys:
        alertmanager(block, content, tmp_path)
    elif keys & {"scrape_configs", "alerting"}:
        prometheus(block, content, tmp_path)
    else:
        # Of a scrape configuration, for Prometheus 3.
        assert keys == {"http_headers"}, f"{block.place}: nothing is known that reads {sorted(keys)}"
        files = [name for header in content["http_headers"].values() for name in header["files"]]
        assert files


@pytest.mark.parametrize("block", [pytest.param(block, id=block.place) for block in blocks("json")])
def test_json_is_json(block: Block) -> None:
    assert json.loads(block.text.replace("{…}", "{}"))


@pytest.mark.parametrize("block", [pytest.param(block, id=block.place) for block in blocks("properties")])
def test_settings_of_torchserve_show_metrics(block: Block) -> None:
    settings = dict(line.split("=", 1) for line in block.text.splitlines())
    assert settings["metrics_mode"] == "prometheus"
    assert settings["enable_metrics_api"] == "true"
    assert settings["metrics_config"].endswith("metrics.yaml")
    json.loads(settings["model_snapshot"])
