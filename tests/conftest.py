"""Real parts, started once a test run: a trained model, its archive, and the stack that serves and watches it."""

from __future__ import annotations

import os

# Threads of a pool that has nothing to do sleep rather than spin: processes run beside each other here. Read when
# torch is loaded, by what is started from here too; the number of threads, and so every result, stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# TorchServe runs for a minute or less: the better compiler's work would never pay.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")

import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from filelock import FileLock

from examples.flight_delay import train
from examples.flight_delay.data import CLASSES, COLUMNS, LABEL
from examples.flight_delay.model import FlightDelayNet
from examples.flight_delay.packaging import WINDOWS
from stack import Stack, programs
from tests.parity.table import pytest_terminal_summary  # noqa: F401 - a hook
from torchvitals import Baseline

ROOT = Path(__file__).parents[1]
READY_SECONDS = 600
BASELINE = "flight_delay-1.0.json"


@dataclass(frozen=True)
class Flights:
    """The example, trained: a folder with model.pt, the sets of flights as parquet files, and the baseline."""

    folder: Path

    @property
    def baseline(self) -> Path:
        return self.folder / BASELINE

    def frame(self, name: str) -> pd.DataFrame:
        """Return the ten input columns of one set of flights, in the order of time.

        name: train, heldout (both 1 January to 14 February), february (15 to 28), july.
        """
        return self.labelled(name)[list(COLUMNS)]

    def labelled(self, name: str) -> pd.DataFrame:
        """Return one set of flights with their labels, as `frame` does."""
        return pd.read_parquet(self.folder / f"{name}.parquet")[[*COLUMNS, LABEL]]

    def package(
        self,
        store: Path,
        name: str,
        monitoring: dict[str, Any],
        *,
        baseline: Path | None = None,
        handler: Path | None = None,
    ) -> str:
        """Write an archive with this monitoring section; return its file name."""
        config = store / f"{name}.yaml"
        settings = {"minWorkers": 1, "maxWorkers": 4, "batchSize": 1, "handler": {"monitoring": monitoring}}
        config.write_text(yaml.safe_dump(settings))
        example = ROOT / "examples" / "flight_delay"
        options = {
            "model-name": name,
            "version": "1.0",
            "handler": handler or example / "handler.py",
            "model-file": example / "model.py",
            "serialized-file": self.folder / "model.pt",
            "config-file": config,
            "extra-files": f"{ROOT / 'handlers'},{baseline or self.baseline}",
            "export-path": store,
        }
        words = [word for option, value in options.items() for word in (f"--{option}", str(value))]
        archive(words)
        return f"{name}.mar"


def archive(words: list[str], *, folder: Path = ROOT) -> None:
    """Run torch-model-archiver in a folder.

    It collects the files in a temporary folder that it names for the model (model_packaging_utils.py), so that two
    would mix theirs.
    """
    archiver = programs.require("The archiver", "torch-model-archiver")
    with tempfile.TemporaryDirectory() as scratch:
        environment = {**os.environ, "TMPDIR": scratch}
        done = subprocess.run(
            [archiver, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr


# Tests that use the one server, in this order: the silence of its first days is looked at first.
ON_THE_SERVER = (
    "e2e/test_drift_to_notification.py",
    "integration/test_live_server.py",
    "integration/test_inflight.py",
    "integration/test_bad_deployments.py",
)
RULES_GROUPS = 8
# What takes longest begins first, and what mostly waits runs beside what mostly computes.
FIRST = (
    *ON_THE_SERVER,
    "e2e/test_retraining.py",
    "parity/test_parity.py",
    "doctor/test_doctor.py",
    "integration/test_stack.py",
    "unit/training/test_streaming.py",
    "rules/test_rules.py",
    "rules/test_other_players.py",
    "integration/test_coalescing.py",
    "servers/test_live.py",
    "servers/test_kinds.py",
    "dashboards/test_live.py",
    "report/test_report.py",
    "report/test_browser.py",
    "retraining/test_kill.py",
    "unit/cli/test_ray.py",
    "examples/test_order.py",
)


def group_of(nodeid: str) -> str:
    """Return which tests run in one process, in order: those of one file, which share its fixtures.

    The files on the server are one group. The tests of rules have no fixture and are long: they are several.
    """
    file = nodeid.partition("::")[0].removeprefix("tests/")
    if file == "rules/test_rules.py":
        return f"{file} {zlib.crc32(nodeid.encode()) % RULES_GROUPS}"
    # One stack for all of the doctor's, and one Prometheus for all reports, which end with them.
    file = next((name for name in ("doctor", "report") if file.startswith(f"{name}/")), file)
    return "server" if file in ON_THE_SERVER else file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    places = {name: place for place, name in enumerate(FIRST)}
    items.sort(
        key=lambda item: places.get(item.nodeid.partition("::")[0].removeprefix("tests/"), len(places))
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give a process of pytest-xdist a group after the other, in the order of the tests."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    config.option.loadscopereorder = False
    return Groups(config, log)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test run, the same one in each of its processes."""
    base = tmp_path_factory.getbasetemp()
    # Each process of pytest-xdist has a folder of its own in the run's.
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def flights(shared_folder: Path) -> Flights:
    """The example, trained, with its baseline, as the demo does; by the first process that needs it."""
    folder = shared_folder / "flights"
    with FileLock(shared_folder / "flights.lock"):
        if not folder.exists():
            unfinished = shared_folder / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            train_example(unfinished)
            unfinished.rename(folder)
    return Flights(folder)


def train_example(folder: Path) -> None:
    """Train the example, and build its baseline."""
    folder.mkdir()
    train.run(folder)
    model = FlightDelayNet()
    model.load_state_dict(torch.load(folder / "model.pt", weights_only=True))
    model.eval()
    frame, heldout = (pd.read_parquet(folder / f"{name}.parquet") for name in ("train", "heldout"))
    with torch.inference_mode():
        logits, others = (
            model(torch.tensor(rows[list(COLUMNS)].to_numpy(dtype="float32"))).numpy()
            for rows in (frame, heldout)
        )
    baseline = Baseline.fit(
        frame[list(COLUMNS)],
        outputs=logits,
        class_names=list(CLASSES),
        ordered=True,
        windows=WINDOWS,
        name="flight_delay",
    )
    baseline.with_accuracy(others, heldout[LABEL]).save(folder / BASELINE)


@pytest.fixture(scope="session")
def timed_calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file into which the model `timed` writes the duration of each call."""
    return tmp_path_factory.mktemp("timed") / "seconds"


@pytest.fixture(scope="session")
def server(flights: Flights, timed_calls: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack with the example on two workers, flushing and scraping every second."""
    store = tmp_path_factory.mktemp("store")
    timed = store / "timed_handler.py"
    source = (Path(__file__).parent / "integration" / "timed_handler.py").read_text()
    timed.write_text(source.replace("DURATIONS", str(timed_calls)))
    archives = {
        "flight_delay": flights.package(
            store,
            "flight_delay",
            {"baseline": BASELINE, "flush_interval": 1, "window": [*WINDOWS], "ground_truth": {}},
        ),
        "timed": flights.package(store, "timed", {"flush_interval": 1}, handler=timed),
    }
    with Stack(
        tmp_path_factory.mktemp("stack"),
        model_store=store,
        models=archives,
        workers=2,
        scrape_interval="1s",
        labels=True,
    ) as stack:
        stack.wait_ready(READY_SECONDS)
        yield stack
