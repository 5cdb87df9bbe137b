"""Starts and stops the whole stack: the one mechanism of the demo, the tests and the benchmarks."""

from __future__ import annotations

import fcntl
import json
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from . import render
from .errors import StackError
from .loopback import http
from .ports import HOST, Ports, url
from .programs import NO_GRAFANA, ROOT, Programs, find_programs, grafana_command
from .receiver import read
from .supervisor import end_sessions
from .waiting import answers, get

STARTED_SECONDS = 120.0
STOPPED_SECONDS = 60.0
POLL_SECONDS = 0.2
SHOWN_LINES = 15
# What a run makes in its folder, and clears when the next one starts there.
MADE = (
    "plan.json",
    "parts.json",
    "ended.json",
    "notifications.jsonl",
    "prometheus",
    "alertmanager",
    "grafana",
    "labels",
    "logs",
)

TOKENS_OFF = (
    "TorchServe's token check is off here, and every port is on loopback; config.properties has it on."
)


class Stack:
    """TorchServe with its models, Prometheus, Alertmanager, the receiver, and Grafana where it is installed.

    run_dir: folder for configurations, data and logs; what an earlier run left there is removed.
    model_store: folder of archives. models: archive by the name under which it is served.
    workers: of each model, whatever its model-config.yaml says. scrape_interval: how often Prometheus scrapes and
    evaluates, such as "1s", and then notifications wait less for others too; None: as in production. ports: free ones,
    unless given. retraining: a retraining service that Alertmanager sends to; the stack does not start it. alerts: a
    file in the place of prometheus/alerts.yml. alone: TorchServe runs without the others. settings: what
    config.properties lacks. environment: of TorchServe and its workers, besides this process's. labels: the labels
    service runs too, for the models whose configuration keeps predictions in its default place.

        with Stack(run_dir, model_store=store, models={"flight_delay": "flight_delay.mar"}, workers=2) as stack:
            stack.wait_ready(60)
            httpx.post(f"{stack.inference_url}/predictions/flight_delay", json=...)

    Raises StackError when it cannot start. When a part ends by itself, all end: `check`, `wait_ready` and the end of
    the `with` block then raise StackError, which names the part.
    """

    def __init__(
        self,
        run_dir: Path | str,
        *,
        model_store: Path | str,
        models: Mapping[str, str],
        workers: int = 1,
        scrape_interval: str | None = None,
        ports: Ports | None = None,
        retraining: render.Retraining | None = None,
        alerts: Path | None = None,
        alone: bool = False,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        labels: bool = False,
    ) -> None:
        self.run_dir = Path(run_dir).resolve()
        self.model_store = Path(model_store).resolve()
        self.models = dict(models)
        self.workers = workers
        self.scrape_interval = scrape_interval
        self.ports = ports or Ports.free()
        self.retraining = retraining
        self.alerts = alerts
        self.alone = alone
        self.settings = dict(settings or {})
        self.environment = dict(environment or {})
        self.labels = labels
        self.notices: list[str] = []
        self._grafana = False
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    @property
    def inference_url(self) -> str:
        """TorchServe's inference address."""
        return url(self.ports.inference)

    @property
    def management_url(self) -> str:
        """TorchServe's management address."""
        return url(self.ports.management)

    @property
    def metrics_url(self) -> str:
        """TorchServe's metrics address; the metrics are at /metrics."""
        return url(self.ports.metrics)

    @property
    def prometheus_url(self) -> str:
        """Prometheus's address."""
        return url(self.ports.prometheus)

    @property
    def alertmanager_url(self) -> str:
        """Alertmanager's address."""
        return url(self.ports.alertmanager)

    @property
    def receiver_url(self) -> str:
        """The notification receiver's address."""
        return url(self.ports.receiver)

    @property
    def labels_url(self) -> str:
        """The labels service's address."""
        return url(self.ports.labels)

    @property
    def labels_token_file(self) -> Path:
        """The file with the token that labels are sent with."""
        return self.run_dir / "labels" / "token"

    @property
    def grafana_url(self) -> str | None:
        """Grafana's address; None where it is not installed."""
        return url(self.ports.grafana) if self._grafana else None

    @property
    def logs(self) -> Path:
        """Folder of logs: stack.log, ts_log.log, model_log.log, access_log.log."""
        return self.run_dir / "logs"

    def __enter__(self) -> Stack:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A part that ended is the cause of whatever its callers ran into.
        crash = self.crash() if error is None or isinstance(error, Exception) else None
        self.stop()
        if crash is not None and not isinstance(error, StackError):
            raise StackError(crash) from error

    def start(self) -> None:
        """Start all parts; return when each has a process. `wait_ready` waits until they answer."""
        if self._process is not None:
            raise StackError("this stack has been started already")
        programs = find_programs()
        self._check_models()
        self._take_run_dir()
        # Sockets of the workers and TorchServe's process id file lie in the temporary folder, under names that two
        # servers would share (Connector.java, ts/model_server.py). A short path: a socket's has 107 characters.
        temporary = tempfile.mkdtemp(prefix="torchvitals-")
        try:
            self._write_plan(programs, temporary)
            with (self.logs / "supervisor.log").open("wb") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", f"{__package__}.supervisor", str(self.run_dir)],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    # Ctrl-C reaches this process alone, which then ends the others in order.
                    start_new_session=True,
                )
            self._wait(
                "the parts did not start", STARTED_SECONDS, lambda: (self.run_dir / "parts.json").exists()
            )
        except BaseException:
            self.stop()
            shutil.rmtree(temporary, ignore_errors=True)
            raise

    def stop(self) -> None:
        """End all parts and wait until no process of theirs is left. Does nothing when there is none."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(STOPPED_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.returncode < 0:  # killed, by us or by someone else, so it could not clear up
                end_sessions([process.pid, *self._part_pids()])
                shutil.rmtree(
                    json.loads((self.run_dir / "plan.json").read_text())["temporary"], ignore_errors=True
                )
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def crash(self) -> str | None:
        """Return what became of the part that ended by itself, with its last lines; None while all run."""
        ended = self.run_dir / "ended.json"
        if ended.exists():
            what = json.loads(ended.read_text())
            return (
                f"{what['part']} ended with status {what['status']}, so the stack stopped. "
                f"Its last lines (all: {self.logs / 'stack.log'}):\n{self._last_lines(what['part'])}"
            )
        if self._process is not None and self._process.poll() is not None:
            text = (self.logs / "supervisor.log").read_text(errors="replace").strip()
            return f"the stack's supervisor ended with status {self._process.returncode}:\n{text}"
        return None

    def check(self) -> None:
        """Raise StackError when a part has ended by itself."""
        crash = self.crash()
        if crash is not None:
            raise StackError(crash)

    def wait_ready(self, timeout_seconds: float = 120) -> None:
        """Wait until every part answers, every model has its workers, and a Prometheus has scraped TorchServe.

        Raises StackError when a part ends, or when the time is over, with what is missing.
        """
        deadline = time.monotonic() + timeout_seconds
        steps: list[tuple[str, Callable[[], bool]]] = []
        if not self.alone:
            steps += [
                ("the receiver does not answer", lambda: answers(f"{self.receiver_url}/health")),
                ("Alertmanager is not ready", lambda: answers(f"{self.alertmanager_url}/-/ready")),
                ("Prometheus is not ready", lambda: answers(f"{self.prometheus_url}/-/ready")),
            ]
        if self.labels:
            steps.append(
                ("the labels service does not answer", lambda: answers(f"{self.labels_url}/healthz"))
            )
        steps.append(
            (
                "TorchServe's management port does not answer",
                lambda: answers(f"{self.management_url}/models"),
            )
        )
        for model in self.models:
            steps.append((f"the model '{model}' does not have {self.workers} workers", self._scaler(model)))
        steps.append(("TorchServe is not healthy", lambda: answers(f"{self.inference_url}/ping")))
        if not self.alone:
            steps.append(("Prometheus has not scraped TorchServe", self._scraped))
        if self.grafana_url:
            steps.append(("Grafana is not ready", lambda: answers(f"{self.grafana_url}/api/health")))
        for problem, done in steps:
            self._wait(problem, deadline - time.monotonic(), done)

    def notifications(self) -> list[dict[str, Any]]:
        """Return the alerts that Alertmanager has delivered, oldest first; also after the stack has stopped.

        Each is as in Alertmanager's webhook (status, labels, annotations, startsAt, ...), with receivedAt.
        """
        return read(self.run_dir / "notifications.jsonl")

    def _check_models(self) -> None:
        for name, archive in self.models.items():
            if not (self.model_store / archive).exists():
                raise StackError(
                    f"model '{name}': there is no '{archive}' in {self.model_store}; "
                    "make it with 'torchvitals package'"
                )
        if not (ROOT / "metrics.yaml").exists():
            raise StackError(f"{ROOT / 'metrics.yaml'} is missing; 'make generate' writes it")

    def _take_run_dir(self) -> None:
        self.run_dir.mkdir(parents=True, exist_ok=True)
        lock = (self.run_dir / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise StackError(
                f"another stack runs in {self.run_dir}; stop it, or take another folder"
            ) from error
        self._lock = lock
        for name in MADE:
            path = self.run_dir / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        self.logs.mkdir()

    def _write_plan(self, programs: Programs, temporary: str) -> None:
        """Write the run's configurations, and for the supervisor which parts to start with what environment."""
        run, ports = self.run_dir, self.ports
        files = {
            "config.properties": render.config_properties(
                ports,
                model_store=self.model_store,
                models=self.models,
                workers=self.workers,
                added=self.settings,
            ),
            "prometheus.yml": render.prometheus_yml(
                ports, interval=self.scrape_interval, alerts=self.alerts, labels=self.labels
            ),
            "addresses.tmpl": render.addresses_tmpl(url(ports.grafana)),
            "alertmanager.yml": render.alertmanager_yml(
                ports,
                interval=self.scrape_interval,
                retraining=self.retraining,
                templates=(run / "addresses.tmpl",),
            ),
        }
        for name, text in files.items():
            (run / name).write_text(text)
        environment = {
            "TORCHSERVE": str(programs.torchserve),
            "TORCHSERVE_CONFIG": str(run / "config.properties"),
            "TMPDIR": temporary,
            "TEMP": temporary,
            "LOG_LOCATION": str(self.logs),
            "METRICS_LOCATION": str(self.logs),
            "PROMETHEUS": str(programs.prometheus),
            "PROMETHEUS_CONFIG": str(run / "prometheus.yml"),
            "PROMETHEUS_DATA": str(run / "prometheus"),
            "PROMETHEUS_PORT": str(ports.prometheus),
            "ALERTMANAGER": str(programs.alertmanager),
            "ALERTMANAGER_CONFIG": str(run / "alertmanager.yml"),
            "ALERTMANAGER_DATA": str(run / "alertmanager"),
            "ALERTMANAGER_PORT": str(ports.alertmanager),
            "PYTHON": sys.executable,
            "PYTHONUNBUFFERED": "1",
            "RECEIVER": f"{__package__}.receiver",
            "RECEIVER_PORT": str(ports.receiver),
            "NOTIFICATIONS": str(run / "notifications.jsonl"),
        }
        environment |= self.environment
        parts = ["torchserve"]
        self.notices = [TOKENS_OFF]
        if not self.alone:
            parts += ["prometheus", "alertmanager", "receiver"]
            if programs.grafana is None:
                self.notices.append(NO_GRAFANA)
            else:
                self._grafana = True
                parts.append("grafana")
                environment |= self._grafana_environment(programs.grafana)
        if self.labels:
            parts.append("labels")
            environment |= self._labels_environment()
        plan = {"root": str(ROOT), "parts": parts, "environment": environment, "temporary": temporary}
        (run / "plan.json").write_text(json.dumps(plan, indent=2))

    def _labels_environment(self) -> dict[str, str]:
        folder = self.labels_token_file.parent
        folder.mkdir()
        self.labels_token_file.write_text(secrets.token_urlsafe())
        return {
            "LABELS_DIRECTORY": str(self.logs / "predictions"),
            "LABELS_STORE": str(folder / "labels.sqlite"),
            "LABELS_TOKEN_FILE": str(self.labels_token_file),
            "LABELS_PORT": str(self.ports.labels),
        }

    def _grafana_environment(self, program: Path) -> dict[str, str]:
        folder = self.run_dir / "grafana"
        return {
            "GRAFANA_URL": url(self.ports.grafana),  # read by the receiver
            "GRAFANA_COMMAND": shlex.join(grafana_command(program)),
            "GF_PATHS_DATA": str(folder),
            "GF_PATHS_LOGS": str(self.logs),
            "GF_PATHS_PLUGINS": str(folder / "plugins"),
            "GF_PATHS_PROVISIONING": str(ROOT / "grafana" / "provisioning"),
            "GF_SERVER_HTTP_ADDR": HOST,
            "GF_SERVER_HTTP_PORT": str(self.ports.grafana),
            "GF_AUTH_ANONYMOUS_ENABLED": "true",
            "GF_AUTH_DISABLE_LOGIN_FORM": "true",
            "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
            "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
            # Read by grafana/provisioning; an empty interval means the production one.
            "PROMETHEUS_URL": self.prometheus_url,
            "PROMETHEUS_SCRAPE_INTERVAL": self.scrape_interval or "",
            "ALERTMANAGER_URL": self.alertmanager_url,
            "GRAFANA_DASHBOARDS_PATH": str(ROOT / "grafana" / "dashboards"),
        }

    def _scaler(self, model: str) -> Callable[[], bool]:
        """Return a check that the model has its workers, which asks for them first.

        A model's own model-config.yaml wins over default_workers_per_model when TorchServe starts (ModelServer.java).
        """
        asked = False

        def ready() -> bool:
            nonlocal asked
            address = f"{self.management_url}/models/{model}"
            state = get(address)
            if state is None or state.status_code != 200:
                return False
            described = state.json()[0]
            wanted = str(self.workers)
            if not asked and (str(described["minWorkers"]), str(described["maxWorkers"])) != (wanted, wanted):
                size = {"min_worker": wanted, "max_worker": wanted}
                http.put(address, params=size).raise_for_status()
            asked = True
            states = [worker["status"] for worker in described["workers"]]
            return states == ["READY"] * self.workers

        return ready

    def _scraped(self) -> bool:
        answer = get(f"{self.prometheus_url}/api/v1/query", query='up{job="torchserve"} == 1')
        return answer is not None and answer.status_code == 200 and bool(answer.json()["data"]["result"])

    def _wait(self, problem: str, timeout_seconds: float, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + timeout_seconds
        while not done():
            self.check()
            if time.monotonic() > deadline:
                raise StackError(
                    f"{problem}; the logs in {self.logs} say more:\n{self._last_lines('torchserve')}"
                )
            time.sleep(POLL_SECONDS)

    def _last_lines(self, part: str) -> str:
        """Return the last lines that a part printed."""
        log = self.logs / "stack.log"
        if not log.exists():
            return ""
        pattern = re.compile(rf"\S+ {re.escape(part)} *\| (.*)")
        lines = (pattern.fullmatch(line) for line in log.read_text(errors="replace").splitlines())
        return "\n".join(line[1] for line in [line for line in lines if line][-SHOWN_LINES:])

    def _part_pids(self) -> list[int]:
        parts = self.run_dir / "parts.json"
        return list(json.loads(parts.read_text()).values()) if parts.exists() else []


def stop_on_terminate() -> None:
    """Make SIGTERM end this process as an exit does, so that `with Stack(...)` ends too, and SIGINT as Ctrl-C does.

    A shell starts its background jobs with SIGINT ignored, and Python then leaves it so.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)
