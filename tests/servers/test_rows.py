"""What one request or several hold, as batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from torchvitals.featurizers import Images, Tokens
from torchvitals.servers.litserve.rows import Rows, together

NAMED = Rows(["hour", "temp"])
ONE = {
    "a number": (Rows(), 3, [[3.0]]),
    "a NumPy number": (Rows(), np.float32(1.5), [[1.5]]),
    "a list": (Rows(), [1, 2.5], [[1.0, 2.5]]),
    "a tensor": (Rows(), torch.tensor([1.0, 2.0]), [[1.0, 2.0]]),
    "a tensor without dimensions": (Rows(), torch.tensor(4.0), [[4.0]]),
    "an array": (Rows(), np.array([1.0, 2.0]), [[1.0, 2.0]]),
    "a batch of its own": (Rows(), torch.ones(2, 3), [[1.0] * 3] * 2),
    "lists": (Rows(), [[1, 2], [3, 4]], [[1.0, 2.0], [3.0, 4.0]]),
    "a list with null": (Rows(), [1.0, None], [[1.0, np.nan]]),
    "an object with the columns": (NAMED, {"temp": 7, "hour": 8, "more": "text"}, [[8.0, 7.0]]),
    "an object with null": (NAMED, {"temp": None, "hour": 8}, [[8.0, np.nan]]),
    "an object with a list": (Rows(), {"input": [1, 2]}, [[1.0, 2.0]]),
    "an object with a tensor": (NAMED, {"input": torch.tensor([1.0, 2.0])}, [[1.0, 2.0]]),
}
NOTHING = {
    "ragged lists": [[1], [2, 3]],
    "an empty list": [],
    "an empty object": {},
    "an object with a bare number": {"class": 3},
    "texts among numbers": [1.0, "one"],
    "more numbers than are worth it": [0.5] * 2000,
}


@pytest.mark.parametrize("name", ONE)
def test_one_request_is_a_batch_of_one(name):
    rows, value, expected = ONE[name]
    np.testing.assert_array_equal(np.asarray(rows.of_request(value)), expected)


@pytest.mark.parametrize("name", NOTHING)
def test_what_holds_no_rows_is_left_out(name):
    assert Rows().of_request(NOTHING[name]) is None


def test_texts_and_what_is_unknown_stay_what_they_are():
    assert Rows().of_request("a text") == ["a text"]
    assert Rows().of_requests(["a", "b"]) == ["a", "b"]
    assert Rows().of_request(Rows) is Rows


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        ([torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])], [[1, 2], [3, 4]]),
        ([1.5, 2.5], [[1.5], [2.5]]),
        (torch.tensor([1.0, 2.0]), [[1], [2]]),
        (torch.ones(2, 3), [[1] * 3] * 2),
        ([{"scores": [0.1, 0.9], "label": 1}] * 2, [[0.1, 0.9]] * 2),
    ],
)
def test_several_requests_are_a_row_each(values, expected):
    np.testing.assert_array_equal(np.asarray(Rows().of_requests(values)), expected)


@pytest.mark.parametrize("values", [[[1], [2, 3]], [torch.ones(2), np.ones(2)], [{}, {}], [None, None]])
def test_requests_that_do_not_go_together_are_left_out(values):
    assert Rows().of_requests(values) is None


def test_objects_are_read_by_the_columns_names():
    batch = NAMED.of_requests([{"hour": 1, "temp": 2}, {"temp": 4, "hour": 3}])
    assert batch.tolist() == [[1, 2], [3, 4]]


def test_an_image_alone_gets_the_dimension_of_a_batch():
    images = Rows(featurizer=Images(channels=3))
    assert images.of_request(torch.zeros(3, 8, 9)).shape == (1, 3, 8, 9)
    assert images.of_request(torch.zeros(2, 3, 8, 9)).shape == (2, 3, 8, 9)
    assert images.of_requests([torch.zeros(3, 8, 9)] * 4).shape == (4, 3, 8, 9)
    # What is none stays, and counts as of a bad shape.
    assert images.of_request(torch.zeros(7)).shape == (7,)


def test_a_list_of_token_ids_is_whole_numbers():
    tokens = Rows(featurizer=Tokens(padding=0, vocabulary=b""))
    batch = tokens.of_request([5, 6, 7])
    assert (batch.dtype.kind, batch.tolist()) == ("i", [[5, 6, 7]])


def test_answers_that_are_reduced_stay_what_they_are_and_those_of_one_shape_are_put_together():
    masks = [torch.ones(3, 8, 8), torch.zeros(3, 8, 8)]
    assert together(masks).shape == (2, 3, 8, 8)
    assert together([np.ones((4, 5)), np.ones((4, 5))]).shape == (2, 4, 5)
    boxes = [
        {"boxes": torch.ones(1, 4), "scores": torch.ones(1)},
        {"boxes": torch.ones(0, 4), "scores": torch.ones(0)},
    ]
    assert together(boxes) is boxes
    ragged = [torch.arange(3), torch.arange(5)]
    assert together(ragged) is ragged
