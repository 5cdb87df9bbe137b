"""Images as a few numbers each: what blur, noise, inversion, brightness and colour change."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Optional, Union

import msgspec
import torch
from numpy.typing import NDArray

from ..errors import BaselineError
from .batches import dimensions
from .featurizer import Featurizer
from .image_grid import PIXELS, grid_features, grid_of

IMAGE_DIMENSIONS = 4  # images, channels, height, width
# Far more than any baseline has: each channel has a name, and of each pixel there is work.
MOST_CHANNELS, MOST_LOOKED_AT = 10_000, 2**26
COLOURS = {1: ("grey",), 3: ("red", "green", "blue")}


class Images(Featurizer, msgspec.Struct, frozen=True, tag="images", tag_field="kind"):
    """Inputs that are images, (n, channels, height, width).

    pixels: about how many of each image are looked at, on a fixed grid; of smaller images all. Unset in files of the
    first version, for which every pixel of any image is looked at.
    """

    channels: int
    pixels: Union[int, msgspec.UnsetType] = PIXELS

    @property
    def names(self) -> list[str]:
        """The features' names."""
        return image_feature_names(self.channels)

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is a batch of such images."""
        return getattr(value, "ndim", 0) == IMAGE_DIMENSIONS and bool(value.shape[1] == self.channels)

    def validate(self) -> None:
        """Raise BaselineError where there are no channels, or no pixels to look at."""
        if not 1 <= self.channels <= MOST_CHANNELS:
            raise BaselineError(f"images have {self.channels} channels; they may have 1 to {MOST_CHANNELS:,}")
        if self.pixels is not msgspec.UNSET and not 1 <= self.pixels <= MOST_LOOKED_AT:
            raise BaselineError(
                f"{self.pixels} pixels of images are looked at; it may be 1 to {MOST_LOOKED_AT:,}"
            )

    def transform(self, batch: torch.Tensor) -> torch.Tensor:
        """Return the features of a batch."""
        grid = None if self.pixels is msgspec.UNSET else grid_of(*batch.shape[2:], self.pixels)
        return image_features(batch) if grid is None else grid_features(batch, grid)

    @classmethod
    def recognises(cls, value: Any, names: Optional[list[str]]) -> bool:
        """Tell images by their four dimensions."""
        return dimensions(value) == IMAGE_DIMENSIONS

    @classmethod
    def of(cls, batch: NDArray[Any]) -> Images:
        """Return what images these are. Raises BaselineError where they are none."""
        if batch.ndim != IMAGE_DIMENSIONS:
            raise BaselineError(f"images have shape {batch.shape}; give (images, channels, height, width)")
        return cls(channels=int(batch.shape[1]))

    @classmethod
    def completed(cls, found: Images, fields: Collection[str]) -> Images:
        """Have every pixel looked at where a file does not say how many."""
        return found if "pixels" in fields else msgspec.structs.replace(found, pixels=msgspec.UNSET)


def image_feature_names(channels: int) -> list[str]:
    """Return the names of the columns that `image_features` gives."""
    names = COLOURS.get(channels, tuple(f"channel{index}" for index in range(channels)))
    per_channel = [f"{statistic}_{name}" for statistic in ("mean", "std") for name in names]
    whole = ["brightness", "contrast", "sharpness", "noise"]
    return [*per_channel, *whole, *(["colourfulness"] if channels == 3 else [])]


def image_features(images: torch.Tensor) -> torch.Tensor:
    """Return (n, k) features of (n, C, H, W) images, on their device, in the images' own unit.

    Mean and standard deviation a channel; brightness (mean over channels) and contrast (standard deviation of
    the grey image); sharpness (mean absolute step between neighbouring pixels); noise (mean absolute second
    difference, which single pixels dominate); for three channels, colourfulness (Hasler and Süsstrunk, 2003).
    Nothing waits for the device.
    """
    images = images.float()
    flat = images.flatten(2)
    means, stds = flat.mean(2), flat.std(2, unbiased=False)
    grey = images.mean(1)
    features = [means, stds, _column(grey.mean((1, 2))), _column(grey.flatten(1).std(1, unbiased=False))]
    across, down = grey.diff(dim=2), grey.diff(dim=1)
    features.append(_column((_size(across) + _size(down)) / 2))
    features.append(_column((_size(across.diff(dim=2)) + _size(down.diff(dim=1))) / 2))
    if images.shape[1] == 3:
        red, green, blue = flat.unbind(1)
        one, two = red - green, (red + green) / 2 - blue
        spread = (one.var(1, unbiased=False) + two.var(1, unbiased=False)).sqrt()
        features.append(_column(spread + 0.3 * (one.mean(1) ** 2 + two.mean(1) ** 2).sqrt()))
    return torch.cat(features, dim=1)


def _column(values: torch.Tensor) -> torch.Tensor:
    return values.unsqueeze(1)


def _size(differences: torch.Tensor) -> torch.Tensor:
    """Return the mean absolute value of each image's differences; 0 where an image is too small for any."""
    if not differences[0].numel():
        return differences.new_zeros(len(differences))
    return differences.abs().mean((1, 2))
