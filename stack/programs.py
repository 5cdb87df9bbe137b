"""Where the programs of the stack are."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from .errors import MissingProgramError
from .ports import HOST, url

_BESIDE = Path(__file__).resolve().parents[1]
# The configurations: around this folder in a clone, inside the package torchvitals where it is installed.
ROOT = _BESIDE if (_BESIDE / "Procfile").is_file() else _BESIDE / "torchvitals" / "shipped"
# Programs of the project's own, then those that were installed beside this Python, then the machine's.
OWN = ROOT / ".tools" / "bin"
BESIDE_PYTHON = Path(sys.executable).parent

NO_GRAFANA = (
    "Grafana is not on this machine, so no dashboards are shown; "
    "install it (https://grafana.com/grafana/download), or run 'docker compose up', which brings it."
)


@dataclass(frozen=True)
class Programs:
    """Absolute paths; Grafana is the one that may be missing."""

    torchserve: Path
    prometheus: Path
    alertmanager: Path
    grafana: Path | None


def find_programs() -> Programs:
    """Return where each program is; raise MissingProgramError for the first one that is nowhere."""
    if "JAVA_HOME" not in os.environ:  # else TorchServe starts that one (ts/model_server.py)
        require("Java, which TorchServe runs on,", "java")
    return Programs(
        torchserve=require("TorchServe", "torchserve"),
        prometheus=find_prometheus(),
        alertmanager=find_alertmanager(),
        grafana=find("grafana", "grafana-server"),
    )


def find_prometheus() -> Path:
    """Return where Prometheus is; raise MissingProgramError."""
    return require("Prometheus", "prometheus")


def find_alertmanager() -> Path:
    """Return where Alertmanager is; raise MissingProgramError."""
    # Debian calls it prometheus-alertmanager.
    return require("Alertmanager", "prometheus-alertmanager", "alertmanager")


def prometheus(config: Path, *, data: Path, port: int) -> list[str]:
    """Return how to start Prometheus alone on loopback; raise MissingProgramError."""
    return [
        str(find_prometheus()),
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        f"--web.listen-address={HOST}:{port}",
    ]


def alertmanager(config: Path, *, data: Path, port: int) -> list[str]:
    """Return how to start Alertmanager alone on loopback, without a cluster; raise MissingProgramError."""
    return [
        str(find_alertmanager()),
        f"--config.file={config}",
        f"--storage.path={data}",
        f"--web.listen-address={HOST}:{port}",
        f"--web.external-url={url(port)}",
        "--cluster.listen-address=",
    ]


def find(*names: str) -> Path | None:
    """Return the first program found under any of these names, or None."""
    path = os.pathsep.join([str(OWN), str(BESIDE_PYTHON), os.environ.get("PATH", os.defpath)])
    found = (shutil.which(name, path=path) for name in names)
    return next((Path(program).absolute() for program in found if program), None)


def require(title: str, *names: str) -> Path:
    """Return the first program found under any of these names; raise MissingProgramError."""
    program = find(*names)
    if program is None:
        wanted = "' or '".join(names)
        raise MissingProgramError(
            f"{title} is missing: no program '{wanted}' in {OWN}, beside {sys.executable} "
            "or on PATH; 'make setup' installs it"
        )
    return program


def grafana_command(program: Path) -> list[str]:
    """Return how to start Grafana: newer releases have one program with commands, older ones a server program."""
    command = [str(program), "server"] if program.name == "grafana" else [str(program)]
    home = grafana_home(program)
    return [*command, "--homepath", str(home)] if home else command


def grafana_home(program: Path) -> Path | None:
    """Return the folder with Grafana's own files: of an unpacked archive, a Linux package, or Homebrew."""
    resolved = program.resolve()
    places = (resolved.parents[1], resolved.parents[1] / "share" / "grafana", Path("/usr/share/grafana"))
    return next((place for place in places if (place / "conf" / "defaults.ini").is_file()), None)
