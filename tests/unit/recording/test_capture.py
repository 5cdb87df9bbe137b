"""What is copied of inputs and outputs."""

import numpy as np
import pytest
import torch

from torchvitals.recording.capture import MAX_ROW_IDS, MAX_ROW_VALUES, TooLargeError, capture, size_of
from torchvitals.recording.rows import joined


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (torch.ones(2, 3), np.ones((2, 3))),
        (torch.ones(50, 3), np.ones((50, 3))),
        (torch.ones(1, 3), np.ones((1, 3))),
        (torch.ones(1, 3, requires_grad=True), np.ones((1, 3))),
        (torch.ones(1, 3, dtype=torch.bfloat16), np.ones((1, 3))),
        (torch.ones(1, 3, dtype=torch.int64), np.ones((1, 3))),
        (torch.ones(1, 64), np.ones((1, 64))),
        (torch.ones(1, 65), np.ones((1, 65))),
        (torch.ones(3), np.ones(3)),
        (torch.ones(50, 3, requires_grad=True), np.ones((50, 3))),
        (torch.ones(50, 3, dtype=torch.bfloat16), np.ones((50, 3))),
        (torch.ones(2, 3, requires_grad=True), np.ones((2, 3))),
        (torch.ones(2, 3, dtype=torch.bfloat16), np.ones((2, 3))),
        (np.ones((2, 3)), np.ones((2, 3))),
        ({"input": torch.ones(2, 3), "mask": torch.zeros(2)}, np.ones((2, 3))),
        ((torch.ones(2, 3), torch.zeros(1)), np.ones((2, 3))),
        (torch.tensor(5.0), np.array(5.0)),
        ({}, None),
        ([], None),
        ("text", None),
        (None, None),
    ],
)
def test_the_first_tensor_is_copied(value, expected):
    got = capture(value)
    if isinstance(got, bytes):
        (got,) = joined([got])
    assert got is None if expected is None else np.array_equal(got, expected)


def test_a_row_too_large_to_copy_is_refused():
    with pytest.raises(TooLargeError):
        capture(np.zeros((3, 5000)))


def test_token_ids_are_copied_up_to_the_length_of_a_long_text():
    ids = torch.arange(2 * MAX_ROW_IDS).reshape(2, MAX_ROW_IDS)
    assert np.array_equal(capture(ids), ids.numpy())
    assert np.array_equal(capture(ids.numpy()), ids.numpy())
    for larger in (ids.reshape(1, -1), ids.float(), ids.to(torch.uint8), ids.reshape(2, 2, -1)):
        with pytest.raises(TooLargeError):
            capture(larger)
        with pytest.raises(TooLargeError):
            capture(larger.numpy())


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (torch.zeros(1, 10), 80),
        (torch.zeros(64, 1000), 256_000),
        (torch.zeros(2, 3, dtype=torch.float64), 48),
        (np.zeros((4, 2), dtype=np.float32), 32),
    ],
)
def test_the_size_of_a_copy_is_known(value, size):
    assert size_of(capture(value)) == size


@pytest.mark.parametrize("values", [1, MAX_ROW_VALUES])
def test_the_widest_row_that_is_copied(values):
    assert capture(torch.zeros(3, values)).shape == (3, values)


def test_a_copy_shares_no_memory_with_what_it_was_made_of():
    for value in (torch.zeros(2, 70), np.zeros((2, 70)), torch.zeros(2, 70).bfloat16()):
        copy = capture(value)
        value += 1
        assert not copy.any()
