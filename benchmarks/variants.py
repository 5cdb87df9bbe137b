"""The same model and the same handler, watched in different ways: what a server benchmark compares."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.machine import ROOT
from benchmarks.models import Prepared, ServedModel

IMPORT = "from torchvitals import MonitoredHandler"
PLAIN = "from ts.torch_handler.base_handler import BaseHandler as MonitoredHandler"
# The way of TorchServe's custom-metrics example: each request emits what it measured.
EMITTING = """
import time
from ts.torch_handler.base_handler import BaseHandler


class MonitoredHandler(BaseHandler):
    def handle(self, data, context):
        started = time.perf_counter()
        answer = super().handle(data, context)
        spent = (time.perf_counter() - started) * 1000
        metrics = context.metrics
        metrics.add_counter("BenchRequests", len(data))
        metrics.add_time("BenchHandle", spent)
        metrics.add_size("BenchBatch", len(data))
        metrics.add_percent("BenchConfidence", 50.0)
        metrics.add_metric("BenchClass", 1, "count")
        return answer


MonitoredHandler.__module__ = "bench_base"
"""


@dataclass(frozen=True)
class Variant:
    """One way to watch: how the handler's source changes, and what model-config.yaml says under `handler:`.

    Where that has a `monitoring:`, the model's baseline is added to it.
    """

    name: str
    title: str
    base: str
    handler: dict[str, Any]


UNWATCHED = Variant("plain", "plain BaseHandler", PLAIN, {})
WATCHED = Variant("monitored", "TorchVitals", IMPORT, {"monitoring": {}})
# All ways to watch; a model that takes longer to answer is served in the first two alone.
VARIANTS = (
    UNWATCHED,
    WATCHED,
    Variant("uncoalesced", "TorchVitals, coalesce: false", IMPORT, {"monitoring": {"coalesce": False}}),
    Variant("profiled", "TorchServe's profile: true", PLAIN, {"profile": True}),
    Variant("emitting", "five metrics emitted a request", EMITTING, {}),
)

# The plain archive once more, on a TorchServe with its own default settings and logging (benchmarks/defaults.py).
DEFAULTS = Variant("defaults", "plain BaseHandler, TorchServe's defaults", PLAIN, {})


def package(variant: Variant, store: Path, model: ServedModel, prepared: Prepared) -> str:
    """Write the archive of a variant into `store`; return its file name."""
    file = model.folder / "handler.py"
    source = file.read_text(encoding="utf-8")
    if IMPORT not in source:
        raise RuntimeError(f"{file} does not import MonitoredHandler as it did; mend IMPORT here")
    # Not `monitored_handler.py`: a file of that name comes along with --extra-files handlers.
    handler = store / f"bench_{variant.name}.py"
    handler.write_text(source.replace(IMPORT, variant.base), encoding="utf-8")
    watched = dict(variant.handler)
    if "monitoring" in watched:
        watched["monitoring"] = {"baseline": prepared.baseline.name, **watched["monitoring"]}
    config = store / f"{variant.name}.yaml"
    settings = {"minWorkers": 1, "maxWorkers": 1, "batchSize": 1, "handler": watched}
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    options = {
        "model-name": variant.name,
        "version": "1.0",
        "handler": handler,
        "model-file": model.folder / "model.py",
        "serialized-file": prepared.weights,
        "extra-files": ",".join(map(str, (ROOT / "handlers", prepared.baseline, *model.extra_files))),
        "config-file": config,
        "export-path": store,
    }
    words = [word for option, value in options.items() for word in (f"--{option}", str(value))]
    archiver = Path(sys.executable).parent / "torch-model-archiver"
    subprocess.run([archiver, *words, "--force"], check=True, capture_output=True)
    return f"{variant.name}.mar"
