"""The flight delay model: shapes, missing and infinite values, and an honest training."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from examples.flight_delay import data, model, train
from examples.flight_delay.model import FlightDelayNet


@pytest.fixture(scope="module")
def splits() -> data.Splits:
    return data.split(data.load_flights())


@pytest.fixture(scope="module")
def trained(splits: data.Splits) -> FlightDelayNet:
    return train.train(splits.train)


def test_the_module_defines_one_class() -> None:
    own = [c for _, c in inspect.getmembers(model, inspect.isclass) if c.__module__ == model.__name__]
    assert own == [FlightDelayNet]


def test_ten_columns_in_three_logits_out() -> None:
    net = FlightDelayNet()
    assert [tuple(layer.weight.shape) for layer in net.layers if hasattr(layer, "weight")] == [
        (64, 10),
        (32, 64),
        (3, 32),
    ]
    assert net(torch.zeros(7, 10)).shape == (7, 3)
    assert net(torch.zeros(0, 10)).shape == (0, 3)


def test_a_missing_value_counts_as_the_mean_of_training(trained: FlightDelayNet) -> None:
    row = trained.mean.clone() + trained.std
    for column in range(10):
        missing, mean = row.clone(), row.clone()
        missing[column], mean[column] = torch.nan, trained.mean[column]
        assert torch.equal(trained(missing[None]), trained(mean[None]))


def test_all_missing_and_infinite_rows_get_finite_logits(trained: FlightDelayNet) -> None:
    rows = torch.stack([torch.full((10,), v) for v in (torch.nan, torch.inf, -torch.inf, 3e38)])
    assert torch.isfinite(trained(rows)).all()


def test_normalisation_is_that_of_the_training_data(trained: FlightDelayNet, splits: data.Splits) -> None:
    values = splits.train[data.COLUMNS].astype("float64")
    np.testing.assert_allclose(trained.mean.numpy(), values.mean(), rtol=1e-6)
    np.testing.assert_allclose(trained.std.numpy(), values.std(ddof=0), rtol=1e-6)


def test_training_is_repeatable_and_leaves_the_seed_alone(splits: data.Splits) -> None:
    few = splits.train.head(2_000)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = train.train(few, epochs=1).state_dict()
    assert torch.equal(torch.rand(1), expected)
    second = train.train(few, epochs=1).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(torch.isfinite(value).all() for value in first.values())  # no rain in these: a constant column
    other = train.train(few, epochs=1, seed=1).state_dict()
    assert not torch.equal(first["layers.0.weight"], other["layers.0.weight"])


def test_the_model_separates_flights_and_stays_clear_of_the_alerts(
    trained: FlightDelayNet, splits: data.Splits
) -> None:
    priors = train.priors_of(splits.train)
    heldout = train.evaluate(trained, splits.heldout, priors=priors)
    assert heldout.accuracy > heldout.majority_accuracy - 0.005
    assert heldout.majority_accuracy == pytest.approx(np.mean(splits.heldout[data.LABEL] == 0))
    february = train.evaluate(trained, splits.february, priors=priors)
    for figures in (heldout, february):
        # Its probabilities are worth more than the shares of the training data are.
        assert figures.log_loss < figures.prior_log_loss - 0.003
        # The alert threshold that model-config.yaml leaves at its default.
        assert figures.mean_confidence > 0.52
    july = train.evaluate(trained, splits.july, priors=priors)
    assert july.accuracy < february.accuracy - 0.1
    assert july.class_shares[0] < february.class_shares[0] - 0.2


def test_figures_are_those_of_a_slow_loop(trained: FlightDelayNet, splits: data.Splits) -> None:
    frame = splits.heldout.head(200)
    figures = train.evaluate(trained, frame, priors=np.array([0.5, 0.3, 0.2]))
    scores = train.probabilities(trained, frame)
    labels = [int(label) for label in frame[data.LABEL]]
    predicted = [max(range(3), key=lambda c, row=row: row[c]) for row in scores]
    f1 = []
    for c in range(3):
        true_positives = sum(p == c == t for p, t in zip(predicted, labels))
        wrong = sum((p == c) != (t == c) for p, t in zip(predicted, labels))
        f1.append(2 * true_positives / (2 * true_positives + wrong))
    assert figures.rows == 200
    assert figures.accuracy == pytest.approx(sum(p == t for p, t in zip(predicted, labels)) / 200)
    assert figures.macro_f1 == pytest.approx(sum(f1) / 3)
    assert figures.log_loss == pytest.approx(
        np.mean([-np.log(r[t]) for r, t in zip(scores, labels)]), rel=1e-6
    )
    assert figures.mean_confidence == pytest.approx(np.mean([max(row) for row in scores]), rel=1e-6)
    assert figures.class_shares == tuple(predicted.count(c) / 200 for c in range(3))
    assert figures.prior_log_loss == pytest.approx(np.mean([-np.log((0.5, 0.3, 0.2)[t]) for t in labels]))


def test_what_is_written_can_be_read(trained: FlightDelayNet, splits: data.Splits, tmp_path: Path) -> None:
    train.write(trained, splits, tmp_path / "new")
    again = FlightDelayNet()
    again.load_state_dict(torch.load(tmp_path / "new" / "model.pt", weights_only=True))
    rows = train.rows_of(splits.july.head(50))
    assert torch.equal(again.eval()(rows), trained(rows))
    for name in ("train", "heldout", "february", "july"):
        pd.testing.assert_frame_equal(
            pd.read_parquet(tmp_path / "new" / f"{name}.parquet"), getattr(splits, name), check_exact=True
        )
