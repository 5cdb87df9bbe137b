"""The part of the demo with ``RETRAIN=1``: drift asks for a retraining, and what comes of it serves, or does not.

The retraining service runs beside the stack, Alertmanager sends to it, and it starts retrain.py.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import yaml
from rich.console import Console
from rich.markup import escape

from stack import Stack
from stack.loopback import http
from stack.ports import Ports, url
from stack.render import Retraining
from stack.supervisor import end_sessions

from .arrivals import Arrivals
from .live import Exchange, LiveTraffic, id_of
from .packaging import MODEL, MODEL_STORE, DemoError
from .replay import TRAINED, Traffic, traffic
from .retrain import WINDOW

ROOT = Path(__file__).resolve().parents[2]
RUN_DIR = Path(".run/demo-retraining")
ALERT = "ModelRetrainHeld"
FAULT = "labels"
# In production drift has to last for six hours, of a version that served a day before; the replay is some 14,500 times
# as fast as the calendar, so that six hours of it are less than two seconds. It also leaves out March to June: summer
# comes as a jump, so the retraining waits for a person's word. A minute of it is ten days, and for the last ones of
# February the estimated accuracy is low as well, so that here only drift of the inputs counts.
PATIENCE, SAID = "1m", ("has lasted for 6 hours", "has lasted for a minute")
DRIFTS = """
  model:model_drift:share >= 0.5
  and on (cluster, namespace, env, job, model_name, model_version)
  max_over_time(model_source:model_feature_drifted:count{source="input"}[3m]) > 0
"""
SLOW_RATE = 5.0  # requests a second while it is waited for the alert and for the training
READY_SECONDS = 120
ALERT_SECONDS = 240
DECISION_SECONDS = 60
ACTION_SECONDS = 420


def impatient(alerts: str) -> str:
    """Return alerts.yml with the retraining alert in the demo's time; raise DemoError where it is not as expected."""
    content = yaml.safe_load(alerts)
    found = [rule for group in content["groups"] for rule in group["rules"] if rule.get("alert") == ALERT]
    texts = [rule["annotations"]["description"] for rule in found]
    if len(found) != 1 or "model:model_drift:share" not in found[0]["expr"] or SAID[0] not in texts[0]:
        raise DemoError(f"prometheus/alerts.yml has no {ALERT} of drift that lasts; change acting.py")
    found[0]["expr"] = DRIFTS
    found[0]["for"] = PATIENCE
    found[0]["annotations"]["description"] = texts[0].replace(*SAID)
    return yaml.safe_dump(content, sort_keys=False, width=10_000)


class RetrainingService(AbstractContextManager["RetrainingService"]):
    """The service, for a stack with these ports. It starts with the `with` block, and ends with it.

    Versions that an earlier run trained are removed.
    """

    def __init__(
        self,
        ports: Ports,
        *,
        fault: str = "",
        folder: Path = RUN_DIR,
        trained: Path = TRAINED,
        store: Path = MODEL_STORE,
        window: int = WINDOW,
    ) -> None:
        self._folder = folder.resolve()
        self._folder.mkdir(parents=True, exist_ok=True)
        self.exchange = Exchange(self._folder / "live")
        self.exchange.clear()
        shutil.rmtree(trained / "versions", ignore_errors=True)
        for archive in store.glob(f"{MODEL}-*.mar"):
            archive.unlink()
        self.alerts = self._folder / "alerts.yml"
        self.alerts.write_text(impatient((ROOT / "prometheus" / "alerts.yml").read_text()))
        self._token = secrets.token_urlsafe(32)
        token_file = self._folder / "token"
        token_file.touch(mode=0o600)
        token_file.write_text(self._token)
        port = next(port for port in astuple(Ports.free()) if port not in astuple(ports))
        self.hook = Retraining(url(port), token_file)
        self._state = self._folder / f"state-{time.strftime('%Y%m%dT%H%M%S')}"
        options = {
            "live": self.exchange.folder,
            "management": url(ports.management),
            "prometheus": url(ports.prometheus),
            "trained": trained.resolve(),
            "store": store.resolve(),
            "window": window,
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        action = {
            "kind": "command",
            "command": [sys.executable, "-m", "examples.flight_delay.retrain", *words],
            "working_directory": str(ROOT),
            "environment": {"FAULT": fault},
            "timeout": "30m",
            "retries": 0,
        }
        settings = {
            "port": port,
            "token_file": "token",
            "state_directory": self._state.name,
            "actions": {"retrain-flights": action},
            "models": {MODEL: {"action": "retrain-flights", "cooldown": "1h"}},
        }
        self.configuration = self._folder / "retraining.yml"
        self.configuration.write_text(yaml.safe_dump(settings, sort_keys=False))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RetrainingService:
        with (self._folder / "service.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "retraining", "--config", str(self.configuration)],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        wait_for(self._healthy, "the retraining service does not answer", READY_SECONDS)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
        # An action outlives the service, so that a restart finds it; here there will be none.
        started = self._state.glob("tries/*/*/started.json")
        end_sessions(
            [
                json.loads(file.read_text())["session"]
                for file in started
                if not (file.parent / "result.json").exists()
            ]
        )

    def decision(self) -> dict[str, Any] | None:
        """Return the decision that started an action, if there is one."""
        return self._last(lambda found: found["verdict"] in ("accepted", "held") and found["state"] != "held")

    def held(self) -> dict[str, Any] | None:
        """Return the decision that waits for a person's word, if there is one."""
        return self._last(lambda found: found["state"] == "held")

    def confirm(self, why: str) -> None:
        """Say the word of a person: the data are right."""
        answer = http.post(
            f"{self.hook.url}/models/{MODEL}/confirm",
            headers={"Authorization": f"Bearer {self._token}"},
            json={"who": "you, in the demo", "why": why},
        )
        answer.raise_for_status()

    def _last(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        answer = http.get(f"{self.hook.url}/decisions", headers={"Authorization": f"Bearer {self._token}"})
        found = list(filter(wanted, answer.raise_for_status().json()))
        return found[-1] if found else None

    def report(self, decision: dict[str, Any]) -> dict[str, Any]:
        """Return what retrain.py wrote; raise DemoError with the end of what it printed where it wrote nothing."""
        folder = self._state / "tries" / decision["id"] / str(decision["tries"][-1]["number"])
        if not (folder / "report.json").exists():
            raise DemoError(
                f"the retraining {decision['state']}: {decision['detail']}\n{self.output(decision)[-3000:]}"
            )
        found: dict[str, Any] = json.loads((folder / "report.json").read_text())
        return found

    def output(self, decision: dict[str, Any]) -> str:
        """Return what retrain.py printed."""
        folder = self._state / "tries" / decision["id"] / str(decision["tries"][-1]["number"])
        return (folder / "output.log").read_text(errors="replace")

    def _healthy(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise DemoError(f"the retraining service ended:\n{(self._folder / 'service.log').read_text()}")
        try:
            return http.get(f"{self.hook.url}/healthz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


def wait_for(found: Callable[[], Any], problem: str, timeout_seconds: float) -> Any:
    """Return what `found` finds as soon as it is true; raise DemoError with the problem when it takes too long."""
    deadline = time.monotonic() + timeout_seconds
    while not (result := found()):
        if time.monotonic() > deadline:
            raise DemoError(f"{problem} within {timeout_seconds:g} s")
        time.sleep(0.5)
    return result


@contextmanager
def live_traffic(
    stack: Stack, july: pd.DataFrame, exchange: Exchange, *, first: int
) -> Iterator[LiveTraffic]:
    """Send July's flights from one row on, and a while after each its label."""
    address = f"{stack.inference_url}/predictions/{MODEL}"
    with LiveTraffic(address, july, exchange, first=first, rate=SLOW_RATE) as live:
        ids = [id_of(row) for row in range(len(july))]
        with Arrivals(july, ids, stack, replayed=lambda: live.row, sent=first):
            yield live


def see(
    service: RetrainingService,
    stack: Stack,
    *,
    first: int,
    trained: Path = TRAINED,
    fault: str,
    delivered: Callable[[], set[str]],
    console: Console,
) -> list[str]:
    """Let July go on until the alert has led to a new version that serves, or was rejected; return what went wrong.

    first: row of July that comes next. fault: "labels" where the retraining is spoilt on purpose. delivered: the names
    of the alerts that people were told of.
    """
    console.rule("Retraining")
    july = traffic(Traffic.july, trained)
    with live_traffic(stack, july, service.exchange, first=first) as live:
        wait_for(lambda: ALERT in delivered(), f"{ALERT} was not delivered", ALERT_SECONDS)
        held = wait_for(service.held, "the service holds nothing", DECISION_SECONDS)
        console.print(
            f"{held['at'][:19]} {held['reason']}. In production you would look at the data now; here, you say yes:\n"
            f"python -m retraining confirm {MODEL} --config {service.configuration} --why 'it is summer'",
            highlight=False,
            soft_wrap=True,
        )
        service.confirm("it is summer")
        decision = wait_for(service.decision, "the service started nothing", DECISION_SECONDS)
        console.print(
            f"{decision['at'][:19]} {decision['reason']}: decision {decision['id']}", highlight=False
        )

        def ended() -> dict[str, Any] | None:
            live.check()
            stack.check()
            found = service.decision()
            return found if found and found["ended_at"] else None

        decision = wait_for(ended, "the retraining has not ended", ACTION_SECONDS)
    report = service.report(decision)
    console.print(escape(service.output(decision)), highlight=False, soft_wrap=True)
    show_held_out(report, console)
    serving = http.get(f"{stack.management_url}/models/{MODEL}", timeout=10).json()[0]["modelVersion"]
    console.print(
        f"{decision['state']}: {decision['detail']}. {serving} serves.", highlight=False, soft_wrap=True
    )
    wrong = problems(decision, report, serving=serving, fault=fault)
    if live.failed:
        wrong.append(f"{live.failed} requests got no prediction while the versions changed")
    return wrong


def problems(decision: dict[str, Any], report: dict[str, Any], *, serving: str, fault: str) -> list[str]:
    """Return what is not as it should be."""
    found = []
    old, new = report["old"]["version"], report["new"]["version"]
    wanted = ("rejected", "rejected", old) if fault else ("succeeded", "promoted", new)
    if (decision["state"], report["outcome"], serving) != wanted:
        found.append(
            f"the retraining was {report['outcome']} and {serving} serves; it should be {wanted[1:]}"
        )
    before, after = report["held_out"][old], report["held_out"][new]
    if not fault and not (after["accuracy"] > before["accuracy"] and after["log_loss"] < before["log_loss"]):
        found.append(
            "on the flights of July that it has not seen, the new version is no better than the old one"
        )
    return found


def show_held_out(report: dict[str, Any], console: Console) -> None:
    """Print what both versions make of the rest of July."""
    for version, figures in report["held_out"].items():
        console.print(
            f"{version} on the {figures['rows']:,} flights of July that no version was trained on: "
            f"accuracy {figures['accuracy']:.3f}, log-loss {figures['log_loss']:.3f}",
            highlight=False,
        )


def wanted(environment: dict[str, str] | os._Environ[str] = os.environ) -> bool:
    """Tell whether RETRAIN asks for this part."""
    return environment.get("RETRAIN", "") not in ("", "0")
