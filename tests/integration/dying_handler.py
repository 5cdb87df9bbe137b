"""A handler that takes its time, ends its process or cannot be loaded, as files say. Packed by test_outages.py."""

import os
import time
from pathlib import Path

import torch

from torchvitals import MonitoredHandler


class DyingHandler(MonitoredHandler):
    """Obeys the folder OUTAGES: `unloadable` fails the load, `dies` ends the process, `slow` waits half a second."""

    def initialize(self, context):
        self.folder = Path(os.environ["OUTAGES"])
        if (self.folder / "unloadable").exists():
            raise RuntimeError("the weights are not there")
        super().initialize(context)

    def preprocess(self, data):
        return torch.zeros(len(data), 10)

    def inference(self, data, *args, **kwargs):
        if (self.folder / "dies").exists():
            os._exit(3)
        if (self.folder / "slow").exists():
            time.sleep(0.5)
        return super().inference(data, *args, **kwargs)

    def postprocess(self, data):
        return ["{}"] * len(data)
