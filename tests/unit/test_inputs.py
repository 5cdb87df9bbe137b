"""Features of images, tokens, embeddings and whole rows, against slow and obvious references."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis

from torchvitals.inputs.embedding import EMBEDDING_FEATURES, embedding_features, learn_embedding
from torchvitals.inputs.image import image_feature_names, image_features
from torchvitals.inputs.row_distance import FARTHEST, RIDGE, learn_whitening, row_distance
from torchvitals.inputs.tokens import TOKEN_FEATURES, learn_vocabulary, token_features

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


def test_token_features_count_length_and_what_was_never_seen():
    vocabulary = learn_vocabulary(np.array([[5, 7, 9, 0], [5, 5, 0, 0]]))
    rows = np.array([[5, 7, 0, 0], [5, 8, 1000, 0], [0, 0, 0, 0], [-3, 5, 0, 0]])
    values = token_features(rows, vocabulary=vocabulary, padding=0)
    assert values[:, TOKEN_FEATURES.index("length")].tolist() == [2, 3, 0, 2]
    assert values[:, TOKEN_FEATURES.index("out_of_vocabulary")] == pytest.approx([0, 2 / 3, 0, 1 / 2])


def test_a_vocabulary_of_nothing_knows_nothing():
    values = token_features(
        np.array([[4]]), vocabulary=learn_vocabulary(np.zeros((0, 3), dtype=int)), padding=0
    )
    assert values.tolist() == [[1.0, 1.0]]


def test_embedding_features_are_norm_distance_and_principal_projections():
    rows = rng.normal(size=(3000, 16)) * np.linspace(4, 1, 16) + 2
    model = learn_embedding(rows)
    values = dict(zip(EMBEDDING_FEATURES, embedding_features(rows, model).T, strict=True))
    assert values["norm"] == pytest.approx(np.linalg.norm(rows, axis=1))
    assert values["centroid_distance"] == pytest.approx(np.linalg.norm(rows - rows.mean(axis=0), axis=1))
    spreads = [values[f"projection{index}"].var() for index in range(4)]
    largest = np.sort(np.linalg.eigvalsh(np.cov(rows, rowvar=False, bias=True)))[::-1][:4]
    assert spreads == pytest.approx(largest, rel=1e-6)


def test_two_runs_agree_on_the_sign_of_a_direction():
    rows = rng.normal(size=(500, 8)) * np.linspace(3, 1, 8)
    assert learn_embedding(rows).directions == pytest.approx(learn_embedding(rows[::-1]).directions)


def distances(training, rows):
    mean, std = np.nanmean(training, axis=0), np.nanstd(training, axis=0)
    return row_distance(rows, mean=mean, std=std, whitening=np.array(learn_whitening(training, mean, std)))


def test_row_distance_is_mahalanobis():
    training = rng.multivariate_normal([1, -2, 5], [[2, 1.2, 0], [1.2, 1, 0.3], [0, 0.3, 4]], size=5000)
    rows = training[:20] + rng.normal(size=(20, 3))
    std = training.std(axis=0)
    covariance = np.cov(training, rowvar=False, bias=True) + RIDGE * np.diag(std**2)
    expected = [mahalanobis(row, training.mean(axis=0), np.linalg.inv(covariance)) for row in rows]
    assert distances(training, rows) == pytest.approx(expected, rel=1e-6)


def test_a_turned_correlation_is_far_while_its_columns_look_the_same():
    def pair(correlation, count):
        return rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], size=count)

    training = pair(0.8, 5000)
    assert np.median(distances(training, pair(-0.8, 1000))) > 1.5 * np.median(
        distances(training, pair(0.8, 1000))
    )


def test_missing_infinite_constant_and_doubled_columns_break_nothing():
    column = rng.normal(size=2000)
    training = np.column_stack([column, column, np.full(2000, 3.0), rng.normal(size=2000)])
    training[::7, 3] = np.nan
    rows = training[:4].copy()
    rows[0, 0], rows[1, 1], rows[2] = np.nan, np.inf, np.nan
    found = distances(training, rows)
    assert np.isfinite(found).all()
    assert found[2] == 0
    assert found[1] > FARTHEST / 2
