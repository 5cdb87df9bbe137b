"""The labels service as a process, as people start it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from stack.ports import Ports

TOKEN = "a token of the tests"


class Served:
    """One service: `folder` is where predictions wait for it."""

    def __init__(self, place: Path, store: str, name: str = "here") -> None:
        self.folder = place / f"predictions-{name}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.token_file = place / "token"
        self.token_file.write_text(TOKEN)
        self.log = place / f"service-{name}.log"
        self._store, self._name = store, name
        self.port = Ports.free().prometheus
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        words = ["--directory", self.folder, "--token-file", self.token_file, "--name", self._name]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "torchvitals", "labels", "serve", *words, "--port", str(self.port)],
                stdout=log,
                stderr=log,
                env={**os.environ, "TORCHVITALS_STORE": self._store},
            )
        while True:
            try:
                httpx.get(f"{self.address}/healthz", timeout=60)
                return
            except httpx.TransportError:
                assert self.process.poll() is None, self.log.read_text()
                time.sleep(0.1)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()

    def leave(self, content: bytes, number: int = 0) -> Path:
        """Leave a file of predictions, as a worker does."""
        name = f"{number:020d}-9000-1-{number}-{len(content)}.predictions"
        (self.folder / f".{name}.tmp").write_bytes(content)
        (self.folder / f".{name}.tmp").replace(self.folder / name)
        return self.folder / name

    def post(
        self, content: bytes, kind: str = "application/json", token: str = TOKEN, query: str = ""
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
        return httpx.post(f"{self.address}/labels{query}", content=content, headers=headers, timeout=300)

    def metrics(self) -> dict[tuple[str, ...], float]:
        """Return the metrics, by name and then the values of labels in order of their names."""
        page = httpx.get(f"{self.address}/metrics", timeout=300).text
        return {
            (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
        }

    def sum(self, name: str) -> float:
        """Return a counter's sum over all labels, less what is taken back."""
        return sum(
            -value if "taken_back" in key else value
            for key, value in self.metrics().items()
            if key[0] == name
        )

    def wait_for(self, name: str, wanted: float) -> None:
        """Wait until the sum of a metric has a value."""
        while (found := self.sum(name)) != wanted:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            assert found < wanted or "waiting" in name, (name, found)
            time.sleep(0.2)


@contextmanager
def service(place: Path, store: str, name: str = "here") -> Iterator[Served]:
    """Run a service until the end."""
    served = Served(place, store, name)
    served.start()
    try:
        yield served
    finally:
        served.stop()
