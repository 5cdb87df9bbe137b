"""Archives for the doctor: one healthy model, and one for each thing that can be wrong with a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np
import torch
import yaml

from tests.conftest import ROOT, archive
from torchvitals import Baseline

FEATURES = 3
ROWS = 2000
BASELINE = "baseline.json"
HEAD = """
import torch
{imports}

class Handler({base}):
    def initialize(self, context):
        super().initialize(context)
        self.model = torch.nn.Linear(3, 2)
        self.initialized = True

    def preprocess(self, data):
        return torch.tensor([row["body"] for row in data], dtype=torch.float32)

    def postprocess(self, data):
        return data.tolist()
"""
MONITORED = HEAD.format(imports="from torchvitals import MonitoredHandler", base="MonitoredHandler")
PLAIN = HEAD.format(imports="from ts.torch_handler.base_handler import BaseHandler", base="BaseHandler")
# It answers without its model.
UNSEEN = (
    MONITORED
    + """
    def handle(self, data, context):
        return ["cached"] * len(data)
"""
)
BROKEN = "import a_package_that_nobody_installed\n" + MONITORED


@dataclass(frozen=True)
class Model:
    """An archive. monitoring: its section of model-config.yaml. version: of the model; baselines are of 1.0."""

    source: str = MONITORED
    monitoring: Optional[dict[str, Any]] = None
    version: str = "1.0"

    def pack(self, store: Path, name: str) -> str:
        """Write the archive; return its file's name."""
        folder = store / f"{name}-source"
        folder.mkdir()
        (folder / f"{name}_handler.py").write_text(self.source)
        (folder / "model.py").write_text("import torch\n\nclass Net(torch.nn.Linear):\n    pass\n")
        settings = {"flush_interval": 1, "window": [100], **(self.monitoring or {})}
        config = {"minWorkers": 1, "maxWorkers": 1, "handler": {"monitoring": settings}}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        torch.jit.script(torch.nn.Linear(FEATURES, 2)).save(folder / "model.pt")
        rows = np.random.default_rng(1).normal(size=(ROWS, FEATURES))
        Baseline.fit(rows, name=name).save(folder / BASELINE)
        options = {
            "model-name": name,
            "version": self.version,
            "handler": folder / f"{name}_handler.py",
            "serialized-file": folder / "model.pt",
            "config-file": folder / "config.yaml",
            "extra-files": f"{ROOT / 'handlers'},{folder / BASELINE}",
            "export-path": store,
        }
        archive([word for option, value in options.items() for word in (f"--{option}", str(value))])
        return f"{name}.mar"


HEALTHY = Model(monitoring={"baseline": BASELINE})
FAULTY = {
    "plain": Model(PLAIN),
    "bare": Model(),
    "unseen": Model(UNSEEN, {"baseline": BASELINE}),
    "broken": Model(BROKEN, {"baseline": BASELINE}),
    "renewed": Model(monitoring={"baseline": BASELINE}, version="2.0"),
    "aged": Model(monitoring={"baseline": BASELINE, "thresholds": {"baseline_age_seconds": 0.001}}),
}
