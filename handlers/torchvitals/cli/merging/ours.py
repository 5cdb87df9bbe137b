"""What TorchVitals adds to the files of others, and where it stands."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

from ...telemetry.generate import metrics_yaml
from ..rules.render import TORCHSERVE_JOB, rendered
from ..shipped import shipped
from .tree import loaded

RULE_FILES = ("rules.yml", "alerts.yml")
# What the rules read of TorchServe's own metrics; those that nobody reads may be left out of a metrics.yaml.
READ = re.compile(r"\b(ts_\w+|Requests\dXX|WorkerLoadTime)\b")


@dataclass(frozen=True)
class Wishes:
    """What to add where there is a choice.

    target, alertmanager: addresses as Prometheus and its targets know them. folder: where `torchvitals export` puts our
    rules and texts, as seen from the file that names them. receiver, critical: existing receivers of Alertmanager for
    our alerts; None: the default route's.
    """

    target: str = "127.0.0.1:8082"
    alertmanager: str = "127.0.0.1:9093"
    folder: str = "torchvitals"
    metrics_config: str = "metrics.yaml"
    job: str = TORCHSERVE_JOB
    receiver: str | None = None
    critical: str | None = None


@functools.cache
def rules_texts() -> dict[str, str]:
    """Return our rule files by name."""
    return dict(rendered())


def metrics() -> dict[str, Any]:
    """Return our metrics.yaml as data."""
    data: dict[str, Any] = loaded(metrics_yaml())
    return data


def causes() -> list[str]:
    """Return the values of the label that each of our alerts carries."""
    return sorted(set(re.findall(r"\bcause: (\w+)", rules_texts()["alerts.yml"])))


def alertmanager_yml() -> dict[str, Any]:
    """Return our Alertmanager's configuration as data."""
    data: dict[str, Any] = loaded(shipped("alertmanager/alertmanager.yml").read_text(encoding="utf-8"))
    return data
