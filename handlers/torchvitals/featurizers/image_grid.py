"""The features of an image from some of its pixels: large images cost no more on the request path than small ones."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple, Optional

import numpy as np
import torch

# About how many pixels of an image are looked at; of smaller ones, all.
PIXELS = 8_192
# Rows that are looked at together: what a second difference takes.
ROWS = 3
# Of wider images, blocks of columns are looked at, spread over the width.
WIDEST, BLOCK_COLUMNS = 256, 32
# What rounding makes of the spread of an image of one colour, at most, as a share of its mean.
ROUNDING = 1e-6
COLOURS = 3


class Grid(NamedTuple):
    """Which pixels of an image are looked at: blocks of ROWS rows and `columns` columns, evenly spread."""

    top: int
    row_step: int
    bands: int
    left: int
    column_step: int
    blocks: int
    columns: int


@lru_cache(maxsize=256)
def grid_of(height: int, width: int, pixels: int) -> Optional[Grid]:
    """Return where about so many pixels of an image are; None where it has no more of them, or is a line."""
    if height * width <= pixels or height < ROWS:
        return None
    columns, blocks, column_step = width, 1, width
    if width > WIDEST:
        columns, blocks = BLOCK_COLUMNS, WIDEST // BLOCK_COLUMNS
        column_step = (width - columns) // (blocks - 1)
    bands = max(1, pixels // (ROWS * blocks * columns))
    # Odd, so that a pattern of an even step, such as the squares of a JPEG, is met at all of its places.
    row_step = max(ROWS, height // bands | 1)
    return Grid(
        top=(height - ROWS) % row_step // 2,
        row_step=row_step,
        bands=(height - ROWS) // row_step + 1,
        left=(width - columns - (blocks - 1) * column_step) // 2,
        column_step=column_step,
        blocks=blocks,
        columns=columns,
    )


def grid_features(images: torch.Tensor, grid: Grid) -> torch.Tensor:
    """Return (n, k) features of (n, C, H, W) images, those of `image_features`, from the pixels on a grid.

    Steps between neighbours are within the blocks. Nothing waits for the device.
    """
    blocks = _blocks(images.detach(), grid)
    colours = blocks.shape[1]
    shape = (blocks.shape[0], _planes(colours), math.prod(blocks.shape[2:]))
    if not blocks.is_cpu or blocks.dtype is torch.bfloat16:
        values = blocks.new_empty(shape, dtype=torch.float32)
        values[:, :colours].view(blocks.shape).copy_(blocks)
        return torch.cat(_features(values, colours, blocks.shape[2:]), 1)
    # At this size most of what an operation of PyTorch takes is to begin; NumPy's take half of it.
    pixels = np.empty(shape, dtype=np.float32)
    pixels[:, :colours].reshape(blocks.shape)[...] = blocks.numpy()
    return torch.from_numpy(np.concatenate(_features(pixels, colours, blocks.shape[2:]), 1))


def _blocks(images: torch.Tensor, grid: Grid) -> torch.Tensor:
    """Return the pixels on the grid, (n, C, bands, blocks, rows, columns); nothing is copied."""
    image, channel, row, column = images.stride()
    return images.as_strided(
        (*images.shape[:2], grid.bands, grid.blocks, ROWS, grid.columns),
        (image, channel, row * grid.row_step, column * grid.column_step, row, column),
        images.storage_offset() + grid.top * row + grid.left * column,
    )


def _planes(colours: int) -> int:
    return colours + (3 if colours == COLOURS else 1)


def _features(values: Any, colours: int, shape: tuple[int, ...]) -> list[Any]:
    """Return columns of features, (n, 1) or more each.

    Args:
        values: (n, planes, pixels) float32, a tensor or an array: the channels first; the other planes are filled in
            here, and all are used up.
        colours: how many channels.
        shape: of the pixels in blocks: (bands, blocks, rows, columns).
    """
    grey = values[:, colours]
    grey[...] = values[:, :colours].sum(1)
    grey *= 1 / colours
    if colours == COLOURS:
        one, two = values[:, colours + 1], values[:, colours + 2]
        one[...] = values[:, 0] - values[:, 1]
        # (red + green) / 2 - blue, and nothing at all of where the three are the same.
        two[...] = one * 0.5
        two += values[:, 1]
        two -= values[:, 2]
    lines = grey.reshape(len(values), *shape)
    across, down = lines[..., 1:] - lines[..., :-1], lines[..., 1:, :] - lines[..., :-1, :]
    sharpness = _mean_size(across, down)
    noise = _mean_size(across[..., 1:] - across[..., :-1], down[..., 1:, :] - down[..., :-1, :])
    means = values.mean(2)
    # In two passes, for precision; torch.std takes ten times as long.
    values -= means[:, :, None]
    values *= values
    stds = (values.mean(2) ** 0.5 - ROUNDING * abs(means)).clip(0)
    found = [means[:, :colours], stds[:, :colours]]
    found += [means[:, colours : colours + 1], stds[:, colours : colours + 1]]
    found += [sharpness[:, None], noise[:, None]]
    if colours == COLOURS:
        middle, spread = ((of[:, colours + 1 :] ** 2).sum(1) ** 0.5 for of in (means, stds))
        found.append((spread + 0.3 * middle)[:, None])
    return found


def _mean_size(across: Any, down: Any) -> Any:
    """Return the mean of the mean absolute differences both ways, (n,); 0 for a way without any."""
    sizes = [abs(steps).reshape(len(steps), -1).mean(1) for steps in (across, down) if steps.shape[-1]]
    return sum(sizes) / 2
