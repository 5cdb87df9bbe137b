"""Files of TorchServe's, where a folder is given: who may reach the metrics, and how much is logged."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

from ..merging.kinds import merged
from ..merging.ours import Wishes
from ..merging.text import MergeError
from .finding import Finding
from .places import Places, configured

LOG_CONFIG = "log4j2.xml"
SIGNS = (Path("/.dockerenv"), Path("/run/.containerenv"), Path("/var/run/secrets/kubernetes.io"))


def in_container() -> bool:
    """Tell whether this machine is a container."""
    return any(sign.exists() for sign in SIGNS)


def public_metrics(places: Places) -> list[Finding]:
    """Tell whether anybody can read the metrics. In a container every port listens on all addresses."""
    if places.folder is None or places.in_container:
        return []
    address = configured(places.folder).get("metrics_address", "")
    host = urlsplit(address).hostname or "127.0.0.1"
    if not _is_public(host):
        return []
    return [
        Finding(
            "metrics",
            f"the metrics port is public: metrics_address={address}, and it asks for no token",
            "set metrics_address to 127.0.0.1 or a private address",
        )
    ]


def logging(places: Places) -> list[Finding]:
    """Tell whether the folder's log4j2.xml lacks the loggers that write less."""
    if places.folder is None or not (places.folder / LOG_CONFIG).is_file():
        return []
    file = places.folder / LOG_CONFIG
    try:
        result = merged(file, Wishes())
    except MergeError as error:
        return [Finding("logging", f"{file}: {error}", "start from ours: torchvitals export")]
    if not result.changed and not result.left:
        return []
    return [
        Finding(
            "logging",
            f"{file} lets TorchServe log several lines for each request and metric, gigabytes a day under load",
            f"torchvitals merge {file}",
        )
    ]


def _is_public(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_unspecified or address.is_global
