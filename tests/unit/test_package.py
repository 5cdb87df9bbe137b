"""What the package exports, what is generated from it, and that Python 3.9 can read it."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import torchvitals
from torchvitals.telemetry import catalogue as m
from torchvitals.telemetry.generate import metrics_markdown, metrics_yaml

ROOT = Path(__file__).parents[2]
PACKAGE = Path(torchvitals.__file__).parent
SOURCES = sorted((ROOT / "handlers").rglob("*.py"))


def test_type_checkers_know_what_the_root_has():
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    named = []
    for node in stub.body:
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module("." * node.level + node.module, "torchvitals")
            for name in node.names:
                assert name.asname == name.name  # no other form is exported
                assert getattr(torchvitals, name.name) is getattr(module, name.name)
                named.append(name.name)
        else:
            (target,) = node.targets
            assert getattr(torchvitals, target.id) is getattr(torchvitals, node.value.id)
            named.append(target.id)
    assert sorted(named) == sorted(torchvitals.__all__)


def test_a_worker_that_does_not_learn_imports_nothing_that_builds_baselines():
    code = (
        "import sys; from torchvitals import MonitoredHandler, MonitoredModel; "
        "print([name for name in sys.modules if name.startswith('torchvitals.training')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_exports():
    assert sorted(torchvitals.__all__) == [
        "Baseline",
        "BaselineBuilder",
        "BaselineError",
        "ConfigurationError",
        "DriftDetector",
        "DriftMonitor",
        "DriftReport",
        "Feature",
        "FeatureDrift",
        "Features",
        "GroundTruth",
        "Monitor",
        "MonitoredHandler",
        "MonitoredModel",
        "MonitoringConfig",
        "Thresholds",
        "TorchVitalsError",
        "__version__",
    ]
    for name in torchvitals.__all__:
        assert getattr(torchvitals, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = torchvitals.Nothing


def test_generated_files_match_the_table():
    assert (ROOT / "metrics.yaml").read_text() == metrics_yaml()
    assert (ROOT / "docs" / "metrics.md").read_text() == metrics_markdown()


@pytest.mark.parametrize("metric", m.flat(), ids=lambda metric: metric.name)
def test_names_follow_prometheus(metric):
    assert metric.name.startswith("model_")
    assert metric.type in ("counter", "gauge")
    if metric.type == "counter":
        assert metric.name.endswith(("_total", "_bucket", "_sum", "_count"))
    assert metric.help.endswith(".")
    # frontend: metrics/Metric.java takes words and spaces
    assert metric.unit.replace(" ", "").isalnum()


def test_no_name_is_declared_twice():
    names = [metric.name for metric in m.flat()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_what_goes_into_the_archive_is_python_3_9(path):
    source = path.read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 9))


def test_a_folder_of_the_core_is_not_missing_its_file_from_the_archive():
    assert {path.name for path in (ROOT / "handlers").iterdir() if path.suffix in (".py", ".txt")} == {
        "monitored_handler.py",
        "requirements.txt",
    }


WORKER = """
import sys
from torchvitals import Baseline, Monitor, MonitoredHandler, MonitoringConfig
from torchvitals.publishers.memory import MemoryPublisher
import torch

monitor = Monitor(MonitoringConfig(), MemoryPublisher(), baseline=Baseline.load(sys.argv[1]))
recorder = monitor.recorder
for _ in range(300):
    call = recorder.begin()
    recorder.inputs(call, torch.randn(1, 10))
    recorder.outputs(call, torch.randn(1, 3))
    recorder.finish(call, requests=1, failed=0)
monitor.flush()
assert monitor.drift.report.features and not monitor.faults.take(), monitor.faults._latest
print(*sorted(sys.modules))
"""


def test_a_worker_loads_no_solvers_sketches_or_tables():
    """Each would cost every worker tens of megabytes and, of scipy's, a second pool of threads."""
    baseline = ROOT / "baselines" / "flight_delay-1.0.json"
    words = [sys.executable, "-c", WORKER, str(baseline)]
    loaded = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    assert "scipy.special" in loaded
    heavy = {
        "scipy.linalg",
        "scipy.optimize",
        "scipy.sparse",
        "scipy.stats",
        "datasketches",
        "narwhals",
        "pyarrow",
        "rich",
        "typer",
    }
    assert heavy.isdisjoint(loaded)


SERVING = """
import sys
import numpy as np, torch
from torchvitals import Baseline
baseline = Baseline.load(sys.argv[1])
baseline.compare(torch.zeros(9, 10))
baseline.compare(np.zeros((9, 10)))
print("narwhals" in sys.modules, "pandas" in sys.modules)
"""


def test_who_serves_tensors_does_not_load_the_library_for_tables():
    words = [sys.executable, "-c", SERVING, str(ROOT / "baselines" / "flight_delay-1.0.json")]
    assert subprocess.run(words, check=True, capture_output=True, text=True).stdout.split() == [
        "False",
        "False",
    ]
