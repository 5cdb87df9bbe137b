"""An unpacked archive, loaded and served as TorchServe's worker does, without the front end."""

import textwrap
from pathlib import Path

from torchvitals.servers.torchserve import handler as handler_module

HANDLERS = Path(__file__).parents[3] / "handlers"
BASELINE = "linear-1.0.json"

SUBCLASS = """
import torch
from torchvitals import MonitoredHandler

class MyHandler(MonitoredHandler):
    def preprocess(self, data):
        return torch.tensor([row["body"] for row in data], dtype=torch.float32)
"""


def configure(archive, text):
    body = textwrap.indent(textwrap.dedent(text), "    ")
    (archive / "model-config.yaml").write_text(f"handler:\n  monitoring:\n{body}\n")


def monitor_of(service):
    return handler_module.monitor_of(service._entry_point.__wrapped__.__self__)


def predict(service, *rows, headers=None):
    requests = [
        {
            "requestId": f"r{index}".encode(),
            "headers": [{"name": name, "value": value} for name, value in (headers or {}).items()],
            "parameters": [{"name": "body", "value": row, "contentType": "application/json"}],
        }
        for index, row in enumerate(rows)
    ]
    return service.predict(requests)
