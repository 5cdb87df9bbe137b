"""On the path of TorchServe's workers: two operators of torchvision, in Python.

The torchvision that the package index has is built for the CUDA build of torch: beside the CPU build its compiled
operators do not load, and it cannot even be imported. Of these its models here need two, `nms` and `roi_align`.
"""

import sys


class Operators:
    """Puts them in their place when torchvision is imported; a finder of modules that finds none."""

    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            import torch

            if torch.version.cuda is None:
                define(torch)
        elif name == "torchvision.ops":
            import torch

            if torch.version.cuda is None:
                # Asked for by each operator; what registers gradients for all of them has been imported before.
                extension = sys.modules["torchvision.extension"]
                extension._has_ops = lambda: True
                extension._check_cuda_version = lambda: -1


def define(torch):
    global library
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define(
        "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
        "int sampling_ratio, bool aligned) -> Tensor"
    )
    library.impl("nms", nms, "CompositeExplicitAutograd")
    library.impl("roi_align", roi_align, "CompositeExplicitAutograd")


def nms(boxes, scores, threshold):
    """Return the places of the boxes to keep, the best first: none of them overlaps a better one by more."""
    import torch

    order = scores.argsort(descending=True, stable=True)
    boxes = boxes[order]
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    kept = []
    left = torch.ones(len(boxes), dtype=torch.bool)
    for place in range(len(boxes)):
        if not left[place]:
            continue
        kept.append(place)
        low, high = (
            torch.maximum(boxes[place, :2], boxes[:, :2]),
            torch.minimum(boxes[place, 2:], boxes[:, 2:]),
        )
        shared = (high - low).clamp(min=0).prod(1)
        left &= shared / (areas[place] + areas - shared) <= threshold
    return order[torch.tensor(kept, dtype=torch.long)]


def roi_align(features, rois, scale, height, width, samples, aligned):
    """Return the pooled regions, by torchvision's own Python, which it would compile."""
    # In the package, the function of that name hides the module.
    module = sys.modules["torchvision.ops.roi_align"]
    return module._roi_align.__wrapped__(features, rois, scale, height, width, samples, aligned)


sys.meta_path.insert(0, Operators())
