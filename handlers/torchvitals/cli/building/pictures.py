"""A folder of images as training data: pictures become what the model is given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from ...errors import BaselineError
from .tables import SUFFIXES as TABLE_SUFFIXES

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
# Values of a batch, so that large pictures come a few at a time.
BATCH_VALUES = 2**23
MOST_IMAGES = 256


@dataclass(frozen=True)
class Pictures:
    """How pictures become arrays.

    size: width and height in pixels, to which a picture is scaled and cropped around its middle; None leaves pictures
    of one size as they are. grey: one channel instead of three. mean, std: a channel, subtracted from and divided into
    values between 0 and 1.
    """

    size: Optional[tuple[int, int]] = None
    grey: bool = False
    mean: Optional[tuple[float, ...]] = None
    std: Optional[tuple[float, ...]] = None

    @property
    def channels(self) -> int:
        """How many there are."""
        return 1 if self.grey else 3

    def __str__(self) -> str:
        sized = (
            "as they are"
            if self.size is None
            else f"scaled and cropped to {self.size[0]} x {self.size[1]} pixels"
        )
        colours = "grey" if self.grey else "red, green, blue"
        normal = (
            "" if self.mean is None and self.std is None else ", less --image-mean, divided by --image-std"
        )
        return f"images are {sized}, {colours}, from 0 to 1{normal}"

    def validate(self) -> None:
        """Raise BaselineError where numbers do not fit the channels."""
        for option, values in (("--image-mean", self.mean), ("--image-std", self.std)):
            if values is not None and len(values) != self.channels:
                raise BaselineError(
                    f"{option} has {len(values)} numbers for {self.channels} channels; give one each"
                )
        if self.std is not None and min(self.std) <= 0:
            raise BaselineError("--image-std must be above 0")

    def of(self, path: Path) -> NDArray[np.float32]:
        """Return a picture as (channels, height, width), float32. Raises BaselineError where it cannot be read."""
        try:
            from PIL import Image, ImageOps
        except ImportError as error:
            raise BaselineError(
                "images are read with Pillow, which is not installed; run pip install 'torchvitals[cli]'"
            ) from error
        try:
            with Image.open(path) as image:
                if image.mode.startswith(("I", "F")):
                    raise BaselineError(
                        f"--data: the image '{path}' has more than 8 bits a channel; make it one of 8, or build "
                        "in Python from arrays as the model is given them"
                    )
                picture = image.convert("L" if self.grey else "RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise BaselineError(
                f"--data: the image '{path}' cannot be read; mend it, or remove it"
            ) from error
        if self.size is not None:
            # Scales the shorter side and crops the longer around the middle, as torchvision's Resize and CenterCrop.
            picture = ImageOps.fit(picture, self.size, Image.Resampling.BILINEAR)
        values = np.asarray(picture, dtype=np.float32) / np.float32(255)
        values = values[None] if self.grey else values.transpose(2, 0, 1)
        if self.mean is not None:
            values = values - np.array(self.mean, dtype=np.float32)[:, None, None]
        if self.std is not None:
            values = values / np.array(self.std, dtype=np.float32)[:, None, None]
        return np.ascontiguousarray(values, dtype=np.float32)


@dataclass(frozen=True)
class ImageFiles:
    """Pictures, each with the class that the folder it lies in is named for; None where it lies in no such folder."""

    paths: list[Path]
    labels: list[Optional[str]]

    @property
    def classes(self) -> list[str]:
        """The folders' names, in alphabetical order, as torchvision's ImageFolder has them."""
        return sorted({label for label in self.labels if label is not None})

    def batches(self, pictures: Pictures) -> Iterator[tuple[NDArray[np.float32], NDArray[Any]]]:
        """Yield some pictures, (n, channels, height, width), and their labels, (n,). Raises BaselineError."""
        first = pictures.of(self.paths[0])
        rows = max(1, min(MOST_IMAGES, BATCH_VALUES // first.size))
        for start in range(0, len(self.paths), rows):
            part = slice(start, start + rows)
            arrays = [pictures.of(path) for path in self.paths[part]]
            other = next((place for place, array in enumerate(arrays) if array.shape != first.shape), None)
            if other is not None:
                sizes = [f"{array.shape[2]} x {array.shape[1]}" for array in (first, arrays[other])]
                raise BaselineError(
                    f"--data: '{self.paths[0]}' has {sizes[0]} pixels and '{self.paths[start + other]}' {sizes[1]}; "
                    "say what the model is given, such as --image-size 224"
                )
            labels = np.empty(len(arrays), dtype=object)
            labels[:] = self.labels[part]
            yield np.stack(arrays), labels


def images_in(folders: list[str]) -> Optional[ImageFiles]:
    """Return the pictures of folders by class, in the order of their names; None where no folder has any.

    Hidden files and folders are left out, and folders with tables are none of pictures. Raises BaselineError where only
    some of the folders have pictures.
    """
    found: list[Path] = []
    labels: list[Optional[str]] = []
    without = []
    for folder in map(Path, folders):
        inside = sorted(folder.rglob("*")) if folder.is_dir() else []
        if any(path.suffix.lower() in TABLE_SUFFIXES for path in inside):
            inside = []
        shown = [
            (path, path.relative_to(folder))
            for path in inside
            if path.suffix.lower() in IMAGE_SUFFIXES
            and not any(part.startswith(("_", ".")) for part in path.relative_to(folder).parts)
        ]
        if not shown:
            without.append(str(folder))
        found += [path for path, _ in shown]
        labels += [place.parts[0] if len(place.parts) > 1 else None for _, place in shown]
    if not found:
        return None
    if without:
        raise BaselineError(
            f"--data: '{without[0]}' has no images, and others have; build a baseline of each"
        )
    return ImageFiles(found, labels)


def size_of(text: Optional[str]) -> Optional[tuple[int, int]]:
    """Return the width and height that `--image-size` says: 224, or 320x240. Raises BaselineError."""
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        raise BaselineError(
            f"--image-size is '{text}'; give pixels such as 224, or width and height such as 320x240"
        )
    return int(parts[0]), int(parts[-1])


def numbers_of(text: Optional[str], option: str) -> Optional[tuple[float, ...]]:
    """Return numbers with commas between them. Raises BaselineError."""
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise BaselineError(
            f"{option} is '{text}'; give a number a channel, such as 0.485,0.456,0.406"
        ) from error
