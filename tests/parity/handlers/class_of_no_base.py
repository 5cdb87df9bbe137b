"""A class of no base whose model is under another name, and whose `handle` does everything."""

import json

import torch
from numbers_model import Numbers


class Handler:
    def __init__(self):
        self.net = None

    def initialize(self, context):
        self.net = Numbers().eval()

    def handle(self, data, context):
        bodies = [request.get("data") or request.get("body") for request in data]
        rows = [json.loads(body) if isinstance(body, (bytes, bytearray)) else body for body in bodies]
        with torch.inference_mode():
            return self.net(torch.tensor(rows).float()).tolist()
