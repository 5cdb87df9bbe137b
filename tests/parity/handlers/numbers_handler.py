"""What most styles build upon: a row of numbers a request, as JSON; scores back. Packed beside each of them."""

import json

import torch

from torchvitals import MonitoredHandler


class Numbers(MonitoredHandler):
    def preprocess(self, data):
        return torch.tensor([self.row(request) for request in data], dtype=torch.float32)

    def row(self, request):
        body = request.get("data") or request.get("body")
        return json.loads(body) if isinstance(body, (bytes, bytearray, str)) else body

    def postprocess(self, data):
        return data.tolist()
