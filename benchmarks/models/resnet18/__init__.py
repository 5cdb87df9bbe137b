"""ResNet-18 on photographs, with random weights: crops of the two that come with scikit-learn."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from benchmarks.models.served import Prepared, ServedModel
from torchvitals import Baseline, Features

from .model import ResNet18

FOLDER = Path(__file__).parent
TRAINING_IMAGES = 300
BODIES = 32
# A crop's side as a share of the photograph's shorter one.
SMALLEST_CROP = 0.5
BATCH = 20
# glibc may give the memory of its activations back after each request and take it anew for the next: 10,000 page
# faults, a fifth of its CPU time. Whether a worker does is an accident of its heap, which no monitor should be praised
# for.
KEPT_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(1 << 30)}


def crops(count: int, seed: int) -> list[Image.Image]:
    """Return square crops of the photographs at 224 × 224; half of them are mirrored."""
    rng = np.random.default_rng(seed)
    photographs = [Image.fromarray(image) for image in load_sample_images().images]
    found = []
    for number in range(count):
        photograph = photographs[number % len(photographs)]
        side = int(min(photograph.size) * rng.uniform(SMALLEST_CROP, 1))
        left, top = (int(rng.integers(0, length - side + 1)) for length in photograph.size)
        crop = photograph.crop((left, top, left + side, top + side))
        crop = crop.resize((ResNet18.SIDE, ResNet18.SIDE), Image.Resampling.BILINEAR)
        found.append(crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else crop)
    return found


def jpeg(image: Image.Image) -> bytes:
    """Return an image as a JPEG file."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


def prepare(folder: Path) -> Prepared:
    """Write random weights, and the baseline of training crops and what the model says of them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = ResNet18().eval()
    torch.save(model.state_dict(), folder / "model.pt")
    pixels = np.stack([np.asarray(crop) for crop in crops(TRAINING_IMAGES, seed=1)])
    images = torch.from_numpy(ResNet18.normalised(pixels))
    with torch.inference_mode():
        logits = torch.cat([model(batch) for batch in images.split(BATCH)])
    baseline = folder / "resnet18-1.0.json"
    features = Features(inputs="images")
    Baseline.fit(images, outputs=logits.numpy(), features=features, name="resnet18").save(baseline)
    return Prepared(folder / "model.pt", baseline, tuple(map(jpeg, crops(BODIES, seed=2))))


RESNET18 = ServedModel(
    name="resnet18",
    title="ResNet-18",
    folder=FOLDER,
    content_type="image/jpeg",
    prepare=prepare,
    environment=KEPT_MEMORY,
)
