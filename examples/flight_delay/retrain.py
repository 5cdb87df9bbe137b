"""Train a new version on the flights served lately, put it on trial beside the old one, promote or reject it.

``python -m examples.flight_delay.retrain --live FOLDER ...``, started by the retraining service (docs/retraining.md).
Reads what live.py has served, and writes the outcome into the file that RETRAINING_REPORT names.

FAULT=labels in the environment shuffles the labels before training, as a broken label pipeline would: what comes of it
must be rejected.
"""

from __future__ import annotations

import json
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import numpy as np
import pandas as pd
import torch
import typer
import yaml
from rich.console import Console

from . import train
from .canary import Figures, table, verdict
from .data import LABEL, SEED
from .live import Answer, Canary, Exchange
from .model import FlightDelayNet
from .packaging import MODEL, MODEL_STORE, SOURCE, DemoError, build_archive, build_baseline
from .prometheus import Labelled, Prometheus
from .replay import TRAINED

FIRST_VERSION = "1.0"
SHARE, RATE = 0.5, 150.0
WINDOW = 6_000  # requests of the trial
LEAST_ROWS = 5_000  # to train on: five of the longest windows
TRIAL_SECONDS = 900  # until the window must be full
LABELS_SECONDS = 120  # until the labels of the trial must have come
LABELLED_SHARE = 0.9  # of the answers of a trial that need a label
HELD_OUT_SHARE = 10  # one row in so many tells the baseline what the confidence is worth
REGISTER_SECONDS = 120
DRAIN_SECONDS = 60  # until a version that is replaced has answered what waits for it
QUIET_LOOKS = 3  # a second apart, without a request that waits: the last one is answered meanwhile
SETTLE_SECONDS = 3  # until Prometheus has the last requests of the trial: a flush and a scrape
P95_SECONDS = 30  # until it has some, where these take longer


class Server:
    """TorchServe's management of the model."""

    def __init__(self, url: str) -> None:
        self._url = f"{url.rstrip('/')}/models"

    def versions(self) -> list[dict[str, Any]]:
        """Return every version that is registered, as TorchServe describes it."""
        answer = httpx.get(f"{self._url}/{MODEL}/all", timeout=30, trust_env=False)
        found: list[dict[str, Any]] = answer.raise_for_status().json()
        return found

    def default(self) -> str:
        """Return the version that answers requests that name none."""
        answer = httpx.get(f"{self._url}/{MODEL}", timeout=30, trust_env=False).raise_for_status()
        return str(answer.json()[0]["modelVersion"])

    def register(self, archive: Path) -> None:
        """Load an archive of the model store, with one worker; raise DemoError with what TorchServe says."""
        settings = {"url": archive.name, "initial_workers": "1", "synchronous": "true"}
        answer = httpx.post(self._url, params=settings, timeout=REGISTER_SECONDS, trust_env=False)
        if answer.is_error:
            raise DemoError(f"TorchServe does not take {archive.name}: {answer.text}")

    def remove(self, version: str) -> None:
        """Unload a version; it is fine if there is none."""
        self._drain(version)
        answer = httpx.delete(f"{self._url}/{MODEL}/{version}", timeout=60, trust_env=False)
        if answer.status_code != httpx.codes.NOT_FOUND:
            answer.raise_for_status()

    def promote(self, version: str) -> None:
        """Let a version answer all requests that name none."""
        httpx.put(
            f"{self._url}/{MODEL}/{version}/set-default", timeout=30, trust_env=False
        ).raise_for_status()

    def rest(self, version: str) -> None:
        """End the workers of a version; it stays registered, so that going back is two requests."""
        self._drain(version)
        settings = {"min_worker": "0", "max_worker": "0", "synchronous": "true"}
        httpx.put(
            f"{self._url}/{MODEL}/{version}", params=settings, timeout=60, trust_env=False
        ).raise_for_status()

    def _drain(self, version: str) -> None:
        """Wait until nothing waits for a version: TorchServe does not answer what is left when its workers end."""
        deadline, quiet = time.monotonic() + DRAIN_SECONDS, 0
        while quiet < QUIET_LOOKS and time.monotonic() < deadline:
            answer = httpx.get(f"{self._url}/{MODEL}/{version}", timeout=30, trust_env=False)
            if answer.status_code == httpx.codes.NOT_FOUND:
                return
            queue = answer.raise_for_status().json()[0]["jobQueueStatus"]
            quiet = 0 if queue["pendingRequests"] else quiet + 1
            time.sleep(1)


@dataclass(frozen=True)
class Places:
    """Folders: what the first training wrote, the archives, and where live traffic says what it served."""

    trained: Path
    store: Path
    live: Path

    def weights(self, version: str) -> Path:
        """Return the folder with a version's weights, model.pt."""
        return self.trained if version == FIRST_VERSION else self.trained / "versions" / version


def next_version(places: Places, registered: list[str]) -> str:
    """Return the version after all that are registered, and all that were ever trained.

    TorchServe never forgets the series of a version, so that the number of a rejected one is not given again.
    """
    trained = [folder.name for folder in (places.trained / "versions").glob("*.0")]
    return f"{max(int(float(version)) for version in [*registered, *trained]) + 1}.0"


def recent(july: pd.DataFrame, served: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the flights served lately, in their order: to train on, and a random tenth that is held out."""
    frame = july.iloc[:served]
    held_out = np.zeros(len(frame), dtype=bool)
    held_out[np.random.default_rng(SEED).permutation(len(frame))[: len(frame) // HELD_OUT_SHARE]] = True
    return frame[~held_out].reset_index(drop=True), frame[held_out].reset_index(drop=True)


def shuffled(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with each other's labels."""
    labels = np.random.default_rng(SEED).permutation(frame[LABEL].to_numpy())
    return frame.assign(**{LABEL: labels})


def build(
    console: Console, places: Places, july: pd.DataFrame, served: int, *, version: str, fault: str
) -> Path:
    """Train a version, build its baseline and its archive; return the archive."""
    folder = places.weights(version)
    folder.mkdir(parents=True, exist_ok=True)
    rows, held_out = recent(july, served)
    first = pd.read_parquet(places.trained / "train.parquet")
    console.print(
        f"Training {version} on {len(rows):,} flights served lately, and the {len(first):,} of the first training.",
        highlight=False,
    )
    # Two weeks alone are too few: a model of them is sure of weather that it has seen once. What the version will be
    # asked is like the recent ones, so that these alone make the baseline.
    together = pd.concat([first, rows], ignore_index=True)
    model = train.train(shuffled(together) if fault == "labels" else together)
    torch.save(model.state_dict(), folder / "model.pt")
    rows.to_parquet(folder / "train.parquet", index=False)
    held_out.to_parquet(folder / "heldout.parquet", index=False)
    baseline = build_baseline(console, folder, version=version)
    config = yaml.safe_load(Path(SOURCE, "model-config.yaml").read_text())
    config["handler"]["monitoring"]["baseline"] = baseline.name
    (folder / "model-config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return build_archive(
        console, folder, baseline,
        version=version, config=folder / "model-config.yaml", store=places.store, file=f"{MODEL}-{version}",
    )  # fmt: skip


def try_out(exchange: Exchange, version: str, *, window: int) -> tuple[list[Answer], float]:
    """Give a version its share of the live traffic; return what the requests got, and when it began (monotonic)."""
    began = time.monotonic()
    exchange.begin(Canary(version, SHARE, RATE))
    try:
        while len(answers := exchange.answers()) < window:
            if time.monotonic() - began > TRIAL_SECONDS:
                raise DemoError(
                    f"the live traffic brought {len(answers)} of {window} requests in {TRIAL_SECONDS} s"
                )
            time.sleep(0.5)
    finally:
        exchange.stop()
    time.sleep(SETTLE_SECONDS)
    return exchange.answers(), began


def p95_since(began: float, prometheus: Prometheus, *, version: str) -> float:
    """Return a version's p95 in seconds since a moment of the monotonic clock; NaN where Prometheus has none."""
    deadline = time.monotonic() + P95_SECONDS
    while math.isnan(found := prometheus.p95(version=version, seconds=time.monotonic() - began)):
        if time.monotonic() > deadline:
            break
        time.sleep(1)
    return found


def figures(
    answers: list[Answer], earlier: Labelled, prometheus: Prometheus, *, version: str, p95_seconds: float
) -> Figures:
    """Return what one version did during the trial; ``answers`` are those of its requests.

    Waits until the labels of nearly all have come. ``earlier``: what labels had said of the version before the trial.
    Raises DemoError where it answered nothing, and where the labels do not come.
    """
    good = [answer for answer in answers if answer.predicted]
    if not good:
        raise DemoError(f"version {version} answered none of {len(answers)} requests")
    wanted, deadline = LABELLED_SHARE * len(good), time.monotonic() + LABELS_SECONDS
    while (labelled := prometheus.labelled(version=version).since(earlier)).count < wanted:
        if time.monotonic() > deadline:
            raise DemoError(f"{labelled.count} of the {len(good)} answers of {version} have got a label")
        time.sleep(1)
    return Figures(
        version=version,
        requests=len(answers),
        errors=len(answers) - len(good),
        p95_seconds=p95_seconds,
        estimated_accuracy=prometheus.estimated_accuracy(version=version),
        labels=labelled.count,
        **labelled.figures(),
    )


def held_out(places: Places, july: pd.DataFrame, served: int, *versions: str) -> dict[str, dict[str, float]]:
    """Return what each version makes of the flights of July that no version was trained on."""
    rest = july.iloc[served:]
    found = {}
    for version in versions:
        model = FlightDelayNet()
        model.load_state_dict(torch.load(places.weights(version) / "model.pt", weights_only=True))
        model.eval()
        figures = train.evaluate(model, rest, priors=train.priors_of(rest))
        found[version] = {"rows": len(rest), "accuracy": figures.accuracy, "log_loss": figures.log_loss}
    return found


def retrain(
    console: Console, places: Places, server: Server, prometheus: Prometheus, *, window: int, fault: str
) -> dict[str, Any]:
    """Do all of it; return the report. Raises DemoError and httpx.HTTPError; then the old version serves as before."""
    july, exchange = pd.read_parquet(places.trained / "july.parquet"), Exchange(places.live)
    old, left = server.default(), exchange.trial()
    if left is not None:
        version, report = left
        if version != old:
            console.print(f"An earlier try did not finish; its {version} is removed.", highlight=False)
            server.remove(version)
        if report is not None and report["outcome"] == ("promoted" if version == old else "rejected"):
            return report  # judged by that try, which was killed before it could report
        exchange.end()
    new = next_version(places, [found["modelVersion"] for found in server.versions()])
    served = exchange.served()
    if served < LEAST_ROWS:
        raise DemoError(f"{served} flights have been served; {LEAST_ROWS} are needed to train on")
    archive = build(console, places, july, served, version=new, fault=fault)
    exchange.note_trial(new)
    good = False
    try:
        server.register(archive)
        console.print(f"{new} gets {SHARE:.0%} of the next {window:,} requests.", highlight=False)
        earlier = {version: prometheus.labelled(version=version) for version in (old, new)}
        answers, began = try_out(exchange, new, window=window)
        # At once: what comes while labels are waited for is no part of the trial.
        p95 = {version: p95_since(began, prometheus, version=version) for version in (old, new)}
        before, after = (
            figures(
                [answer for answer in answers if (answer.version == new) == (version == new)],
                earlier[version], prometheus, version=version, p95_seconds=p95[version],
            )
            for version in (old, new)
        )  # fmt: skip
        console.print(table(before, after))
        good, reason = verdict(before, after)
        report = {
            "outcome": "promoted" if good else "rejected",
            "reason": reason,
            "old": asdict(before),
            "new": asdict(after),
            "held_out": held_out(places, july, served, old, new),
        }
        exchange.note_trial(new, report)
        if good:
            server.promote(new)
    finally:
        if not good:
            server.remove(new)
            # A server that loads every archive of the store at its start must not find it there.
            archive.unlink()
    if good:
        rest(console, server, old)
    return report


def rest(console: Console, server: Server, version: str) -> None:
    """End the workers of the version that served before; that it goes on running is no reason to retrain again."""
    try:
        server.rest(version)
    except httpx.HTTPError as error:
        console.print(f"The workers of {version} could not be ended: {error}", highlight=False)


def main(
    live: Annotated[Path, typer.Option(help="Folder in which live traffic says what it served.")],
    management: Annotated[str, typer.Option(help="TorchServe's management address.")],
    prometheus: Annotated[str, typer.Option(help="Prometheus's address.")],
    trained: Annotated[Path, typer.Option(help="Folder that the first training wrote.")] = TRAINED,
    store: Annotated[Path, typer.Option(help="TorchServe's model store.")] = MODEL_STORE,
    window: Annotated[int, typer.Option(help="Requests of the trial.", min=1)] = WINDOW,
) -> None:
    """Train a new version on the flights served lately, put it on trial, promote or reject it."""
    console = Console(width=110)
    report = retrain(
        console,
        Places(trained, store, live),
        Server(management),
        Prometheus(prometheus, model=MODEL),
        window=window,
        fault=os.environ.get("FAULT", ""),
    )
    file = Path(os.environ.get("RETRAINING_REPORT", "retraining-report.json"))
    file.write_text(json.dumps(report, indent=2))
    Exchange(live).end()
    console.print(f"{report['outcome']}: {report['reason']}", highlight=False)


if __name__ == "__main__":
    typer.run(main)
