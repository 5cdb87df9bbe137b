"""Classifies a JPEG or PNG as TorchServe's own image_classifier does, without torchvision: five classes out."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import torch
from PIL import Image

from torchvitals import MonitoredHandler

BEST = 5


class ImageHandler(MonitoredHandler):
    """Turns image files into normalised tensors, and logits into the likeliest classes."""

    def initialize(self, context: Any) -> None:
        """Load the model as BaseHandler does, and compute in one thread, as the transformer's handler says why."""
        super().initialize(context)
        torch.set_num_threads(1)

    def preprocess(self, data: list[dict[str, Any]]) -> torch.Tensor:
        """Return (n, 3, 224, 224) float32."""
        images = [self.pixels(request.get("body") or request["data"]) for request in data]
        return torch.from_numpy(self.model.normalised(np.stack(images))).to(self.device)

    def pixels(self, body: bytes) -> np.ndarray:
        """Return the pixels of an image file, (224, 224, 3) from 0 to 255."""
        size = (self.model.SIDE, self.model.SIDE)
        with Image.open(io.BytesIO(body)) as image:
            coloured = image.convert("RGB")
        return np.asarray(
            coloured if coloured.size == size else coloured.resize(size, Image.Resampling.BILINEAR)
        )

    def postprocess(self, logits: torch.Tensor) -> list[str]:
        """Return the probabilities of the five likeliest classes of each image, as JSON."""
        shares, classes = logits.softmax(dim=1).topk(BEST, dim=1)
        return [json.dumps(dict(zip(map(str, c), s))) for c, s in zip(classes.tolist(), shares.tolist())]
