"""A small detector of things in images, of torchvision's, with random weights; the same in every process."""

import torch
from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        # With two classes, random scores are about a half: some things are found.
        self.net = fasterrcnn_mobilenet_v3_large_320_fpn(
            weights=None, weights_backbone=None, num_classes=2, rpn_post_nms_top_n_test=50
        )

    def forward(self, images):
        return self.net(images)
