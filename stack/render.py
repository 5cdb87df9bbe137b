"""A run's own copies of the production configurations.

Read from the repository's root, and changed where a run has to differ: addresses, folders, models and workers,
intervals, the token check and the model API. All else, the durations in alerts.yml first of all, is as in production.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .errors import StackError
from .ports import HOST, Ports, first_worker_port, url
from .programs import ROOT

DURATION = re.compile(r"(\d+)(ms|s|m|h)")
# Of a run in which minutes are seconds; whatever in the file has waits of its own keeps them.
SHORT_WAITS = {"group_wait": "15s", "group_interval": "1m"}
MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


def config_properties(
    ports: Ports,
    *,
    model_store: Path,
    models: Mapping[str, str],
    workers: int,
    added: Mapping[str, str] | None = None,
    source: Path | None = None,
) -> str:
    """Return TorchServe's settings; raise StackError where the production file lacks one that a run changes.

    models: archive in the model store, by the name under which it is served. workers: of each model. added: further
    settings.
    """
    source = source or ROOT / "config.properties"
    changes = {
        "inference_address": url(ports.inference),
        "management_address": url(ports.management),
        "metrics_address": url(ports.metrics),
        "grpc_inference_port": str(ports.grpc_inference),
        "grpc_management_port": str(ports.grpc_management),
        "initial_worker_port": str(first_worker_port()),
        "model_store": str(model_store),
        "load_models": ",".join(f"{name}={archive}" for name, archive in models.items()),
        "default_workers_per_model": str(workers),
        "metrics_config": str(ROOT / "metrics.yaml"),
        "disable_token_authorization": "true",
        # Only this machine reaches a run, and it may try models out.
        "enable_model_api": "true",
    }
    lines = []
    for line in source.read_text().splitlines():
        key, equals, _ = line.partition("=")
        change = changes.pop(key, None) if equals and not line.startswith("#") else None
        lines.append(line if change is None else f"{key}={change}")
    if changes:
        raise StackError(f"{source} lacks the settings {', '.join(changes)}; a run has to change them")
    lines += [f"{key}={value}" for key, value in (added or {}).items()]
    return "\n".join(lines) + "\n"


def prometheus_yml(
    ports: Ports,
    *,
    interval: str | None = None,
    alerts: Path | None = None,
    labels: bool = False,
    source: Path | None = None,
) -> str:
    """Return Prometheus's configuration.

    interval: how often it scrapes and evaluates, such as "1s"; None: as in production. alerts: a file in the place of
    alerts.yml. labels: whether the labels service runs.
    """
    source = source or ROOT / "prometheus" / "prometheus.yml"
    config = yaml.safe_load(source.read_text())
    if interval is not None:
        settings = config["global"]
        settings["scrape_interval"] = settings["evaluation_interval"] = interval
        # Prometheus refuses a timeout that is longer than the interval.
        if milliseconds(interval) < milliseconds(settings["scrape_timeout"]):
            settings["scrape_timeout"] = interval
    own = {"alerts.yml": alerts} if alerts else {}
    config["rule_files"] = [str(own.get(name, source.parent / name)) for name in config["rule_files"]]
    targets = {
        "torchserve": ports.metrics,
        "prometheus": ports.prometheus,
        "alertmanager": ports.alertmanager,
    }
    if labels:
        targets["labels"] = ports.labels
    for job in config["scrape_configs"]:
        # Without the service, the file that says where it is is not there.
        if job["job_name"] == "labels" and not labels:
            continue
        job.pop("file_sd_configs", None)
        job["static_configs"] = _at(targets[job["job_name"]])
    for manager in config["alerting"]["alertmanagers"]:
        manager["static_configs"] = _at(ports.alertmanager)
    return yaml.safe_dump(config, sort_keys=False)


@dataclass(frozen=True)
class Retraining:
    """Where a run's retraining service listens, and the file with its token."""

    url: str
    token_file: Path


def alertmanager_yml(
    ports: Ports,
    *,
    interval: str | None = None,
    retraining: Retraining | None = None,
    templates: tuple[Path, ...] = (),
    source: Path | None = None,
) -> str:
    """Return Alertmanager's configuration, with every webhook at the run's receiver.

    interval: how often Prometheus evaluates where that is not as in production; notifications then wait for others as
    `SHORT_WAITS` says. retraining: switches on the receiver of that name. templates: files that win over those of the
    repository.
    """
    source = source or ROOT / "alertmanager" / "alertmanager.yml"
    config = yaml.safe_load(source.read_text())
    if interval is not None:
        config["route"] |= SHORT_WAITS
    config["templates"] = [
        *(str(source.parent / pattern) for pattern in config["templates"]),
        *map(str, templates),
    ]
    for receiver in config["receivers"]:
        for webhook in receiver.get("webhook_configs", []):
            webhook["url"] = f"{url(ports.receiver)}/alerts"
        if receiver["name"] == "retraining" and retraining is not None:
            receiver["webhook_configs"] = [
                {
                    "url": f"{retraining.url}/alerts",
                    "send_resolved": False,
                    "http_config": {"authorization": {"credentials_file": str(retraining.token_file)}},
                }
            ]
    return yaml.safe_dump(config, sort_keys=False)


def addresses_tmpl(grafana_url: str) -> str:
    """Return the template that says where people find Grafana, as in alertmanager/templates/addresses.tmpl."""
    return f'{{{{ define "torchvitals.grafana_url" }}}}{grafana_url}{{{{ end }}}}\n'


def milliseconds(duration: str) -> int:
    """Return a duration as Prometheus writes it, such as "1m30s", in milliseconds; raise StackError."""
    parts = DURATION.findall(duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise StackError(f"'{duration}' is not a duration such as '1s' or '500ms'")
    return sum(int(number) * MILLISECONDS[unit] for number, unit in parts)


def _at(port: int) -> list[dict[str, Any]]:
    return [{"targets": [f"{HOST}:{port}"]}]
