"""Copies of many calls as few arrays."""

import numpy as np
import torch

from torchvitals.recording.capture import capture
from torchvitals.recording.rows import joined


def test_copies_of_many_calls_are_joined_in_order_and_by_width():
    copies = [
        capture(torch.tensor([[1.0, 2.0]])),
        capture(torch.tensor([[3.0, 4.0]])),
        None,
        np.array([[5.0, 6.0], [7.0, 8.0]]),
        capture(torch.tensor([[9.0, 10.0, 11.0]])),
        capture(torch.tensor([[12.0, 13.0]])),
        capture(torch.zeros(1, 0)),
        np.array(5.0),
        np.array([6.0, 7.0]),
        np.zeros((0, 2)),
    ]
    arrays = {rows.shape[1]: rows.tolist() for rows in joined(copies)}
    assert arrays == {
        2: [[1, 2], [3, 4], [5, 6], [7, 8], [12, 13]],
        3: [[9, 10, 11]],
        1: [[5], [6], [7]],
    }


def test_single_rows_of_one_width_are_joined_at_once():
    copies = [capture(torch.tensor([[float(n), -n / 3]])) for n in range(100)]
    assert all(isinstance(copy, bytes) for copy in copies)
    (rows,) = joined([None, *copies, None])
    assert rows.tolist() == [[n, float(np.float32(-n / 3))] for n in range(100)]
    assert joined([None]) == joined([]) == []
