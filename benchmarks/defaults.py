"""A TorchServe as it comes: its own default settings and logging, nothing of ours. Only its ports are chosen."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from stack.loopback import http
from stack.ports import Ports, first_worker_port, url
from stack.programs import find_programs

STOP_SECONDS = 20


@dataclass(frozen=True)
class DefaultServer:
    """Where it listens."""

    inference_url: str
    management_url: str


@contextmanager
def default_server(
    folder: Path, *, store: Path, model: str, archive: str, seconds: float
) -> Iterator[DefaultServer]:
    """Serve one archive from `store` with TorchServe's defaults, its logs in `folder`, until the block ends.

    Raises RuntimeError when it does not serve within `seconds`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ports = Ports.free()
    settings = {
        "inference_address": url(ports.inference),
        "management_address": url(ports.management),
        "metrics_address": url(ports.metrics),
        "grpc_inference_port": ports.grpc_inference,
        "grpc_management_port": ports.grpc_management,
        "initial_worker_port": first_worker_port(),
    }
    file = folder / "ports.properties"
    file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()), encoding="utf-8")
    options = ["--start", "--foreground", "--ncs", "--disable-token-auth", "--ts-config", str(file)]
    # Workers' sockets lie in the temporary folder, and are named alike in every TorchServe.
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary, (folder / "output.log").open("wb") as log:
        process = subprocess.Popen(
            [find_programs().torchserve, *options, "--model-store", store, "--models", f"{model}={archive}"],
            cwd=folder,
            env={**os.environ, "TMPDIR": temporary, "TEMP": temporary},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            server = DefaultServer(url(ports.inference), url(ports.management))
            _wait_until_served(
                server, model, process, deadline=time.monotonic() + seconds, log=folder / "output.log"
            )
            yield server
        finally:
            _stop(process)


def _wait_until_served(
    server: DefaultServer, model: str, process: subprocess.Popen[bytes], *, deadline: float, log: Path
) -> None:
    while time.monotonic() < deadline and process.poll() is None:
        try:
            answer = http.get(f"{server.management_url}/models/{model}")
        except httpx.TransportError:
            answer = None
        if answer is not None and answer.is_success:
            workers = answer.json()[0]["workers"]
            if workers and all(worker["status"] == "READY" for worker in workers):
                return
        time.sleep(0.5)
    raise RuntimeError(f"TorchServe with its defaults does not serve '{model}'; see {log}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server with its workers: they are one group, which we started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, number)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue
