"""One TorchServe for all styles, and one served side of a style."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from stack import Stack
from stack.ports import HOST
from stack.programs import ROOT
from stack.waiting import PATIENCE_SECONDS, eventually
from torchvitals.telemetry import catalogue as m

from . import rpc
from .packing import MONITORED, pack
from .style import FOLDER, Reply, Style

# Of the request itself, or of the moment.
VOLATILE = {"x-request-id", "date"}
# How long a style that does not hold yet may keep the others waiting.
SHORT_PATIENCE_SECONDS = 30.0
Labels = frozenset[tuple[str, str]]
Page = dict[tuple[str, Labels], float]


class Warm:
    """The process that workers are forked from; see warm/."""

    def __init__(self) -> None:
        # A socket's path is short.
        self._folder = tempfile.mkdtemp(prefix="parity-")
        self.socket = os.path.join(self._folder, "parent")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What TorchServe and its workers need to know."""
        beside_python = str(Path(sys.executable).parent)
        return {
            "PYTHONPATH": os.pathsep.join([str(FOLDER / "standins" / "site"), str(ROOT / "handlers")]),
            "PYTHONUNBUFFERED": "1",
            "PATH": os.pathsep.join([beside_python, os.environ["PATH"]]),
            "TORCHSERVE": str(FOLDER / "warm" / "torchserve.py"),
            "PARITY_PARENT": self.socket,
            "PARITY_PYTHON": sys.executable,
        }

    def __enter__(self) -> Warm:
        self._process = subprocess.Popen(
            [sys.executable, str(FOLDER / "warm" / "parent.py"), self.socket],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **self.environment},
        )
        return self

    def wait_ready(self) -> None:
        """Wait until it has imported what workers need."""
        assert self._process is not None
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError(
                "the process that workers are forked from has ended; it says why on standard error"
            )

    def __exit__(self, *exception: Any) -> None:
        assert self._process is not None
        self._process.communicate()
        shutil.rmtree(self._folder, ignore_errors=True)


class Server:
    """TorchServe alone, with a model store that styles are packed into.

    envelope: of all its models, for TorchServe knows no other.
    """

    def __init__(self, folder: Path, store: Path, warm: Warm, envelope: str | None) -> None:
        self.store = store
        settings = {
            "workflow_store": str(store),
            "model_metrics_auto_detect": "true",
            "default_response_timeout": "300",
            "max_response_size": "20000000",
        }
        if envelope is not None:
            settings["service_envelope"] = envelope
        self.stack = Stack(
            folder / f"run-{envelope or 'plain'}",
            model_store=store,
            models={},
            alone=True,
            settings=settings,
            environment=warm.environment,
        )
        self.http = _client()

    def start(self) -> None:
        """Start it; `stack.wait_ready` waits until it answers."""
        self.stack.start()

    def stop(self) -> None:
        """End it and its workers."""
        self.http.close()
        self.stack.stop()

    def page(self, *metrics: str) -> str:
        """Return the metrics page, or of it the lines of some metrics."""
        params = [("name[]", name) for name in metrics]
        return self.http.get(f"{self.stack.metrics_url}/metrics", params=params).raise_for_status().text

    def series(self, name: str, *metrics: str) -> Page:
        """Return the series of one served model, by metric and labels."""
        mark = f'"{name}"'
        lines = [
            line for line in self.page(*metrics).splitlines() if mark in line and not line.startswith("#")
        ]
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families("\n".join(lines) + "\n")
            for sample in family.samples
        }


class Model:
    """One side of a style, served.

    Names in paths: `{name}` is what it is served under.
    """

    def __init__(self, server: Server, style: Style, side: str) -> None:
        self.server = server
        self.style = style
        self.side = side
        self.name = f"{style.name}{side}"
        self.archives = [pack(style, side, server.store, version=version) for version in style.versions]
        self.patience = SHORT_PATIENCE_SECONDS if style.lacks else PATIENCE_SECONDS
        self._registered: list[str] = []
        # Connections of its own: where an asynchronous worker's reply is an error, TorchServe sends it to all earlier
        # requests too, answered or not, on whatever their connections are used for by then
        # (frontend: wlm/AsyncBatchAggregator.java, sendResponse).
        self._http = _client()

    @property
    def monitored(self) -> bool:
        """Whether it is the side that is watched."""
        return self.side == MONITORED

    def register(self) -> None:
        """Serve it, as the style says; return once its workers are ready."""
        if self.style.setup is not None:
            self.style.setup(self)
            return
        for archive in self.archives:
            self.serve(archive, self.name)

    def serve(self, archive: str, name: str) -> None:
        """Register an archive under a name, with the workers of its own model-config.yaml.

        Not `synchronous`: that keeps one of TorchServe's few event loops waiting, and with it the replies to others.
        """
        self._registered.append(f"/models/{name}")
        self.manage("POST", "/models", url=archive, model_name=name)
        self.wait_ready(name)

    def registered(self, path: str) -> None:
        """Remember what is to be unregistered."""
        self._registered.append(path)

    def unregister(self) -> None:
        """End its workers."""
        self._http.close()
        for path in dict.fromkeys(self._registered):
            versions = self.style.versions if len(self.style.versions) > 1 else ("",)
            # The default version is the first that was registered, and goes last.
            for version in reversed(versions):
                address = f"{self.server.stack.management_url}{path}{'/' if version else ''}{version}"
                self.server.http.delete(address)

    def manage(self, method: str, path: str, **params: str) -> httpx.Response:
        """Call the management API; raise where it refuses."""
        address = f"{self.server.stack.management_url}{path.format(name=self.name)}"
        answer = self.server.http.request(method, address, params=params, timeout=PATIENCE_SECONDS)
        if answer.is_error:
            raise RuntimeError(f"{method} {path} {params}: {answer.status_code} {answer.text}")
        return answer

    def request(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        files: Any = None,
        data: Any = None,
    ) -> Reply:
        """Send a request to the inference API; return the reply."""
        answer = self._http.request(
            method,
            f"{self.server.stack.inference_url}{path.format(name=self.name)}",
            content=content,
            headers=headers,
            files=files,
            data=data,
            timeout=self.patience,
        )
        kept = sorted((key, value) for key, value in answer.headers.items() if key not in VOLATILE)
        return Reply(answer.status_code, answer.content, tuple(kept))

    def post(
        self, body: bytes, *, path: str = "/predictions/{name}", headers: dict[str, str] | None = None
    ) -> Reply:
        """Post a body."""
        return self.request("POST", path, content=body, headers=headers)

    def call(self, body: bytes, *, streamed: bool = False) -> list[Reply]:
        """Send a request over gRPC; return what came, message by message."""
        address = f"{HOST}:{self.server.stack.ports.grpc_inference}"
        return rpc.predict(address, self.name, body, streamed=streamed, seconds=self.patience)

    def workers(self, name: str | None = None) -> list[dict[str, Any]]:
        """Return what TorchServe says of its workers."""
        described = self.manage("GET", f"/models/{name or self.name}/all").json()
        return [worker for version in described for worker in version["workers"]]

    def wait_ready(self, name: str | None = None, workers: int | None = None) -> None:
        """Wait until its workers are ready, so many of them where a number is given."""

        def ready() -> bool:
            states = [worker["status"] for worker in self.workers(name)]
            return bool(states) and states == ["READY"] * (workers or len(states))

        what = f"the workers of {name or self.name}"
        eventually(ready, lambda: f"{what}: {self.workers(name)}", seconds=self.patience)

    def scale(self, workers: int) -> None:
        """Ask for so many workers, and wait until they are ready."""
        size = str(workers)
        self.manage("PUT", "/models/{name}", min_worker=size, max_worker=size)
        self.wait_ready(workers=workers)

    def kill_worker(self) -> None:
        """Kill its one worker, and wait for the next."""
        (first,) = self.workers()
        psutil.Process(first["pid"]).kill()
        self.wait_for_another(first["pid"])

    def wait_for_another(self, pid: int) -> None:
        """Wait until its one worker is another process, and ready."""

        def again() -> bool:
            workers = self.workers()
            return [(w["status"], w["pid"] != pid) for w in workers] == [("READY", True)]

        eventually(again, lambda: f"another worker of {self.name}; {self.workers()}", seconds=self.patience)

    def flushed(self, workers: int = 1, suffix: str = "") -> Page:
        """Return the series of a monitored model once each worker has flushed twice: the second flush began after now.

        Raises TimeoutError.
        """
        if not self.monitored:
            return {}
        name, version = served_name(self.name, suffix)
        seen: dict[Labels, set[float]] = {}

        def twice() -> bool:
            for (metric, labels), value in self.server.series(name, m.WINDOW_EVALUATED.name).items():
                if metric == m.WINDOW_EVALUATED.name and _of_version(labels, version):
                    seen.setdefault(labels, set()).add(value)
            # The first of the times is that of a flush before this was called.
            return sum(len(times) > 2 for times in seen.values()) >= workers

        eventually(
            twice,
            lambda: f"two flushes of {workers} workers of {name}; seen: {seen or 'none'}",
            seconds=self.patience,
            poll_seconds=0.15,
        )
        return self.server.series(name)


def _client() -> httpx.Client:
    return httpx.Client(trust_env=False, timeout=PATIENCE_SECONDS, limits=httpx.Limits(max_connections=None))


def served_name(name: str, suffix: str) -> tuple[str, str | None]:
    """Return the name and the version that a style's suffix stands for."""
    extension, _, version = suffix.partition("@")
    return f"{name}{extension}", version or None


def _of_version(labels: Labels, version: str | None) -> bool:
    return version is None or ("model_version", version) in labels


def total(page: Page, metric: str, version: str | None = None, **labels: str) -> float:
    """Return the sum of a metric's series that carry these labels."""
    wanted = set(labels.items()) | ({("model_version", version)} if version else set())
    return sum(value for (found, own), value in page.items() if found == metric and wanted <= own)


def by_label(
    page: Page, metric: str, label: str, version: str | None = None, **labels: str
) -> dict[str, float]:
    """Return the sums of a metric's series by the value of a label, without those that are 0."""
    values = {dict(own)[label] for name, own in page if name == metric and label in dict(own)}
    sums = {value: total(page, metric, version, **{**labels, label: value}) for value in values}
    return {value: amount for value, amount in sums.items() if amount}
