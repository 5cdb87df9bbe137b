"""Training data in a type of two bytes: which columns came in one, whatever holds them."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from torchvitals import Baseline, BaselineBuilder

ROWS = 1000
RNG = np.random.default_rng(2)
STARS = np.array([0.1, 0.2, 0.3, 0.7, 0.9])[RNG.integers(0, 5, ROWS)]
HALF = STARS.astype(np.float16)
HOUR = RNG.integers(0, 24, ROWS) / 7.0
TABLES = {
    "pandas": pd.DataFrame({"stars": HALF, "hour": HOUR}),
    "pandas of Arrow": pd.DataFrame(
        {"stars": pd.array(HALF.tolist(), dtype=pd.ArrowDtype(pa.float16())), "hour": HOUR}
    ),
    "Arrow": pa.table({"stars": pa.array(HALF), "hour": HOUR}),
}


def rounded(baseline):
    return {feature.name: feature.rounded for feature in baseline.features if feature.rounded}


@pytest.mark.parametrize("name", TABLES)
def test_columns_of_two_bytes_are_noted_beside_others(name):
    baseline = Baseline.fit(TABLES[name])
    assert rounded(baseline) == {"stars": "float16"}
    for served in (HALF, torch.from_numpy(HALF).bfloat16().float().numpy()):
        assert baseline.compare(np.column_stack([served, HOUR])).features["stars"].psi < 0.05


def test_other_tables_and_arrays_say_what_they_are():
    assert rounded(Baseline.fit(pd.DataFrame({"stars": STARS}))) == {}
    assert rounded(Baseline.fit(pl.DataFrame({"stars": STARS}))) == {}
    for dtype in (torch.float16, torch.bfloat16):
        tensor = torch.from_numpy(STARS[:, None]).to(dtype)
        assert rounded(Baseline.fit(tensor)) == {"f0": str(dtype).rpartition(".")[2]}


def test_parts_keep_what_each_column_came_in():
    parts = []
    for part in (TABLES["pandas"][:600], TABLES["pandas"][600:]):
        builder = BaselineBuilder()
        builder.update(part)
        parts.append(builder)
    files = [builder.baseline(mergeable=True) for builder in parts]
    assert rounded(files[0].merge(files[1])) == {"stars": "float16"}
    assert rounded(parts[0].merge(parts[1]).baseline()) == {"stars": "float16"}
