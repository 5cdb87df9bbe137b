"""Large images are described from some of their pixels: the same features, the same faults, at a fixed cost."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits, load_sample_images

from tests.unit.featurizers.test_image_features import rng
from torchvitals import Baseline, BaselineBuilder, BaselineError
from torchvitals.featurizers import Images
from torchvitals.featurizers.image_grid import PIXELS, ROWS, grid_features, grid_of
from torchvitals.featurizers.images import image_feature_names, image_features

FIRST_VERSION = Path(__file__).parents[1] / "baseline" / "first_version" / "images-1.0.json"


def places(height, width, grid):
    """Return the blocks of a grid, as (rows, columns) of places each, the slow way."""
    for band in range(grid.bands):
        for block in range(grid.blocks):
            top, left = grid.top + band * grid.row_step, grid.left + block * grid.column_step
            assert 0 <= top <= height - ROWS
            assert 0 <= left <= width - grid.columns
            yield slice(top, top + ROWS), slice(left, left + grid.columns)


def reference(image, grid):
    """Return the features of one image, (C, H, W), by name, from their definition."""
    blocks = [image[:, rows, columns] for rows, columns in places(*image.shape[1:], grid)]
    pixels = np.concatenate([block.reshape(len(image), -1) for block in blocks], axis=1)
    greys = [block.mean(0) for block in blocks]

    def size(order):
        ways = [np.concatenate([np.diff(grey, order, axis).ravel() for grey in greys]) for axis in (0, 1)]
        return np.mean([np.abs(way).mean() if len(way) else 0.0 for way in ways])

    grey = pixels.mean(0)
    whole = [grey.mean(), grey.std(), size(1), size(2)]
    values = [*pixels.mean(1), *pixels.std(1), *whole]
    if len(image) == 3:
        one, two = pixels[0] - pixels[1], (pixels[0] + pixels[1]) / 2 - pixels[2]
        values.append(np.hypot(one.std(), two.std()) + 0.3 * np.hypot(one.mean(), two.mean()))
    return dict(zip(image_feature_names(len(image)), values, strict=True))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(96, 100), (150, 300), (9, 2000), (2000, 9)])
def test_they_are_what_their_names_say(channels, size):
    images = torch.tensor(rng.normal(1, 2, (2, channels, *size)), dtype=torch.float32)
    grid = grid_of(*size, PIXELS)
    for image, found in zip(images, grid_features(images, grid), strict=True):
        expected = reference(image.double().numpy(), grid)
        assert found.tolist() == pytest.approx(list(expected.values()), abs=2e-5)


@settings(max_examples=200, deadline=None)
@given(height=st.integers(1, 3000), width=st.integers(1, 3000), pixels=st.integers(1, 20_000))
def test_a_grid_lies_within_the_image_and_has_about_so_many_pixels(height, width, pixels):
    grid = grid_of(height, width, pixels)
    if grid is None:
        assert height * width <= pixels or height < ROWS
        return
    for band, block in ((0, 0), (grid.bands - 1, grid.blocks - 1)):
        assert 0 <= grid.top + band * grid.row_step <= height - ROWS
        assert 0 <= grid.left + block * grid.column_step <= width - grid.columns
    # One band at least, however few pixels are wanted.
    found = grid.bands * grid.blocks * ROWS * grid.columns
    assert found <= max(1.5 * pixels, 2 * ROWS * 256)
    assert pixels != PIXELS or found >= 500


def test_no_pixel_is_met_twice_and_each_row_of_a_square_of_a_jpeg_is():
    for height, width in ((224, 224), (299, 299), (384, 512), (600, 800)):
        met = np.zeros((height, width), dtype=int)
        for rows, columns in places(height, width, grid_of(height, width, PIXELS)):
            met[rows, columns] += 1
        assert met.max() == 1
        assert {row % 8 for row in np.flatnonzero(met.sum(axis=1))} == set(range(8))


def test_the_pixels_that_are_looked_at_are_spread_over_the_image():
    """A fault of a part that is a tenth of the height and width is seen wherever it is."""
    image = torch.zeros(1, 1, 224, 224)
    clean = Images(channels=1, pixels=PIXELS).transform(image)
    for top in range(0, 224 - 22, 11):
        for left in (0, 45, 101, 202):
            faulty = image.clone()
            faulty[:, :, top : top + 22, left : left + 22] = 1
            assert (Images(channels=1, pixels=PIXELS).transform(faulty) > clean)[0, :4].all()


TYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.uint8, torch.int64]


@pytest.mark.parametrize("dtype", TYPES)
def test_an_image_is_described_alike_whatever_its_type_and_layout(dtype):
    images = torch.tensor(rng.integers(0, 256, (3, 3, 100, 110)), dtype=torch.float32)
    images = images.bfloat16().float()  # values that each of the types holds
    kind = Images(channels=3, pixels=PIXELS)
    expected = kind.transform(images)
    given_ = images.to(dtype)
    for one in (given_, given_.to(memory_format=torch.channels_last), given_.flip(2).flip(2)):
        assert torch.allclose(kind.transform(one), expected, rtol=1e-5, atol=1e-3)
    assert torch.equal(kind.transform(given_.float().requires_grad_()), kind.transform(given_.float()))
    wider = torch.cat([given_, given_], dim=0)
    assert torch.allclose(kind.transform(wider[::2][:1]), expected[:1], rtol=1e-5, atol=1e-3)


def test_an_image_of_one_colour_has_no_spread_and_a_grey_one_no_colour():
    """Exactly, in every precision: else rounding on another device would be a value never seen."""
    kind = Images(channels=3, pixels=PIXELS)
    one_colour = torch.tensor([0.3, -0.7, 1e-3]).reshape(1, 3, 1, 1).expand(2, 3, 224, 224)
    found = dict(zip(image_feature_names(3), kind.transform(one_colour)[0].tolist(), strict=True))
    zeros = ["std_red", "std_green", "std_blue", "contrast", "sharpness", "noise"]
    assert [found[name] for name in zeros] == [0.0] * 6
    grey = torch.rand(2, 1, 224, 224).expand(2, 3, 224, 224)
    for images in (grey, grey.bfloat16()):
        assert kind.transform(images)[:, -1].tolist() == [0.0, 0.0]


def test_the_grid_is_in_the_file(tmp_path):
    baseline = Baseline.fit(rng.random((60, 1, 120, 120), dtype=np.float32), name="large")
    assert baseline.inputs == Images(channels=1) == Images(channels=1, pixels=PIXELS)
    baseline.save(tmp_path / "large-1.0.json")
    assert b'"pixels": 8192' in (tmp_path / "large-1.0.json").read_bytes()
    assert Baseline.load(tmp_path / "large-1.0.json") == baseline
    for pixels in (0, -1):
        with pytest.raises(BaselineError, match=f"{pixels} pixels"):
            Images(channels=1, pixels=pixels).validate()


def test_a_file_of_the_first_version_describes_every_pixel_as_it_did():
    inputs = Baseline.load(FIRST_VERSION).inputs
    assert inputs == Images(channels=3, pixels=msgspec.UNSET)
    assert inputs != Images(channels=3)
    images = torch.rand(2, 3, 150, 150)
    assert torch.equal(inputs.transform(images), image_features(images))


def test_small_images_are_described_from_every_pixel():
    for size in ((8, 8), (64, 64), (90, 91), (2, 9000)):
        images = torch.rand(2, 1, *size)
        assert torch.equal(Images(channels=1).transform(images), image_features(images))


def test_images_of_several_sizes_make_one_baseline():
    whole = BaselineBuilder()
    for side in (128, 20, 200):
        part = BaselineBuilder()
        part.update(rng.random((30, 1, side, side), dtype=np.float32))
        whole.merge(part)
    assert whole.baseline().inputs == Images(channels=1)
    assert whole.samples == 90


def test_parts_that_were_described_in_different_ways_do_not_merge():
    older, newer = BaselineBuilder(), BaselineBuilder()
    older.add_described(Images(channels=1, pixels=msgspec.UNSET), np.zeros((30, 6)))
    newer.add_described(Images(channels=1), np.zeros((30, 6)))
    with pytest.raises(
        BaselineError, match="one part holds images, the other images with pixels = 8192; build both"
    ):
        older.merge(newer)


# --- the same faults ---

SIDE = 120
TRAINING, SERVED = 300, 300


def photographs(count, generator):
    """Return random square crops of two photographs, (n, 3, SIDE, SIDE) from 0 to 1; half of them are mirrored."""
    found = []
    pictures = [
        torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        for image in load_sample_images().images
    ]
    for number in range(count):
        picture = pictures[number % 2]
        side = int(generator.integers(210, 420))
        top, left = (int(generator.integers(0, length - side)) for length in picture.shape[1:])
        crop = picture[:, top : top + side, left : left + side]
        crop = torch.nn.functional.interpolate(crop[None], size=SIDE, mode="bilinear", antialias=True)[0]
        found.append(crop.flip(2) if generator.random() < 0.5 else crop)
    return torch.stack(found)


def digits(count, generator):
    images = torch.from_numpy(load_digits().images[generator.permutation(1797)[:count]]).float()[:, None] / 16
    return torch.nn.functional.interpolate(images, size=SIDE, mode="bilinear").expand(-1, 3, -1, -1)


def noisy(images):
    return images + 0.08 * torch.randn(images.shape, generator=torch.Generator().manual_seed(4))


FAULTS = {
    "blur": lambda images: torch.nn.functional.avg_pool2d(images, 5, 1, 2),
    "noise": noisy,
    "inversion": lambda images: 1 - images,
    "brightness": lambda images: (images + 0.15).clamp(max=1),
    "contrast": lambda images: 0.5 + (images - 0.5) * 0.6,
    "colour": lambda images: images * torch.tensor([1.0, 0.8, 0.6]).reshape(3, 1, 1),
}


@pytest.fixture(scope="module", params=[photographs, digits], ids=["photographs", "digits"])
def data(request):
    """Return a baseline by the grid, one by every pixel, and served images."""
    images = request.param(TRAINING + SERVED, np.random.default_rng(8))
    training = images[:TRAINING]
    by_grid = Baseline.fit(training)
    every_pixel = BaselineBuilder()
    every_pixel.add_described(Images(channels=3, pixels=msgspec.UNSET), image_features(training).numpy())
    return by_grid, every_pixel.baseline(), images[TRAINING:]


def test_clean_images_are_quiet(data):
    by_grid, _, served = data
    assert not by_grid.compare(served).drifted


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen_as_it_is_with_every_pixel(data, fault):
    by_grid, every_pixel, served = data
    found, before = (baseline.compare(FAULTS[fault](served)) for baseline in (by_grid, every_pixel))
    largest = [max(feature.psi for feature in report.features.values()) for report in (found, before)]
    print(f"{fault}: PSI {largest[0]:.2f} by the grid, {largest[1]:.2f} with every pixel")
    assert before.drifted
    assert found.drifted
    # Digits that are blown up have edges every 15 pixels alone: of those, fewer are met.
    assert largest[0] > min(0.75 * largest[1], 0.7)
