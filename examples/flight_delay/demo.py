"""The whole of it: train, build the baseline, package, serve, replay, and be told when the world changes.

``python -m examples.flight_delay.demo`` (``make demo``). In the environment:

DEMO_EXIT=1    end by itself, with status 0 only if no alert fired in late February and the changed flights
               delivered ModelInputDrift through Alertmanager; without it, stay up until Ctrl-C.
FAULT=celsius  instead of July, late February once more, with the temperature in °C from the 18th on: a unit
               bug upstream. It must be noticed within 1,000 flights.
RETRAIN=1      after July has been notified, it goes on, and the drift starts a retraining (acting.py): a new version
               is trained on the flights served lately, tried on live traffic beside the old one, and then serves.
               With FAULT=labels its training data are spoilt, and it must be rejected.

Flights are replayed in the order of the calendar, some 14,500 times as fast as they left.
"""

from __future__ import annotations

import math
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stack import Stack, StackError
from stack.ports import Ports
from stack.runner import stop_on_terminate

from . import acting, train
from .arrivals import Arrivals, ids_of, steadily
from .packaging import MODEL, MODEL_STORE, SOURCE, DemoError, build_archive, build_baseline
from .prometheus import FeatureState, Prometheus
from .replay import RATE, ReplayResult, Traffic, celsius_begins, replay, traffic

ROOT = Path(__file__).resolve().parents[2]
VERSION = "1.0"
TRAINED = Path(".run/flight_delay")
RUN_DIR = Path(".run/demo")
# One sees every flight, so its windows are as long as those of the training data that set the limits. With two, each
# would see every other flight: its windows would cover twice the time, stray less, and fill half as fast.
WORKERS = 1
ALERT = "ModelInputDrift"
ACCURACY_ALERT = "ModelAccuracyLow"
HEARTBEAT = "Watchdog"  # always fires, and is meant for no person

# Late February is 12,488 flights, 83 s at 150 a second. A drift alert waits for its window and then a minute
# (`for: 1m` in alerts.yml): only a silence longer than both together says anything. July's 15,000 are its first half.
JULY_REQUESTS = 15_000
FAULTY_REQUESTS = 6_000
MOST_FAULTY_ROWS = 1_000  # until the fault must have been noticed
NOTIFICATION_SECONDS = 60  # after the last request, Alertmanager's group_wait among it
READY_SECONDS = 90
SETTLE_SECONDS = 10  # until Prometheus knows of the last request: a flush and a scrape


@dataclass(frozen=True)
class Phase:
    """What one kind of traffic showed."""

    name: str
    result: ReplayResult
    p95_seconds: dict[str, float]  # by stage
    features: list[FeatureState]
    fired: list[str]
    pending: list[str]  # alerts that were about to fire when it ended
    fault_rows: int | None = None  # how many rows after the fault began it was noticed


class Notifications:
    """Prints what Alertmanager delivers to the receiver, as it arrives."""

    def __init__(self, source: Callable[[], list[dict[str, Any]]], console: Console) -> None:
        self.received: list[dict[str, Any]] = []
        self._source = source
        self._console = console
        self._stop = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)

    def __enter__(self) -> Notifications:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def firing(self) -> set[str]:
        """Return the names of the alerts that were delivered; raise what kept us from hearing of them."""
        if self._error is not None:
            raise DemoError(f"the notifications cannot be read: {self._error}") from self._error
        return {alert["labels"]["alertname"] for alert in self.received if alert["status"] == "firing"}

    def texts(self, name: str) -> list[str]:
        """Return the description of each delivery of a firing alert."""
        alerts = [alert for alert in self.received if alert["status"] == "firing"]
        return [a["annotations"]["description"] for a in alerts if a["labels"]["alertname"] == name]

    def wait_for(self, name: str, *, timeout_seconds: float) -> bool:
        """Wait until an alert has been delivered; tell whether it was."""
        deadline = time.monotonic() + timeout_seconds
        while name not in self.firing():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.5)
        return True

    def _run(self) -> None:
        while not self._stop.wait(0.5):
            try:
                for alert in self._source()[len(self.received) :]:
                    self.received.append(alert)
                    self._console.print(notification_text(alert))
            except Exception as error:  # handed to whoever asks
                self._error = error
                return


def notification_text(alert: dict[str, Any]) -> str:
    """Return one delivered alert as text for the console."""
    labels, annotations = alert["labels"], alert.get("annotations", {})
    style = "bold red" if alert["status"] == "firing" else "bold green"
    lines = [f"[{style}]NOTIFICATION[/] {alert['status']} [bold]{escape(labels['alertname'])}[/]"]
    lines += [f"  {escape(annotations[key])}" for key in ("summary", "description") if annotations.get(key)]
    return "\n".join(lines)


def build(console: Console) -> None:
    """Train, build the baseline and package, with the commands that README shows."""
    console.rule("Train on 1 January to 14 February 2013")
    train.run(TRAINED, console=console)
    console.rule("Baseline and archive")
    baseline = build_baseline(console, TRAINED, version=VERSION)
    build_archive(console, TRAINED, baseline, version=VERSION, config=Path(SOURCE, "model-config.yaml"))


def run_phase(
    name: str, kind: Traffic, *, stack: Stack, console: Console, requests: int | None = None
) -> Phase:
    """Replay one kind of traffic by the calendar, and ask Prometheus what it saw of it."""
    console.rule(name)
    prometheus = Prometheus(stack.prometheus_url, model=MODEL)
    frame, rows_before = traffic(kind, TRAINED)[:requests], prometheus.rows()
    ids = ids_of(frame, name)
    began = time.monotonic()
    with Arrivals(frame, ids, stack, replayed=steadily(RATE, len(frame))):
        result = replay(
            f"{stack.inference_url}/predictions/{MODEL}",
            frame,
            rate=RATE,
            in_order=True,
            label=kind.value,
            ids=ids,
            console=console,
        )
    rows = rows_before + result.requests - result.failed
    while prometheus.rows() < rows and time.monotonic() - began < result.seconds + SETTLE_SECONDS:
        time.sleep(0.2)
    lasted = time.monotonic() - began
    fault_rows = None
    if kind is Traffic.celsius:
        fault = rows_before + celsius_begins(frame)
        fault_rows = prometheus.rows_until_drifted("temp", since_row=fault, seconds=lasted)
    phase = Phase(
        name=name,
        result=result,
        p95_seconds=prometheus.p95_by_stage(lasted),
        features=prometheus.features(),
        fired=[name for name in prometheus.fired(lasted) if name != HEARTBEAT],
        pending=prometheus.pending(),
        fault_rows=fault_rows,
    )
    show(phase, console)
    return phase


def show(phase: Phase, console: Console) -> None:
    """Print what a phase showed."""
    console.print(f"Client: {phase.result}", highlight=False)
    stages = ", ".join(
        f"{stage} {phase.p95_seconds[stage] * 1000:.2f} ms"
        for stage in ("preprocess", "inference", "postprocess", "handle")
        if stage in phase.p95_seconds
    )
    console.print(f"p95 by stage, from Prometheus: {stages or 'no calls seen'}", highlight=False)
    table = Table("feature", "source", title="Last window against the baseline", title_justify="left")
    for heading in ("KL", "PSI", "mean shift", "drifted"):
        table.add_column(heading, justify="right")
    for state in phase.features:
        # The number of a class has no mean that means anything.
        numeric = state.feature != "predicted_class" and not math.isnan(state.mean_shift_sigmas)
        shift = f"{state.mean_shift_sigmas:.2f} σ" if numeric else ""
        verdict = "[red]yes[/]" if state.drifted else "no"
        table.add_row(state.feature, state.source, f"{state.kl:.3f}", f"{state.psi:.3f}", shift, verdict)
    console.print(table)
    console.print(f"Alerts that fired: {', '.join(phase.fired) or 'none'}")
    console.print(f"Alerts about to fire: {', '.join(phase.pending) or 'none'}")
    if phase.fault_rows is not None:
        console.print(f"Input temp was found drifted {phase.fault_rows:,} flights after the fault began.")


def silence_problems(usual: Phase, *, delivered: set[str]) -> list[str]:
    """Return what disturbed the silence of late February; empty when nothing did."""
    found = []
    if usual.result.failed:
        found.append(f"{usual.name}: {usual.result.failed} requests failed")
    if not usual.features:
        found.append(f"{usual.name}: Prometheus knows no feature of the model, so the silence says nothing")
    if usual.fired:
        found.append(f"{usual.name}: alerts fired: {', '.join(usual.fired)}")
    if usual.pending:
        found.append(f"{usual.name}: alerts were about to fire: {', '.join(usual.pending)}")
    if delivered:
        found.append(f"{usual.name}: notifications arrived: {', '.join(sorted(delivered))}")
    return found


def change_problems(changed: Phase, kind: Traffic, *, texts: list[str]) -> list[str]:
    """Return what was missing when the flights changed; ``texts`` are the descriptions that ModelInputDrift had."""
    found = []
    if changed.result.failed:
        found.append(f"{changed.name}: {changed.result.failed} requests failed")
    moved = ("temp",) if kind is Traffic.celsius else ("temp", "dewp")
    if not texts:
        found.append(f"{changed.name}: {ALERT} was not delivered")
    elif not any(re.search(rf"\b({'|'.join(moved)})\b", text) for text in texts):
        found.append(f"{changed.name}: {ALERT} does not name {' or '.join(moved)}")
    if kind is Traffic.celsius and (changed.fault_rows is None or changed.fault_rows > MOST_FAULTY_ROWS):
        rows = changed.fault_rows
        seen = "not found drifted after" if rows is None else f"found drifted only {rows:,} flights after"
        found.append(f"{changed.name}: temp was {seen} the fault")
    return found


def truth_problems(stack: Stack, notifications: Notifications, console: Console) -> list[str]:
    """Show the true accuracy beside the estimate; return what of it was not told within a minute of the labels."""
    told = notifications.wait_for(ACCURACY_ALERT, timeout_seconds=NOTIFICATION_SECONDS)
    prometheus = Prometheus(stack.prometheus_url, model=MODEL)
    table = Table.grid(padding=(0, 2))
    for what, share in prometheus.accuracy().items():
        table.add_row(what, "unknown" if share is None else f"{share:.1%}")
    console.print(table)
    return [] if told else [f"July: {ACCURACY_ALERT} was not delivered within a minute of the last label"]


def show_addresses(stack: Stack, console: Console) -> None:
    """Print where to look."""
    table = Table.grid(padding=(0, 2))
    places = {
        "Predictions": f"{stack.inference_url}/predictions/{MODEL}",
        "Metrics": f"{stack.metrics_url}/metrics",
        "Prometheus": stack.prometheus_url,
        "Alertmanager": stack.alertmanager_url,
        "Notifications": stack.receiver_url,
        "Labels": f"{stack.labels_url}/labels",
        "Grafana": stack.grafana_url,
    }
    for name, url in places.items():
        if url is not None:
            table.add_row(name, url)
    console.print(table)
    for notice in stack.notices:
        console.print(escape(notice), highlight=False)


def demo(console: Console, *, exits: bool, kind: Traffic, retraining: bool = False, fault: str = "") -> int:
    """Run the demo and return the exit status; ``fault`` spoils the retraining."""
    began = time.monotonic()
    build(console)
    console.rule("Serve")
    usual = Ports()
    # The ports that people know, where someone will look at them and they are free.
    ports = Ports.free() if exits or usual.taken else usual
    service = acting.RetrainingService(ports, fault=fault) if retraining else None
    with (
        service or nullcontext(),
        Stack(
            RUN_DIR,
            model_store=MODEL_STORE,
            models={MODEL: f"{MODEL}.mar"},
            workers=WORKERS,
            scrape_interval="1s",
            ports=ports,
            retraining=service.hook if service else None,
            alerts=service.alerts if service else None,
            labels=True,
        ) as stack,
    ):
        stack.wait_ready(READY_SECONDS)
        show_addresses(stack, console)
        with Notifications(stack.notifications, console) as notifications:
            title = "15 to 28 February, as it was"
            usual = run_phase(title, Traffic.february, stack=stack, console=console)
            wrong = silence_problems(usual, delivered=notifications.firing())
            early = len(notifications.texts(ALERT))
            if kind is Traffic.july:
                title, requests = "July, from the 1st on", JULY_REQUESTS
            else:
                title = "15 to 28 February, temperature sent in °C by mistake from the 18th on"
                requests = celsius_begins(traffic(kind, TRAINED)) + FAULTY_REQUESTS
            changed = run_phase(title, kind, requests=requests, stack=stack, console=console)
            notifications.wait_for(ALERT, timeout_seconds=NOTIFICATION_SECONDS)
            wrong += change_problems(changed, kind, texts=notifications.texts(ALERT)[early:])
            if kind is Traffic.july:
                wrong += truth_problems(stack, notifications, console)
            if service:
                wrong += acting.see(
                    service,
                    stack,
                    first=JULY_REQUESTS,
                    fault=fault,
                    delivered=notifications.firing,
                    console=console,
                )
            console.rule()
            for text in wrong:
                console.print(f"[red]WRONG[/] {escape(text)}")
            if not wrong:
                console.print(
                    f"[green]As it should be[/]: silence in February, then {ALERT} through Alertmanager"
                    f"{', then a retraining' if service else ''} ({time.monotonic() - began:.0f} s in all)."
                )
            if not exits:
                show_addresses(stack, console)
                console.print("Everything stays up until Ctrl-C.")
                stay_up(stack, notifications)
    return 1 if wrong else 0


def stay_up(stack: Stack, notifications: Notifications) -> None:
    """Return when the user presses Ctrl-C; notifications go on being printed.

    Raises StackError when a part ends by itself.
    """
    try:
        while True:
            stack.check()
            notifications.firing()
            time.sleep(1)
    except KeyboardInterrupt:
        return


def main() -> int:
    """Read the environment, run the demo, return the exit status."""
    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else 110)
    exits = os.environ.get("DEMO_EXIT", "") not in ("", "0")
    fault, retraining = os.environ.get("FAULT", ""), acting.wanted()
    known = acting.FAULT if retraining else Traffic.celsius.value
    if fault not in ("", known):
        where = "with RETRAIN=1" if retraining else "without RETRAIN=1"
        console.print(f"[red]FAULT={escape(fault)} is not known; the one fault {where} is FAULT={known}[/]")
        return 2
    os.chdir(ROOT)
    stop_on_terminate()
    try:
        if retraining:
            return demo(console, exits=exits, kind=Traffic.july, retraining=True, fault=fault)
        return demo(console, exits=exits, kind=Traffic.celsius if fault else Traffic.july)
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 130
    except (DemoError, StackError, httpx.HTTPError) as error:
        console.print(f"[red]The demo cannot go on:[/] {escape(str(error))}", soft_wrap=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
