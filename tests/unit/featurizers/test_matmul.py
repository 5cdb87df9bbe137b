"""Products of matrices in the flush thread."""

import json
import subprocess
import sys

import numpy as np
import pytest

from torchvitals.featurizers.matmul import MULTIPLICATIONS, product


@pytest.mark.parametrize("rows", [0, 1, 7, 128, 1000])
@pytest.mark.parametrize("columns", [1, 10, 100, 128])
def test_it_is_the_product(rows, columns):
    rng = np.random.default_rng(1)
    left, right = rng.normal(size=(rows, columns)), rng.normal(size=(columns, columns))
    assert np.allclose(product(left, right), left @ right, rtol=1e-12, atol=1e-12)
    assert np.allclose(product(left.astype(np.float32), right), left.astype(np.float32) @ right, rtol=1e-6)


def test_a_matrix_larger_than_the_limit_is_taken_a_row_at_a_time():
    matrix = np.ones((MULTIPLICATIONS // 100, 200))
    assert product(np.ones((3, len(matrix))), matrix).tolist() == [[float(len(matrix))] * 200] * 3


# CPU seconds of all threads beyond those of the one that multiplies.
ELSEWHERE = """
import json, sys, time
import numpy as np
from torchvitals.featurizers.matmul import product

left, right = np.ones((128, 100)), np.ones((100, 100))
multiply = product if sys.argv[1] == "ours" else np.matmul
began = time.process_time() - time.thread_time()
for _ in range(200):
    multiply(left, right)
    time.sleep(0.002)
print(json.dumps({"elsewhere": time.process_time() - time.thread_time() - began, "own": time.thread_time()}))
"""


def test_no_other_thread_works_for_it():
    output = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, "ours"], check=True, capture_output=True, text=True
    ).stdout
    used = json.loads(output)
    assert used["elsewhere"] < used["own"] / 100
