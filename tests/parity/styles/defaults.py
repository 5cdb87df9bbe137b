"""TorchServe's own handlers for images and texts, on random weights, with the bodies that people send."""

from __future__ import annotations

import base64
import functools
import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..baselines import images, images_only, tokens
from ..sending import each, together
from ..style import Seen, Style, existing
from .batching import multipart

TEXTS = ("the plane is late", "the train is not late", "a late train is a train")


@functools.cache
def picture(seed: int, kind: str, size: tuple[int, int] = (240, 260)) -> bytes:
    """Return a picture in a file format."""
    pixels = (
        np.random.default_rng(seed).integers(0, 256, size=(size[0] // 20, size[1] // 20, 3)).astype(np.uint8)
    )
    file = io.BytesIO()
    Image.fromarray(pixels).resize(size).save(file, kind)
    return file.getvalue()


def vocabulary(folder: Path) -> Path:
    """Write the places of all words and pairs of words in TEXTS."""
    known: dict[str, int] = {}
    for text in TEXTS:
        words = text.split()
        for token in (*words, *(" ".join(pair) for pair in zip(words, words[1:]))):
            known.setdefault(token, len(known))
    path = folder / "source_vocab.pt"
    torch.save(known, path)
    return path


IMAGES = tuple(picture(seed, kind) for seed in range(3) for kind in ("JPEG", "PNG"))
MULTIPART = {"Content-Type": "multipart/form-data; boundary=parity"}
CLASSIFIER = {"handler": existing("image_classifier"), "model": "squeezenet.py", "baseline": images}

STYLES = (
    Style("image-classifier", send=each(*IMAGES), **CLASSIFIER),
    Style(
        "image-classifier-multipart",
        send=each(*(multipart(body, kind="image/jpeg") for body in IMAGES[:3]), headers=MULTIPART),
        **CLASSIFIER,
    ),
    Style(
        "image-classifier-base64",
        send=each(*(base64.b64encode(body).decode() for body in IMAGES[:3])),
        **CLASSIFIER,
    ),
    Style(
        "image-classifier-json-base64",
        send=each(
            *({"instances": [{"data": {"b64": base64.b64encode(body).decode()}}]} for body in IMAGES[:3])
        ),
        envelope="json",
        **CLASSIFIER,
    ),
    Style(
        "image-classifier-batch",
        send=together(*IMAGES, *IMAGES[:2]),
        config={"batchSize": 8, "maxBatchDelay": 60_000},
        sees=Seen(calls=1),
        **CLASSIFIER,
    ),
    Style(
        "image-classifier-bad-picture",
        send=each(IMAGES[0], b"not a picture"),
        sees=Seen(errors=1, stages={"preprocess": 2, "inference": 1, "postprocess": 1}),
        **CLASSIFIER,
    ),
    Style(
        "image-segmenter",
        existing("image_segmenter"),
        each(*IMAGES[:2]),
        model="lraspp.py",
        baseline=images_only,
        sees=Seen(outputs=0),
    ),
    Style(
        "object-detector",
        existing("object_detector"),
        each(*IMAGES[:2]),
        model="faster_rcnn.py",
        baseline=images_only,
        sees=Seen(outputs=0),
    ),
    Style(
        "object-detector-with-a-baseline-of-scores",
        existing("object_detector"),
        each(*IMAGES[:2]),
        model="faster_rcnn.py",
        baseline=images,
        sees=Seen(outputs=0, unseen={"outputs": 2}),
    ),
    Style(
        "text-classifier",
        existing("text_classifier"),
        each(*(text.encode() for text in TEXTS)),
        model="bag_of_words.py",
        extra=(vocabulary,),
        baseline=tokens,
    ),
    Style(
        "text-classifier-explanations",
        existing("text_classifier"),
        each(*(text.encode() for text in TEXTS[:1]), path="/explanations/{name}"),
        model="bag_of_words.py",
        extra=(vocabulary,),
        baseline=tokens,
        sees=Seen(stages=("preprocess",), inputs=0, outputs=0),
    ),
)
