"""ResNet-18, with the layers, the names of weights and the number of parameters of torchvision's.

torchvision's wheels on PyPI are built for CUDA and cannot be imported beside the CPU build of torch. This file goes
into a model archive, so it defines exactly one class (ts/torch_handler/base_handler.py, `_load_pickled_model`).

Source: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2015, table 1.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

WIDTHS = (64, 128, 256, 512)
BLOCKS = 2


class ResNet18(nn.Module):
    """(n, 3, height, width) normalised images to (n, classes) logits."""

    SIDE = 224
    # Of ImageNet's photographs, a channel; what TorchServe's image_classifier normalises by.
    MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
    STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)

    @classmethod
    def normalised(cls, pixels: np.ndarray) -> np.ndarray:
        """Return what the network takes, of pixels from 0 to 255: channels last in, channels first out."""
        return np.moveaxis((np.asarray(pixels, dtype=np.float32) / 255 - cls.MEAN) / cls.STD, -1, -3)

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTHS[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        before = WIDTHS[0]
        for stage, width in enumerate(WIDTHS, start=1):
            stride = 1 if stage == 1 else 2
            blocks = [_block(before, width, stride), *(_block(width, width, 1) for _ in range(BLOCKS - 1))]
            setattr(self, f"layer{stage}", nn.ModuleList(blocks))
            before = width
        self.fc = nn.Linear(WIDTHS[-1], classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        x = self.maxpool(self.bn1(self.conv1(images)).relu())
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            for block in layer:
                x = _residual(block, x)
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


def _block(before: int, width: int, stride: int) -> nn.ModuleDict:
    """Return the layers of a basic block, under torchvision's names."""
    layers: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(before, width, 3, stride=stride, padding=1, bias=False),
        "bn1": nn.BatchNorm2d(width),
        "conv2": nn.Conv2d(width, width, 3, padding=1, bias=False),
        "bn2": nn.BatchNorm2d(width),
    }
    if stride != 1 or before != width:
        shortcut = nn.Conv2d(before, width, 1, stride=stride, bias=False)
        layers["downsample"] = nn.Sequential(shortcut, nn.BatchNorm2d(width))
    return nn.ModuleDict(layers)


def _residual(block: nn.ModuleDict, x: Tensor) -> Tensor:
    shortcut = block["downsample"](x) if "downsample" in block else x
    inner = block["bn1"](block["conv1"](x)).relu()
    return torch.relu(block["bn2"](block["conv2"](inner)) + shortcut)
