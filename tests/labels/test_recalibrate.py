"""Labels of served predictions make a baseline's estimate what the model is worth now."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from torchvitals import Baseline
from torchvitals.accuracy.estimate import ExpectedAccuracy
from torchvitals.cli import app
from torchvitals_labels.database import Database
from torchvitals_labels.store import Label, Store

from .predictions import CLASSES, batch

ROWS = 4_000


def scores_and_labels(seed: int, *, right: float) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities, and labels that agree with the largest with this chance."""
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.full(len(CLASSES), 0.5), ROWS)
    best = scores.argmax(axis=1)
    return scores, np.where(rng.random(ROWS) < right, best, (best + 1) % len(CLASSES))


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    scores, labels = scores_and_labels(0, right=0.9)
    made = Baseline.fit(
        np.random.default_rng(1).normal(size=(ROWS, 2)),
        outputs=scores,
        labels=labels,
        class_names=CLASSES,
        name="flights",
    )
    made.save(tmp_path / "baseline.json")
    return tmp_path / "baseline.json"


def labelled(address: str, *, count: int = ROWS, classes: list[str] = CLASSES, age: float = 0.0) -> None:
    """Keep predictions of a world in which the model is right three times in five."""
    database = Database(address)
    store = Store(database, "here")
    scores, labels = scores_and_labels(2, right=0.6)
    ids = [str(number) for number in range(count)]
    store.take_predictions(
        batch(
            ids,
            classes=classes,
            predicted=scores[:count].argmax(axis=1).astype(np.float64),
            confidence=scores[:count].max(axis=1),
            scores=scores[:count],
            times=np.full(count, time.time() - age),
        )
    )
    # What is meant for the model wins over what is meant for all.
    store.take_labels([Label(one, classes[0]) for one in ids[:50]])
    store.take_labels([Label(one, classes[place], "flights") for one, place in zip(ids, labels)])
    database.close()


def run(baseline: Path, address: str, *words: str) -> object:
    output = str(baseline.with_name("new.json"))
    return CliRunner().invoke(
        app, ["baseline", "recalibrate", str(baseline), "--store", address, "--output", output, *words]
    )


def test_the_estimate_fits_the_labels(address: str, baseline: Path) -> None:
    labelled(address)
    done = run(baseline, address)
    assert done.exit_code == 0, done.output
    before, after = Baseline.load(baseline), Baseline.load(baseline.with_name("new.json"))
    scores, labels = scores_and_labels(3, right=0.6)
    truth = (scores.argmax(axis=1) == labels).mean()
    assert ExpectedAccuracy(before.accuracy).of(scores.max(axis=1)) == pytest.approx(0.9, abs=0.02)
    assert ExpectedAccuracy(after.accuracy).of(scores.max(axis=1)) == pytest.approx(truth, abs=0.03)
    assert after.features == before.features
    assert [line.split()[0] for line in done.output.splitlines() if "%" in line][-2:] == ["all", "wrote"]
    assert "4,000 labels" in done.output


@pytest.mark.parametrize(
    ("kept", "words", "says"),
    [
        ({"count": 100}, [], "100 predictions have a label and a confidence; it takes 400"),
        ({}, ["--model-name", "other"], "has no labelled predictions of classes of other 1.0"),
        ({"age": 40 * 86_400}, [], "has no labelled predictions of classes of flights 1.0"),
        (
            {"classes": ["a", "b", "c"]},
            [],
            "the predictions are of the classes a, b, c, and the baseline's are late",
        ),
    ],
)
def test_what_cannot_be_fitted_is_said(
    tmp_path: Path, baseline: Path, kept: dict, words: list[str], says: str
) -> None:
    address = str(tmp_path / "labels.sqlite")
    labelled(address, **kept)
    done = run(baseline, address, *words)
    assert done.exit_code == 1
    assert says in " ".join(done.output.split())
    assert not baseline.with_name("new.json").exists()
