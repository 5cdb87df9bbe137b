"""A small segmenter of images, of torchvision's, with random weights; the same in every process."""

import torch
from torchvision.models.segmentation import lraspp_mobilenet_v3_large


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None)

    def forward(self, images):
        return self.net(images)
