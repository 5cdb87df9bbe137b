"""A handler whose calls hang when the request asks for it. Packed by test_inflight.py."""

import ctypes
import os
import time

import torch

from torchvitals import MonitoredHandler

LONGEST_SECONDS = 110  # TorchServe ends a worker whose call takes 120


class StuckHandler(MonitoredHandler):
    """Waits for the file `until`, then keeps the interpreter to itself for `hold` seconds, then runs under autocast."""

    def preprocess(self, data):
        self.wish = data[0]["body"]
        return torch.zeros(len(data), 10)

    def inference(self, data, *args, **kwargs):
        until, deadline = self.wish.get("until"), time.monotonic() + LONGEST_SECONDS
        while until and not os.path.exists(until) and time.monotonic() < deadline:
            time.sleep(0.05)
        if "hold" in self.wish:
            # PyDLL calls C without letting other threads run meanwhile, as a long sort or a careless extension does.
            ctypes.PyDLL(None).usleep(int(self.wish["hold"] * 1e6))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return super().inference(data, *args, **kwargs)

    def postprocess(self, data):
        return ["{}"] * len(data)
