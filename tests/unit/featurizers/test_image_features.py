"""Features of images against a slow and obvious reference."""

import numpy as np
import pytest
import torch

from torchvitals.featurizers.images import image_feature_names, image_features

rng = np.random.default_rng(9)


def named(images):
    values = image_features(images)
    return dict(zip(image_feature_names(images.shape[1]), values.T, strict=True))


def test_image_features_are_what_their_names_say():
    images = torch.tensor(rng.uniform(size=(5, 3, 8, 6)), dtype=torch.float32)
    found = named(images)
    pixels = images.numpy().astype(np.float64)
    grey = pixels.mean(axis=1)
    one, two = pixels[:, 0] - pixels[:, 1], (pixels[:, 0] + pixels[:, 1]) / 2 - pixels[:, 2]
    colour = np.sqrt(one.var((1, 2)) + two.var((1, 2))) + 0.3 * np.sqrt(
        one.mean((1, 2)) ** 2 + two.mean((1, 2)) ** 2
    )
    second = (
        np.abs(np.diff(grey, 2, axis=2)).mean((1, 2)) + np.abs(np.diff(grey, 2, axis=1)).mean((1, 2))
    ) / 2
    expected = {
        "mean_green": pixels[:, 1].mean((1, 2)),
        "std_blue": pixels[:, 2].std((1, 2)),
        "brightness": grey.mean((1, 2)),
        "contrast": grey.std((1, 2)),
        "sharpness": (np.abs(np.diff(grey, axis=2)).mean((1, 2)) + np.abs(np.diff(grey, axis=1)).mean((1, 2)))
        / 2,
        "noise": second,
        "colourfulness": colour,
    }
    for name, values in expected.items():
        assert found[name].numpy() == pytest.approx(values, abs=1e-6), name


def test_an_image_of_one_pixel_has_features_too():
    assert torch.isfinite(image_features(torch.ones(2, 1, 1, 1))).all()


def test_whole_numbers_are_pixels_too():
    assert named(torch.full((1, 1, 4, 4), 255, dtype=torch.uint8))["brightness"].item() == 255.0
