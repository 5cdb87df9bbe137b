"""Handlers shaped like BaseHandler, and how a server runs them."""

import time

import torch

from torchvitals.recording.clocks import StageClock
from torchvitals.recording.guard import recorded
from torchvitals.recording.recorder import Recorder
from torchvitals.recording.stages import instrument_stages


class Handler:
    """Shaped like BaseHandler."""

    def preprocess(self, data):
        return torch.tensor(data)

    def inference(self, data, *args, **kwargs):
        return data * 2

    def postprocess(self, data):
        return data.tolist()

    def handle(self, data, context=None):
        return self.postprocess(self.inference(self.preprocess(data)))


class Slow(Handler):
    def inference(self, data, *args, **kwargs):
        time.sleep(0.02)
        return super().inference(data)


def recorder_of(**options):
    return Recorder(**{"warmup": 0, "capture_inputs": True, **options})


def describe(call, args, kwargs):
    (data,) = args
    call.requests = len(data)


def run(handler, data, recorder):
    return recorded(handler.handle, recorder, describe)(data)


def instrumented(handler, recorder, clock=None):
    instrument_stages(handler, recorder, clock or StageClock())
    return handler
