"""Data sets of scikit-learn, models trained on a half of each, and a baseline with labels of rows not trained on."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from torchvitals import Baseline

FEWEST_LABELS, FEWEST_ROWS = 200, 600
SIDE = 8

Rows = NDArray[np.float32]
Shape = Callable[[Rows], NDArray[Any]]

MODELS: dict[str, Callable[[], Any]] = {
    "logistic regression": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
    "random forest": lambda: RandomForestClassifier(60, random_state=0),
    "neural network": lambda: make_pipeline(
        StandardScaler(), MLPClassifier((32,), max_iter=150, random_state=0)
    ),
    "naive Bayes": lambda: make_pipeline(StandardScaler(), GaussianNB(var_smoothing=1e-2)),
}


@dataclass(frozen=True)
class Case:
    """A model of some data, with its baseline, and rows with labels that neither has seen.

    shape: makes of (n, d) rows what the baseline is given. trained: the rows that the model was trained on.
    """

    data: str
    model_name: str
    model: Any
    baseline: Baseline
    rows: Rows
    labels: NDArray[Any]
    trained: Rows
    shape: Shape


def data_sets() -> dict[str, tuple[Rows, NDArray[Any], Shape]]:
    """Return rows, labels and the shape that inputs are given in, by the name of the data set."""
    found: dict[str, tuple[Rows, NDArray[Any], Shape]] = {}
    for name in ("digits", "breast_cancer", "wine", "iris"):
        bunch = getattr(datasets, f"load_{name}")()
        found[name] = bunch.data.astype(np.float32), bunch.target, _as_they_are
    digits, labels, _ = found["digits"]
    found["digits, as images"] = digits, labels, _as_images
    iris, labels, _ = found["iris"]
    found["iris, sepals only"] = iris[:, :2], labels, _as_they_are
    diabetes = datasets.load_diabetes()
    high = (diabetes.target > np.median(diabetes.target)).astype(int)
    found["diabetes, above the median"] = diabetes.data.astype(np.float32), high, _as_they_are
    return found


def cases(seed: int, data: str, models: tuple[str, ...] = tuple(MODELS)) -> Iterator[Case]:
    """Yield a case for each model: half of the rows train it, a quarter are labelled, a quarter are served.

    Of fewer than FEWEST_ROWS rows, the other half is both: quarters of them differ by themselves by more than what is
    measured.
    """
    rows, labels, shape = data_sets()[data]
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(rows))
    train, labelled, served = np.split(order, [len(rows) // 2, 3 * len(rows) // 4])
    if len(rows) < FEWEST_ROWS:
        labelled = served = order[len(rows) // 2 :]
    if len(labelled) < FEWEST_LABELS:
        labelled = rng.choice(labelled, 2 * FEWEST_LABELS)
    names = [f"class{place}" for place in range(len(np.unique(labels)))]
    for name in models:
        with warnings.catch_warnings():
            # A network that has not converged is a model too.
            warnings.simplefilter("ignore")
            model = MODELS[name]().fit(rows[train], labels[train])
        baseline = Baseline.fit(
            shape(rows[train]), outputs=model.predict_proba(rows[train]), class_names=names
        ).with_accuracy(model.predict_proba(rows[labelled]), labels[labelled])
        yield Case(data, name, model, baseline, rows[served], labels[served], rows[train], shape)


def _as_they_are(rows: Rows) -> NDArray[Any]:
    return rows


def _as_images(rows: Rows) -> NDArray[Any]:
    return rows.reshape(-1, 1, SIDE, SIDE)
