"""Ports of a stack, all on loopback."""

from __future__ import annotations

import random
import socket
from dataclasses import astuple, dataclass

from .errors import StackError

HOST = "127.0.0.1"
# Below the range from which systems take the local ports of outgoing connections (Linux: from 32768), so that
# nothing but another listener takes one between the moment it is found free and the moment it is used.
LOWEST, HIGHEST = 20_000, 32_000
FIRST_WORKER, WORKERS = 9000, 64


@dataclass(frozen=True)
class Ports:
    """One port a listener; the defaults are those of the programs themselves."""

    inference: int = 8080
    management: int = 8081
    metrics: int = 8082
    grpc_inference: int = 7070
    grpc_management: int = 7071
    prometheus: int = 9090
    alertmanager: int = 9093
    receiver: int = 9099
    grafana: int = 3000
    labels: int = 9096

    @classmethod
    def free(cls) -> Ports:
        """Return ports on which nothing listens."""
        candidates = random.sample(range(LOWEST, HIGHEST), 500)
        free = (port for port in candidates if is_free(port))
        return cls(*(next(free) for _ in astuple(cls())))

    @property
    def taken(self) -> tuple[int, ...]:
        """Those on which something listens."""
        return tuple(port for port in astuple(self) if not is_free(port))


def first_worker_port() -> int:
    """Return where TorchServe may number its workers from, should it talk to them through ports."""
    random_starts = random.sample(range(LOWEST, HIGHEST), 100)
    for start in (FIRST_WORKER, *random_starts):
        if all(is_free(port) for port in range(start, start + WORKERS)):
            return start
    raise StackError(f"no {WORKERS} neighbouring ports are free between {LOWEST} and {HIGHEST}")


def is_free(port: int) -> bool:
    """Tell whether a server could listen on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def url(port: int) -> str:
    """Return the address of a port."""
    return f"http://{HOST}:{port}"
