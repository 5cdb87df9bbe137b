"""A Docker engine for the compose test: the one that is reachable, or one started for this run alone.

The engine that is started here listens on a unix socket in a folder of its own, keeps its images there, changes
neither the firewall nor a setting of the kernel, and is stopped by its process id; then the folder goes too.
Containers reach each other and their published ports; they do not reach the outside. A build does, with
``network: host``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START = "TORCHVITALS_START_ENGINE"  # set to 1 by `make test-compose`
PACKAGES = {
    "dockerd": "docker.io",
    "docker": "docker.io",
    "docker-compose": "docker-compose",
    "debootstrap": "debootstrap",
}
START_SECONDS = 60.0
STOP_SECONDS = 60.0


class NoEngineError(RuntimeError):
    """No engine is reachable and none may or can be started; says why and what would."""


@dataclass(frozen=True)
class Engine:
    """A reachable engine: the environment for its clients, and whether this run started it."""

    environment: dict[str, str]
    own: bool


def reachable(environment: dict[str, str]) -> bool:
    """Say whether ``docker`` reaches an engine with this environment."""
    if not shutil.which("docker"):
        return False
    answer = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"],
        env=environment, capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    return answer.returncode == 0


@contextmanager
def engine() -> Iterator[Engine]:
    """Yield a reachable engine; start one for the time of the context where ``TORCHVITALS_START_ENGINE`` is 1.

    Raises NoEngineError when there is none.
    """
    environment = dict(os.environ)
    if reachable(environment):
        yield Engine(environment, own=False)
        return
    try:
        provide(list(PACKAGES))
    except NoEngineError as error:
        raise NoEngineError(f"no Docker engine is reachable; {error}, which starts one") from error
    folder = Path(tempfile.mkdtemp(prefix="torchvitals-engine-", dir="/var/tmp"))
    try:
        with started(folder) as own:
            yield own
    finally:
        remove(folder)


def provide(programs: list[str]) -> None:
    """See that root runs this, was asked to, and has the programs; install what is missing from Debian's packages.

    Raises NoEngineError, with what to do, where that is not so.
    """
    if os.environ.get(START) != "1" or os.geteuid() != 0:
        raise NoEngineError("run `make test-compose` as root")
    packages = sorted({PACKAGES[program] for program in programs if not shutil.which(program)})
    if not packages:
        return
    if not shutil.which("apt-get"):
        raise NoEngineError(f"install {', '.join(packages)} and run `make test-compose` as root")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        subprocess.run(["apt-get", "-q", *arguments], env=environment, check=True)


@contextmanager
def started(folder: Path) -> Iterator[Engine]:
    """Run ``dockerd`` with all its files in ``folder``; stop it at the end.

    Raises NoEngineError, with the end of its log, when it does not come up.
    """
    socket = f"unix://{folder}/docker.sock"
    environment = {key: value for key, value in os.environ.items() if key != "DOCKER_CONTEXT"}
    environment["DOCKER_HOST"] = socket
    command = [
        # Were this process killed, the engine would get the signal to stop.
        *(["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []),
        "dockerd",
        f"--host={socket}",
        f"--data-root={folder}/data",
        f"--exec-root={folder}/exec",
        f"--pidfile={folder}/docker.pid",
        "--bridge=none",
        "--iptables=false",
        "--ip6tables=false",
        "--ip-forward=false",
        "--ip-masq=false",
    ]
    log = folder / "dockerd.log"
    with log.open("wb") as output:
        # Away from the terminal, so that Ctrl-C ends the test and the test then the engine.
        daemon = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not reachable(environment):
            if daemon.poll() is not None or time.monotonic() > deadline:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise NoEngineError(f"dockerd did not come up; the end of its log:\n{tail}")
            time.sleep(0.5)
        yield Engine(environment, own=True)
    finally:
        daemon.terminate()
        try:
            daemon.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def remove(folder: Path) -> None:
    """Remove an engine's folder, after whatever it left mounted there."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", mount], check=True)
    shutil.rmtree(folder)
