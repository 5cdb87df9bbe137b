"""TorchServe's oldest way: a function, called with None at load."""

import json

import torch
from numbers_model import Numbers

model = None


def handle(data, context):
    global model
    if data is None:
        model = Numbers().eval()
        return None
    rows = [json.loads(body) if isinstance(body, (bytes, bytearray)) else body for body in map(body_of, data)]
    with torch.inference_mode():
        return model(torch.tensor(rows).float()).tolist()


def body_of(request):
    return request.get("data") or request.get("body")
